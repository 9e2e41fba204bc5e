//! Several processes, one file.

use std::sync::{Arc, mpsc};

use pytest_lens_history::{Attempt, Changed, Failure, History, Run, Source, Uid};
use pytest_lens_plan::outcome::Outcome;
use rusqlite::Connection;

use crate::common::{DEADLINE, Home, recent, run, until};

#[test]
fn a_run_that_another_process_records_is_told() {
    let home = Home::new();
    let (here, there) = (home.open(), home.open());
    let (told, heard) = mpsc::channel();
    here.listen(move |changed| told.send(changed.clone()).is_ok());
    there.record(run(1, Some("x"), "a. b."));
    let told = heard.recv_timeout(DEADLINE).unwrap();
    assert!(matches!(&told, Changed::Elsewhere(runs) if runs.len() == 1), "{told:?}");
    assert_eq!(told.tests(), Some(vec!["a".into(), "b".into()]));
    here.record(run(2, Some("x"), "aF"));
    assert_eq!(heard.recv_timeout(DEADLINE), Ok(Changed::Tests(vec!["a".into()])));
    assert_eq!(recent(&here, "a"), ".F");
    assert!(here.verdict("a", 50).unwrap().is_flaky);
    until("the run recorded here, there", || recent(&there, "a") == ".F");
}

#[test]
fn all_that_many_record_at_once_is_there_for_each() {
    let home = Home::new();
    let histories = [home.start(), home.start(), home.start()];
    for at in 0..30_u64 {
        for (number, history) in (0..).zip(&histories) {
            history.record(run(at * 10 + number, None, "a. b. c."));
        }
    }
    assert!(histories.iter().all(|history| history.flush(DEADLINE)));
    for history in &histories {
        until("every run", || history.len() == 270);
    }
    assert_eq!(home.open().len(), 270);
}

#[test]
fn the_same_report_is_recorded_once() {
    let home = Home::new();
    let (here, there) = (home.open(), home.open());
    let report = run(1, None, "a.");
    here.record(report.clone());
    assert!(here.flush(DEADLINE));
    until("it, there", || there.holds(report.uid));
    // A process that has not noticed records it again, without an effect on the file.
    let again = home.start();
    again.record(report.clone());
    assert!(again.wait_loaded(DEADLINE) && again.flush(DEADLINE));
    assert_eq!((again.len(), home.open().len()), (1, 1));
}

#[test]
fn broken_files_are_known_in_every_process_until_a_clearing() {
    let home = Home::new();
    let (here, there) = (home.open(), home.open());
    let names =
        |history: &History| history.broken().iter().map(|(file, at)| format!("{file} {at}")).collect::<Vec<_>>();
    here.note_broken(["a.py", "b.py"].into_iter(), 5);
    until("the files, there", || names(&there) == ["a.py 5", "b.py 5"]);
    there.note_broken(["b.py"].into_iter(), 7);
    there.note_broken(["a.py"].into_iter(), 3);
    until("the later time, here", || names(&here) == ["a.py 5", "b.py 7"]);
    here.clear(6);
    assert!(here.flush(DEADLINE) && there.flush(DEADLINE));
    assert_eq!(names(&home.open()), ["b.py 7"]);
}

#[test]
fn a_clearing_counts_in_every_process_and_after_a_restart() {
    let home = Home::new();
    let (here, there) = (home.open(), home.open());
    let (before, after) = (run(1, None, "aF bF"), run(1_000, None, "b. cF"));
    here.record(before.clone());
    until("the failures, there", || there.last_failed().len() == 2);
    here.clear(before.started_ms + 1);
    assert!(here.last_failed().is_empty());
    until("the clearing, there", || there.last_failed().is_empty());
    there.record(after.clone());
    assert!(here.flush(DEADLINE) && there.flush(DEADLINE));
    until("the later failure, here", || here.last_failed() == ["c".into()]);
    // Verdicts and last outcomes remain.
    assert_eq!((recent(&here, "a"), here.last_outcomes().len()), ("F".into(), 3));
    let again = home.open();
    assert_eq!((again.last_failed(), again.cleared_ms()), (vec!["c".into()], before.started_ms + 1));
    // An earlier one does not take it back.
    again.clear(1);
    assert!(again.flush(DEADLINE));
    assert_eq!((again.cleared_ms(), home.open().cleared_ms()), (before.started_ms + 1, before.started_ms + 1));
}

