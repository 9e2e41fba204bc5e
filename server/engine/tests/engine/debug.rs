//! Runs in a debugger: its process ends with its client, and its session determines which tests there are.

use std::collections::BTreeSet;

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{Request, Response, RunEndStatus};

use crate::common::{Lab, alive, seen};

/// Stands in for debugpy. Its client never comes.
const DEBUGPY: &str = "\
import time

def listen(address):
    open('listening', 'w').close()
    while True: time.sleep(0.01)
";

/// Another stand-in: its client has come when there is a file.
const ATTACHED: &str = "\
import os, time

def listen(address): return '127.0.0.1', 1

def wait_for_client():
    while not os.path.exists('attach'): time.sleep(0.01)
";

/// A random number of tests, which the project's test decides.
const COUNTED: &str = "\
import os, random, pytest
N = random.SystemRandom().randint(3, 3) + (int(open('more').read()) if os.path.exists('more') else 0)
@pytest.mark.parametrize('n', range(N))
def test_many(n): assert n != 1
";

fn debug(lab: &Lab, ids: &[&str]) -> Request {
    let node_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    Request::DebugRun { context_id: lab.context.clone(), node_ids, options: None }
}

async fn debugged(lab: &Lab, ids: &[&str]) -> String {
    match lab.call(debug(lab, ids)).await {
        Response::DebugStarted { run_id, .. } => run_id,
        other => panic!("not debugged: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_client_leaves_before_it_listens_ends() {
    let lab = Lab::open(&[("debugpy.py", DEBUGPY), ("test_a.py", "def test_1(): pass")]).await;
    let (session, request) = (lab.bench.engine.session(), debug(&lab, &[]));
    let asking = tokio::spawn(async move { session.call(request).await });
    seen("the process", || lab.project.read("listening")).await;
    let debugged = || alive(&lab.project.mark()).into_iter().find(|line| line.contains("frozen_modules=off"));
    assert!(debugged().is_some());
    asking.abort();
    seen("its end", || debugged().is_none().then_some(())).await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p15_a_debugged_session_determines_which_tests_there_are() {
    let lab = Lab::open(&[("debugpy.py", ATTACHED), ("test_a.py", COUNTED), ("test_b.py", "def test(): pass")]).await;
    for (more, ids, total, failed) in [
        ("2", vec!["test_a.py"], 5, 1),
        ("-1", vec!["test_a.py::test_many"], 2, 1),
        ("4", vec![], 8, 1),
        ("2", vec!["test_a.py::test_many[1]", "test_b.py"], 2, 1),
    ] {
        let run_id = debugged(&lab, &ids).await;
        lab.project.write("more", more);
        lab.project.write("attach", "");
        let run = lab.ended(&run_id).await;
        let named: BTreeSet<&str> = run.attempts.iter().map(|outcome| &*outcome.id).collect();
        assert_eq!((run.begun.total, run.attempts.len(), named.len()), (total, total, total), "{ids:?} {more}");
        assert_eq!((run.end.counts.failed, run.end.counts.passed), (failed, total - failed), "{ids:?} {more}");
        for file in ["more", "attach"] {
            lab.project.remove(file);
        }
    }
    // A test that the session does not find has an outcome, too.
    let run_id = debugged(&lab, &["test_a.py::test_many[0]", "test_a.py::test_many[2]"]).await;
    lab.project.write("more", "-1");
    lab.project.write("attach", "");
    let run = lab.ended(&run_id).await;
    let outcomes: Vec<_> = run.attempts.iter().map(|outcome| (&*outcome.id, &*outcome.outcome)).collect();
    assert_eq!(outcomes, [("test_a.py::test_many[2]", "not_run"), ("test_a.py::test_many[0]", "passed")]);
    let message = run.attempts[0].message.clone().unwrap_or_default();
    assert!(message.contains("differs with each collection"), "{message}");
    assert_ne!(run.end.status, RunEndStatus::Passed);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p15_such_a_run_can_be_stopped_and_watched_before_it_begins() {
    let lab = Lab::open(&[("debugpy.py", ATTACHED), ("test_a.py", COUNTED)]).await;
    let run_id = debugged(&lab, &[]).await;
    let progress = Request::GetRunProgress { context_id: lab.context.clone(), run_id: run_id.clone() };
    match lab.call(progress).await {
        Response::RunProgress { total: 0, done: false, .. } => {}
        other => panic!("no progress: {other:?}"),
    }
    assert_eq!(lab.ordered(&run_id, true).await, RunEndStatus::Killed);
    lab.configure(serde_json::json!({"debugTimeoutMs": 1})).await;
    let run_id = debugged(&lab, &[]).await;
    let run = lab.ended(&run_id).await;
    assert_eq!(run.end.status, RunEndStatus::Stopped);
    let message = run.end.message.unwrap_or_default();
    assert!(message.contains("no debugger connected"), "{message}");
    debugged(&lab, &[]).await;
    lab.close().await;
}
