//! Decides which tests to send to each worker. A pure state machine: the caller feeds it the workers' reports, and asks
//! it for commands.
//!
//! A worker starts a test only when it knows the one after it or knows that there is none, because pytest decides by
//! the next test which fixtures to tear down.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A worker that holds fewer tests than this, not counting the running one, is fed again ...
const LOW: usize = 64;
/// ... up to this many: fast tests do not wait for a message each, and their starts and outcomes can be read many at a
/// time.
const HIGH: usize = 128;

/// A command for a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Tests to run after those it has; never empty.
    Feed(Vec<usize>),
    /// No test follows those it has.
    End,
}

/// The tests of a worker that is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lost {
    /// The test that had started and not finished. It counts as a failure and is final; the caller decides on the
    /// outcome.
    pub blamed: Option<usize>,
    /// Tests that were planned for this worker and now wait for another one, in running order. Empty once no test may
    /// start.
    pub rescheduled: Vec<usize>,
}

/// The part of a lost worker's running test in its loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// It runs elsewhere.
    Nothing,
    /// It has its outcome, and is repeated.
    Repeated,
    /// It has failed.
    Failure,
}

#[derive(Debug, Default)]
struct Worker {
    /// The rest of its current unit, not sent yet.
    unit: VecDeque<usize>,
    /// Sent, not started.
    held: VecDeque<usize>,
    /// Started, not finished: one, unless a report was lost.
    started: Vec<usize>,
    ended: bool,
    /// Tests that it does not have; `None` as long as it has not said.
    lacks: Option<BTreeSet<usize>>,
}

/// Hands units to workers, numbered `0..workers` to begin with.
///
/// Ask [`next`](Self::next) for each worker at the start, and again after each event of that worker; after
/// [`stop`](Self::stop) and once [`maxfail_reached`](Self::maxfail_reached), for all. Reports that make no sense (an
/// unknown worker, a test that has its verdict) are ignored.
#[derive(Debug)]
pub struct Dispatcher {
    queue: VecDeque<VecDeque<usize>>,
    workers: BTreeMap<usize, Worker>,
    /// Tests without a verdict.
    open: BTreeSet<usize>,
    failures: u32,
    maxfail: Option<u32>,
    stopped: bool,
    /// One worker stops at `maxfail` by itself, so nothing is gained by feeding it bit by bit.
    all_at_once: bool,
    /// Workers may lack tests that others have.
    may_lack: bool,
}

impl Dispatcher {
    /// Creates a dispatcher over units that [`units`](super::units()) made. `maxfail` of `None` or 0 is no limit.
    #[must_use]
    pub fn new(units: Vec<Vec<usize>>, workers: usize, maxfail: Option<u32>) -> Self {
        let mut open = BTreeSet::new();
        let mut queue = VecDeque::new();
        for unit in units {
            let unit: VecDeque<usize> = unit.into_iter().filter(|i| open.insert(*i)).collect();
            if !unit.is_empty() {
                queue.push_back(unit);
            }
        }
        Self {
            queue,
            workers: (0..workers).map(|id| (id, Worker::default())).collect(),
            open,
            failures: 0,
            maxfail: maxfail.filter(|limit| *limit > 0),
            stopped: false,
            all_at_once: workers <= 1,
            may_lack: false,
        }
    }

    /// The same for workers that each collect by themselves: one may lack tests that another has. Each reports them
    /// with [`lacks`](Self::lacks), and none receives the end before all have reported: another worker runs the tests
    /// that one lacks.
    ///
    /// Then ask [`next`](Self::next) for all workers, after each event.
    #[must_use]
    pub fn with_own_collections(mut self) -> Self {
        self.expect_own_collections();
        self
    }

    /// As [`with_own_collections`](Self::with_own_collections), from now on: a worker joins that collects by itself,
    /// because the collection of the others can't be forked any more.
    pub fn expect_own_collections(&mut self) {
        self.may_lack = true;
    }

    /// The same without workers: each joins by [`worker_added`](Self::worker_added) when it is there. Until then nothing
    /// is kept for it, as it may never come, and there may be more than were expected.
    #[must_use]
    pub fn with_late_workers(mut self) -> Self {
        self.workers.clear();
        self.all_at_once = false;
        self
    }

    /// The next commands for a worker, in order; often none. `End` comes once.
    ///
    /// Once no test may start, `End` is the only command. A worker then runs the tests that it holds, so send it a stop
    /// first.
    pub fn next(&mut self, worker: usize) -> Vec<Command> {
        let Some(mut state) = self.workers.remove(&worker) else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        if !state.ended {
            let mut feed = Vec::new();
            if self.is_stopping() {
                state.ended = true;
            } else {
                self.fill(&mut state, &mut feed);
            }
            if !feed.is_empty() {
                commands.push(Command::Feed(feed));
            }
            if state.ended {
                commands.push(Command::End);
            }
        }
        self.workers.insert(worker, state);
        commands
    }

