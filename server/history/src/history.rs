//! The handle that everybody else holds: records runs, answers questions, never touches the disk itself.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pytest_lens_plan::flaky::Verdict;

use crate::keeper;
use crate::ledger::{Last, Ledger, Limits, Report};
use crate::place::Place;
use crate::record::{Run, Uid};

/// How a history is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Look every so often for runs that other processes have recorded; without it they are noticed when the file is
    /// opened, and when something is written.
    pub watch: Option<Duration>,
    /// How much is kept.
    pub limits: Limits,
}

/// Tests with new outcomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// Every test: the file was read.
    All,
    /// These.
    Tests(Vec<Arc<str>>),
    /// Those of runs that other processes have recorded since the file was read.
    Elsewhere(Vec<Arc<Run>>),
}

impl Changed {
    /// Which tests; `None` where all may have changed.
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

/// Is told what changed, from any thread; one that answers `false` is told no more.
type Listener = Box<dyn Fn(&Changed) -> bool + Send + Sync>;

/// The history of one repository. Dropping it ends its thread, which first writes what it can; [`History::flush`] before,
/// where that must be waited for.
pub struct History {
    shared: Arc<Shared>,
}

/// What the handles and the keeper, the thread that reads and writes the file, have in common.
pub(crate) struct Shared {
    pub place: Place,
    pub options: Options,
    state: Mutex<State>,
    /// For the keeper: there is something to do.
    pub wake: Condvar,
    /// For those who wait: the keeper did something.
    pub done: Condvar,
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Default)]
pub(crate) struct State {
    pub ledger: Ledger,
    /// Runs that are not yet in the file, with their numbers in the ledger, in ascending order.
    pub pending: VecDeque<(u32, Arc<Run>)>,
    /// The file has been read, or can't be.
    pub is_settled: bool,
    /// Nothing will ever be written: the file belongs to a newer version, or there is no thread to do it.
    pub is_closed: bool,
    /// Attempts in them.
    pub pending_attempts: usize,
    /// Somebody waits for what is pending.
    pub hurry: bool,
    /// The handle is gone.
    pub is_dropped: bool,
    /// How often the file could not be used for another reason than a lock.
    pub failures: u64,
    /// What was last wrong, as a sentence.
    pub trouble: Option<String>,
}

impl State {
    /// A run is to be written; the oldest ones never will be where there are more than `limit` attempts.
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

    /// Runs up to this number need not be written any more.
    pub(crate) fn settle(&mut self, last: u32) {
        while self.pending.front().is_some_and(|(number, _)| *number <= last) {
            self.pop();
        }
    }

    /// These, in ascending order of their numbers, are to be written and nothing else.
    pub(crate) fn replace_pending(&mut self, pending: VecDeque<(u32, Arc<Run>)>) {
        self.pending_attempts = pending.iter().map(|(_, run)| run.attempts.len()).sum();
        self.pending = pending;
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells everybody who listens.
    pub(crate) fn tell(&self, changed: &Changed) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).retain(|listener| listener(changed));
    }

    /// Says once what is wrong.
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
    pub fn open(place: Place, options: Options) -> Self {
        let state = State { ledger: Ledger::new(options.limits), ..State::default() };
        let shared = Arc::new(Shared {
            place,
            options,
            state: Mutex::new(state),
            wake: Condvar::new(),
            done: Condvar::new(),
            listeners: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        let keeper = std::thread::Builder::new().name("history".into()).spawn(move || keeper::work(&own));
        if let Err(error) = keeper {
            let sentence = format!("no thread can be started for the history ({error}); it is kept in memory only");
            shared.report(sentence);
            let mut state = shared.state();
            (state.is_settled, state.is_closed) = (true, true);
        }
        History { shared }
    }

    /// Takes in a run that has ended: what is asked from now on takes it into account. It is written in the background.
    /// One that is there already, by its `uid`, is not taken in again.
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

    /// Calls `listener` whenever tests have new outcomes, recorded here or elsewhere, until it returns `false`. It is
    /// called by whichever thread made the change, and must not wait.
    pub fn listen(&self, listener: impl Fn(&Changed) -> bool + Send + Sync + 'static) {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Waits until the file has been read, or can't be, `limit` at most; whether it has.
    pub fn wait_loaded(&self, limit: Duration) -> bool {
        let state = self.shared.state();
        let waiting = self.shared.done.wait_timeout_while(state, limit, |state| !state.is_settled);
        waiting.unwrap_or_else(PoisonError::into_inner).0.is_settled
    }

    /// Waits until everything that was recorded is in the file, `limit` at most; whether it is. Where the file can't be
    /// written at all, that is known at once; where it is only locked, it is tried until the limit.
    pub fn flush(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.shared.state();
        let failures = state.failures;
        while !state.pending.is_empty() && !state.is_closed && state.failures == failures {
            let Some(left) = end.checked_duration_since(Instant::now()) else { break };
            state.hurry = true;
            self.shared.wake.notify_all();
            state = self.shared.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.pending.is_empty() && !state.is_closed
    }

    /// What is wrong with the file, or was, in one sentence.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.state().trouble.clone()
    }

    /// Where it lies.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.shared.place
    }

    /// Whether a run is in it.
    #[must_use]
    pub fn holds(&self, uid: Uid) -> bool {
        self.shared.state().ledger.holds(uid)
    }

    /// How many attempts are in memory, of all tests.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state().ledger.len()
    }

    /// Whether nothing is known of any test.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is known of a test's flakiness over its last `window` runs; none where it never ran.
    #[must_use]
    pub fn verdict(&self, id: &str, window: usize) -> Option<Verdict> {
        self.shared.state().ledger.verdict(id, window)
    }

    /// The last duration, in milliseconds, of each of these tests that ran to its end.
    pub fn durations_ms<'a>(&self, ids: impl Iterator<Item = &'a str>) -> Vec<Option<f64>> {
        let state = self.shared.state();
        ids.map(|id| state.ledger.duration_ms(id)).collect()
    }

    /// Tests whose last attempt failed, by id.
    #[must_use]
    pub fn last_failed(&self) -> Vec<Arc<str>> {
        self.shared.state().ledger.last_failed()
    }

    /// The last attempt of each test on this machine.
    #[must_use]
    pub fn last_outcomes(&self) -> Vec<Last> {
        self.shared.state().ledger.last_outcomes()
    }

    /// What is known of the flakiness of all tests, over the last `window` runs of each.
    #[must_use]
    pub fn report(&self, window: usize) -> Report {
        self.shared.state().ledger.report(window)
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").field("place", &self.shared.place).finish_non_exhaustive()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.shared.state().is_dropped = true;
        self.shared.wake.notify_all();
    }
}
