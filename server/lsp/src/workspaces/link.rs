//! The state of one folder's connection to the engine.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::error::CommandError;

/// How far a folder is with the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Nothing is asked of the engine: the folder is not trusted.
    #[default]
    Closed,
    /// The context is being opened.
    Opening,
    /// It is open.
    Open(String),
    /// It could not be opened; the next command tries again.
    Failed(CommandError),
}

/// One folder's connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// How far the folder is.
    pub(crate) phase: watch::Sender<Phase>,
    /// How far the event log was taken in.
    pub(crate) cursor: watch::Sender<u64>,
    /// Asks for another try where opening failed.
    pub(crate) retry: Notify,
    /// Files were changed.
    pub(crate) files_changed: Notify,
    task: Mutex<Option<AbortHandle>>,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            phase: watch::Sender::new(Phase::default()),
            cursor: watch::Sender::new(0),
            retry: Notify::new(),
            files_changed: Notify::new(),
            task: Mutex::new(None),
        }
    }
}

impl Link {
    /// The open context's id.
    pub(crate) fn context(&self) -> Option<String> {
        match &*self.phase.borrow() {
            Phase::Open(context) => Some(context.clone()),
            _ => None,
        }
    }

    /// Files were changed: collect soon.
    pub(crate) fn files_changed(&self) {
        self.files_changed.notify_one();
    }

    /// Puts another task in charge of the folder, and ends the old one.
    pub(crate) fn replace_task(&self, task: Option<AbortHandle>) {
        let mut slot = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *slot, task) {
            old.abort();
        }
    }
}
