//! The handle of a history: records runs and answers questions, and never touches the disk itself.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pytest_lens_plan::flaky::Verdict;

use crate::inputs::InputStore;
use crate::keeper::Keeper;
use crate::ledger::{Last, Ledger, Limits, Report};
use crate::location::Location;
use crate::record::{Run, Uid};

/// How a history is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct HistoryOptions {
    /// The interval at which to look for runs that other processes have recorded; without it they are noticed when the
    /// file is opened or written.
    pub watch: Option<Duration>,
    /// The limits of the history's size.
    pub limits: Limits,
}

/// The tests with new outcomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// Every test: the file was read.
    All,
    /// These tests.
    Tests(Vec<Arc<str>>),
    /// These tests, by runs that other processes have recorded since the file was read.
    Elsewhere(Vec<Arc<Run>>),
}

impl Changed {
    /// The ids of the tests; `None` if all may have changed.
    #[must_use]
    pub fn tests(&self) -> Option<Vec<Arc<str>>> {
        match self {
            Self::All => None,
            Self::Tests(ids) => Some(ids.clone()),
            Self::Elsewhere(runs) => {
                Some(runs.iter().flat_map(|run| &run.attempts).map(|attempt| Arc::clone(&attempt.id)).collect())
            }
        }
    }
}

/// Receives changes, on any thread; one that returns `false` receives no more.
type Listener = Box<dyn Fn(&Changed) -> bool + Send + Sync>;

/// The history of one repository. Dropping it ends its thread, which first writes what it can; call [`History::flush`]
/// before to wait for that.
pub struct History {
    shared: Arc<Shared>,
    inputs: InputStore,
}

/// The state that the handles share with the keeper, the thread that reads and writes the file.
pub(crate) struct Shared {
    pub location: Location,
    pub options: HistoryOptions,
    state: Mutex<State>,
    /// Wakes the keeper: it has work.
    pub wake: Condvar,
    /// Wakes those who wait: the keeper did something.
    pub done: Condvar,
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub ledger: Ledger,
    /// Runs that are not yet in the file, with their numbers in the ledger, in ascending order.
    pub pending: VecDeque<(u32, Arc<Run>)>,
    /// The file was read, or can't be read.
    pub is_settled: bool,
    /// No run will ever be written: the file belongs to a newer version, or the thread could not start.
    pub is_closed: bool,
    /// Number of attempts in `pending`.
    pub pending_attempts: usize,
    /// A moment is not yet in the file.
    pub has_marks: bool,
    /// Someone waits for all to be written.
    pub hurry: bool,
    /// The last handle is gone.
    pub is_dropped: bool,
    /// Number of failures to use the file for a reason other than a lock.
    pub failures: u64,
    /// The last trouble, as a sentence.
    pub trouble: Option<String>,
}

impl State {
    /// Adds a run to write; drops the oldest ones if there are more than `limit` attempts.
    fn push(&mut self, number: u32, run: Arc<Run>, limit: usize) {
        if self.is_closed {
            return;
        }
        self.pending_attempts += run.attempts.len();
        self.pending.push_back((number, run));
        while self.pending_attempts > limit && self.pending.len() > 1 {
            tracing::warn!("the history could not be written for too long: a run is remembered in memory only");
            self.pop();
        }
    }

    fn pop(&mut self) {
        if let Some((_, run)) = self.pending.pop_front() {
            self.pending_attempts -= run.attempts.len();
        }
    }

    /// Whether the file has all that memory has.
    pub(crate) fn is_written(&self) -> bool {
        self.pending.is_empty() && !self.has_marks
    }

    /// Removes runs up to this number: they are in the file.
    pub(crate) fn drop_written(&mut self, last: u32) {
        while self.pending.front().is_some_and(|(number, _)| *number <= last) {
            self.pop();
        }
    }

