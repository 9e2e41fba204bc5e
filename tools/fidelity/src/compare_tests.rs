//! Checks that a liar is caught: an honest stream of events, falsified in many ways.

use super::*;
use crate::events::read_events;

/// An honest run of four tests: one passes, one fails, one breaks, one is skipped.
const HONEST: &str = r#"{"event": "runStarted", "runId": "r", "total": 4}
{"event": "testStarted", "runId": "r", "ids": ["t.py::a", "t.py::b"]}
{"event": "testOutcome", "runId": "r", "outcomes": [{"id": "t.py::a", "outcome": "passed"}]}
{"event": "output", "runId": "r", "id": "t.py::b", "stream": "stdout", "text": "hello"}
{"event": "testOutcome", "runId": "r", "outcomes": [{"id": "t.py::b", "outcome": "failed"}]}
{"event": "testStarted", "runId": "r", "ids": ["t.py::c", "t.py::d"]}
{"event": "testOutcome", "runId": "r", "outcomes": [{"id": "t.py::c", "outcome": "error"}, {"id": "t.py::d", "outcome": "skipped"}]}
{"event": "runFinished", "runId": "r", "status": "failed", "counts": {"total": 4, "passed": 1, "failed": 1, "skipped": 1, "errors": 1}}
"#;

fn plain() -> Verdicts {
    let words = [("a", "passed"), ("b", "failed"), ("c", "error"), ("d", "skipped")];
    words.iter().map(|(name, word)| (format!("t.py::{name}"), vec![(*word).to_owned()])).collect()
}

fn judged(stream: &str, exit: i32) -> Comparison {
    let plain = plain();
    compare(&Truth::from_runs([&plain, &plain].into_iter()), &[1, 1], &read_events(stream), Some(exit))
}

fn doctored(from: &str, to: &str) -> Comparison {
    assert!(HONEST.contains(from), "nothing to doctor: {from}");
    judged(&HONEST.replace(from, to), 1)
}

#[test]
fn the_honest_stream_is_believed() {
    assert_eq!(judged(HONEST, 1), Comparison::default());
}

#[test]
fn a_failure_told_as_a_pass_is_caught() {
    let found = doctored(r#""t.py::b", "outcome": "failed""#, r#""t.py::b", "outcome": "passed""#);
    let expected = Difference { id: "t.py::b".to_owned(), plain: "failed".to_owned(), lens: "passed".to_owned() };
    assert_eq!(found.differences, [expected]);
    assert!(found.complaints.iter().any(|line| line.contains("counts.passed")));
}

#[test]
fn a_test_left_out_is_caught() {
    let found = doctored(r#", {"id": "t.py::d", "outcome": "skipped"}"#, "");
    assert_eq!(found.differences[0].plain, "skipped");
    assert_eq!(found.differences[0].lens, "");
}

#[test]
fn a_test_made_up_is_caught() {
    let found = doctored(
        r#"{"id": "t.py::d", "outcome": "skipped"}"#,
        r#"{"id": "t.py::d", "outcome": "skipped"}, {"id": "t.py::e", "outcome": "skipped"}"#,
    );
    assert_eq!(found.differences[0].id, "t.py::e");
    assert_eq!(found.differences[0].plain, "");
}

#[test]
fn a_test_told_twice_is_caught() {
    let line = r#"{"event": "testOutcome", "outcomes": [{"id": "t.py::d", "outcome": "skipped"}]}"#;
    let found = doctored(r#"{"event": "runFinished""#, &format!("{line}\n{{\"event\": \"runFinished\""));
    assert_eq!(found.differences[0].lens, "skipped+skipped");
}

#[test]
fn an_attempt_that_will_be_repeated_is_no_verdict() {
    let line = r#"{"event": "testOutcome", "outcomes": [{"id": "t.py::a", "outcome": "failed", "willRerun": true}]}"#;
    let first = r#"{"event": "testOutcome", "runId": "r", "outcomes": [{"id": "t.py::a""#;
    assert_eq!(doctored(first, &format!("{line}\n{first}")), Comparison::default());
}

#[test]
fn a_verdict_without_a_start_is_caught() {
    let found = doctored(r#""ids": ["t.py::a", "t.py::b"]"#, r#""ids": ["t.py::a"]"#);
    assert_eq!(found.complaints, ["t.py::b is failed, but never started"]);
}

#[test]
fn an_end_that_contradicts_is_caught() {
    let status = doctored(r#""status": "failed""#, r#""status": "passed""#);
    assert_eq!(status.complaints, ["the run's status is `passed`, against its outcomes"]);
    let counts = doctored(r#""errors": 1"#, r#""errors": 0"#);
    assert_eq!(counts.complaints, ["counts.errors is 0, but the outcomes make 1"]);
    assert_eq!(judged(HONEST, 0).complaints, ["the exit status is 0, plain pytest's is 1"]);
    let unfinished = HONEST.rsplit_once("{\"event\": \"runFinished\"").unwrap().0;
    assert_eq!(judged(unfinished, 1).complaints, ["there is no runFinished"]);
}

#[test]
fn noise_between_events_is_caught() {
    let found = doctored(r#"{"event": "runStarted""#, "Warning!\n{\"event\": \"runStarted\"");
    assert_eq!(found.complaints, ["a line is no JSON: Warning!"]);
}

#[test]
fn what_plain_pytest_flips_is_listed_and_left_out() {
    let (first, mut second) = (plain(), plain());
    second.insert("t.py::b".to_owned(), vec!["passed".to_owned()]);
    let truth = Truth::from_runs([&first, &second].into_iter());
    assert_eq!(truth.flips(), ["t.py::b (failed, passed)"]);
    let found = compare(&truth, &[1, 0], &read_events(HONEST), Some(1));
    assert_eq!(found, Comparison::default());
}

#[test]
fn cases_whose_ids_change_are_compared_together() {
    let run = |time: &str, word: &str| {
        let cases = [(format!("t.py::f[{time}]"), word), ("t.py::f[fixed]".to_owned(), "passed")];
        cases.into_iter().map(|(id, word)| (id, vec![word.to_owned()])).collect::<Verdicts>()
    };
    let (first, second) = (run("10:00", "failed"), run("10:01", "failed"));
    let truth = Truth::from_runs([&first, &second].into_iter());
    assert_eq!(truth.drifting(), ["t.py::f"]);
    assert!(truth.flips().is_empty());
    let told = |verdicts| Told { verdicts, complaints: Vec::new() };
    let honest = compare(&truth, &[1, 1], &told(run("10:02", "failed")), Some(1));
    assert_eq!(honest, Comparison::default());
    let liar = compare(&truth, &[1, 1], &told(run("10:02", "passed")), Some(1));
    let expected = Difference { id: "t.py::f[...]".to_owned(), plain: "failed".to_owned(), lens: "passed".to_owned() };
    assert_eq!(liar.differences, [expected]);
    let vanished = compare(&truth, &[1, 1], &told(run("10:02", "not_run")), Some(1));
    assert_eq!(vanished, Comparison::default());
    let mut silent = run("10:02", "failed");
    silent.remove("t.py::f[10:02]");
    assert_eq!(compare(&truth, &[1, 1], &told(silent), Some(1)).count(), 1);
}