    /// Fills up one worker, which is out of `self.workers` meanwhile.
    fn fill(&mut self, worker: &mut Worker, feed: &mut Vec<usize>) {
        let running = !worker.started.is_empty();
        let (low, high) = match self.maxfail {
            _ if self.all_at_once => (usize::MAX, usize::MAX),
            // Sends the fewest tests that keep it busy: a test that it holds when the limit is reached can't start,
            // because the worker does not know the next one.
            Some(_) if running => (1, 1),
            Some(_) => (2, 2),
            None => (LOW, HIGH),
        };
        loop {
            if worker.held.len() < low {
                while worker.held.len() < high {
                    let Some(index) = worker.unit.pop_front() else {
                        break;
                    };
                    if self.open.contains(&index) {
                        worker.held.push_back(index);
                        feed.push(index);
                    }
                }
            }
            // The next unit is taken at the last moment, so that it goes to the worker that is free first.
            let waits = !running && worker.held.len() < 2;
            if !worker.unit.is_empty() || !(waits || self.all_at_once) {
                return;
            }
            // A worker that still has tests leaves units to those that have none.
            let spare = worker.held.is_empty() || self.has_unit_for_all_idle() || self.nobody_else_can(worker);
            worker.unit = if spare { self.take_unit(worker) } else { VecDeque::new() };
            if worker.unit.is_empty() {
                // Tests that another worker turns out to lack go to those that are left.
                worker.ended = !self.may_lack || self.workers.values().all(|other| other.lacks.is_some());
                return;
            }
        }
    }

    /// The next unit, as far as the worker has its tests.
    fn take_unit(&mut self, worker: &Worker) -> VecDeque<usize> {
        if worker.has_all() {
            return self.queue.pop_front().unwrap_or_default();
        }
        let Some(at) = self.queue.iter().position(|unit| unit.iter().any(|index| worker.has(*index))) else {
            return VecDeque::new();
        };
        let unit = self.queue.remove(at).unwrap_or_default();
        let (unit, lacking): (VecDeque<_>, VecDeque<_>) = unit.into_iter().partition(|index| worker.has(*index));
        if !lacking.is_empty() {
            self.queue.insert(at, lacking);
        }
        unit
    }

    /// Whether a test waits that this worker has, and no other one that still takes tests.
    fn nobody_else_can(&self, worker: &Worker) -> bool {
        let others = || self.workers.values().filter(|other| !other.ended);
        // Looking at each waiting test is for the rare case that all others lack some.
        if others().any(Worker::has_all) {
            return false;
        }
        let mut waiting = self.queue.iter().flatten();
        self.may_lack && waiting.any(|index| worker.has(*index) && !others().any(|other| other.has(*index)))
    }

    /// Whether units are left over if each idle worker takes one. Counts workers only where units are few: it is asked
    /// for each unit, and there may be thousands of both.
    fn has_unit_for_all_idle(&self) -> bool {
        self.queue.len() > self.workers.len() || self.queue.len() > self.idle_workers()
    }

    fn idle_workers(&self) -> usize {
        let has_something = |worker: &&Worker| self.queue.iter().flatten().any(|index| worker.has(*index));
        let idle = |worker: &&Worker| !worker.ended && worker.held.is_empty() && worker.started.is_empty();
        self.workers.values().filter(idle).filter(|worker| !self.may_lack || has_something(worker)).count()
    }

    /// A worker has looked for the tests in its own collection, and lacks some. Returns those of them that nobody else
    /// can run: the caller says what becomes of them.
    pub fn lacks(&mut self, worker: usize, indices: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let Some(mut state) = self.workers.remove(&worker) else {
            return Vec::new();
        };
        let lacks = state.lacks.insert(indices.into_iter().collect());
        if lacks.is_empty() {
            self.workers.insert(worker, state);
            return Vec::new();
        }
        let mut free = VecDeque::new();
        for own in [&mut state.held, &mut state.unit] {
            let (lacking, left): (VecDeque<_>, VecDeque<_>) = own.iter().partition(|index| lacks.contains(*index));
            *own = left;
            free.extend(lacking);
        }
        let waiting = self.queue.iter().flatten().filter(|index| lacks.contains(index));
        let is_lost = |index: &usize| !self.workers.values().any(|other| !other.ended && other.has(*index));
        let lost: BTreeSet<usize> = free.iter().chain(waiting).copied().filter(is_lost).collect();
        free.retain(|index| !lost.contains(index));
        self.queue.iter_mut().for_each(|unit| unit.retain(|index| !lost.contains(index)));
        self.queue.retain(|unit| !unit.is_empty());
        if !free.is_empty() {
            self.queue.push_back(free);
        }
        self.workers.insert(worker, state);
        lost.into_iter().collect()
    }

