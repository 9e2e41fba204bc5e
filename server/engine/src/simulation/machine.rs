//! The simulated machine: processes with a life of their own, and pipes by which their messages reach the engine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::journal::Journal;
use super::random::Random;
use super::scenario::Scenario;
use super::signal::Signal;
use crate::processes::liveness::{Body, Liveness};
use crate::processes::process::Connection;
use crate::processes::roster::{Line, Newcomer, Roster};
use crate::processes::worker_protocol::{FromWorker, ToWorker};
use crate::timing::STOPPED_LIMIT;

/// Above the largest number that Linux gives to a process: nothing here reaches a real one.
const FIRST_PID: i32 = 100_000_000;

/// Why a process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It had nothing more to do.
    Done,
    /// A test ended it, or a fault.
    Crash,
    /// The engine ended it.
    Engine,
    /// Its parent has ended, or its node: nobody knows how it ended.
    Lost,
}

/// The end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub cause: Cause,
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

impl End {
    pub(super) fn exit(cause: Cause, code: i32) -> Self {
        End { cause, code: Some(code), signal: None }
    }

    pub(super) fn signal(cause: Cause, signal: i32) -> Self {
        End { cause, code: None, signal: Some(signal) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Runs,
    /// A signal has stopped it since then.
    Frozen(Instant),
    Over(End),
}

/// A simulated process.
#[derive(Debug)]
pub(super) struct SimProcess {
    pub name: String,
    pub pid: i32,
    /// Its node in the cluster.
    pub node: Option<usize>,
    life: Signal<Life>,
    /// The longest time for which it has been frozen, the beginning of the last such time, and its end.
    frozen: Mutex<(Duration, Option<(Instant, Instant)>)>,
    /// The engine has heard that it was lost with its node.
    is_missed: AtomicBool,
    /// The engine has asked its node to end it.
    pub is_doomed: AtomicBool,
}

impl SimProcess {
    pub(super) fn life(&self) -> Life {
        self.life.get()
    }

    pub(super) fn end(&self) -> Option<End> {
        match self.life() {
            Life::Over(end) => Some(end),
            Life::Runs | Life::Frozen(_) => None,
        }
    }

    /// Ends it. The first end counts.
    pub(super) fn finish(&self, end: End) {
        self.thaw();
        self.life.change(|life| if matches!(life, Life::Over(_)) { life } else { Life::Over(end) });
    }

    pub(super) fn freeze(&self) {
        self.life.change(|life| if life == Life::Runs { Life::Frozen(Instant::now()) } else { life });
    }

    pub(super) fn thaw(&self) {
        if let Life::Frozen(since) = self.life() {
            let mut frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
            // Between two looks of the engine nobody sees that it has gone on.
            let is_unseen = |until: &Instant| since.duration_since(*until) < STOPPED_LIMIT / 4;
            let begun = frozen.1.filter(|(_, until)| is_unseen(until)).map_or(since, |(begun, _)| begun);
            *frozen = (frozen.0.max(begun.elapsed()), Some((begun, Instant::now())));
            self.life.change(|_| Life::Runs);
        }
    }

    /// The longest time for which it has stood still.
    pub(super) fn stood_still(&self) -> Duration {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Whether the engine has heard that it was lost with its node.
    pub(super) fn is_missed(&self) -> bool {
        self.is_missed.load(Ordering::Relaxed)
    }

    /// Waits for its end.
    pub(super) async fn over(&self) -> End {
        self.life
            .wait(|life| match life {
                Life::Over(end) => Some(end),
                Life::Runs | Life::Frozen(_) => None,
            })
            .await
    }

    /// Waits until no signal stops it.
    pub(super) async fn going_on(&self) {
        self.life.wait(|life| (!matches!(life, Life::Frozen(_))).then_some(())).await;
    }
}

/// A process as the engine's `Liveness` sees it.
pub(super) struct SimBody(pub Arc<SimProcess>);

impl Body for SimBody {
    fn end(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.0.over().await;
        })
    }

    fn is_over(&self) -> bool {
        self.0.end().is_some()
    }

    fn is_stopped(&self) -> bool {
        matches!(self.0.life(), Life::Frozen(_))
    }

    fn kill(&self) {
        self.0.finish(End::signal(Cause::Engine, 9));
    }

    fn kill_tree(&self) {
        self.kill();
    }

    fn interrupt(&self) {
        self.0.finish(End::exit(Cause::Engine, 2));
    }
}

/// A message in a pipe, with the time at which it was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub message: FromWorker,
    at: Instant,
}

impl From<FromWorker> for Sent {
    fn from(message: FromWorker) -> Self {
        Sent { message, at: Instant::now() }
    }
}

