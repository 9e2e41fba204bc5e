//! The changed files of a project, and the tests that they affect.

use std::fs;

use pytest_lens_protocol::{Request, Response};

use crate::common::Lab;

/// Reads the changes after a cursor; waits for the first.
async fn changes(lab: &Lab, cursor: u64, wait_ms: u64) -> (u64, Vec<String>) {
    let request = Request::GetChanges { context_id: lab.context.clone(), cursor, wait_ms };
    match lab.call(request).await {
        Response::Changes { cursor, paths, everything: false } => (cursor, paths),
        other => panic!("{other:?}"),
    }
}

/// Waits until all these paths have changed; returns the cursor.
async fn until_changed(lab: &Lab, mut cursor: u64, wanted: &[&str]) -> u64 {
    let mut seen: Vec<String> = Vec::new();
    while !wanted.iter().all(|path| seen.iter().any(|known| known == path)) {
        let (next, paths) = changes(lab, cursor, 60_000).await;
        assert!(next > cursor, "nothing changed, after {seen:?}");
        cursor = next;
        seen.extend(paths);
    }
    assert!(seen.iter().all(|path| wanted.contains(&&**path)), "{seen:?}");
    cursor
}

async fn affected(lab: &Lab, paths: &[&str]) -> Vec<String> {
    let paths = paths.iter().map(|&path| path.to_owned()).collect();
    match lab.call(Request::GetAffected { context_id: lab.context.clone(), paths }).await {
        Response::TestList { node_ids } => node_ids,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_noticed_wherever_they_are() {
    let lab = Lab::open(&[
        ("pkg/__init__.py", ""),
        ("pkg/low.py", ""),
        ("test_low.py", "import pkg.low\ndef test(): pass\n"),
        ("test_other.py", "def test(): pass\n"),
        ("sub/test_sub.py", "def test(): pass\n"),
    ])
    .await;
    assert_eq!(lab.collect().await, 3);
    let root = lab.project.root.clone();
    let (mut cursor, paths) = changes(&lab, u64::MAX, 0).await;
    assert_eq!(paths, Vec::<String>::new());
    lab.project.write("pkg/low.py", "x = 1");
    cursor = until_changed(&lab, cursor, &["pkg/low.py"]).await;
    // A folder that was moved here has its files, and those of folders that tools make are none.
    let elsewhere = tempfile::tempdir_in(root.parent().unwrap()).unwrap();
    let aside = elsewhere.path().join("aside");
    fs::create_dir_all(aside.join("deep/__pycache__")).unwrap();
    fs::write(aside.join("deep/test_deep.py"), "").unwrap();
    fs::write(aside.join("deep/__pycache__/x.pyc"), "").unwrap();
    fs::rename(&aside, root.join("new")).unwrap();
    fs::write(root.join(".coverage"), "").unwrap();
    cursor = until_changed(&lab, cursor, &["new/deep/test_deep.py"]).await;
    lab.project.write("new/deep/data.txt", "");
    cursor = until_changed(&lab, cursor, &["new/deep/data.txt"]).await;
    // A deleted test file affects no other, and a deleted folder those that import from it.
    fs::remove_file(root.join("sub/test_sub.py")).unwrap();
    cursor = until_changed(&lab, cursor, &["sub/test_sub.py"]).await;
    assert_eq!(lab.collect().await, 2);
    assert_eq!(affected(&lab, &["sub/test_sub.py"]).await, Vec::<String>::new());
    assert_eq!(affected(&lab, &["pkg/low.py"]).await, ["test_low.py"]);
    fs::rename(root.join("pkg"), aside).unwrap();
    until_changed(&lab, cursor, &["pkg"]).await;
    assert_eq!(affected(&lab, &["pkg"]).await, ["test_low.py"]);
    lab.close().await;
}
