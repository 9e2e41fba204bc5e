//! One process that runs tests, and what keeps it alive.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::processes::disk_snapshot::Snapshot;
use crate::processes::hub::Hub;
use crate::processes::launcher::Base;
use crate::processes::process::{Process, ProcessEvent};
use crate::processes::resident_pool::Tenure;
use crate::processes::worker_protocol::{FromWorker, Purpose, Role, ToWorker, WorkerOptions};

pub(crate) struct Runner {
    process: Process,
    pub events: mpsc::UnboundedReceiver<ProcessEvent>,
    /// The file that it writes every thread's stack to when a test runs out of time.
    pub stacks: Option<String>,
    /// What a runner has that stays between runs.
    pub tenure: Option<Box<Tenure>>,
    /// It has said that it can take its orders.
    pub is_ready: bool,
    /// The interpreter that a session was forked from: that one's end would be its own.
    parent: Option<Arc<Base>>,
}

impl Runner {
    pub(crate) fn new(
        process: Process,
        events: mpsc::UnboundedReceiver<ProcessEvent>,
        parent: Option<Arc<Base>>,
    ) -> Self {
        Runner { process, events, stacks: None, tenure: None, is_ready: false, parent }
    }

    /// Forks `base`; the fork collects by itself and then runs.
    pub(crate) async fn fork_session(hub: &Hub, base: Arc<Base>, options: WorkerOptions) -> Result<Self, String> {
        let (process, events) = base.fork(hub, Role::Session, options, Purpose::Run).await?;
        Ok(Runner::new(process, events, Some(base)))
    }

    /// Turns a fresh interpreter into a session.
    pub(crate) fn become_session(base: Arc<Base>, options: WorkerOptions) -> Result<Self, String> {
        let (process, events) = base.become_role(Role::Session, options, Purpose::Run)?;
        Ok(Runner::new(process, events, Some(base)))
    }

    /// Whether it collects by itself before it runs anything. The others are copies of the collected session, and have its
    /// tests.
    pub(crate) fn is_session(&self) -> bool {
        self.parent.is_some()
    }

    /// Whether it ended while it stood by.
    pub(crate) fn is_gone(&mut self) -> bool {
        while let Ok(event) = self.events.try_recv() {
            match event {
                ProcessEvent::Message(message) => self.note(*message),
                ProcessEvent::Lost | ProcessEvent::Exited(_) => return true,
            }
        }
        !self.process.is_usable()
    }

    /// Keeps what a runner says of itself.
    pub(crate) fn note(&mut self, message: FromWorker) {
        let read = match message {
            FromWorker::RunnerReady { stacks, read } => {
                self.stacks = stacks;
                self.is_ready = true;
                read
            }
            FromWorker::Reread(read) => read,
            _ => return,
        };
        if let Some(tenure) = &mut self.tenure {
            tenure.snapshot.add(Snapshot::new(read));
        }
    }

    /// Every thread's stack, where a test ran out of time and its process has told them.
    pub(crate) fn told_stacks(&self) -> Option<String> {
        let text = std::fs::read_to_string(self.stacks.as_deref()?).ok()?;
        Some(text).filter(|text| !text.trim().is_empty())
    }

    pub(crate) fn send(&self, message: ToWorker) {
        self.process.send(message);
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }
}
