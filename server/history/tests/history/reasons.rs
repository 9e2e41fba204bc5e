//! Failures are there after the next start: the last one of each test, a few lines of it, for a limited number of
//! tests.

use std::fs;
use std::sync::Arc;

use pytest_lens_history::{FailedAt, Failure, History, Limits, Run, Source};
use pytest_lens_plan::outcome::Outcome;
use rusqlite::Connection;

use crate::common::{DEADLINE, Home, recent, run, until};

fn place(line: i32) -> FailedAt {
    FailedAt { file: None, line, text: Some("assert one == 2".into()) }
}

/// A run in which tests failed for this reason.
fn failing(at: u64, outcomes: &str, why: &str) -> Run {
    let mut run = run(at, None, outcomes);
    for attempt in run.attempts.iter_mut().filter(|attempt| attempt.outcome.is_failure()) {
        attempt.failure = Some(Arc::new(Failure::new(why, Some(place(3)))));
    }
    run
}

/// The failure of a test, if it failed in its last run.
fn why(history: &History, id: &str) -> Option<String> {
    let last = history.last_outcomes().into_iter().find(|last| &*last.attempt.id == id)?;
    last.attempt.failure.map(|failure| failure.message.to_string())
}

fn recorded(home: &Home, runs: impl IntoIterator<Item = Run>) -> History {
    let history = home.open();
    for run in runs {
        history.record(run);
    }
    assert!(history.flush(DEADLINE), "{:?}", history.trouble());
    history
}

fn rows(home: &Home) -> i64 {
    let connection = Connection::open(home.file()).unwrap();
    connection.query_row("SELECT count(*) FROM failures", [], |row| row.get(0)).unwrap()
}

#[test]
fn v8_why_a_test_failed_last_is_kept_over_a_restart() {
    let home = Home::new();
    let history = recorded(&home, [failing(1, "aF bF c.", "old"), failing(2, "aF aF", "new")]);
    let all = ["a", "b", "c"];
    assert_eq!(all.map(|id| why(&history, id)), [Some("new".into()), Some("old".into()), None]);
    let again = home.open();
    assert_eq!(again.last_outcomes(), history.last_outcomes());
    let kept = again.last_outcomes().into_iter().find(|last| &*last.attempt.id == "a").unwrap();
    assert_eq!(kept.attempt.failure.unwrap().place, Some(place(3)));
    assert_eq!((kept.attempt.attempt, rows(&home)), (2, 2));
    // A test that passes now has no failure, and its next failure is another one.
    let history = recorded(&home, [run(3, None, "a."), run(4, None, "bF")]);
    assert_eq!(all.map(|id| why(&history, id)), [None, None, None]);
    assert_eq!(all.map(|id| why(&home.open(), id)), [None, None, None]);
}

#[test]
fn a_run_of_a_ci_service_counts_as_of_this_machine_unless_it_is_imported() {
    let home = Home::new();
    let of_ci = |at, code, outcomes| Run { source: Source::Ci, ..run(at, code, outcomes) };
    let imported = Run { is_imported: true, ..of_ci(3, None, "a. b. c.") };
    let history = recorded(&home, [of_ci(1, Some("code"), "aF"), of_ci(2, None, "cF"), imported]);
    for history in [&history, &home.open()] {
        let last = history.last_outcomes().into_iter().map(|last| (last.attempt.id, last.attempt.outcome));
        assert_eq!(last.collect::<Vec<_>>(), [("a".into(), Outcome::Failed), ("c".into(), Outcome::Failed)]);
    }
}

#[test]
fn v8_why_tests_failed_is_kept_of_those_that_failed_last_and_goes_with_their_runs() {
    let mut home = Home::new();
    home.limits = Limits { failures: 3, ..Limits::default() };
    let history = recorded(&home, [failing(1, "aF bF", "old"), failing(2, "cF dF", "new")]);
    let known = |history: &History| ["a", "b", "c", "d"].map(|id| why(history, id).is_some());
    assert_eq!(known(&history).iter().filter(|known| **known).count(), 3);
    assert_eq!((known(&history)[2..].to_vec(), rows(&home)), (vec![true, true], 3));
    assert_eq!(known(&home.open()), known(&history));
    recorded(&home, [failing(3, "eF fF gF hF iF", "newest")]);
    assert_eq!((rows(&home), why(&home.open(), "e")), (3, Some("newest".into())));
    home.limits = Limits { total: 2, ..home.limits };
    recorded(&home, [run(4, None, "x. y. z.")]);
    recorded(&home, [run(5, None, "x.")]);
    assert_eq!((rows(&home), recent(&home.open(), "e")), (0, String::new()));
}

#[test]
fn v8_a_file_of_an_older_version_gets_the_reasons_of_new_failures() {
    let home = Home::new();
    recorded(&home, [run(1, None, "aF b.")]);
    let tables = || {
        let connection = Connection::open(home.file()).unwrap();
        let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'failures'";
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((tables(), why(&home.open(), "a")), (0, None), "it is the file of a version that knew no reasons");
    let history = recorded(&home, [failing(2, "bF", "why")]);
    assert_eq!((tables(), why(&history, "a"), why(&history, "b")), (1, None, Some("why".into())));
    // An older version continues the file, and writes no failures.
    let connection = Connection::open(home.file()).unwrap();
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 1);
    let write = "INSERT INTO runs(uid, started_ms, source) SELECT randomblob(16), started_ms + 10, 'cli' FROM runs ORDER BY id DESC LIMIT 1;
                 INSERT INTO outcomes SELECT (SELECT max(id) FROM runs), id, 1, 1, 10 FROM tests WHERE node_id = 'b'";
    connection.execute_batch(write).unwrap();
    let again = home.open();
    assert_eq!((recent(&again, "b"), why(&again, "b")), (".FF".into(), None));
}

#[test]
fn v8_why_a_test_failed_in_another_process_is_told() {
    let home = Home::new();
    let (here, there) = (home.open(), home.open());
    there.record(failing(1, "aF", "there"));
    until("the run recorded there, here", || why(&here, "a") == Some("there".into()));
    // Memory is written again with the failures.
    fs::remove_file(home.file()).unwrap();
    here.record(failing(2, "bF", "here"));
    until("the run in a new file", || {
        here.flush(DEADLINE);
        why(&home.open(), "b") == Some("here".into())
    });
}
