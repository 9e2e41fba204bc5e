//! Run control: runs of several suites, built by a client that owns them; their events, artifacts and iterators.
//!
//! A suite is an ordinary run of the context, under the suite's id: it stands in the same event log, is stopped and
//! killed by the same lever, and goes into the same history. What is added here is the view of it that run control has
//! ([`Tape`]), and who may ask for how long.

mod built_run;
mod cases;
mod launch;

use std::sync::Arc;

use dashmap::DashMap;
use pytest_lens_protocol::LogsIteratorOption;
use tokio::sync::watch;

use crate::runs::driver::Control;
use crate::runs::record::RunRecord;
use crate::runs::suite_log::Tape;

pub(crate) use built_run::{BuiltRun, RunRead, Scheduling, build};
pub(crate) use cases::Cases;
pub(crate) use launch::prepare;

/// The monotonic clock, in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanoseconds = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    u64::try_from(nanoseconds).unwrap_or_default()
}

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

/// What clients have built and may ask for by id.
#[derive(Default)]
pub(crate) struct Registry {
    pub runs: DashMap<String, Arc<BuiltRun>>,
    pub suites: DashMap<String, Suite>,
    pub iterators: DashMap<String, Arc<Cases>>,
}

impl Registry {
    /// A run's ten minutes are over, or its client has gone.
    pub(crate) fn forget(&self, run: &BuiltRun) {
        self.runs.remove(&run.id);
        for suite in &run.suites {
            self.suites.remove(&suite.tape.id);
        }
    }

    /// The engine ends: nobody asks for anything any more.
    pub(crate) fn clear(&self) {
        self.runs.clear();
        self.suites.clear();
        self.iterators.clear();
    }

    /// Everything that belongs to a context ends.
    pub(crate) fn kill_all_of(&self, context_id: &str) {
        for run in self.runs.iter().filter(|run| run.context.id == context_id) {
            run.ask(Control::Kill);
        }
    }
}
