//! The state of one folder's connection to the engine.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::error::CommandError;

/// The phase of a folder's connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Not connected yet: the client has not sent `initialized`, or the folder is not trusted.
    #[default]
    New,
    /// Not connected any more.
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
    /// The phase of the connection.
    pub(crate) phase: watch::Sender<Phase>,
    /// The `seq` of the last event that was applied.
    pub(crate) cursor: watch::Sender<u64>,
    /// Requests another attempt after opening failed.
    pub(crate) retry: Notify,
    /// Signals that files changed.
    pub(crate) files_changed: Notify,
    /// Signals that tests are there again whose outcomes only the history has.
    pub(crate) tests_returned: Notify,
    /// The settings for the engine. Only the folder's task sends them.
    pub(crate) settings: watch::Sender<Value>,
    task: Mutex<Option<AbortHandle>>,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            phase: watch::Sender::new(Phase::default()),
            cursor: watch::Sender::new(0),
            retry: Notify::new(),
            files_changed: Notify::new(),
            tests_returned: Notify::new(),
            settings: watch::Sender::new(Value::Object(serde_json::Map::new())),
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

    /// Whether an engine reports the tests of this folder, now or soon.
    pub(crate) fn has_engine(&self) -> bool {
        matches!(&*self.phase.borrow(), Phase::Opening | Phase::Open(_))
    }

    /// Files changed: collect soon.
    pub(crate) fn files_changed(&self) {
        self.files_changed.notify_one();
    }

    /// Replaces the folder's task, and ends the old one.
    pub(crate) fn replace_task(&self, task: Option<AbortHandle>) {
        let mut slot = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *slot, task) {
            old.abort();
        }
    }
}
