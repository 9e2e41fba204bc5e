//! What clients have built and may ask for by id.

use std::sync::Arc;

use dashmap::DashMap;

use super::built_run::BuiltRun;
use super::cases::Cases;
use crate::runs::handle::RunHandle;
use crate::runs::stop::StopLevel;

/// Runs, suites and iterators by id.
#[derive(Default)]
pub(crate) struct Registry {
    pub runs: DashMap<String, Arc<BuiltRun>>,
    pub suites: DashMap<String, RunHandle>,
    pub iterators: DashMap<String, Arc<Cases>>,
}

impl Registry {
    /// A run's ten minutes are over, or its client has gone.
    pub(crate) fn forget(&self, run: &BuiltRun) {
        self.runs.remove(&run.id);
        for suite in &run.suites {
            self.suites.remove(&suite.suite_log.id);
        }
    }

    /// The engine ends: nobody asks for anything any more.
    pub(crate) fn clear(&self) {
        self.runs.clear();
        self.suites.clear();
        self.iterators.clear();
    }

    /// Everything that belongs to a project ends.
    pub(crate) fn kill_all_of(&self, context_id: &str) {
        for run in self.runs.iter().filter(|run| run.project.id == context_id) {
            run.request_stop(StopLevel::Kill);
        }
    }
}
