//! The thread that keeps the file: reads it once, writes what is recorded, and takes in what other processes wrote.
//!
//! Only this thread touches the file, so nobody else ever waits for it. If the file fails, memory stays right, and the
//! thread updates the file as soon as it can.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::history::{Changed, Shared, State};
use crate::ledger::Ledger;
use crate::record::{Run, Uid, now_ms};
use crate::store::{Store, Written};
use crate::timing::{LOCKED_PAUSE, TROUBLE_PAUSE};
use crate::trouble::Trouble;

/// A lock is reported after this many failed attempts: other processes hold it for a moment all the time.
const TRIES: u32 = 4;

/// An open file, its content, and the name of the damaged one with its fault.
type Reopened = (Store, Ledger, Option<(PathBuf, String)>);

/// The reader and writer of one history's file.
pub struct Keeper {
    shared: Arc<Shared>,
    store: Option<Store>,
    /// The file turned out to be damaged while in use: it is checked when it is opened again, and all of memory is
    /// written again.
    is_suspect: bool,
    /// Number of files that had been set aside when this one was opened: if there are more now, a process found it
    /// damaged.
    set_aside: Option<usize>,
    locked: u32,
    /// The reported trouble is over when the file can be used again.
    passing: bool,
}

/// The time of a keeper's next turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextTurn {
    /// It waits for work.
    WithWork,
    /// It tries again after a pause.
    After(Duration),
    /// It has nothing more to do.
    Never,
}

/// Whether there is nothing to do. While the keeper pauses, runs wait; haste and the end don't.
fn is_idle(state: &State, pauses: bool) -> bool {
    !state.is_dropped && !state.hurry && (pauses || state.is_written())
}

