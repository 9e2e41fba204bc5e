//! The published state of a project, which everyone reads. The recorder alone writes it; `Project` removes old ended runs,
//! and the watcher notes changed files.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use pytest_lens_analysis::PytestSettings;
use pytest_lens_history::History;
use pytest_lens_protocol::{Settings, TestOutcome};

use crate::model::file_readers::FileReaders;
use crate::model::inventory::Inventory;
use crate::model::node::Analyses;
use crate::processes::project_files;
use crate::project::change_log::ChangeLog;
use crate::project::event_log::EventLog;
use crate::runs::joint::JointRuns;
use crate::runs::record::RunRecord;

/// Number and total duration of executed attempts.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    pub attempts: u64,
    pub total_ms: f64,
}

/// The published state of a project.
pub(crate) struct ProjectState {
    pub root: PathBuf,
    pub log: EventLog,
    pub changes: ChangeLog,
    pub inventory: ArcSwap<Inventory>,
    pub settings: ArcSwap<Settings>,
    pub pytest: ArcSwap<PytestSettings>,
    pub runs: DashMap<String, Arc<RunRecord>>,
    /// Runs over this project and nested ones.
    pub joint_runs: JointRuns,
    /// The last outcome of each test.
    pub results: DashMap<String, Arc<TestOutcome>>,
    /// The tests whose last outcome is older than a change that can reach them.
    stale: Mutex<HashSet<Arc<str>>>,
    pub history: Arc<History>,
    pub analyses: Arc<Analyses>,
    /// Attempts since the project was opened.
    executed: Mutex<Executed>,
    reads: Mutex<FileReaders>,
}

impl ProjectState {
    pub(crate) fn new(
        root: PathBuf,
        pytest: PytestSettings,
        settings: Settings,
        history: Arc<History>,
        analyses: Arc<Analyses>,
    ) -> Self {
        ProjectState {
            root,
            log: EventLog::new(),
            changes: ChangeLog::default(),
            inventory: ArcSwap::from_pointee(Inventory::default()),
            settings: ArcSwap::from_pointee(settings),
            pytest: ArcSwap::from_pointee(pytest),
            runs: DashMap::new(),
            joint_runs: JointRuns::default(),
            results: DashMap::new(),
            stale: Mutex::default(),
            history,
            analyses,
            executed: Mutex::default(),
            reads: Mutex::default(),
        }
    }

    /// Checks that a file or folder of the project exists. `what` begins the error.
    ///
    /// # Errors
    /// A sentence that says whether the file or the whole project is missing.
    pub(crate) fn check_file(&self, what: &str, path: &str) -> Result<(), String> {
        if self.root.join(path).exists() {
            return Ok(());
        }
        let root = self.root.display();
        Err(project_files::gone(&self.root).unwrap_or_else(|| format!("{what}: there is no {path} under {root}")))
    }

    /// The tests whose last outcome is older than a change that can reach them.
    pub(crate) fn stale(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records of which code read which files.
    pub(crate) fn reads(&self) -> MutexGuard<'_, FileReaders> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attempts since the project was opened.
    pub(crate) fn executed(&self) -> MutexGuard<'_, Executed> {
        self.executed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a run is going on.
    pub(crate) fn is_busy(&self) -> bool {
        self.runs.iter().any(|run| !run.is_over())
    }

    /// Packs the records of ended runs until they are read. Blocks.
    pub(crate) fn pack_ended_runs(&self) {
        let runs: Vec<Arc<RunRecord>> = self.runs.iter().map(|run| Arc::clone(run.value())).collect();
        runs.iter().for_each(|run| run.pack());
        self.log.pack();
    }

    /// Forgets a run without readers. A current run is forgotten when it ends.
    pub(crate) fn forget_run(&self, run_id: &str) {
        self.runs.remove_if(run_id, |_, run| run.is_over());
    }

    /// Waits up to `limit` until no run is going on, so that background work does not compete with runs.
    pub(crate) async fn wait_idle(&self, limit: Duration) {
        let idle = async {
            loop {
                let live = self.runs.iter().find(|run| !run.is_over()).map(|run| Arc::clone(run.value()));
                match live {
                    Some(run) => drop(run.wait().await),
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(limit, idle).await;
    }
}
