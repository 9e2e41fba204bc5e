//! The limits of memory, with the rows that the file must drop, and the answers about single tests.

use std::sync::Arc;

use pytest_lens_plan::outcome::Outcome;

use super::{Ledger, Limits, Lost};
use crate::failure::Failure;
use crate::record::{Attempt, Run, Source, Uid};

const DAY_MS: u64 = 86_400_000;

/// A run of tests, given as `a.` (passed), `aF` (failed, because of `at`), `as` (skipped). The n-th word lasts n and a
/// half milliseconds.
fn run(at: u64, outcomes: &str) -> Run {
    let mut run = Run::begun(Source::Cli, at);
    for (place, word) in (1..).zip(outcomes.split(' ')) {
        let (id, letter) = word.split_at(word.len() - 1);
        let outcome = match letter {
            "." => Outcome::Passed,
            "F" => Outcome::Failed,
            _ => Outcome::Skipped,
        };
        let attempt = 1 + run.attempts.iter().filter(|attempt| &*attempt.id == id).count() as u32;
        let failure = outcome.is_failure().then(|| Arc::new(Failure::new(&format!("at {at}"), None)));
        let duration_ms = f64::from(place) + 0.5;
        run.attempts.push(Attempt { id: id.into(), outcome, attempt, duration_ms, failure });
    }
    run
}

/// A ledger of runs whose rows have the numbers 10, 11 ...
fn filled(limits: Limits, runs: &[Run]) -> Ledger {
    let mut ledger = Ledger::new(limits);
    for (row, run) in (10..).zip(runs) {
        ledger.add(run, Some(row));
    }
    ledger
}

/// The runs, each by its time and the tests in it.
fn held(ledger: &Ledger) -> Vec<String> {
    let ids = |run: &Run| run.attempts.iter().map(|attempt| format!(" {}", attempt.id)).collect::<String>();
    ledger.to_runs().iter().map(|run| format!("{}{}", run.started_ms, ids(run))).collect()
}

/// Why tests failed in the attempts that are held.
fn reasons(ledger: &Ledger) -> Vec<String> {
    let why = |attempt: Attempt| attempt.failure.map(|failure| format!("{} {}", attempt.id, failure.message));
    ledger.to_runs().into_iter().flat_map(|run| run.attempts).filter_map(why).collect()
}

#[test]
fn the_oldest_attempts_of_a_test_go_from_memory_and_from_the_file() {
    let limits = Limits { per_test: 2, ..Limits::default() };
    let mut ledger = filled(limits, &[run(1, "a. b."), run(2, "a. aF")]);
    assert_eq!((held(&ledger), ledger.len()), (vec!["1 b".into(), "2 a a".into()], 3));
    let first = Lost::Attempt { row: 10, id: "a".into(), attempt: 1 };
    assert_eq!(ledger.take_lost(), [first]);
    // A run that comes late is the oldest, and is not in the file.
    ledger.add(&run(0, "a."), None);
    assert_eq!((held(&ledger), ledger.len(), ledger.take_lost()), (vec!["1 b".into(), "2 a a".into()], 3, vec![]));
}

#[test]
fn a_run_is_dropped_from_the_row_that_it_got() {
    let limits = Limits { per_test: 1, ..Limits::default() };
    let mut ledger = Ledger::new(limits);
    let number = ledger.add(&run(1, "a."), None);
    ledger.written(number, Some(7));
    ledger.add(&run(2, "a."), None);
    let lost = ledger.take_lost();
    assert_eq!(lost, [Lost::Attempt { row: 7, id: "a".into(), attempt: 1 }]);
    assert_eq!(ledger.take_lost(), []);
    ledger.give_back(lost.clone());
    assert_eq!(ledger.take_lost(), lost);
}

#[test]
fn a_run_is_kept_for_all_its_days_and_no_longer() {
    let now = 100 * DAY_MS;
    let limits = Limits { days: 30, ..Limits::default() };
    let runs = [run(70 * DAY_MS - 1, "a. bF"), run(70 * DAY_MS, "a. cF"), run(now, "a.")];
    let mut ledger = filled(limits, &runs);
    ledger.trim(now);
    let (first, second) = (format!("{} a c", 70 * DAY_MS), format!("{now} a"));
    assert_eq!((held(&ledger), ledger.len()), (vec![first.clone(), second.clone()], 3));
    assert_eq!(reasons(&ledger), [format!("c at {}", 70 * DAY_MS)]);
    assert_eq!(ledger.take_lost(), [Lost::Run { row: 10 }]);
    // The same again finds nothing to drop.
    ledger.trim(now);
    assert_eq!((held(&ledger), ledger.take_lost()), (vec![first, second.clone()], vec![]));
    ledger.trim(now + 1);
    assert_eq!((held(&ledger), ledger.len(), ledger.take_lost()), (vec![second], 1, vec![Lost::Run { row: 11 }]));
}