    /// Replaces the runs to write by these, in ascending order of their numbers.
    pub(crate) fn replace_pending(&mut self, pending: VecDeque<(u32, Arc<Run>)>) {
        self.pending_attempts = pending.iter().map(|(_, run)| run.attempts.len()).sum();
        self.pending = pending;
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls every listener.
    pub(crate) fn tell(&self, changed: &Changed) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).retain(|listener| listener(changed));
    }

    /// Logs a trouble once.
    pub(crate) fn report(&self, sentence: String) {
        let mut state = self.state();
        if state.trouble.as_ref() != Some(&sentence) {
            tracing::warn!("{sentence}");
            state.trouble = Some(sentence);
        }
    }
}

impl History {
    /// Opens a history. Returns at once: the file is read, or made, in the background.
    #[must_use]
    pub fn open(location: Location, options: HistoryOptions) -> Self {
        let (history, keeper) = Self::open_with_keeper(location, options);
        let keeping = std::thread::Builder::new().name("history".into()).spawn(move || keeper.work());
        if let Err(error) = keeping {
            let sentence = format!("no thread can be started for the history ({error}); it is kept in memory only");
            history.shared.report(sentence);
            let mut state = history.shared.state();
            (state.is_settled, state.is_closed) = (true, true);
        }
        history
    }

    /// As [`History::open`], without a thread: the caller gives the keeper its turns.
    #[must_use]
    pub fn open_with_keeper(location: Location, options: HistoryOptions) -> (Self, Keeper) {
        let state = State { ledger: Ledger::new(options.limits), ..State::default() };
        let shared = Arc::new(Shared {
            location,
            options,
            state: Mutex::new(state),
            wake: Condvar::new(),
            done: Condvar::new(),
            listeners: Mutex::default(),
        });
        let inputs = InputStore::of(&shared.location);
        let keeper = Keeper::new(Arc::clone(&shared));
        (History { shared, inputs }, keeper)
    }

    /// Records a run that has ended: later questions take it into account. It is written in the background. A run whose
    /// `uid` is known is not recorded again.
    pub fn record(&self, mut run: Run) {
        let ids: Vec<Arc<str>> = run.attempts.iter().map(|attempt| Arc::clone(&attempt.id)).collect();
        if ids.is_empty() {
            return;
        }
        let failures = run.attempts.iter_mut().filter(|attempt| attempt.failure.is_some());
        failures.skip(self.shared.options.limits.failures).for_each(|attempt| attempt.failure = None);
        {
            let mut state = self.shared.state();
            if state.ledger.holds(run.uid) {
                return;
            }
            let number = state.ledger.add(&run, None);
            state.push(number, Arc::new(run), self.shared.options.limits.unwritten);
        }
        self.shared.wake.notify_all();
        self.shared.tell(&Changed::Tests(ids));
    }

    /// Clears what the next runs are selected and ordered by: runs that started before `at_ms`, Unix time in
    /// milliseconds, no longer count for [`History::last_failed`]. Verdicts and last outcomes remain.
    pub fn clear(&self, at_ms: u64) {
        {
            let mut state = self.shared.state();
            state.ledger.marks.clear(at_ms);
            state.has_marks = !state.is_closed;
        }
        self.shared.wake.notify_all();
    }

    /// When [`History::clear`] was last called by any process; 0 if never.
    #[must_use]
    pub fn cleared_ms(&self) -> u64 {
        self.shared.state().ledger.marks.cleared_ms()
    }

