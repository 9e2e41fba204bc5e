//! One process that runs tests, and the handles that keep it alive.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::processes::hub::Hub;
use crate::processes::launcher::Base;
use crate::processes::process::{Arrival, NoProcess, Process, ProcessEvent};
use crate::processes::wire_reads::WireRead;
use crate::processes::worker_protocol::{FromWorker, Purpose, Role, ToWorker, WorkerOptions};

pub(crate) struct Runner {
    process: Process,
    pub events: mpsc::UnboundedReceiver<ProcessEvent>,
    /// The file for the stacks of all threads, written when a test runs out of time.
    pub stacks: Option<String>,
    /// It has reported that it is ready for its order.
    pub is_ready: bool,
    origin: Origin,
}

/// The reads of a runner.
pub(crate) enum Read {
    /// While its session collected.
    Collecting(WireRead),
    /// For fixtures that stay and for modules, while it ran tests.
    Running(WireRead),
}

/// The source of a runner.
enum Origin {
    /// A fork of the collected session.
    Collected,
    /// It collects by itself; the end of this interpreter would end it.
    Session(Arc<Base>),
    /// It is on a node of a cluster, collects the same files there, and is reached by the cluster's driver.
    Node(Process),
}

impl Runner {
    /// A fork of a collected session.
    pub(crate) fn fork_of_collected(process: Process, events: mpsc::UnboundedReceiver<ProcessEvent>) -> Self {
        Runner::new(process, events, Origin::Collected)
    }

    /// A process on a node, which `driver` starts and ends.
    pub(crate) fn on_node((process, events): Arrival, driver: Process) -> Self {
        Runner::new(process, events, Origin::Node(driver))
    }

    fn new(process: Process, events: mpsc::UnboundedReceiver<ProcessEvent>, origin: Origin) -> Self {
        Runner { process, events, stacks: None, is_ready: false, origin }
    }

    /// Forks `base`; the fork collects by itself and then runs.
    pub(crate) async fn fork_session(hub: &Hub, base: Arc<Base>, options: WorkerOptions) -> Result<Self, NoProcess> {
        let (process, events) = base.fork(hub, Role::Session, options, Purpose::Run).await?;
        Ok(Runner::new(process, events, Origin::Session(base)))
    }

    /// Turns a session that has collected into a runner of its tests.
    pub(crate) fn of_session(process: Process, events: mpsc::UnboundedReceiver<ProcessEvent>) -> Self {
        let (host, options) = (process.id.clone(), WorkerOptions::default());
        process.send(ToWorker::Become { host, role: Role::Runner, options, purpose: Purpose::Run });
        Runner::new(process, events, Origin::Collected)
    }

    /// Turns a fresh interpreter into a session.
    pub(crate) fn become_session(base: Arc<Base>, role: Role, options: WorkerOptions) -> Result<Self, NoProcess> {
        let (process, events) = base.become_role(role, options, Purpose::Run)?;
        Ok(Runner::new(process, events, Origin::Session(base)))
    }

    /// Makes it look its tests up by their ids, which are of another collection.
    pub(crate) fn of_base(self, base: Arc<Base>) -> Self {
        Runner { origin: Origin::Session(base), ..self }
    }

    /// Its process, and the interpreter that became or was forked for it.
    pub(crate) fn into_parts(self) -> (Arrival, Option<Arc<Base>>) {
        let parent = match self.origin {
            Origin::Session(base) => Some(base),
            Origin::Collected | Origin::Node(_) => None,
        };
        ((self.process, self.events), parent)
    }

    /// Returns whether it collects by itself before it runs tests. Other runners are forks of the collected session,
    /// and have its tests.
    pub(crate) fn is_session(&self) -> bool {
        !matches!(self.origin, Origin::Collected)
    }

    /// Returns whether it ended while it stood by.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.drain(drop)
    }

    /// As [`Runner::is_gone`], for one that may have read more meanwhile.
    pub(crate) fn drain(&mut self, mut read: impl FnMut(Read)) -> bool {
        while let Ok(event) = self.events.try_recv() {
            match event {
                ProcessEvent::Message(message) => self.note(*message).into_iter().for_each(&mut read),
                ProcessEvent::Lost | ProcessEvent::Exited(_) => return true,
            }
        }
        !self.process.is_usable()
    }

    /// Records the runner's reports about itself. Returns the reads, if the message has any.
    pub(crate) fn note(&mut self, message: FromWorker) -> Option<Read> {
        match message {
            FromWorker::RunnerReady { stacks, read } => {
                self.stacks = stacks;
                self.is_ready = true;
                Some(Read::Collecting(read))
            }
            FromWorker::Reread(read) => Some(Read::Collecting(read)),
            FromWorker::KeptReads(read) => Some(Read::Running(read)),
            _ => None,
        }
    }

    /// The stacks of all threads, if a test ran out of time and its process wrote them.
    pub(crate) fn told_stacks(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.stacks.as_deref()?).ok()?;
        Some(text).filter(|text| !text.trim().is_empty())
    }

    pub(crate) fn send(&self, message: ToWorker) {
        self.process.send(message);
    }

    /// Its node in a cluster.
    pub(crate) fn node(&self) -> Option<&str> {
        self.process.node.as_deref()
    }

    /// Kills it and all processes below it.
    pub(crate) fn kill(&self) {
        match &self.origin {
            Origin::Node(driver) => driver.send(ToWorker::KillRemote { host: self.process.id.clone() }),
            Origin::Collected | Origin::Session(_) => self.process.kill(),
        }
    }

    /// Interrupts it, as Ctrl-C does. One on a node can't be, and ends at once.
    pub(crate) fn interrupt(&self) {
        match &self.origin {
            Origin::Node(_) => self.kill(),
            Origin::Collected | Origin::Session(_) => self.process.interrupt(),
        }
    }

    /// Returns whether a signal has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        !matches!(self.origin, Origin::Node(_)) && self.process.is_stopped()
    }

    /// The id of its process on this machine; of the cluster's driver for one on a node.
    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }
}
