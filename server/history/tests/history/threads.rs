//! The thread of a history: it writes without being asked, rests while there is nothing to do, and ends with the handle.

use std::sync::mpsc;
use std::time::Instant;

use pytest_lens_history::{History, HistoryOptions};
use rusqlite::Connection;

use crate::common::{DEADLINE, Home, recent, run, until};

/// A history that looks for other processes' runs only when it has something to write.
fn quiet(home: &Home) -> History {
    let history = History::open(home.location(), HistoryOptions::default());
    assert!(history.wait_loaded(DEADLINE), "{:?}", history.trouble());
    history
}

/// Drops the handle, and waits until the thread has let go of all that it shared.
fn ends(history: History) -> bool {
    let (held, freed) = mpsc::channel::<()>();
    history.listen(move |_| held.send(()).is_ok());
    drop(history);
    loop {
        match freed.recv_timeout(DEADLINE) {
            Ok(()) => {}
            Err(error) => return error == mpsc::RecvTimeoutError::Disconnected,
        }
    }
}

#[test]
fn the_thread_ends_with_the_handle() {
    let home = Home::new();
    assert!(ends(home.open()) && ends(quiet(&home)) && ends(home.start()));
}

#[test]
fn the_thread_first_writes_what_it_can() {
    let home = Home::new();
    let history = quiet(&home);
    history.record(run(1, None, "a."));
    assert!(ends(history));
    assert_eq!(recent(&home.open(), "a"), ".");
    let history = quiet(&home);
    let other = Connection::open(home.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    history.record(run(2, None, "a."));
    assert!(ends(history), "it does not wait for the lock");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(recent(&home.open(), "a"), ".");
}

#[test]
fn a_run_is_written_although_nobody_waits_for_it() {
    let home = Home::new();
    let history = quiet(&home);
    history.record(run(1, None, "a."));
    until("the run in the file", || recent(&home.open(), "a") == ".");
    history.clear(5);
    until("the clearing in the file", || home.open().cleared_ms() == 5);
}

#[test]
fn without_work_the_thread_rests() {
    let home = Home::new();
    let (here, there) = (quiet(&home), home.open());
    let mut seen = Vec::new();
    for at in 0..30 {
        there.record(run(at, None, "a."));
        assert!(there.flush(DEADLINE));
        seen.push(here.len());
    }
    // Its first turn may come to an end meanwhile.
    seen.dedup();
    assert!(seen.len() <= 2, "{seen:?}");
    here.record(run(99, None, "a."));
    assert!(here.flush(DEADLINE));
    assert_eq!(here.len(), 31);
}

#[test]
fn nobody_waits_for_a_file_that_cannot_be_written() {
    let home = Home::new();
    std::fs::write(home.folder.path().join("state"), "in place of the folder").unwrap();
    let history = quiet(&home);
    history.record(run(1, None, "a."));
    let begun = Instant::now();
    assert!(!history.flush(DEADLINE));
    assert!(begun.elapsed() < DEADLINE / 2);
}

#[test]
fn a_run_of_long_ago_is_not_kept() {
    let home = Home::new();
    let history = quiet(&home);
    let mut ancient = run(1, None, "a. b.");
    ancient.started_ms = 1_000;
    history.record(ancient);
    history.record(run(2, None, "b."));
    assert!(history.flush(DEADLINE));
    for history in [history, home.open()] {
        assert_eq!((recent(&history, "a"), recent(&history, "b")), (String::new(), ".".into()));
    }
}
