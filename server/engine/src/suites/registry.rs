//! The built runs, suites and iterators of clients, by id.

use std::sync::Arc;

use dashmap::DashMap;

use super::built_run::BuiltRun;
use super::cases::Cases;
use crate::runs::handle::RunHandle;
use crate::runs::joint::JointRun;
use crate::runs::stop::StopLevel;

/// The run or suite of an id.
#[derive(Clone)]
pub(crate) enum KnownRun {
    /// A run of several suites.
    Built(Arc<BuiltRun>),
    /// A suite, or a run of `run_stream`.
    Suite(RunHandle),
    /// A run over several projects.
    Joint(Arc<JointRun>),
}

/// Built runs, their suites, and iterators by id.
#[derive(Default)]
pub(crate) struct Registry {
    known: DashMap<String, KnownRun>,
    pub iterators: DashMap<String, Arc<Cases>>,
}

impl Registry {
    /// Enters a run and its suites.
    pub(crate) fn add(&self, run: &Arc<BuiltRun>) {
        for suite in &run.suites {
            self.known.insert(suite.suite_log.id.clone(), KnownRun::Suite(suite.clone()));
        }
        self.known.insert(run.id.clone(), KnownRun::Built(Arc::clone(run)));
    }

    /// The built run or the suite of an id.
    pub(crate) fn find(&self, id: &str) -> Option<KnownRun> {
        self.known.get(id).map(|known| known.value().clone())
    }

    /// Asks a run or suite for a stop or a kill.
    pub(crate) fn request_stop(&self, known: &KnownRun, wanted: StopLevel) {
        match known {
            KnownRun::Built(run) => run.request_stop(wanted),
            KnownRun::Joint(run) => run.request_stop(wanted),
            KnownRun::Suite(suite) => {
                suite.request_stop(wanted);
                // A suite that has not begun is removed from its run by the scheduler.
                self.built_runs().iter().for_each(|run| run.wake_scheduler());
            }
        }
    }

    /// Forgets a run: it ended ten minutes ago, or its client has left.
    pub(crate) fn forget(&self, run: &BuiltRun) {
        self.known.remove(&run.id);
        for suite in &run.suites {
            self.known.remove(&suite.suite_log.id);
        }
    }

    /// Forgets everything: the engine ends.
    pub(crate) fn clear(&self) {
        self.known.clear();
        self.iterators.clear();
    }

    /// Kills everything that belongs to a project.
    pub(crate) fn kill_all_of(&self, context_id: &str) {
        for run in self.built_runs().iter().filter(|run| run.is_of(context_id)) {
            run.request_stop(StopLevel::Kill);
        }
    }

    fn built_runs(&self) -> Vec<Arc<BuiltRun>> {
        let built = |known: &KnownRun| match known {
            KnownRun::Built(run) => Some(Arc::clone(run)),
            KnownRun::Suite(_) | KnownRun::Joint(_) => None,
        };
        self.known.iter().filter_map(|known| built(known.value())).collect()
    }
}
