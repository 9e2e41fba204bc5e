//! Opening a context: what is refused and how, and which context it is.

use std::path::Path;

use pytest_lens_protocol::{ErrorCode, Request, Response};

use crate::common::{Bench, Lab, Order, Project, python, refused};

pub(crate) fn id_of(response: Response) -> String {
    match response {
        Response::ContextReady { context_id, protocol_version: 1, .. } => context_id,
        other => panic!("no context: {other:?}"),
    }
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[tokio::test]
async fn a_root_that_is_no_folder_is_refused_by_name() {
    let (bench, project) = (Bench::new(), Project::new(&[("file.txt", "")]));
    for (path, says) in [
        (Path::new("some/project"), "absolute"),
        (&project.path("missing"), "does not exist"),
        (&project.path("file.txt"), "is no folder"),
    ] {
        let (code, message) = refused(bench.init(path, &python(), None).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert_says(&message, &["repo_path", &*path.to_string_lossy(), says]);
    }
}

#[tokio::test]
async fn another_protocol_version_is_a_mismatch() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let request = Request::InitContext {
        protocol_version: 2,
        repo_path: project.mark(),
        python_path: Some(python().to_string_lossy().into()),
        execution_mode: None,
        activated: None,
    };
    let (code, message) = refused(bench.call(request).await);
    assert_eq!(code, ErrorCode::VersionMismatch);
    assert_says(&message, &["2", "1"]);
}

#[tokio::test]
async fn an_unknown_mode_is_refused_with_the_known_ones() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let (code, message) = refused(bench.init(&project.root, &python(), Some("threads")).await);
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert_says(&message, &["execution_mode", "threads", "embedded", "subprocess", "auto"]);
}

#[tokio::test]
async fn an_unknown_context_is_not_found() {
    let bench = Bench::new();
    let (code, message) = refused(bench.call(Request::GetContextStatus { context_id: "ctx-none".into() }).await);
    assert_eq!(code, ErrorCode::ContextNotFound);
    assert_says(&message, &["ctx-none"]);
}

#[tokio::test]
async fn an_interpreter_that_is_not_there_is_named() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let (code, message) = refused(bench.init(&project.root, Path::new("/nowhere/python"), None).await);
    assert_eq!(code, ErrorCode::PythonNotFound);
    assert_says(&message, &["/nowhere/python"]);
}

#[tokio::test]
async fn an_interpreter_without_pytest_is_refused_with_what_to_run() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let bare = bench.interpreter("bare", "exec {python} -S \"$@\"");
    let (code, message) = refused(bench.init(&project.root, &bare, None).await);
    assert_eq!(code, ErrorCode::PythonNotFound);
    assert_says(&message, &["pytest", "-m pip install pytest"]);
}

#[tokio::test]
async fn a_pytest_that_is_too_old_is_refused_with_what_to_run() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let old = Project::new(&[("pytest.py", "__version__ = '6.2.0'")]);
    let how = format!("PYTHONPATH='{}' exec {{python}} \"$@\"", old.root.display());
    let python = bench.interpreter("old", &how);
    let (code, message) = refused(bench.init(&project.root, &python, None).await);
    assert_eq!(code, ErrorCode::PythonNotFound);
    assert_says(&message, &["6.2.0", "7", "-m pip install --upgrade pytest"]);
}