    /// Files, by their paths, can't be collected for a run at `at_ms`, Unix time in milliseconds.
    pub fn note_broken<'a>(&self, files: impl Iterator<Item = &'a str>, at_ms: u64) {
        {
            let mut state = self.shared.state();
            files.for_each(|file| state.ledger.marks.note_broken(file.into(), at_ms));
            state.has_marks = !state.is_closed;
        }
        self.shared.wake.notify_all();
    }

    /// The files that could not be collected for a run since the last clearing, and when that was last so.
    #[must_use]
    pub fn broken(&self) -> Vec<(Arc<str>, u64)> {
        self.shared.state().ledger.marks.broken().map(|(file, at_ms)| (Arc::clone(file), at_ms)).collect()
    }

    /// Calls `listener` whenever tests have new outcomes, recorded here or elsewhere, until it returns `false`. It runs
    /// on the thread that made the change, and must not wait.
    pub fn listen(&self, listener: impl Fn(&Changed) -> bool + Send + Sync + 'static) {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Waits at most `limit` until the file has been read, or can't be read; returns whether it has.
    pub fn wait_loaded(&self, limit: Duration) -> bool {
        let state = self.shared.state();
        let waiting = self.shared.done.wait_timeout_while(state, limit, |state| !state.is_settled);
        waiting.unwrap_or_else(PoisonError::into_inner).0.is_settled
    }

    /// Waits at most `limit` until every recorded run is in the file; returns whether it is. Returns at once if the
    /// file can't be written; if it is only locked, tries until the limit.
    pub fn flush(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.shared.state();
        let failures = state.failures;
        while !state.is_written() && !state.is_closed && state.failures == failures {
            let Some(left) = end.checked_duration_since(Instant::now()) else { break };
            state.hurry = true;
            self.shared.wake.notify_all();
            state = self.shared.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_written() && !state.is_closed
    }

    /// The present or last trouble with the file, in one sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.state().trouble.clone()
    }

    /// The inputs of tests, in a file of their own.
    #[must_use]
    pub fn inputs(&self) -> &InputStore {
        &self.inputs
    }

    /// Path of the file.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.shared.location
    }

    /// Whether the history holds a run.
    #[must_use]
    pub fn holds(&self, uid: Uid) -> bool {
        self.shared.state().ledger.holds(uid)
    }

    /// Number of attempts in memory, of all tests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state().ledger.len()
    }

    /// Whether the history is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The flakiness of a test over its last `window` runs; `None` if it never ran.
    #[must_use]
    pub fn verdict(&self, id: &str, window: usize) -> Option<Verdict> {
        self.shared.state().ledger.verdict(id, window)
    }

    /// The last duration, in milliseconds, of those of these tests that ran to their end.
    pub fn durations_ms<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<Option<f64>> {
        self.durations_before_ms(u64::MAX, ids)
    }

    /// The same, of the runs that started before `end_ms`, Unix time in milliseconds.
    pub fn durations_before_ms<'a>(&self, end_ms: u64, ids: impl Iterator<Item = &'a str>) -> Vec<Option<f64>> {
        let state = self.shared.state();
        ids.map(|id| state.ledger.duration_ms(id, end_ms)).collect()
    }

    /// A shard of this distribution is asked for at `at_ms`, Unix time in milliseconds. Returns when one was first asked
    /// for, by any process.
    pub fn ask_for_shard(&self, distribution: &str, at_ms: u64) -> u64 {
        let first_ms = {
            let mut state = self.shared.state();
            if let Some(first_ms) = state.ledger.marks.first_asked_ms(distribution) {
                return first_ms;
            }
            state.ledger.marks.ask(distribution.into(), at_ms);
            state.has_marks = !state.is_closed;
            at_ms
        };
        self.shared.wake.notify_all();
        first_ms
    }

    /// When [`History::ask_for_shard`] was first called for this distribution, by any process.
    #[must_use]
    pub fn first_asked_ms(&self, distribution: &str) -> Option<u64> {
        self.shared.state().ledger.marks.first_asked_ms(distribution)
    }

    /// Tests whose last attempt failed, by id; only of runs since the last clearing.
    #[must_use]
    pub fn last_failed(&self) -> Vec<Arc<str>> {
        self.shared.state().ledger.last_failed()
    }

    /// The last attempt of each test on this machine.
    #[must_use]
    pub fn last_outcomes(&self) -> Vec<Last> {
        self.shared.state().ledger.last_outcomes()
    }

    /// When the run of a test's last attempt on this machine started, Unix time in milliseconds.
    #[must_use]
    pub fn last_started_ms(&self, id: &str) -> Option<u64> {
        self.shared.state().ledger.last_started_ms(id)
    }

    /// The flakiness of all tests, over the last `window` runs of each.
    #[must_use]
    pub fn report(&self, window: usize) -> Report {
        self.shared.state().ledger.report(window)
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("location", &self.shared.location).finish_non_exhaustive()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.shared.state().is_dropped = true;
        self.shared.wake.notify_all();
    }
}
