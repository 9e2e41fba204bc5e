//! Failures that are repeated, and what history makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pytest_lens_protocol::{EventPayload, Request, Response, RunEndStatus};

use crate::common::{Lab, Order, Ran};

/// `test_flaky` fails in its first two attempts, `test_never` in all.
const FLAKY: &str = "\
import os, pathlib

def count(name):
    path = pathlib.Path(os.environ['COUNTS']) / name
    n = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(n))
    return n

def test_flaky(): assert count('flaky') > 2

def test_never():
    count('never')
    assert False

def test_good(): count('good')

def test_crashes_once():
    if count('crash') == 1:
        os._exit(1)
";

async fn lab(settings: serde_json::Value) -> Lab {
    let lab = Lab::open(&[("test_a.py", FLAKY)]).await;
    let mut settings = settings;
    settings["env"] = serde_json::json!({ "COUNTS": lab.bench.folder.path() });
    lab.configure(settings).await;
    lab
}

/// Attempts as `name outcome attempt`, with a star where another was promised.
fn attempts(ran: &Ran) -> Vec<String> {
    let name = |id: &str| id.rsplit("::").next().unwrap_or_default().to_owned();
    let star = |again: bool| if again { "*" } else { "" };
    let mut told: Vec<String> = ran
        .attempts
        .iter()
        .map(|own| format!("{} {} {}{}", name(&own.id), own.outcome, own.attempt, star(own.will_rerun)))
        .collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_repeated_and_the_last_attempt_counts() {
    let lab = lab(serde_json::json!({})).await;
    let ran = lab.run(Order::all().with(|options| options.reruns = Some(2))).await;
    assert_eq!(
        attempts(&ran),
        [
            "test_crashes_once crashed 1*",
            "test_crashes_once passed 2",
            "test_flaky failed 1*",
            "test_flaky failed 2*",
            "test_flaky passed 3",
            "test_good passed 1",
            "test_never failed 1*",
            "test_never failed 2*",
            "test_never failed 3"
        ]
    );
    let counts = ran.end.counts;
    assert_eq!((counts.total, counts.passed, counts.failed), (4, 3, 1));
    assert_eq!(ran.status(), RunEndStatus::Failed);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_and_requests_ask_for_repeats_too_and_nothing_is_repeated_unasked() {
    let lab = lab(serde_json::json!({ "rerun": { "enabled": true, "maxReruns": 1 } })).await;
    assert!(attempts(&lab.run(Order::all()).await).contains(&"test_never failed 2".to_owned()));
    let context_id = lab.context.clone();
    let configure = Request::ConfigureRerun {
        context_id: context_id.clone(),
        enabled: false,
        max_reruns: 3,
        only_flaky: false,
        delay_ms: 1,
    };
    assert!(matches!(lab.call(configure).await, Response::ConfigAck { .. }));
    let asked = lab.call(Request::GetRerunConfig { context_id: context_id.clone() }).await;
    assert_eq!(asked, Response::RerunConfig { enabled: false, max_reruns: 3, only_flaky: false, delay_ms: 1 });
    let never = || vec!["test_a.py::test_never".to_owned()];
    assert_eq!(lab.run(Order::of(&["test_a.py::test_never"])).await.attempts.len(), 1);
    let with_rerun =
        Request::RunWithRerun { context_id, node_ids: never(), workers: None, maxfail: None, options: None };
    let end = lab.call(with_rerun).await;
    assert!(matches!(end, Response::RunComplete { total: 1, failed: 1, .. }), "{end:?}");
    let counted = std::fs::read_to_string(lab.bench.folder.path().join("never")).unwrap();
    assert_eq!(counted, "7", "2 attempts, then 1, then 4");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_is_repaired_does_not_count_for_the_limit() {
    let lab = lab(serde_json::json!({})).await;
    let ids = ["test_a.py::test_flaky", "test_a.py::test_good"];
    let ran = lab.run(Order::of(&ids).maxfail(1).with(|options| options.reruns = Some(2))).await;
    assert_eq!(ran.outcomes(), ["test_a.py::test_flaky passed", "test_a.py::test_good passed"]);
    // Nor does a crash.
    let crashing = "import os\n\
                    def test_1():\n    if not os.path.exists('1'):\n        open('1', 'w')\n        os._exit(1)\n\
                    def test_2(): pass\n";
    lab.project.write("test_a.py", crashing);
    let ran = lab.run(Order::all().maxfail(1).with(|options| options.reruns = Some(1))).await;
    assert_eq!(ran.outcomes(), ["test_a.py::test_1 passed", "test_a.py::test_2 passed"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_failures_holds_among_repeats() {
    let text = "import pytest\n@pytest.mark.parametrize('n', range(5))\ndef test(n): assert False\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let ran = lab.run(Order::all().maxfail(2).with(|options| options.reruns = Some(1))).await;
    assert_eq!((ran.end.counts.failed, ran.end.counts.not_run), (2, 3), "{:?}", attempts(&ran));
    assert_eq!(ran.status(), RunEndStatus::Failed);
    assert!(ran.of("test[4]").message.as_deref().unwrap().contains("limit of failures"));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_and_a_fail_of_the_same_code_are_flaky() {
    let lab = lab(serde_json::json!({})).await;
    lab.run(Order::all().with(|options| options.reruns = Some(2))).await;
    let hint = lab
        .log()
        .until("a hint", |payload| match payload {
            EventPayload::FlakinessHint(told) => {
                told.hints.iter().find(|hint| hint.id.ends_with("test_flaky")).cloned()
            }
            _ => None,
        })
        .await;
    assert!(hint.is_flaky, "{hint:?}");
    let (context_id, node_id) = (lab.context.clone(), "test_a.py::test_flaky".to_owned());
    match lab.call(Request::GetTestFlakiness { context_id: context_id.clone(), node_id }).await {
        Response::TestFlakiness { is_flaky, recent_outcomes, .. } => {
            assert!(is_flaky);
            assert_eq!(recent_outcomes, ["failed", "failed", "passed"]);
        }
        other => panic!("no flakiness: {other:?}"),
    }
    match lab.call(Request::GetFlakinessReport { context_id }).await {
        Response::FlakinessReport { flaky_tests, unstable_tests, stable_count, total_tracked } => {
            let mut ids: Vec<&str> = flaky_tests.iter().map(|test| test.node_id.as_str()).collect();
            ids.sort_unstable();
            assert_eq!(ids, ["test_a.py::test_crashes_once", "test_a.py::test_flaky"]);
            assert_eq!((unstable_tests.len(), stable_count, total_tracked), (0, 2, 4));
        }
        other => panic!("no report: {other:?}"),
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v3_a_test_is_repeated_until_it_fails_as_one_run() {
    let counting = "\
import os, pathlib
path = pathlib.Path(os.environ['COUNTS']) / 'third'

def test_third():
    n = len(path.read_text()) + 1 if path.exists() else 1
    path.write_text('x' * n)
    assert n % 3, 'the third time'
";
    let lab = Lab::open(&[("test_a.py", counting)]).await;
    lab.configure(serde_json::json!({ "env": { "COUNTS": lab.bench.folder.path() } })).await;
    let ran = lab.run(Order::all().with(|options| options.until_failure = Some(10))).await;
    assert_eq!(attempts(&ran), ["test_third failed 3", "test_third passed 1*", "test_third passed 2*"]);
    assert_eq!((ran.status(), ran.end.counts.total, ran.end.counts.failed), (RunEndStatus::Failed, 1, 1));
    // The fourth time it passes, and so does the fifth: then it ran often enough.
    let ran = lab.run(Order::all().with(|options| options.until_failure = Some(2))).await;
    assert_eq!(attempts(&ran), ["test_third passed 1*", "test_third passed 2"]);
    assert_eq!(ran.status(), RunEndStatus::Passed);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v3_a_stop_ends_the_repeating_at_once_and_the_last_pass_counts() {
    let lab = Lab::open(&[("test_a.py", "def test_a(): pass\ndef test_b(): pass\n")]).await;
    let run = lab.start(Order::all().with(|options| options.until_failure = Some(1_000_000))).await;
    let third = |payload: &EventPayload| match payload {
        EventPayload::TestOutcome(told) => told.outcomes.iter().any(|outcome| outcome.attempt == 3).then_some(()),
        _ => None,
    };
    lab.log().until("the third attempt", third).await;
    lab.call(Request::StopRun { run_id: run.clone() }).await;
    let ran = lab.ended(&run).await;
    let last: Vec<_> = ran.attempts.iter().filter(|own| !own.will_rerun).map(|own| own.outcome.as_str()).collect();
    assert_eq!(last, ["passed", "passed"]);
    assert_eq!((ran.status(), ran.end.counts.passed, ran.end.counts.not_run), (RunEndStatus::Stopped, 2, 0));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_r20_what_a_test_reads_and_its_environment_are_part_of_the_code() {
    let text = "\
import os, pathlib
def test(): assert pathlib.Path('data/a.txt').read_text().strip() == os.environ.get('M', 'good')
";
    let lab = Lab::open(&[("test_a.py", text), ("data/a.txt", "good")]).await;
    let run = async |expected: [usize; 5]| {
        assert_eq!(lab.counts(Order::all()).await, expected);
    };
    let passed = [1, 1, 0, 0, 0];
    let failed = [1, 0, 1, 0, 0];
    run(passed).await;
    lab.project.write("data/a.txt", "bad");
    run(failed).await;
    lab.configure(serde_json::json!({ "env": { "M": "bad" } })).await;
    run(passed).await;
    lab.configure(serde_json::json!({ "env": { "M": "worse" } })).await;
    run(failed).await;
    let verdict = async || {
        let (context_id, node_id) = (lab.context.clone(), "test_a.py::test".to_owned());
        match lab.call(Request::GetTestFlakiness { context_id, node_id }).await {
            Response::TestFlakiness { is_flaky, recent_outcomes, .. } => (is_flaky, recent_outcomes.len()),
            other => panic!("no flakiness: {other:?}"),
        }
    };
    lab.log()
        .until("four runs in the history", |payload| match payload {
            EventPayload::FlakinessHint(told) => {
                told.hints.iter().find(|hint| hint.recent_outcomes.len() == 4).map(|hint| hint.is_flaky)
            }
            _ => None,
        })
        .await;
    assert_eq!(verdict().await, (false, 4));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_files_outside_that_others_use_while_tests_are_collected_are_not_the_tests_code() {
    let outside = tempfile::tempdir().unwrap();
    let path = |name: &str| outside.path().join(name);
    for name in ["turns", "busy"] {
        std::fs::write(path(name), "").unwrap();
    }
    let text = format!(
        "import pathlib\nFOLDER = pathlib.Path('{}')\nBUSY = FOLDER / 'busy'\nTURNS = FOLDER / 'turns'\n\n\
         def test():\n    turn = len(TURNS.read_text())\n    TURNS.write_text('x' * (turn + 1))\n    assert turn % 2\n",
        outside.path().display()
    );
    let lab = Lab::resident(&[("test_a.py", &text)]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let other = std::thread::spawn({
        let (stop, turns, busy) = (Arc::clone(&stop), path("turns"), path("busy"));
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::fs::read(&turns).unwrap();
                std::fs::write(&busy, "x").unwrap();
                std::thread::yield_now();
            }
        }
    });
    // The paths are known from now on.
    lab.counts(Order::all()).await;
    lab.project.write("test_a.py", &format!("{text}\n"));
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    assert_eq!(lab.counts(Order::all()).await, [1, 0, 1, 0, 0]);
    let is_flaky = |payload: &EventPayload| match payload {
        EventPayload::FlakinessHint(told) => told.hints.iter().any(|hint| hint.is_flaky).then_some(()),
        _ => None,
    };
    lab.log().until("the proof", is_flaky).await;
    stop.store(true, Ordering::Relaxed);
    other.join().unwrap();
    lab.close().await;
}