#[test]
fn where_there_is_too_much_the_oldest_runs_go_with_a_tenth_to_spare() {
    let limits = Limits { total: 20, ..Limits::default() };
    // The file has them in another order than that of their beginnings.
    let mut runs: Vec<Run> = (0..10).map(|at| run(50 - at, "aF b.")).collect();
    let mut ledger = filled(limits, &runs);
    ledger.trim(100);
    assert_eq!((ledger.len(), ledger.take_lost()), (20, vec![]), "so much is allowed");
    runs.push(run(60, "c."));
    let mut ledger = filled(limits, &runs);
    ledger.trim(100);
    assert_eq!(ledger.len(), 17, "eighteen are the aim, and only whole runs go");
    assert_eq!(ledger.take_lost(), [Lost::Run { row: 19 }, Lost::Run { row: 18 }]);
    assert_eq!(held(&ledger).last().unwrap(), "60 c");
    assert_eq!(ledger.to_runs().iter().map(|run| run.started_ms).min(), Some(43));
    // Those that are gone are not counted again.
    ledger.add(&run(61, "d. d. d. d."), Some(30));
    ledger.trim(100);
    assert_eq!((ledger.len(), ledger.take_lost()), (17, vec![Lost::Run { row: 17 }, Lost::Run { row: 16 }]));
}

#[test]
fn age_alone_drops_no_more_than_the_old_ones() {
    let now = 100 * DAY_MS;
    let limits = Limits { total: 20, days: 30, ..Limits::default() };
    let mut runs: Vec<Run> = (1..20).map(|at| run(now + at, "a.")).collect();
    runs.push(run(1, "a."));
    let mut ledger = filled(limits, &runs);
    ledger.trim(now);
    assert_eq!((ledger.len(), ledger.take_lost()), (19, vec![Lost::Run { row: 29 }]));
}

#[test]
fn too_old_runs_go_even_if_fewer_would_make_room() {
    let now = 100 * DAY_MS;
    let limits = Limits { total: 3, days: 30, ..Limits::default() };
    let mut ledger = filled(limits, &[run(1, "a."), run(2, "a."), run(3, "a."), run(now, "a.")]);
    ledger.trim(now);
    assert_eq!(held(&ledger), [format!("{now} a")]);
}

#[test]
fn reasons_are_kept_of_the_tests_that_failed_last() {
    let limits = Limits { failures: 2, ..Limits::default() };
    let mut ledger = filled(limits, &[run(5, "aF"), run(1, "bF"), run(3, "cF")]);
    ledger.trim(10);
    assert_eq!(reasons(&ledger), ["a at 5", "c at 3"]);
    assert_eq!(ledger.take_lost(), [Lost::Failure { id: "b".into() }]);
    ledger.trim(10);
    assert_eq!((reasons(&ledger).len(), ledger.take_lost()), (2, vec![]));
}

#[test]
fn an_older_failure_that_comes_late_does_not_replace_a_newer_one() {
    let mut ledger = filled(Limits::default(), &[run(5, "aF"), run(3, "aF")]);
    assert_eq!(reasons(&ledger), ["a at 5"]);
    ledger.add(&run(7, "aF aF"), None);
    let last = ledger.last_outcomes().remove(0);
    assert_eq!((reasons(&ledger), last.attempt.attempt), (vec!["a at 7".into()], 2));
    assert!(last.attempt.failure.is_some());
    // Beyond the largest number that is kept, attempts share it; the last one counts.
    let mut many = run(9, "aF");
    let last = many.attempts[0].clone();
    let numbered =
        |(attempt, why)| Attempt { attempt, failure: Some(Arc::new(Failure::new(why, None))), ..last.clone() };
    many.attempts = [(70_000, "first"), (80_000, "last")].map(numbered).to_vec();
    ledger.add(&many, None);
    assert_eq!(ledger.last_outcomes().remove(0).attempt.failure.unwrap().message.as_ref(), "last");
}

#[test]
fn a_failure_belongs_to_the_attempt_of_its_row() {
    let without_reasons = |mut run: Run| {
        run.attempts.iter_mut().for_each(|attempt| attempt.failure = None);
        run
    };
    let runs = [run(1, "aF aF"), run(2, "aF aF"), run(3, "aF")].map(without_reasons);
    let of = |row: i64, attempt: u16| {
        let mut ledger = filled(Limits::default(), &runs);
        let test = ledger.test(&"a".into());
        ledger.explain_row(test, row, attempt, Arc::new(Failure::new("why", None)));
        let is_explained = |run: &Run| run.attempts.iter().map(|attempt| attempt.failure.is_some()).collect();
        ledger.to_runs().iter().map(is_explained).collect::<Vec<Vec<bool>>>()
    };
    assert_eq!(of(10, 1), [vec![true, false], vec![false, false], vec![false]]);
    assert_eq!(of(11, 2), [vec![false, false], vec![false, true], vec![false]]);
    assert_eq!(of(12, 1), [vec![false, false], vec![false, false], vec![true]]);
    for (row, attempt) in [(12, 2), (13, 1), (9, 2)] {
        assert_eq!(of(row, attempt), [vec![false, false], vec![false, false], vec![false]], "{row} {attempt}");
    }
}

