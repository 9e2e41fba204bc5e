//! A process that waits for a debugger, whose end nobody else would cause.

use pytest_lens_engine::Connect;
use pytest_lens_protocol::Request;

use crate::common::{Lab, alive, seen};

/// Stands in for debugpy. Its client never comes.
const DEBUGPY: &str = "\
import time

def listen(address):
    open('listening', 'w').close()
    while True: time.sleep(0.01)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_client_leaves_before_it_listens_ends() {
    let lab = Lab::open(&[("debugpy.py", DEBUGPY), ("test_a.py", "def test_1(): pass")]).await;
    let request = Request::DebugRun { context_id: lab.context.clone(), node_ids: vec![], options: None };
    let session = lab.bench.engine.session();
    let asking = tokio::spawn(async move { session.call(request).await });
    seen("the process", || lab.project.read("listening")).await;
    let debugged = || alive(&lab.project.mark()).into_iter().find(|line| line.contains("frozen_modules=off"));
    assert!(debugged().is_some());
    asking.abort();
    seen("its end", || debugged().is_none().then_some(())).await;
    lab.close().await;
}