/// The part that all simulated processes share.
pub(super) struct Machine {
    pub scenario: Arc<Scenario>,
    pub roster: Roster,
    pub journal: Mutex<Journal>,
    processes: Mutex<BTreeMap<String, Arc<SimProcess>>>,
    random: Mutex<Random>,
    /// Number of events that were delivered to the engine.
    steps: AtomicU64,
    /// A hash over all of them, with their times. Events of one moment have no order: the runtime wakes those who wait
    /// for the same thing in any order.
    digest: AtomicU64,
    began: Instant,
    is_traced: bool,
}

impl Machine {
    pub(super) fn new(scenario: Arc<Scenario>) -> Arc<Self> {
        Arc::new(Machine {
            random: Mutex::new(Random::new(scenario.seed ^ 0x5eed)),
            scenario,
            roster: Roster::default(),
            journal: Mutex::default(),
            processes: Mutex::default(),
            steps: AtomicU64::new(0),
            digest: AtomicU64::new(0),
            began: Instant::now(),
            is_traced: std::env::var_os("SIMULATED_TRACE").is_some(),
        })
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stream of random numbers for one task.
    pub(super) fn random(&self) -> Random {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    /// Number of events that were delivered to the engine, and the hash over them.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.steps.load(Ordering::Relaxed), self.digest.load(Ordering::Relaxed))
    }

    /// Prints what happens, if somebody asks for it.
    pub(super) fn trace(&self, who: &str, what: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{:>9} ms  {who}: {}", self.began.elapsed().as_millis(), what());
        }
    }

    /// Counts an event.
    pub(super) fn step(&self, who: &str, what: u64) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let at = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let parts = who.bytes().map(u64::from).chain([what, at]);
        let hash = parts.fold(0, |hash: u64, part| (hash ^ part).wrapping_mul(0x0100_0000_01b3));
        self.digest.fetch_add(hash, Ordering::Relaxed);
    }

    /// A new process of this name.
    pub(super) fn process(&self, name: &str, node: Option<usize>) -> Arc<SimProcess> {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = FIRST_PID + i32::try_from(processes.len()).unwrap_or(0);
        let process = Arc::new(SimProcess {
            name: name.to_owned(),
            pid,
            node,
            life: Signal::new(Life::Runs),
            frozen: Mutex::default(),
            is_missed: AtomicBool::default(),
            is_doomed: AtomicBool::default(),
        });
        processes.insert(name.to_owned(), Arc::clone(&process));
        process
    }

    /// The live processes whose names begin so.
    pub(super) fn live(&self, prefix: &str) -> Vec<Arc<SimProcess>> {
        let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = processes.values().filter(|process| process.name.starts_with(prefix));
        of_kind.filter(|process| process.end().is_none()).cloned().collect()
    }

    /// Connects a process to the engine; `None` if nobody waits for it. `body`: the process that the engine takes it for.
    pub(super) fn connect(
        self: &Arc<Self>,
        process: &SimProcess,
        parent: Option<&str>,
        body: &Arc<SimProcess>,
        node: Option<String>,
    ) -> Option<(Line, mpsc::UnboundedReceiver<ToWorker>)> {
        let (sender, orders) = mpsc::unbounded_channel();
        let liveness = Arc::new(Liveness::with(SimBody(Arc::clone(body))));
        let connection = Connection { pid: body.pid, node, sender, liveness };
        let parent = parent.map(str::to_owned);
        let line = self.roster.connect(Newcomer { host: process.name.clone(), parent, connection })?;
        Some((line, orders))
    }

    /// Delivers a message to the engine. Returns false if nobody listens.
    pub(super) fn deliver(&self, line: &Line, message: FromWorker) -> bool {
        let (what, serial) = match &message {
            FromWorker::Started { i, .. } => (1 + 16 * *i as u64, None),
            FromWorker::Finished(outcome) => (2 + 16 * outcome.i as u64, outcome.message.clone()),
            FromWorker::Exited { .. } => (3, None),
            FromWorker::Done { .. } => (4, None),
            FromWorker::LostRemote { host, .. } => {
                let processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
                processes.get(host).into_iter().for_each(|process| process.is_missed.store(true, Ordering::Relaxed));
                (5, None)
            }
            _ => (0, None),
        };
        self.step(&line.host, what);
        self.trace(&line.host, || format!("{message:?}"));
        let is_heard = line.take(message);
        if let Some(serial) = serial.filter(|_| is_heard) {
            self.journal().delivered(&serial);
        }
        is_heard
    }

    /// Delivers the messages of a process in their order, late and several at a time, also after its end; then its
    /// connection ends.
    pub(super) async fn pipe(self: Arc<Self>, line: Line, mut messages: mpsc::UnboundedReceiver<Sent>) {
        let mut random = self.random();
        let latency = self.scenario.latency;
        while let Some(Sent { message, at }) = messages.recv().await {
            if latency > 0 && random.percent(30) {
                sleep_until(at + random.ms(latency)).await;
            }
            self.deliver(&line, message);
        }
        line.close();
    }

    /// The names of the live processes.
    pub(super) fn names(&self) -> Vec<String> {
        self.live("").iter().map(|process| format!("{} ({:?})", process.name, process.life())).collect()
    }
}
