//! A shared handle of a run: its log, and the way to stop it.

use std::sync::Arc;

use pytest_lens_protocol::LogsIteratorOption;
use tokio::sync::watch;

use crate::runs::record::RunRecord;
use crate::runs::stop::{StopLevel, raise};
use crate::runs::suite_log::SuiteLog;

/// A suite, for everyone who knows its id.
#[derive(Clone)]
pub(crate) struct RunHandle {
    pub suite_log: Arc<SuiteLog>,
    pub stop_tx: watch::Sender<StopLevel>,
}

impl RunHandle {
    /// `path`: the folder of its project, relative to the client's root.
    pub(crate) fn new(id: String, logs: LogsIteratorOption, path: &str) -> Self {
        RunHandle { suite_log: SuiteLog::new(id, logs, path), stop_tx: watch::Sender::new(StopLevel::Go) }
    }

    /// Asks for a stop or a kill, which can't be taken back.
    pub(crate) fn request_stop(&self, wanted: StopLevel) {
        raise(&self.stop_tx, wanted);
    }
}

impl From<&RunRecord> for RunHandle {
    fn from(record: &RunRecord) -> Self {
        RunHandle { suite_log: Arc::clone(&record.suite_log), stop_tx: record.stop_tx.clone() }
    }
}