#[test]
fn all_that_is_held_can_be_written_anew() {
    let mut runs = [run(1, "a. bF"), run(2, "bF b. cs"), run(3, "a.")];
    runs[0].code = Some("first".into());
    runs[1].code = Some("second".into());
    (runs[1].source, runs[1].is_imported) = (Source::Ci, true);
    // Only the last failure of a test is kept.
    let mut expected = runs.clone();
    expected[0].attempts[1].failure = None;
    // The attempts of a test stay together.
    let ledger = filled(Limits::default(), &runs);
    assert_eq!(ledger.to_runs(), expected);
    assert_eq!(ledger.uids().collect::<Vec<_>>(), runs.each_ref().map(|run| run.uid));
    let again = filled(Limits::default(), &expected);
    assert_eq!((again.report(50), again.last_outcomes()), (ledger.report(50), ledger.last_outcomes()));
}

#[test]
fn a_run_is_known_by_its_id() {
    let known = run(1, "a.");
    let ledger = filled(Limits::default(), &[run(0, "b."), known.clone()]);
    assert_eq!((ledger.holds(known.uid), ledger.holds(Uid::new())), (true, false));
    assert!(!Ledger::default().holds(known.uid));
}

#[test]
fn a_duration_is_that_of_the_last_run_before_the_moment_in_which_the_test_was_not_skipped() {
    let ledger = filled(Limits::default(), &[run(10, "a."), run(20, "b. aF"), run(30, "b. c. as")]);
    let of_a = |end_ms: u64| ledger.duration_ms("a", end_ms);
    let found = [0, 10, 11, 20, 21, 30, 31, u64::MAX].map(of_a);
    assert_eq!(found, [None, None, Some(1.5), Some(1.5), Some(2.5), Some(2.5), Some(2.5), Some(2.5)]);
    assert_eq!(ledger.duration_ms("x", u64::MAX), None);
}

#[test]
fn the_last_attempt_is_that_of_this_machine() {
    let imported = Run { is_imported: true, ..run(30, "aF b. cF") };
    let ledger = filled(Limits::default(), &[run(10, "a. b."), run(20, "x. bF"), imported]);
    assert_eq!(["a", "b", "c", "y"].map(|id| ledger.last_started_ms(id)), [Some(10), Some(20), None, None]);
    let last = ledger.last_outcomes().into_iter();
    let last: Vec<_> = last.map(|last| (last.attempt.id, last.attempt.duration_ms, last.started_ms)).collect();
    assert_eq!(last, [("a".into(), 1.5, 10), ("b".into(), 2.5, 20), ("x".into(), 1.5, 20)]);
}

#[test]
fn those_failed_last_whose_last_attempt_since_the_clearing_failed() {
    let mut ledger = filled(Limits::default(), &[run(10, "zF bF cF"), run(20, "b. dF"), run(30, "d. aF")]);
    assert_eq!(ledger.last_failed(), ["a".into(), "c".into(), "z".into()]);
    ledger.marks.clear(10);
    assert_eq!(ledger.last_failed().len(), 3, "a run at the moment of the clearing counts");
    ledger.marks.clear(11);
    assert_eq!(ledger.last_failed(), ["a".into()]);
}

#[test]
fn a_report_lists_the_worst_tests_first_and_counts_the_others() {
    let mut runs = [
        run(1, "one. two. three. same. good. mixed."),
        run(2, "oneF twoF three. sameF good. mixed."),
        run(3, "one. twoF threeF same. good. mixed."),
    ];
    for run in &mut runs {
        run.code = Some("code".into());
    }
    // Of unknown code: a suspicion only.
    let unknown = [run(4, "mixedF"), run(5, "mixed."), run(6, "mixedF"), run(7, "mixed.")];
    let ledger = filled(Limits { days: 0, ..Limits::default() }, &[runs.as_slice(), &unknown].concat());
    let report = ledger.report(50);
    let ids = |list: &[(Arc<str>, _)]| list.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&report.flaky), ["two", "one", "same", "three"]);
    assert_eq!((ids(&report.unstable), report.stable, report.tracked), (vec!["mixed".to_owned()], 1, 6));
    // A test whose runs are all gone has no history.
    let mut ledger = ledger;
    ledger.trim(7);
    assert_eq!((ledger.report(50).tracked, ledger.verdict("good", 50)), (1, None));
    assert!(ledger.verdict("mixed", 50).is_some());
}

#[test]
fn spare_memory_is_released() {
    let mut ledger = filled(Limits::default(), &[run(1, "a."), run(2, "a. a. a. a. a.")]);
    ledger.compact();
    assert!(ledger.tests.iter().all(|test| test.seen.capacity() == test.seen.len()));
}
