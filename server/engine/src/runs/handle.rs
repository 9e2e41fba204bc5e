//! A run as everyone who knows its id may use it: its log, and the way to stop it.

use std::sync::Arc;

use pytest_lens_protocol::LogsIteratorOption;
use tokio::sync::watch;

use crate::runs::plan::Control;
use crate::runs::record::RunRecord;
use crate::runs::suite_log::Tape;

/// A suite as everyone who knows its id may use it.
#[derive(Clone)]
pub(crate) struct Suite {
    pub tape: Arc<Tape>,
    pub lever: watch::Sender<Control>,
}

impl Suite {
    pub(crate) fn new(id: String, logs: LogsIteratorOption) -> Self {
        Suite { tape: Tape::new(id, logs), lever: watch::Sender::new(Control::Go) }
    }

    /// Asks for a stop or a kill. Neither is ever taken back.
    pub(crate) fn ask(&self, wanted: Control) {
        ask(&self.lever, wanted);
    }
}

impl From<&RunRecord> for Suite {
    fn from(record: &RunRecord) -> Self {
        Suite { tape: Arc::clone(&record.tape), lever: record.control.clone() }
    }
}

/// Moves a lever, which only ever goes one way.
pub(crate) fn ask(lever: &watch::Sender<Control>, wanted: Control) {
    lever.send_if_modified(|present| {
        let more = wanted > *present;
        *present = wanted.max(*present);
        more
    });
}