/// Waits for work; `false` if there will never be any.
fn wait(shared: &Shared, retry: Option<Duration>) -> bool {
    let mut state = shared.state();
    if state.is_dropped && (retry.is_some() || state.is_written()) {
        return false;
    }
    let is_idle = |state: &mut State| is_idle(state, retry.is_some());
    match retry.or(shared.options.watch) {
        Some(limit) => {
            let waited = shared.wake.wait_timeout_while(state, limit, is_idle);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        None => state = shared.wake.wait_while(state, is_idle).unwrap_or_else(PoisonError::into_inner),
    }
    state.hurry = false;
    true
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Keeper { shared, store: None, is_suspect: false, set_aside: None, locked: 0, passing: false }
    }

    /// Works until the last handle is gone.
    pub(crate) fn work(mut self) {
        loop {
            let retry = match self.turn(now_ms()) {
                NextTurn::WithWork => None,
                NextTurn::After(pause) => Some(pause),
                NextTurn::Never => return,
            };
            if !wait(&self.shared, retry) {
                return;
            }
        }
    }

    /// Reads and writes what there is at this Unix time in milliseconds.
    pub fn turn(&mut self, now_ms: u64) -> NextTurn {
        let next = match self.step(now_ms) {
            Ok(()) => {
                self.all_well();
                NextTurn::WithWork
            }
            Err(trouble) => match self.failed(&trouble) {
                Some(pause) => NextTurn::After(pause),
                None => return NextTurn::Never,
            },
        };
        self.shared.done.notify_all();
        next
    }

    /// Whether the file has all that memory has, as far as the keeper knows.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.shared.state().is_written()
    }

    fn step(&mut self, now_ms: u64) -> Result<(), Trouble> {
        // Another program may have removed the file, or set it aside.
        let mut store = match self.store.take().filter(Store::is_current) {
            Some(store) => store,
            None => self.open(now_ms)?,
        };
        match self.exchange(&mut store, now_ms) {
            Ok(()) => {
                self.store = Some(store);
                Ok(())
            }
            Err(trouble) => {
                match trouble {
                    Trouble::Damaged(_) => self.is_suspect = true,
                    _ => self.store = Some(store),
                }
                Err(trouble)
            }
        }
    }

    /// Opens the file; a damaged one is set aside, and a new one made.
    fn open(&mut self, now_ms: u64) -> Result<Store, Trouble> {
        let (location, limits) = (&self.shared.location, self.shared.options.limits);
        let first = if self.is_suspect { None } else { Some(Store::open(location, limits)) };
        let (store, ledger, aside) = match first {
            None | Some(Err(Trouble::Damaged(_))) => {
                location.make_folder()?;
                // Another process may have done the same a moment ago: its new file must not be set aside.
                location.alone(|| self.reopen())??
            }
            Some(opened) => {
                let (store, ledger) = opened?;
                (store, ledger, None)
            }
        };
        if let Some((aside, reason)) = &aside {
            self.shared.report(format!(
                "the history of {} was damaged ({reason}): it was set aside as {}, and a new one begun",
                location.root.display(),
                aside.display()
            ));
        }
        let set_aside = location.set_aside().len();
        let is_replaced = self.set_aside.is_some_and(|before| set_aside > before);
        self.merge(ledger, self.is_suspect || is_replaced, now_ms);
        (self.is_suspect, self.set_aside) = (false, Some(set_aside));
        Ok(store)
    }

    fn reopen(&self) -> Result<Reopened, Trouble> {
        let (location, limits) = (&self.shared.location, self.shared.options.limits);
        let again = Store::open(location, limits).and_then(|(store, ledger)| {
            if self.is_suspect {
                store.check()?;
            }
            Ok((store, ledger, None))
        });
        match again {
            Err(Trouble::Damaged(reason)) => {
                let aside = location.put_aside()?;
                let (store, ledger) = Store::open(location, limits)?;
                Ok((store, ledger, Some((aside, reason))))
            }
            other => other,
        }
    }

    /// Loads the file's content into memory. Runs that the file lacks wait to be written: all of memory if it was
    /// damaged, otherwise those recorded since.
    fn merge(&self, mut ledger: Ledger, rewrite: bool, now_ms: u64) {
        ledger.trim(now_ms);
        ledger.compact();
        let is_empty = ledger.len() == 0;
        {
            let mut state = self.shared.state();
            let runs: Vec<Arc<Run>> = if rewrite {
                state.ledger.to_runs().into_iter().map(Arc::new).collect()
            } else {
                state.pending.iter().map(|(_, run)| Arc::clone(run)).collect()
            };
            ledger.marks.merge(&state.ledger.marks);
            let known: HashSet<Uid> = ledger.uids().collect();
            let missing = runs.into_iter().filter(|run| !known.contains(&run.uid));
            state.replace_pending(missing.map(|run| (ledger.add(&run, None), run)).collect());
            state.ledger = ledger;
            state.is_settled = true;
        }
        self.shared.done.notify_all();
        if !is_empty {
            self.shared.tell(&Changed::All);
        }
    }

    /// Writes pending runs, and reads those of other processes.
    fn exchange(&self, store: &mut Store, now_ms: u64) -> Result<(), Trouble> {
        let (batch, lost, marks) = {
            let mut state = self.shared.state();
            state.ledger.trim(now_ms);
            let batch: Vec<_> = state.pending.iter().cloned().collect();
            (batch, state.ledger.take_lost(), state.ledger.marks.clone())
        };
        let written = if batch.is_empty() && lost.is_empty() && !marks.add_to(store.marks()) {
            Written { rows: Vec::new(), others: store.news()? }
        } else {
            let runs: Vec<Arc<Run>> = batch.iter().map(|(_, run)| Arc::clone(run)).collect();
            let begun = Instant::now();
            let written = store.write(&runs, &lost, &marks);
            let attempts: usize = runs.iter().map(|run| run.attempts.len()).sum();
            // `cargo xtask bench` reads this line.
            tracing::debug!(runs = runs.len(), attempts, micros = begun.elapsed().as_micros(), "history written");
            if written.is_err() {
                self.shared.state().ledger.give_back(lost);
            }
            written?
        };
        if !store.is_current() {
            // The file was removed a moment ago, and the new rows with it: the next step opens a new one.
            return Ok(());
        }
        let mut elsewhere = Vec::new();
        {
            let mut state = self.shared.state();
            for ((number, _), row) in batch.iter().zip(&written.rows) {
                state.ledger.written(*number, *row);
            }
            if let Some((last, _)) = batch.last() {
                state.drop_written(*last);
            }
            state.ledger.marks.merge(store.marks());
            state.has_marks = state.ledger.marks.add_to(store.marks());
            for (row, run) in written.others {
                if !state.ledger.holds(run.uid) {
                    state.ledger.add(&run, Some(row));
                    elsewhere.push(Arc::new(run));
                }
            }
        }
        if !elsewhere.is_empty() {
            self.shared.tell(&Changed::Elsewhere(elsewhere));
        }
        Ok(())
    }

    fn all_well(&mut self) {
        self.locked = 0;
        if std::mem::take(&mut self.passing) {
            self.shared.state().trouble = None;
        }
    }

    /// The pause before the next attempt; `None` if there will be none.
    fn failed(&mut self, trouble: &Trouble) -> Option<Duration> {
        let sentence = trouble.sentence(&self.shared.location.file);
        match trouble {
            Trouble::Locked => {
                self.locked += 1;
                if self.locked == TRIES {
                    self.passing = true;
                    self.shared.report(sentence);
                }
                Some(LOCKED_PAUSE)
            }
            // A damaged file is opened, and thereby set aside, at once, unless that has failed before.
            Trouble::Damaged(_) if self.is_suspect && self.locked == 0 => {
                self.locked = TRIES;
                Some(Duration::ZERO)
            }
            Trouble::Damaged(_) | Trouble::Unwritable(_) => {
                self.passing = true;
                self.shared.report(sentence);
                let mut state = self.shared.state();
                state.is_settled = true;
                state.failures += 1;
                Some(TROUBLE_PAUSE)
            }
            Trouble::Newer(_) => {
                self.shared.report(sentence);
                let mut state = self.shared.state();
                (state.is_settled, state.is_closed) = (true, true);
                state.replace_pending(std::collections::VecDeque::new());
                state.has_marks = false;
                drop(state);
                self.shared.done.notify_all();
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{History, HistoryOptions};
    use crate::location::Location;

    #[test]
    fn the_keeper_rests_without_work_and_while_it_pauses_but_not_if_somebody_waits() {
        let (none, some) = (State::default, || State { has_marks: true, ..State::default() });
        let hurried = |state: State| State { hurry: true, ..state };
        let ended = |state: State| State { is_dropped: true, ..state };
        for pauses in [true, false] {
            assert!(is_idle(&none(), pauses));
            assert_eq!(is_idle(&some(), pauses), pauses);
            for state in [hurried(none()), hurried(some()), ended(none()), ended(some())] {
                assert!(!is_idle(&state, pauses));
            }
        }
    }

    #[test]
    fn a_damaged_file_is_opened_again_at_once_but_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::of(folder.path(), folder.path());
        let (history, mut keeper) = History::open_with_keeper(location, HistoryOptions::default());
        let damaged = Trouble::Damaged("torn".into());
        keeper.is_suspect = true;
        assert_eq!((keeper.failed(&damaged), history.trouble()), (Some(Duration::ZERO), None));
        assert_eq!(keeper.failed(&damaged), Some(TROUBLE_PAUSE));
        assert!(history.trouble().unwrap().contains("is damaged (torn)"));
        keeper.all_well();
        assert_eq!((keeper.failed(&damaged), history.trouble()), (Some(Duration::ZERO), None));
        // One that could not even be opened waits for a person.
        keeper.all_well();
        keeper.is_suspect = false;
        assert_eq!((keeper.failed(&damaged), history.trouble().is_some()), (Some(TROUBLE_PAUSE), true));
    }
}
