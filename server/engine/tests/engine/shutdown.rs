//! The end of contexts and of the engine: whatever was going on, no process is left.

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{ErrorCode, Request, Response};

use crate::common::{Lab, Order, alive, gone, in_time, refused, seen};

const HANGING: &str = "\
import subprocess, sys, time

def test_1():
    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)
    open('begun', 'w').close()
    while True: time.sleep(0.01)
";

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_kills_what_runs() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("test_a.py", HANGING)]).await;
        let run = Request::Run {
            context_id: lab.context.clone(),
            node_ids: Vec::new(),
            workers: None,
            maxfail: None,
            options: None,
        };
        let session = lab.bench.engine.session();
        let running = tokio::spawn(async move { session.call(run).await });
        seen("the test", || lab.project.read("begun")).await;
        assert!(!alive(&lab.project.mark()).is_empty());
        in_time("shutdown", lab.bench.engine.shutdown()).await;
        gone(&lab.project.mark()).await;
        let end = in_time("the run", running).await.unwrap();
        assert!(matches!(end, Response::RunComplete { total: 0, .. }), "{end:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_that_was_shut_down_is_unknown_and_others_go_on() {
    let one = Lab::open(&[("test_a.py", "def test_1(): pass")]).await;
    let project = crate::common::Project::new(&[("test_b.py", "def test_2(): pass")]);
    let other = match one.bench.init(&project.root, &crate::common::python(), None).await {
        Response::ContextReady { context_id, .. } => context_id,
        response => panic!("no context: {response:?}"),
    };
    one.collect().await;
    let ack = one.call(Request::Shutdown { context_id: Some(one.context.clone()) }).await;
    assert_eq!(ack, Response::ShutdownAck);
    gone(&one.project.mark()).await;
    let (code, message) = refused(one.try_collect(false).await);
    assert_eq!(code, ErrorCode::ContextNotFound);
    assert!(message.contains(&one.context), "{message}");
    let (code, _) = refused(one.call(Request::Shutdown { context_id: Some(one.context.clone()) }).await);
    assert_eq!(code, ErrorCode::ContextNotFound);
    let collected = one.call(Request::Collect { context_id: other, force: false }).await;
    assert!(matches!(collected, Response::CollectionComplete { node_count: 1, .. }), "{collected:?}");
    assert_eq!(one.call(Request::Shutdown { context_id: None }).await, Response::ShutdownAck);
    gone(&project.mark()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_can_be_opened_again_after_its_end() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass")]).await;
    lab.call(Request::Shutdown { context_id: None }).await;
    match lab.bench.init(&lab.project.root, &crate::common::python(), Some("auto")).await {
        Response::ContextReady { context_id, inventory_hash, .. } => {
            assert_eq!((context_id, inventory_hash), (lab.context.clone(), String::new()));
        }
        other => panic!("no context: {other:?}"),
    }
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_get_is_answered_when_the_context_ends() {
    let lab = Lab::resident(&[("test_a.py", "def test_1(): pass")]).await;
    lab.collect().await;
    let mut log = lab.log();
    let cursor = log.deltas().await.len() as u64;
    let (session, context_id) = (lab.bench.engine.session(), lab.context.clone());
    let mut hanging = session.call(Request::GetEvents { context_id, cursor, wait_ms: 200_000 });
    tokio::select! {
        biased;
        answer = &mut hanging => panic!("it does not hang: {answer:?}"),
        () = std::future::ready(()) => {}
    }
    lab.close().await;
    in_time("the answer to the hanging get", hanging).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_whose_process_just_ends_takes_its_processes_along() {
    let (told, heard) = std::sync::mpsc::channel();
    // A runtime of its own stands for the server's process: with it everything of the engine ends, without a word.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let folders = runtime.block_on(async {
            let lab = Lab::resident(&[("test_a.py", HANGING)]).await;
            lab.start(Order::all()).await;
            seen("the test", || lab.project.read("begun")).await;
            let Lab { project, bench, .. } = lab;
            std::mem::forget((bench.engine, bench.session));
            (project, bench.folder)
        });
        runtime.shutdown_background();
        told.send(folders.0.mark()).unwrap();
        folders
    });
    let mark = tokio::task::spawn_blocking(move || heard.recv().unwrap()).await.unwrap();
    gone(&mark).await;
    drop(thread.join());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_into_the_project() {
    let lab = Lab::open(&[
        ("pkg/__init__.py", ""),
        ("pkg/mod.py", "x = 1"),
        ("test_a.py", "import pkg.mod\ndef test_1(): assert False\ndef test_2(tmp_path, cache): cache.set('a/b', 1)\n"),
    ])
    .await;
    lab.collect().await;
    lab.counts(Order::all()).await;
    let root = lab.project.root.clone();
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    assert_eq!(found, ["pkg", "pkg/__init__.py", "pkg/mod.py", "test_a.py"]);
    lab.close().await;
}