#[test]
fn who_does_not_listen_any_more_is_told_no_more() {
    let home = Home::new();
    let history = home.open();
    let (told, heard) = mpsc::channel();
    history.listen(move |changed| {
        told.send(changed.clone()).unwrap();
        false
    });
    history.record(run(1, None, "a."));
    history.record(run(2, None, "a."));
    assert!(heard.recv_timeout(DEADLINE).is_ok());
    assert_eq!(heard.recv_timeout(DEADLINE), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_run_comes_from_another_process_as_it_was_recorded() {
    let home = Home::new();
    let (here, there) = (home.open(), home.open());
    let (told, heard) = mpsc::channel();
    here.listen(move |changed| told.send(changed.clone()).is_ok());
    let imported = Run { is_imported: true, ..run(9, None, "a. b.") };
    let of = |source| Run { source, ..run(source as u64, Some("code"), "a. bF as") };
    let mut runs = [Source::Cli, Source::Editor, Source::Agent, Source::Ci].map(of).to_vec();
    runs.push(Run { source: Source::Ci, ..imported });
    for mut run in runs {
        for outcome in Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::NotRun) {
            let failure = outcome.is_failure().then(|| Arc::new(Failure::new(outcome.as_str(), None)));
            let id = format!("c{}", outcome.as_str()).into();
            run.attempts.push(Attempt { id, outcome, attempt: 3, duration_ms: 1234.567, failure });
        }
        there.record(run.clone());
        let Changed::Elsewhere(mut others) = heard.recv_timeout(DEADLINE).unwrap() else { panic!("it is told") };
        assert_eq!(others.len(), 1);
        let order = |attempts: &mut Vec<Attempt>| attempts.sort_by_key(|attempt| (attempt.id.clone(), attempt.attempt));
        let found = Arc::make_mut(&mut others[0]);
        order(&mut found.attempts);
        order(&mut run.attempts);
        assert_eq!(*found, run);
        let ids = ["a", "cpassed", "x"];
        assert_eq!(here.durations_ms(ids.into_iter()), there.durations_ms(ids.into_iter()));
    }
}

#[test]
fn a_run_that_began_ahead_of_now_hides_no_later_one() {
    let day = 86_400_000;
    let home = Home::new();
    for (at, outcomes) in [(day, "a. bF"), (2 * day, "a. bF"), (0, "aF b.")] {
        let history = home.open();
        history.record(run(at, None, outcomes));
        assert!(history.flush(DEADLINE));
        assert!(at > 0 || recent(&history, "a") == "..F");
    }
    // A report on the past has no part in it.
    let mut old = run(1, None, "c.");
    (old.started_ms, old.source, old.is_imported) = (5, Source::Ci, true);
    let history = home.open();
    history.record(old);
    assert!(history.flush(DEADLINE));
    for _ in 0..2 {
        let history = home.open();
        assert_eq!((recent(&history, "a"), recent(&history, "b")), ("..F".into(), "FF.".into()));
        assert_eq!(history.last_failed(), [Arc::from("a")]);
    }
}

#[test]
fn a_run_of_a_service_with_a_code_that_an_older_version_wrote_is_of_this_machine() {
    let home = Home::new();
    let history = home.open();
    let (with, without) = (run(10, Some("code"), "a. b."), run(20, None, "bF"));
    history.record(with.clone());
    history.record(without.clone());
    assert!(history.flush(DEADLINE));
    drop(history);
    let connection = Connection::open(home.file()).unwrap();
    assert_eq!(connection.execute("UPDATE runs SET source = 'ci'", []).unwrap(), 2);
    let again = home.open();
    assert_eq!(
        ["a", "b", "c"].map(|id| again.last_started_ms(id)),
        [Some(with.started_ms), Some(with.started_ms), None]
    );
    assert_eq!((again.last_outcomes().len(), recent(&again, "b")), (2, ".F".into()));
    assert_eq!((again.holds(without.uid), again.holds(Uid::new())), (true, false));
}