    /// A worker began a test.
    pub fn started(&mut self, worker: usize, index: usize) {
        let Some(state) = self.workers.get_mut(&worker) else {
            return;
        };
        state.forget(index);
        state.lacks.get_or_insert_default();
        if self.open.contains(&index) {
            state.started.push(index);
        }
    }

    /// A test has its verdict, whether or not its start was reported. `failed`: it counts for `maxfail`, as failures,
    /// errors, timeouts and crashes do.
    pub fn finished(&mut self, worker: usize, index: usize, failed: bool) {
        if let Some(state) = self.workers.get_mut(&worker) {
            state.forget(index);
        }
        if self.open.remove(&index) && failed {
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// A worker is gone. Tests that it had not started go back to the front of the queue; see
    /// [`needs_worker`](Self::needs_worker).
    pub fn worker_lost(&mut self, worker: usize) -> Lost {
        self.remove(worker, Blame::Failure)
    }

    /// As [`worker_lost`](Self::worker_lost), where the blamed test is repeated later: that is no failure yet.
    pub fn worker_lost_for_now(&mut self, worker: usize) -> Lost {
        self.remove(worker, Blame::Repeated)
    }

    /// As [`worker_lost`](Self::worker_lost), for reasons that have nothing to do with its tests: none is blamed, and
    /// the one that it was running goes back, too.
    pub fn worker_withdrawn(&mut self, worker: usize) -> Lost {
        self.remove(worker, Blame::Nothing)
    }

    fn remove(&mut self, worker: usize, blame: Blame) -> Lost {
        let Some(mut state) = self.workers.remove(&worker) else {
            return Lost::default();
        };
        let blamed = if blame == Blame::Nothing { None } else { state.started.pop() };
        if let Some(index) = blamed {
            self.open.remove(&index);
            self.failures = self.failures.saturating_add(u32::from(blame == Blame::Failure));
        }
        if self.is_stopping() {
            return Lost { blamed, rescheduled: Vec::new() };
        }
        let left: VecDeque<usize> = state
            .started
            .into_iter()
            .chain(state.held)
            .chain(state.unit)
            .filter(|index| self.open.contains(index))
            .collect();
        let rescheduled = left.iter().copied().collect();
        if !left.is_empty() {
            self.queue.push_front(left);
        }
        Lost { blamed, rescheduled }
    }

    /// Number of units that no worker has taken yet.
    #[must_use]
    pub fn waiting_units(&self) -> usize {
        self.queue.len()
    }

    /// A worker joins, for example in place of a lost one, whose number it may have.
    pub fn worker_added(&mut self, worker: usize) {
        self.workers.entry(worker).or_default();
    }

    /// No further test starts.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// The selected tests that have no verdict, in ascending order. When the run is over, these are the `not_run` ones;
    /// read all reports of every worker first, because a start may have crossed a stop on its way.
    #[must_use]
    pub fn unfinished(&self) -> Vec<usize> {
        self.open.iter().copied().collect()
    }

    /// Whether a test has no verdict yet.
    #[must_use]
    pub fn is_open(&self, index: usize) -> bool {
        self.open.contains(&index)
    }

    /// Whether every test has its verdict. Takes constant time, because it is asked after each event.
    #[must_use]
    pub fn has_all_verdicts(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether every test has its verdict, or none is running and no more is to start.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let running = self.workers.values().any(|w| !w.started.is_empty());
        self.open.is_empty() || (self.is_stopping() && !running)
    }

    /// Whether the number of failed tests has reached `maxfail`.
    #[must_use]
    pub fn maxfail_reached(&self) -> bool {
        self.maxfail.is_some_and(|limit| self.failures >= limit)
    }

    /// Number of tests that failed so far; a worker that joins late stops after the remaining number.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether tests wait that no present worker will run, because each has received `End`.
    #[must_use]
    pub fn needs_worker(&self) -> bool {
        !self.is_stopping()
            && !self.is_done()
            && self.queue.iter().flatten().any(|i| self.open.contains(i))
            && self.workers.values().all(|worker| worker.ended)
    }

    fn is_stopping(&self) -> bool {
        self.stopped || self.maxfail_reached()
    }
}

impl Worker {
    /// Whether it has a test, as far as it has said.
    fn has(&self, index: usize) -> bool {
        self.lacks.as_ref().is_none_or(|lacks| !lacks.contains(&index))
    }

    /// Whether it has every test, as far as it has said.
    fn has_all(&self) -> bool {
        self.lacks.as_ref().is_none_or(BTreeSet::is_empty)
    }

    fn forget(&mut self, index: usize) {
        if let Some(at) = self.started.iter().position(|own| *own == index) {
            self.started.remove(at);
        } else if let Some(at) = self.held.iter().position(|own| *own == index) {
            self.held.remove(at);
        }
    }
}
