//! The keeper's turns one by one, without a thread: it writes, drops and tries again as the calls before them demand.

use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use pytest_lens_history::{Changed, History, HistoryOptions, Keeper, Limits, NextTurn, Run, Source};
use rusqlite::Connection;

use crate::common::{Home, recent, run};

const DAY_MS: u64 = 86_400_000;

fn open(home: &Home) -> (History, Keeper) {
    let options = HistoryOptions { watch: None, limits: home.limits };
    History::open_with_keeper(home.location(), options)
}

fn now_ms() -> u64 {
    Run::new(Source::Cli, None).started_ms
}

/// The keeper has written all that there is.
fn write(keeper: &mut Keeper) {
    assert!(!keeper.has_written());
    assert_eq!((keeper.turn(now_ms()), keeper.has_written()), (NextTurn::WithWork, true));
}

fn count(home: &Home, table: &str) -> i64 {
    let connection = Connection::open(home.file()).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Locks the file until a `COMMIT`.
fn lock(home: &Home) -> Connection {
    let other = Connection::open(home.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    other
}

#[test]
fn only_the_newest_runs_wait_to_be_written() {
    let mut home = Home::new();
    home.limits = Limits { unwritten: 6, ..Limits::default() };
    let (history, mut keeper) = open(&home);
    assert_eq!((keeper.turn(now_ms()), keeper.has_written()), (NextTurn::WithWork, true));
    let recorded = |runs: std::ops::Range<u64>| runs.for_each(|at| history.record(run(at, None, "a. b. c.")));
    recorded(0..2);
    write(&mut keeper);
    assert_eq!((count(&home, "outcomes"), history.len()), (6, 6));
    recorded(2..6);
    write(&mut keeper);
    assert_eq!((count(&home, "outcomes"), history.len()), (12, 18), "memory has those that the file lacks");
    // A single run is never too large.
    recorded(6..7);
    history.record(run(7, None, "a. b. c. d. e. f. g. h."));
    write(&mut keeper);
    assert_eq!((count(&home, "outcomes"), history.len()), (20, 29));
    recorded(8..10);
    write(&mut keeper);
    assert_eq!((count(&home, "outcomes"), recent(&home.open(), "a")), (26, ".".repeat(7)));
}

#[test]
fn the_limits_of_memory_hold_before_the_file_is_read() {
    let mut home = Home::new();
    home.limits = Limits { per_test: 2, ..Limits::default() };
    let (history, _keeper) = open(&home);
    for at in 0..5 {
        history.record(run(at, None, if at == 3 { "aF" } else { "a." }));
    }
    assert_eq!((history.len(), recent(&history, "a")), (2, "F.".into()));
}

#[test]
fn moments_wait_to_be_written() {
    let home = Home::new();
    let (history, mut keeper) = open(&home);
    keeper.turn(now_ms());
    history.clear(5);
    write(&mut keeper);
    history.note_broken(["a.py"].into_iter(), 7);
    write(&mut keeper);
    assert_eq!((history.first_asked_ms("code"), history.ask_for_shard("code", 9)), (None, 9));
    write(&mut keeper);
    assert_eq!((history.ask_for_shard("code", 11), history.ask_for_shard("other", 12)), (9, 12));
    write(&mut keeper);
    assert!((history.ask_for_shard("code", 13), keeper.has_written()) == (9, true), "nothing is new");
    let again = home.open();
    let asked = ["code", "other", "none"].map(|name| again.first_asked_ms(name));
    assert_eq!((again.cleared_ms(), asked), (5, [Some(9), Some(12), None]));
    assert_eq!(again.broken(), [("a.py".into(), 7)]);
}

#[test]
fn a_lock_is_reported_when_it_stays_and_then_all_is_written() {
    let mut home = Home::new();
    home.limits = Limits { per_test: 1, ..Limits::default() };
    let (history, mut keeper) = open(&home);
    history.record(run(1, None, "a."));
    write(&mut keeper);
    let other = lock(&home);
    history.record(run(2, None, "aF"));
    let told = [(); 4].map(|()| {
        assert!(matches!(keeper.turn(now_ms()), NextTurn::After(pause) if pause < Duration::from_secs(1)));
        history.trouble().is_some_and(|told| told.contains("is locked by another program"))
    });
    assert_eq!(told, [false, false, false, true]);
    other.execute_batch("COMMIT").unwrap();
    write(&mut keeper);
    // The attempt that memory dropped meanwhile is gone from the file, too.
    assert_eq!((history.trouble(), count(&home, "outcomes"), count(&home, "runs")), (None, 1, 1));
    assert_eq!(recent(&home.open(), "a"), "F");
}

#[test]
fn a_run_that_has_become_too_old_goes_without_another_one() {
    let home = Home::new();
    let (history, mut keeper) = open(&home);
    history.record(run(1, None, "aF"));
    write(&mut keeper);
    keeper.turn(now_ms() + 364 * DAY_MS);
    assert_eq!((history.is_empty(), count(&home, "runs")), (false, 1));
    keeper.turn(now_ms() + 366 * DAY_MS);
    assert_eq!((history.is_empty(), history.len()), (true, 0));
    assert_eq!(["runs", "outcomes", "tests"].map(|table| count(&home, table)), [0, 0, 0]);
}

#[test]
fn who_listens_is_told_of_what_the_file_has() {
    let home = Home::new();
    let turn = || {
        let (history, mut keeper) = open(&home);
        let (told, heard) = mpsc::channel();
        history.listen(move |changed| told.send(changed.clone()).is_ok());
        keeper.turn(now_ms());
        history.record(run(1, None, "a."));
        keeper.turn(now_ms());
        heard.try_iter().collect::<Vec<_>>()
    };
    assert_eq!(turn(), [Changed::Tests(vec!["a".into()])]);
    assert_eq!(turn(), [Changed::All], "the run is known");
}

#[test]
fn a_file_that_was_wrong_for_a_moment_is_kept_and_completed_from_memory() {
    let home = Home::new();
    let (history, mut keeper) = open(&home);
    history.record(run(1, None, "a. b."));
    write(&mut keeper);
    let other = Connection::open(home.file()).unwrap();
    other.execute_batch("ALTER TABLE outcomes RENAME TO gone").unwrap();
    history.record(run(2, None, "aF"));
    assert_eq!(keeper.turn(now_ms()), NextTurn::After(Duration::ZERO));
    other.execute_batch("ALTER TABLE gone RENAME TO outcomes; DELETE FROM outcomes; DELETE FROM runs").unwrap();
    write(&mut keeper);
    assert_eq!((history.trouble(), home.location().set_aside()), (None, vec![]));
    let again = home.open();
    assert_eq!((recent(&again, "a"), recent(&again, "b")), (".F".into(), ".".into()));
}

#[test]
fn a_page_that_is_damaged_in_use_is_found_although_the_rest_can_be_read() {
    let home = Home::new();
    drop(home.open());
    let (history, mut keeper) = open(&home);
    history.record(run(1, None, "a. b."));
    write(&mut keeper);
    let page: u32 = {
        let other = Connection::open(home.file()).unwrap();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        // The index by which a run is recorded only once: no reader of runs looks there.
        let sql = "SELECT rootpage FROM sqlite_master WHERE tbl_name = 'runs' AND type = 'index'";
        other.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    drop((history, keeper));
    let (history, mut keeper) = open(&home);
    keeper.turn(now_ms());
    let mut content = fs::read(home.file()).unwrap();
    let start = usize::try_from((page - 1) * 4096).unwrap();
    content[start..start + 4096].fill(b'x');
    fs::write(home.file(), content).unwrap();
    history.record(run(2, None, "aF"));
    assert_eq!(keeper.turn(now_ms()), NextTurn::After(Duration::ZERO));
    write(&mut keeper);
    assert!(history.trouble().unwrap().contains("was damaged"));
    assert_eq!((home.location().set_aside().len(), recent(&home.open(), "a")), (1, ".F".into()));
}
