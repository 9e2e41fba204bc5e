//! One process that runs tests, and what keeps it alive.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::hub::Hub;
use crate::launcher::Base;
use crate::process::{Process, ProcessEvent};
use crate::wire::{FromWorker, Role, ToWorker, WorkerOptions};

pub(crate) struct Runner {
    process: Process,
    pub events: mpsc::UnboundedReceiver<ProcessEvent>,
    /// The file that it writes every thread's stack to when a test runs out of time.
    pub stacks: Option<String>,
    /// The interpreter it was forked from: that one's end would be its own.
    _parent: Option<Arc<Base>>,
}

impl Runner {
    pub(crate) fn new(
        process: Process,
        events: mpsc::UnboundedReceiver<ProcessEvent>,
        parent: Option<Arc<Base>>,
    ) -> Self {
        Runner { process, events, stacks: None, _parent: parent }
    }

    /// Forks `base`; the fork collects by itself and then runs.
    pub(crate) async fn fork_session(hub: &Hub, base: Arc<Base>, options: WorkerOptions) -> Result<Self, String> {
        let (process, events) = base.fork(hub, Role::Session, options).await?;
        Ok(Runner::new(process, events, Some(base)))
    }

    /// Turns a fresh interpreter into a session.
    pub(crate) fn become_session(base: Arc<Base>, options: WorkerOptions) -> Result<Self, String> {
        let (process, events) = base.become_role(Role::Session, options)?;
        Ok(Runner::new(process, events, Some(base)))
    }

    /// Whether it ended while it stood by.
    pub(crate) fn is_gone(&mut self) -> bool {
        while let Ok(event) = self.events.try_recv() {
            match event {
                ProcessEvent::Message(message) => self.note(&message),
                ProcessEvent::Lost | ProcessEvent::Exited(_) => return true,
            }
        }
        false
    }

    /// Keeps what a runner says of itself when it is ready.
    pub(crate) fn note(&mut self, message: &FromWorker) {
        if let FromWorker::RunnerReady { stacks } = message {
            self.stacks.clone_from(stacks);
        }
    }

    pub(crate) fn send(&self, message: ToWorker) {
        self.process.send(message);
    }

    pub(crate) fn pid(&self) -> i32 {
        self.process.pid
    }
}
