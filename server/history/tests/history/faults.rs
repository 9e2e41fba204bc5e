//! With any fault of the file, recording and answering continue, the fault is reported, and the file is repaired or
//! left alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pytest_lens_history::{History, HistoryOptions, Keeper, Limits, Location, NextTurn, Run, Source};
use rusqlite::Connection;

use crate::common::{DEADLINE, Home, recent, run, until};

/// Too short for a lock to be released, long enough to find out.
const MOMENT: Duration = Duration::from_millis(50);

/// A file with one run, and no other file next to it.
fn filled() -> Home {
    let home = Home::new();
    let history = home.open();
    let names: Vec<String> = (0..500).map(|number| format!("test_{number}.")).collect();
    history.record(run(0, None, &names.join(" ")));
    history.record(run(1, None, "a."));
    assert!(history.flush(DEADLINE));
    drop(history);
    // The last connection, when it is closed, writes the log into the file.
    let connection = Connection::open(home.file()).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    home
}

fn is_replaced(home: &Home, history: &History, content: &[u8]) {
    let told = history.trouble().expect("it is told");
    assert!(told.contains("was damaged") && told.contains("set aside as"), "{told}");
    let aside = home.location().set_aside();
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert!(told.contains(&*aside[0].to_string_lossy()), "{told}");
    assert_eq!(fs::read(&aside[0]).unwrap(), content);
    history.record(run(2, None, "b."));
    assert!(history.flush(DEADLINE));
    assert_eq!(recent(&home.open(), "b"), ".");
}

#[test]
fn garbage_is_set_aside() {
    let home = filled();
    let garbage = b"no database at all, and longer than the hundred bytes of a header ".repeat(40);
    fs::write(home.file(), &garbage).unwrap();
    is_replaced(&home, &home.open(), &garbage);
}

#[test]
fn half_a_file_is_set_aside() {
    let home = filled();
    let whole = fs::read(home.file()).unwrap();
    assert!(whole.len() > 3 * 4096, "{}", whole.len());
    let half = &whole[..whole.len() / 2 + 100];
    fs::write(home.file(), half).unwrap();
    is_replaced(&home, &home.open(), half);
}

#[test]
fn a_database_without_our_tables_is_set_aside() {
    let home = Home::new();
    fs::create_dir_all(home.file().parent().unwrap()).unwrap();
    Connection::open(home.file()).unwrap().execute_batch("CREATE TABLE x(y); PRAGMA user_version=1").unwrap();
    let content = fs::read(home.file()).unwrap();
    let history = home.open();
    let aside = home.location().set_aside();
    assert_eq!(aside.len(), 1, "{:?}", history.trouble());
    // Only the bytes that say how it is written have changed in it.
    assert_eq!(fs::read(&aside[0]).unwrap().len(), content.len());
}

#[test]
fn what_is_damaged_in_use_is_written_anew_from_memory() {
    let home = filled();
    let history = home.open();
    history.record(run(2, Some("x"), "a. b."));
    assert!(history.flush(DEADLINE));
    Connection::open(home.file()).unwrap().execute_batch("DROP TABLE outcomes").unwrap();
    history.record(run(3, Some("x"), "aF"));
    assert!(history.flush(DEADLINE), "{:?}", history.trouble());
    assert_eq!(home.location().set_aside().len(), 1);
    is_complete(&home, &history);
}

#[test]
fn a_clearing_survives_the_loss_of_the_file() {
    let home = filled();
    let history = home.open();
    history.clear(5);
    assert!(history.flush(DEADLINE));
    history.clear(u64::MAX / 2);
    fs::remove_file(home.file()).unwrap();
    history.record(run(9, None, "z."));
    assert!(history.flush(DEADLINE));
    assert_eq!(home.open().cleared_ms(), u64::MAX / 2);
}

#[test]
fn what_another_process_found_damaged_is_written_anew_from_memory() {
    let home = filled();
    // Without a thread: this one must not find the damage itself.
    let (history, mut keeper) = History::open_with_keeper(home.location(), HistoryOptions::default());
    history.record(run(2, Some("x"), "a. b."));
    let turn = |keeper: &mut Keeper| keeper.turn(Run::new(Source::Cli, None).started_ms);
    assert_eq!(turn(&mut keeper), NextTurn::WithWork);
    let mut wal = home.file().into_os_string();
    wal.push("-wal");
    for file in [home.file(), wal.into()] {
        // Repaired in place: it stays the same file, and programs that have it open do not notice.
        fs::write(&file, vec![b'x'; 10_000]).unwrap();
    }
    assert_eq!((home.open().len(), home.location().set_aside().len()), (0, 1));
    history.record(run(3, Some("x"), "aF"));
    assert_eq!((turn(&mut keeper), keeper.has_written()), (NextTurn::WithWork, true));
    is_complete(&home, &history);
}

