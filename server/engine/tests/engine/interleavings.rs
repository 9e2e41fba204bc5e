//! Properties of runs of suites that hold whatever workers, clients and chance do: a worker that obeys, crashes,
//! hangs, lies, floods or reconnects, stops and kills at any moment, readers that come and go.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use pytest_lens_engine::Connect;
use pytest_lens_protocol::{
    LogsIteratorOption, Request, Response, SuiteEvent, SuiteEventPayload, SuiteSpec, SuiteStatus,
};

use crate::common::{Built, Lab, Told, in_time, read_suite, suite};

const BEHAVIOURS: [&str; 12] =
    ["pass", "pass", "pass", "fail", "crash", "hang", "garbage", "twice", "foreign", "early", "flood", "mute"];
const RARE: [&str; 2] = ["reconnect", "deaf"];

/// A stop is acknowledged a moment before it is obeyed.
const GRACE_NS: u64 = 1_000_000_000;

/// An action of the client after this many events.
#[derive(Debug, Clone, Copy)]
enum Act {
    StopSuite(usize),
    KillSuite(usize),
    StopRun,
    KillRun,
    /// The reader leaves, and another one starts from the beginning.
    Reconnect,
}

#[derive(Debug, Clone)]
struct Script {
    suites: Vec<(Vec<&'static str>, u16)>,
    most: u16,
    acts: Vec<(usize, Act)>,
}

fn script() -> impl Strategy<Value = Script> {
    let behaviour = prop_oneof![
        9 => prop::sample::select(BEHAVIOURS.to_vec()),
        1 => prop::sample::select(RARE.to_vec()),
    ];
    let tests = prop::collection::vec(behaviour, 1..7);
    let act = prop_oneof![
        (0..3usize).prop_map(Act::StopSuite),
        (0..3usize).prop_map(Act::KillSuite),
        Just(Act::StopRun),
        Just(Act::KillRun),
        Just(Act::Reconnect),
    ];
    (prop::collection::vec((tests, 1..4u16), 1..4), 1..4u16, prop::collection::vec((0..12usize, act), 0..4))
        .prop_map(|(suites, most, acts)| Script { suites, most, acts })
}

fn spec(tests: &[&str], parallel: u16) -> SuiteSpec {
    let scenario = serde_json::json!({ "tests": tests });
    suite("test_fake.py", |options| {
        options.arguments = Some(vec![format!("--scenario={scenario}")]);
        options.parallel = Some(parallel);
        options.log_iterator = Some(LogsIteratorOption::Archive);
        // A test that hangs ends here at the latest.
        options.timeout = Some(1.0);
    })
}

/// Reads the first suite, and does on the way what the script says. Returns when the run was stopped or killed as a
/// whole, by the clock of events.
async fn act(lab: &Lab, built: &Built, script: &Script) -> Option<u64> {
    let mut session = lab.bench.engine.session();
    let mut acts = script.acts.clone();
    acts.sort_by_key(|(at, _)| *at);
    let (mut acts, mut seen, mut stopped) = (acts.into_iter().peekable(), 0, None);
    loop {
        while let Some((_, act)) = acts.next_if(|(at, _)| *at <= seen) {
            let suite = |number: usize| built.suites[number % built.suites.len()].clone();
            let run_id = built.run.clone();
            let request = match act {
                Act::StopSuite(number) => Request::StopSuite { suite_id: suite(number) },
                Act::KillSuite(number) => Request::KillSuite { suite_id: suite(number) },
                Act::StopRun => Request::StopRun { run_id },
                Act::KillRun => Request::KillRun { run_id },
                Act::Reconnect => {
                    session = lab.bench.engine.session();
                    continue;
                }
            };
            assert_eq!(in_time("a control", lab.bench.engine.session().call(request)).await, Response::ControlAck);
            if matches!(act, Act::StopRun | Act::KillRun) {
                stopped.get_or_insert_with(now_ns);
            }
        }
        let request = Request::GetSuiteEvents { suite_id: built.suites[0].clone() };
        match in_time("events", session.call(request)).await {
            Response::SuiteEvents { events } if events.is_empty() => return stopped,
            Response::SuiteEvents { events } => seen += events.len(),
            other => panic!("no events: {other:?}"),
        }
    }
}

/// The clock of events.
fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

async fn play(lab: &Arc<Lab>, script: &Script) -> Result<(), TestCaseError> {
    let specs = script.suites.iter().map(|(tests, parallel)| spec(tests, *parallel)).collect();
    let built = lab.build_parallel(specs, Some(script.most)).await;
    let readers: Vec<_> = built
        .suites
        .iter()
        .flat_map(|suite| [suite.clone(), suite.clone()])
        .map(|suite| {
            let session = lab.bench.engine.session();
            tokio::spawn(async move { read_suite(&*session, &suite).await })
        })
        .collect();
    let stopped = act(lab, &built, script).await;
    lab.run_told(&built.run).await;
    let mut told: Vec<Told> = Vec::new();
    for reader in readers {
        // The order was checked while it was read; a panic there is a failure here.
        told.push(in_time("a reader", reader).await.map_err(|error| TestCaseError::fail(error.to_string()))?);
    }
    for (pair, (tests, _)) in told.chunks(2).zip(&script.suites) {
        prop_assert_eq!(&pair[0].events, &pair[1].events, "every reader is told the same");
        let began = pair[0].events.iter().any(|event| event.payload == SuiteEventPayload::SuiteStarted);
        prop_assert_eq!(pair[0].cases().len(), if began { tests.len() } else { 0 }, "one verdict for each case");
        prop_assert!(began || pair[0].status() == SuiteStatus::Stopped);
        if let Some(stopped) = stopped {
            // A runner's next test may cross the stop on its way; a suite that had not begun begins no more.
            let begun = |event: &SuiteEvent| event.payload == SuiteEventPayload::SuiteStarted;
            let late = pair[0].events.iter().any(|event| begun(event) && event.timestamp > stopped + GRACE_NS);
            prop_assert!(!late, "a suite began behind the stop of its run");
        }
    }
    prop_assert_eq!(lab.project.read("fed-behind-a-stop"), None);
    Ok(())
}

#[test]
fn every_run_ends_once_and_every_case_has_one_verdict() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let lab = Arc::new(runtime.block_on(Lab::over_fake_worker()));
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24);
    let mut runner = TestRunner::new(Config { cases, max_shrink_iters: 20, ..Config::default() });
    let result = runner.run(&script(), |script| runtime.block_on(play(&lab, &script)));
    runtime.block_on(async {
        let lab = Arc::into_inner(lab).unwrap();
        lab.close().await;
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_outcomes_reach_three_readers() {
    let lab = Lab::over_fake_worker().await;
    let scenario = serde_json::json!({ "count": 10_000 });
    let spec = suite("test_fake.py", |options| {
        options.arguments = Some(vec![format!("--scenario={scenario}")]);
        options.parallel = Some(2);
    });
    let built = lab.build(vec![spec]).await;
    let (a, b, c) = tokio::join!(lab.told(&built.suites[0]), lab.told(&built.suites[0]), lab.told(&built.suites[0]));
    assert!(a.events == b.events && b.events == c.events);
    assert_eq!((a.cases().len(), a.status()), (10_000, SuiteStatus::Passed));
    lab.close().await;
}
