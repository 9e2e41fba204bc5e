//! Stopping and killing runs, and several of them at once.

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{ErrorCode, Request, Response, RunEndStatus};

use crate::common::{Lab, Order, WAITING, alive, gone, in_time, refused, seen};

fn stop(run_id: &str) -> Request {
    Request::StopRun { run_id: run_id.to_owned() }
}

fn kill(run_id: &str) -> Request {
    Request::KillRun { run_id: run_id.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_finishes_what_runs_and_starts_nothing() {
    // The test is slow after its signal, so that a stop arrives while it runs.
    let text = "import time\nfrom waiting import wait_for\n\
                def test_1(): pass\n\
                def test_2(): wait_for('go'); time.sleep(0.5)\n\
                def test_3(): pass\n\
                def test_4(): pass\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("waiting.py", WAITING), ("test_a.py", text)]).await;
        let run = lab.start(Order::all()).await;
        lab.log().started("test_a.py::test_2").await;
        assert_eq!(lab.call(stop(&run)).await, Response::ControlAck);
        lab.project.write("go", "");
        let ran = lab.ended(&run).await;
        assert_eq!(
            ran.outcomes(),
            [
                "test_a.py::test_1 passed",
                "test_a.py::test_2 passed",
                "test_a.py::test_3 not_run",
                "test_a.py::test_4 not_run"
            ]
        );
        assert_eq!(ran.status(), RunEndStatus::Stopped);
        assert_eq!((ran.end.counts.total, ran.end.counts.not_run), (2, 2));
        assert_eq!(ran.of("::test_3").message.as_deref(), Some("the run was stopped"));
        assert_eq!(lab.counts(Order::all()).await, [4, 4, 0, 0, 0]);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_are_both_stopped() {
    let text = "import pytest, time\nfrom waiting import wait_for\n\
                def test_first(): wait_for('go'); time.sleep(0.5)\n\
                @pytest.mark.parametrize('n', range(20))\ndef test_more(n): pass\n";
    let lab = Lab::resident(&[("waiting.py", WAITING), ("test_a.py", text), ("test_b.py", text)]).await;
    let run = lab.start(Order::all().workers(2)).await;
    let mut log = lab.log();
    log.started("test_a.py::test_first").await;
    log.started("test_b.py::test_first").await;
    assert_eq!(lab.call(stop(&run)).await, Response::ControlAck);
    lab.project.write("go", "");
    let ran = lab.ended(&run).await;
    assert_eq!((ran.status(), ran.end.counts.passed, ran.end.counts.not_run), (RunEndStatus::Stopped, 2, 40));
    lab.close().await;
}

/// Leaves behind: a child in a session of its own, a daemonised grandchild, and a child that ignores signals.
const LEAVING: &str = "\
import os, signal, subprocess, sys
from waiting import wait_for

SLEEP = 'import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)]; open(%r, \"w\").close(); time.sleep(300)'

def spawn(name, **kwargs):
    subprocess.Popen([sys.executable, '-c', SLEEP % os.path.abspath(name)], **kwargs)

def test_1():
    spawn('child', start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.chdir('/')
            spawn(os.path.join(os.environ['ROOT'], 'grandchild'))
            os._exit(0)
        os._exit(0)
    wait_for('never')

def test_2(): pass
";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_takes_everything_along_that_it_started() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("waiting.py", WAITING), ("test_a.py", LEAVING)]).await;
        lab.configure(serde_json::json!({ "env": { "ROOT": lab.project.mark() } })).await;
        let run = lab.start(Order::all()).await;
        let child = lab.project.path("child").to_string_lossy().into_owned();
        let grandchild = lab.project.path("grandchild").to_string_lossy().into_owned();
        seen("the processes", || lab.project.read("child").and(lab.project.read("grandchild"))).await;
        assert!(!alive(&child).is_empty() && !alive(&grandchild).is_empty());
        assert_eq!(lab.call(kill(&run)).await, Response::ControlAck);
        let ran = lab.ended(&run).await;
        assert_eq!(ran.outcomes(), ["test_a.py::test_1 not_run", "test_a.py::test_2 not_run"]);
        assert_eq!((ran.status(), ran.end.counts.total), (RunEndStatus::Killed, 0));
        assert_eq!(ran.of("::test_1").message.as_deref(), Some("the run was killed"));
        gone(&child).await;
        gone(&grandchild).await;
        assert_eq!(lab.counts(Order::of(&["test_a.py::test_2"])).await, [1, 1, 0, 0, 0]);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v4_what_a_killed_test_printed_is_kept() {
    let text = "import pathlib\nfrom waiting import wait_for\n\
                def test_1():\n    print('so far')\n    pathlib.Path('printed').write_text('yes')\n    wait_for('never')\n\
                def test_2(): pass\n";
    let lab = Lab::resident(&[("waiting.py", WAITING), ("test_a.py", text)]).await;
    let run = lab.start(Order::all()).await;
    seen("that it has printed", || lab.project.read("printed")).await;
    assert_eq!(lab.call(kill(&run)).await, Response::ControlAck);
    let ran = lab.ended(&run).await;
    assert_eq!(ran.of("::test_1").outcome, "not_run");
    assert_eq!(ran.of("::test_1").stdout.as_deref(), Some("so far\n"));
    assert_eq!(ran.of("::test_2").stdout, None);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_that_does_not_end_can_be_killed() {
    let lab = Lab::open(&[
        ("waiting.py", WAITING),
        ("test_a.py", "from waiting import *\ndef test_1(): wait_for('never')\n"),
    ])
    .await;
    let run = lab.start(Order::all()).await;
    lab.log().started("test_a.py::test_1").await;
    assert_eq!(lab.call(stop(&run)).await, Response::ControlAck);
    assert_eq!(lab.call(kill(&run)).await, Response::ControlAck);
    let ran = lab.ended(&run).await;
    assert_eq!((ran.status(), ran.outcomes()), (RunEndStatus::Killed, vec!["test_a.py::test_1 not_run".to_owned()]));
    // Neither has any effect on a run that is over.
    assert_eq!(lab.call(stop(&run)).await, Response::ControlAck);
    assert_eq!(lab.call(kill(&run)).await, Response::ControlAck);
    assert_eq!(lab.ended(&run).await.status(), RunEndStatus::Killed);
    // One that never was is refused by name.
    let progress = Request::GetRunProgress { context_id: lab.context.clone(), run_id: "run-none".into() };
    for request in [progress, stop("run-none"), kill("run-none")] {
        let (code, message) = refused(lab.call(request).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains("run-none"), "{message}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stop_finds_among_reruns_is_not_started_either() {
    let text = "from waiting import wait_for\nimport pathlib\n\
                def test_1():\n    seen = pathlib.Path('one').exists()\n    pathlib.Path('one').touch()\n    \
                assert seen\n    wait_for('go')\n\
                def test_2():\n    open('two', 'a').write('run\\n')\n    assert False\n";
    let lab = Lab::resident(&[("waiting.py", WAITING), ("test_a.py", text)]).await;
    let run = lab.start(Order::all().with(|options| options.reruns = Some(1))).await;
    lab.log()
        .until("the second attempt of test_1", {
            let starts = std::cell::Cell::new(0);
            move |payload| match payload {
                pytest_lens_protocol::EventPayload::TestStarted(started) if started.ids == ["test_a.py::test_1"] => {
                    starts.set(starts.get() + 1);
                    (starts.get() == 2).then_some(())
                }
                _ => None,
            }
        })
        .await;
    assert_eq!(lab.call(stop(&run)).await, Response::ControlAck);
    lab.project.write("go", "");
    let ran = lab.ended(&run).await;
    assert_eq!(ran.status(), RunEndStatus::Stopped);
    assert_eq!(ran.of("::test_1").outcome, "passed");
    assert_eq!(lab.project.lines("two"), ["run"], "nothing starts after the stop");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_of_one_context_go_on_at_the_same_time() {
    let text = "import pathlib\nfrom waiting import wait_for\n\
                def test_left():\n    pathlib.Path('left').touch()\n    wait_for('right')\n\
                def test_right():\n    pathlib.Path('right').touch()\n    wait_for('left')\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("waiting.py", WAITING), ("test_a.py", text)]).await;
        lab.collect().await;
        let run = |id: &str| {
            let session = lab.bench.engine.session();
            let request = Request::Run {
                context_id: lab.context.clone(),
                node_ids: vec![id.to_owned()],
                workers: None,
                maxfail: None,
                options: None,
            };
            async move { in_time("a run", session.call(request)).await }
        };
        let (left, right) = tokio::join!(run("test_a.py::test_left"), run("test_a.py::test_right"));
        for end in [left, right] {
            assert!(matches!(end, Response::RunComplete { total: 1, passed: 1, .. }), "{mode}: {end:?}");
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_that_follows_a_run_is_told_every_result() {
    let text = "import pytest\nfrom waiting import wait_for\n\
                @pytest.mark.parametrize('n', range(5))\ndef test_1(n): pass\n\
                def test_2(): wait_for('go')\n\
                @pytest.mark.parametrize('n', range(5))\ndef test_3(n): assert n != 3\n";
    let lab = Lab::open(&[("waiting.py", WAITING), ("test_a.py", text)]).await;
    let run_id = lab.start(Order::all()).await;
    lab.log().started("test_a.py::test_2").await;
    let follow = || {
        let (session, context_id, run_id) = (lab.bench.engine.session(), lab.context.clone(), run_id.clone());
        async move {
            let (mut told, mut ends) = (Vec::new(), 0);
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(5));
            while ends < 2 {
                ticks.tick().await;
                let request = Request::GetRunProgress { context_id: context_id.clone(), run_id: run_id.clone() };
                match session.call(request).await {
                    Response::RunProgress { total, completed, results, done, running, .. } => {
                        assert_eq!(total, 11);
                        told.extend(results);
                        assert!(told.len() <= completed && completed <= total);
                        assert!(!done || (told.len() == total && running == 0));
                        ends += usize::from(done);
                    }
                    other => panic!("no progress: {other:?}"),
                }
            }
            told
        }
    };
    let early = tokio::spawn(follow());
    lab.project.write("go", "");
    let early = in_time("the run's progress", early).await.unwrap();
    let late = in_time("the run's progress", follow()).await;
    assert_eq!(early, late);
    assert_eq!(early.len(), 11);
    assert_eq!(early.iter().filter(|result| result.outcome == "failed").count(), 1);
    lab.close().await;
}
