//! Recorded runs are there again, in memory and after the next start, within the limits.

use std::sync::Arc;

use proptest::prelude::*;
use pytest_lens_history::{Attempt, History, HistoryOptions, Limits, Run, Source, Uid};
use pytest_lens_plan::flaky::{Observation, judge};
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::shard::{self, assign};

use crate::common::{DEADLINE, Home, recent, run};

#[test]
fn a_pass_and_a_fail_in_two_processes_are_proof() {
    let home = Home::new();
    let first = home.open();
    first.record(run(1, Some("x"), "t/test_a.py::a. b."));
    assert!(first.flush(DEADLINE));
    drop(first);
    let second = home.open();
    second.record(run(2, Some("x"), "t/test_a.py::aF b."));
    let verdict = second.verdict("t/test_a.py::a", 50).unwrap();
    assert!(verdict.is_flaky, "{verdict:?}");
    assert_eq!(second.durations_ms(["b", "c"].into_iter()), [Some(1.5), None]);
    assert!(second.flush(DEADLINE));
    assert_eq!(home.open().report(50), second.report(50));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = home.file().parent().unwrap().metadata().unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn what_did_not_run_is_left_out() {
    let home = Home::new();
    let history = home.open();
    let mut stopped = run(1, None, "a.");
    stopped.attempts.push(Attempt {
        id: "b".into(),
        outcome: Outcome::NotRun,
        attempt: 1,
        duration_ms: 0.0,
        failure: None,
    });
    history.record(stopped);
    assert!(history.flush(DEADLINE));
    assert_eq!((history.report(50).tracked, home.open().report(50).tracked), (1, 1));
}

#[test]
fn an_empty_history_says_so_and_where_it_is() {
    let home = Home::new();
    let history = home.open();
    assert_eq!((history.is_empty(), history.len(), history.last_started_ms("a")), (true, 0, None));
    let recorded = run(1, None, "a. b.");
    history.record(recorded.clone());
    assert_eq!((history.is_empty(), history.len()), (false, 2));
    assert_eq!(history.last_started_ms("a"), Some(recorded.started_ms));
    assert_eq!((history.holds(recorded.uid), history.holds(Uid::new())), (true, false));
    let told = format!("{history:?}");
    assert!(told.starts_with("History") && told.contains(&format!("{:?}", home.location())), "{told}");
}

#[test]
fn an_old_report_that_comes_late_is_put_where_it_belongs() {
    let home = Home::new();
    let history = home.open();
    history.record(run(5, Some("x"), "a."));
    history.record(run(1, None, "aF"));
    history.record(run(3, Some("x"), "as"));
    assert!(history.flush(DEADLINE));
    assert_eq!((recent(&history, "a"), recent(&home.open(), "a")), ("Fs.".into(), "Fs.".into()));
}

#[test]
fn the_newest_attempts_of_each_test_are_kept() {
    let mut home = Home::new();
    home.limits = Limits { per_test: 3, ..Limits::default() };
    let history = home.open();
    for at in 0..5 {
        history.record(run(at, None, if at == 2 { "aF" } else { "a." }));
        assert!(history.flush(DEADLINE));
    }
    assert_eq!(recent(&history, "a"), "F..");
    assert!(!home.open().is_empty());
    // The file has dropped them, too, even for a reader with higher limits.
    home.limits = Limits::default();
    history.record(run(9, None, "b."));
    assert!(history.flush(DEADLINE));
    assert_eq!(recent(&home.open(), "a"), "F..");
}

#[test]
fn the_oldest_runs_go_where_there_is_too_much_in_all_or_they_are_too_old() {
    let mut home = Home::new();
    home.limits = Limits { total: 20, ..Limits::default() };
    let history = home.open();
    let mut ancient = run(0, None, "old.");
    ancient.started_ms = 1_000;
    history.record(ancient);
    for at in 0..15 {
        history.record(run(at, None, &format!("a. once{at}.")));
    }
    history.record(run(99, None, "b."));
    assert!(history.flush(DEADLINE));
    drop(history);
    let later = home.open();
    assert!(later.len() <= 20, "{}", later.len());
    assert_eq!(
        (recent(&later, "old"), recent(&later, "once0"), recent(&later, "once14")),
        (String::new(), String::new(), ".".into())
    );
    later.record(run(100, None, "b."));
    assert!(later.flush(DEADLINE));
    home.limits = Limits { days: u64::MAX / 86_400_000, ..Limits::default() };
    let all = home.open();
    assert_eq!(
        (recent(&all, "old"), recent(&all, "once0"), recent(&all, "b")),
        (String::new(), String::new(), "..".into())
    );
}

/// For each run: the time of its beginning, its code, and for each test in it one outcome for each attempt.
type Recorded = Vec<RecordedRun>;
type RecordedRun = (u64, Option<u8>, Vec<Vec<Outcome>>);

fn recorded() -> impl Strategy<Value = Recorded> {
    let outcomes = prop::collection::vec(prop::sample::select(Outcome::ALL.to_vec()), 0..3);
    let tests = prop::collection::vec(outcomes, 3);
    prop::collection::vec((0..50_u64, prop::option::of(0..3_u8), tests), 0..12)
}

fn runs(recorded: &Recorded) -> Vec<Run> {
    let one = |(number, (at, code, tests)): (usize, &RecordedRun)| {
        let mut run = Run::new(Source::Editor, code.map(|code| Arc::from(format!("code {code}"))));
        run.uid = Uid::of_content(&number.to_le_bytes());
        // Two hours ago: none begins ahead of now.
        run.started_ms = run.started_ms - 7_200_000 + at * 60_000;
        for (test, outcomes) in tests.iter().enumerate() {
            run.attempts.extend(outcomes.iter().zip(1..).map(|(outcome, attempt)| Attempt {
                id: format!("test {test}").into(),
                outcome: *outcome,
                attempt,
                duration_ms: f64::from(attempt),
                failure: None,
            }));
        }
        run
    };
    recorded.iter().enumerate().map(one).collect()
}

/// The verdict on the test from the rows alone.
fn expected(runs: &[Run], id: &str, window: usize) -> Option<pytest_lens_plan::flaky::Verdict> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|number| runs[*number].started_ms / 60_000);
    let codes = [None, Some("code 0"), Some("code 1"), Some("code 2")];
    let mut seen = Vec::new();
    for number in order {
        let run = &runs[number];
        let code = codes.iter().position(|code| *code == run.code.as_deref()).and_then(|at| u32::try_from(at).ok());
        for attempt in run.attempts.iter().filter(|attempt| &*attempt.id == id && attempt.outcome != Outcome::NotRun) {
            let code = code.and_then(std::num::NonZeroU32::new);
            seen.push(Observation { outcome: attempt.outcome, code, run: number as u32 });
        }
    }
    (!seen.is_empty()).then(|| judge(&seen, window))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn verdicts_are_those_of_the_rows_and_survive_a_restart(recorded in recorded(), window in 1..12_usize) {
        let home = Home::new();
        let history = History::open(home.location(), HistoryOptions::default());
        let runs = runs(&recorded);
        for run in &runs {
            history.record(run.clone());
        }
        let ids = ["test 0", "test 1", "test 2"];
        prop_assert!(history.wait_loaded(DEADLINE) && history.flush(DEADLINE));
        let again = home.open();
        for id in ids {
            let expected = expected(&runs, id, window);
            prop_assert_eq!(history.verdict(id, window), expected.clone());
            prop_assert_eq!(again.verdict(id, window), expected);
        }
        prop_assert_eq!(history.durations_ms(ids.into_iter()), again.durations_ms(ids.into_iter()));
        prop_assert_eq!((history.len(), history.report(window)), (again.len(), again.report(window)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn all_shards_are_made_by_the_durations_before_the_first(
        before in recorded(), after in recorded(), total in 2..5_u32,
    ) {
        let home = Home::new();
        let ids: Vec<String> = (0..12).map(|number| format!("test {number}")).collect();
        let shards = |history: &History, now_ms: u64| {
            let end_ms = history.ask_for_shard("code", now_ms);
            let durations = history.durations_before_ms(end_ms, ids.iter().map(String::as_str));
            let tests: Vec<_> = ids.iter().map(String::as_str).zip(durations).collect();
            assign(&tests, total, shard::Strategy::DurationBalanced)
        };
        let history = home.open();
        for run in runs(&before) {
            history.record(run);
        }
        prop_assert!(history.flush(DEADLINE));
        let latest = runs(&before).iter().map(|run| run.started_ms).max().unwrap_or_default();
        let first = shards(&history, latest + 1);
        prop_assert!(history.flush(DEADLINE));
        drop(history);
        let history = home.open();
        for (number, mut run) in (0..).zip(runs(&after)) {
            run.uid = Uid::of_content(format!("after {number}").as_bytes());
            run.started_ms += 3_600_000;
            history.record(run);
            prop_assert_eq!(&shards(&history, latest + 2 + number), &first);
        }
        prop_assert!(history.flush(DEADLINE));
        prop_assert_eq!(&shards(&home.open(), u64::MAX), &first);
        prop_assert_eq!(home.open().first_asked_ms("other code"), None);
    }
}
