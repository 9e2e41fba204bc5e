//! The tests that a change against a base affects.

use std::fs;

use pytest_lens_protocol::{Request, Response, TestImpact};

use crate::common::{Lab, Order, Project, in_time, recording_python};

/// The reason for each test with a record, if it is affected, and the test files that the imports reach.
async fn explained(lab: &Lab, changed: &[&str]) -> (Vec<String>, Vec<String>) {
    let paths = changed.iter().map(|&path| path.to_owned()).collect();
    match lab.call(Request::ExplainAffected { context_id: lab.context.clone(), paths }).await {
        Response::Affected { tests, files, .. } => {
            let reason = |test: TestImpact| {
                let reason = test.reason.map_or("no".to_owned(), |reason| format!("{} {}", reason.kind, reason.name));
                format!("{}: {reason}", test.node_id.split("::").last().unwrap_or_default())
            };
            let mut reasons: Vec<String> = tests.into_iter().map(reason).collect();
            reasons.sort_unstable();
            (reasons, files.into_iter().map(|file| file.path).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_compared_with_the_last_pass_whether_git_follows_them_or_not() {
    let Some(python) = recording_python() else { return };
    let outer = tempfile::tempdir().unwrap();
    let outside = outer.path().join("outside.txt");
    let test = format!(
        "import made\nfrom pathlib import Path\n\
         def test_called(): assert made.f()\n\
         def test_ignored(): assert Path('ignored.txt').read_text()\n\
         def test_outside(): assert Path({outside:?}).read_text()\n\
         def test_own():\n    Path('own.txt').write_text('x' * len(Path('followed.txt').read_text()))\n    \
         assert Path('own.txt').read_text()\n"
    );
    fs::write(&outside, "1").unwrap();
    let files = [
        (".gitignore", "ignored.txt\nown.txt\nmade.py\n"),
        ("made.py", "def f(): return 1\n"),
        ("followed.txt", "1"),
        ("ignored.txt", "1"),
        ("test_a.py", test.as_str()),
    ];
    let project = Project::new(&files);
    fs::create_dir(project.root.join(".git")).unwrap();
    let lab = Lab::on("auto", project, &python).await;
    explained(&lab, &[]).await;
    lab.run(Order::all()).await;
    // Of a test that writes a file itself, the imports decide.
    let unaffected = ["test_called: no", "test_ignored: no", "test_outside: no"];
    // The records are written behind the end of the run.
    in_time("the records", async { while explained(&lab, &[]).await.0 != unaffected {} }).await;
    // It may be committed, or again as it is in the base: no test has passed with it.
    lab.project.write("followed.txt", "2");
    lab.project.write("ignored.txt", "2");
    lab.project.write("own.txt", "2");
    fs::write(&outside, "2").unwrap();
    let outside = format!("test_outside: file {}", outside.display());
    let ignored = "test_ignored: file ignored.txt".to_owned();
    let affected = ["test_called: no".to_owned(), ignored, outside, "test_own: file followed.txt".to_owned()];
    // As the command line does: records are judged by a session of the present files.
    lab.collect().await;
    assert_eq!(explained(&lab, &[]).await.0, affected);
    lab.project.write("made.py", "def f(): return 2\n");
    lab.collect().await;
    assert_eq!(explained(&lab, &[]).await.0[0], "test_called: function made.py::f");
    lab.project.write("made.py", "x = 1\ndef f(): return 1\n");
    lab.collect().await;
    assert_eq!(explained(&lab, &[]).await.0[0], "test_called: imports made.py");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_nobody_imports_reaches_who_looks_for_modules() {
    let lab = Lab::open(&[
        ("plugins/__init__.py", ""),
        (
            "load.py",
            "import pkgutil, plugins\ndef names(): return [m.name for m in pkgutil.iter_modules(plugins.__path__)]\n",
        ),
        ("test_load.py", "import load\ndef test(): assert load.names() == []\n"),
        ("test_other.py", "def test(): pass\n"),
    ])
    .await;
    lab.collect().await;
    lab.project.write("plugins/new.py", "");
    assert_eq!(explained(&lab, &["plugins/new.py"]).await.1, ["test_load.py"]);
    lab.close().await;
}