fn is_complete(home: &Home, history: &History) {
    let again = home.open();
    let told = ["a", "b", "test_7"].map(|id| recent(&again, id));
    assert_eq!(told, ["..F", ".", "."]);
    assert_eq!(again.report(50), history.report(50));
}

#[test]
fn a_file_that_is_removed_in_use_is_made_again() {
    let home = filled();
    let history = home.open();
    // At the same moment, in any state of the history.
    fs::rename(home.file().parent().unwrap(), home.folder.path().join("removed")).unwrap();
    history.record(run(2, None, "b."));
    until("the run in a new file", || {
        history.flush(DEADLINE);
        recent(&home.open(), "b") == "."
    });
    // A run that was removed on purpose does not come back.
    assert_eq!((recent(&home.open(), "a"), home.location().set_aside().len()), (String::new(), 0));
}

#[test]
fn a_lock_is_waited_for_by_nobody_but_the_thread() {
    let home = Home::new();
    let history = home.open();
    let other = Connection::open(home.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    history.record(run(1, Some("x"), "a. a. aF"));
    assert!(history.verdict("a", 50).unwrap().is_flaky);
    assert!(!history.flush(MOMENT));
    until("that it is told", || {
        history.flush(MOMENT);
        history.trouble().is_some()
    });
    assert!(history.trouble().unwrap().contains("is locked by another program"));
    other.execute_batch("COMMIT").unwrap();
    assert!(history.flush(DEADLINE));
    assert_eq!((history.trouble(), recent(&home.open(), "a")), (None, "..F".into()));
}

#[test]
fn a_lock_at_the_start_delays_nothing() {
    let home = Home::new();
    fs::create_dir_all(home.file().parent().unwrap()).unwrap();
    let other = Connection::open(home.file()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE; CREATE TABLE x(y)").unwrap();
    let history = home.start();
    history.record(run(1, None, "a."));
    assert!(!history.wait_loaded(MOMENT));
    assert_eq!(recent(&history, "a"), ".");
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    assert!(history.flush(DEADLINE));
    assert_eq!(recent(&home.open(), "a"), ".");
}

#[test]
fn without_room_memory_goes_on() {
    let mut home = Home::new();
    home.limits = Limits { pages: 12, ..Limits::default() };
    let history = home.open();
    let names: Vec<String> = (0..2_000).map(|number| format!("test_with_a_long_name_{number}F")).collect();
    history.record(run(1, None, &names.join(" ")));
    assert!(!history.flush(DEADLINE));
    let told = history.trouble().unwrap();
    assert!(told.contains("can't be written") && told.contains("full"), "{told}");
    assert_eq!(history.report(50).tracked, 2_000);
    drop(history);
    // The file is as it was before.
    home.limits = Limits::default();
    let again = home.open();
    assert_eq!((again.len(), again.trouble()), (0, None));
}

#[test]
fn without_a_folder_memory_goes_on() {
    let home = Home::new();
    // No user can create a file there.
    let read_only = Location::of(Path::new("/proc/sys/lens"), home.folder.path());
    // A file in place of the folder.
    fs::write(home.folder.path().join("state"), "").unwrap();
    for location in [read_only, home.location()] {
        let history = History::open(location, HistoryOptions::default());
        assert!(history.wait_loaded(DEADLINE));
        history.record(run(1, None, "a."));
        assert!(!history.flush(DEADLINE));
        assert!(history.trouble().unwrap().contains("can't be written"));
        assert_eq!(recent(&history, "a"), ".");
    }
}

#[test]
fn what_a_newer_version_wrote_is_left_alone() {
    let home = filled();
    Connection::open(home.file()).unwrap().execute_batch("PRAGMA user_version=2").unwrap();
    let content = fs::read(home.file()).unwrap();
    let history = home.open();
    history.record(run(2, None, "b."));
    assert!(!history.flush(DEADLINE));
    assert!(history.trouble().unwrap().contains("a newer pytest-lens wrote"));
    assert_eq!((recent(&history, "b"), recent(&history, "a")), (".".into(), String::new()));
    assert_eq!(fs::read(home.file()).unwrap(), content);
    assert_eq!(home.location().set_aside().len(), 0);
}