#[tokio::test]
async fn an_interpreter_that_breaks_at_once_is_told_with_its_last_words() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let broken = bench.interpreter("broken", "echo 'no libpython here' >&2; exit 3");
    let (code, message) = refused(bench.init(&project.root, &broken, None).await);
    assert_eq!(code, ErrorCode::PythonNotFound);
    assert_says(&message, &["broken", "status 3", "no libpython here"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_repo_interpreter_and_mode_are_the_same_context() {
    let lab = Lab::open_in("embedded", &[("test_a.py", "def test(): pass")]).await;
    let root = &lab.project.root;
    let again = id_of(lab.bench.init(root, &python(), Some("embedded")).await);
    assert_eq!(again, lab.context);
    let link = lab.bench.folder.path().join("link");
    std::os::unix::fs::symlink(root, &link).unwrap();
    assert_eq!(id_of(lab.bench.init(&link, &python(), Some("embedded")).await), lab.context);
    let other = id_of(lab.bench.init(root, &python(), Some("subprocess")).await);
    assert_ne!(other, lab.context);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_open_the_same_context_at_once_get_one() {
    let (bench, project) = (Bench::new(), Project::new(&[]));
    let python = python();
    let (one, two) = tokio::join!(
        bench.init(&project.root, &python, None), //
        bench.init(&project.root, &python, None)
    );
    assert_eq!(id_of(one), id_of(two));
    bench.engine.shutdown().await;
    crate::common::gone(&project.mark()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_hash_is_empty_at_first_and_follows_the_inventory() {
    let lab = Lab::open(&[("test_a.py", "def test_one(): pass")]).await;
    let hash_now = async || match lab.bench.init(&lab.project.root, &python(), Some("auto")).await {
        Response::ContextReady { inventory_hash, .. } => inventory_hash,
        other => panic!("no context: {other:?}"),
    };
    assert_eq!(hash_now().await, "");
    lab.collect().await;
    let first = hash_now().await;
    assert_ne!(first, "");
    assert_eq!(first, lab.inventory().await.0);
    lab.collect().await;
    assert_eq!(hash_now().await, first);
    lab.project.write("test_a.py", "def test_two(): pass");
    lab.collect().await;
    assert_ne!(hash_now().await, first);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_tells_interpreter_versions_and_mode() {
    let lab = Lab::open(&[("pytest.ini", "[pytest]"), ("test_a.py", "def test(): pass")]).await;
    lab.collect().await;
    match lab.call(Request::GetContextStatus { context_id: lab.context.clone() }).await {
        Response::ContextStatus {
            python_path,
            python_version,
            pytest_version,
            config_file,
            execution_mode,
            mode_reason,
            hazards,
            ..
        } => {
            assert_eq!(Path::new(&python_path), python());
            assert!(python_version.starts_with("3.") && pytest_version.starts_with(['7', '8', '9']));
            assert_eq!(config_file.as_deref(), lab.project.path("pytest.ini").to_str());
            assert_eq!(execution_mode, "embedded");
            assert!(!mode_reason.is_empty());
            assert_eq!(hazards, Vec::<String>::new());
        }
        other => panic!("no status: {other:?}"),
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b10_an_interpreter_that_is_too_old_is_named_with_its_version() {
    let (bench, project) = (Bench::new(), Project::new(&[("test_a.py", "def test(): pass\n")]));
    // One that says that it is; which ones there are differs from machine to machine.
    let old = "exec {python} -c 'import sys; sys.version_info = (3, 8, 18); exec(sys.argv[1])' \"$2\"";
    let python = bench.interpreter("old", old);
    let (code, message) = refused(bench.init(&project.root, &python, None).await);
    assert_eq!(code, ErrorCode::PythonNotFound);
    assert!(message.starts_with("Python 3.9 or newer is needed: ") && message.contains(" is Python 3.8;"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_whose_folder_is_gone_is_named_and_not_its_interpreter() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("test_a.py", "def test(): pass\n")]).await;
        assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0], "{mode}");
        let root = lab.project.root.clone();
        std::fs::remove_dir_all(&root).unwrap();
        let sentence = format!("the project's folder {} is gone; restore it, or close it here", root.display());
        let context_id = || lab.context.clone();
        for ids in [vec![], vec!["test_a.py::test".to_owned()]] {
            let run = Request::RunStream {
                context_id: context_id(),
                node_ids: ids,
                workers: None,
                maxfail: None,
                options: None,
            };
            assert_eq!(refused(lab.call(run).await).1, sentence, "{mode}");
        }
        let debug = Request::DebugRun { context_id: context_id(), node_ids: vec![], options: None };
        assert_eq!(refused(lab.call(debug).await).1, sentence, "{mode}");
        assert_eq!(refused(lab.try_collect(true).await).1, sentence, "{mode}");
        lab.close().await;
    }
}
