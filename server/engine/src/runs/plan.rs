//! What a run is to do, and in which processes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_analysis::PytestSettings;
use pytest_lens_history::Source;
use pytest_lens_plan::rerun::Policy;
use tokio::sync::watch;

use crate::model::node::Node;
use crate::processes::collected_session::CollectedSession;
use crate::processes::debug_process::DebugProcess;
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::pool::SessionOverrides;
use crate::processes::resident::ResidentState;
use crate::processes::resident_pool::Reuse;
use crate::processes::worker_protocol::{Asked, Hold, RunOrder, WorkerIndex};
use crate::runs::coverage::Coverage;
use crate::runs::pending_runners::RoundRunner;
use crate::runs::record::OlderRun;
use crate::runs::stop::StopLevel;
use crate::runs::suite_log::SuiteLog;

/// What a run is to do.
pub(crate) struct RunPlan {
    pub run_id: String,
    /// Where its tests' temporary folders are.
    pub temp: PathBuf,
    pub collected: Arc<CollectedSession>,
    /// Indices into the collected session's nodes, in order.
    pub selected: Vec<usize>,
    /// What it was called with.
    pub asked: Asked,
    /// How many that were asked for were taken out.
    pub deselected: usize,
    pub workers: usize,
    pub maxfail: Option<u32>,
    pub timeout_ms: Option<u64>,
    /// How long a session that collects by itself may take for that.
    pub collect_limit: Duration,
    pub kind: RunKind,
    pub rerun: Policy,
    /// How long each test took when it last ran, by index into `selected`.
    pub durations: Vec<Option<f64>>,
    /// Which of the selected are known to be flaky; empty where nobody will ask.
    pub known_flaky: Vec<bool>,
    /// Who asked.
    pub source: Source,
    /// Moved by who stops or kills the run.
    pub stop_tx: watch::Sender<StopLevel>,
    /// Where run control reads of it.
    pub suite_log: Arc<SuiteLog>,
    /// Limit for the whole run; whoever set it moves the stop level.
    pub time_limit: Option<Duration>,
    /// What could not be collected of it, each a sentence. Such a run has not passed, whatever its tests say.
    pub problems: Vec<String>,
    /// The process that has collected them for this run alone.
    pub exclusive: Arc<ExclusiveSession>,
    /// What it does with older runs that have tests in common with it, and newer ones with it.
    pub conflicts: ConflictPolicy,
    /// Tests that it has left to a newer run.
    pub taken_over: watch::Sender<Arc<BTreeSet<usize>>>,
}

/// In which processes the tests of a run run.
pub(crate) enum RunKind {
    /// In copies of the collected session; where that can't be shared, in sessions like it.
    Forked,
    /// In resident runners, whose fixtures live on after it. They compare changed files by these settings.
    Resident(Arc<PytestSettings>),
    /// In sessions that do something the collected one did not, and so collect by themselves.
    Fresh {
        /// Skip marks skip nothing.
        run_disabled: bool,
        /// One session makes the reports that the project asks for, and has a say in how the run ends.
        reports: bool,
        coverage: Option<Coverage>,
    },
    /// In one process under a debugger, once, and without a limit of time.
    Debug { debug_process: DebugProcess, run_disabled: bool },
}

impl RunKind {
    pub(crate) fn is_resident(&self) -> bool {
        matches!(self, RunKind::Resident(_))
    }

    pub(crate) fn makes_reports(&self) -> bool {
        matches!(self, RunKind::Fresh { reports: true, .. })
    }

    pub(crate) fn runs_disabled(&self) -> bool {
        matches!(self, RunKind::Fresh { run_disabled: true, .. } | RunKind::Debug { run_disabled: true, .. })
    }

    pub(crate) fn coverage(&self) -> Option<&Coverage> {
        match self {
            RunKind::Fresh { coverage, .. } => coverage.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn debug_process(&self) -> Option<&DebugProcess> {
        match self {
            RunKind::Debug { debug_process, .. } => Some(debug_process),
            _ => None,
        }
    }

    /// Whether all of it runs in one session, and each test once.
    pub(crate) fn is_one_session(&self) -> bool {
        self.makes_reports() || self.debug_process().is_some()
    }
}

/// How a run gets on with another one of the same tests. A test never runs twice at a time, unless somebody asked for
/// just that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConflictPolicy {
    /// A person's in an editor: a newer one of the kind takes over the tests that have not ended, and waits for those of
    /// any other.
    Replaceable,
    /// It waits for older runs to be through with the tests that they have in common, and nobody takes them over.
    Waits,
    /// A suite of run control, or one under a debugger: its client decides what runs at the same time.
    Independent,
}

impl RunPlan {
    pub(crate) fn node(&self, index: usize) -> &Arc<Node> {
        &self.collected.tests.nodes[self.selected[index]]
    }

    /// Waits for older runs to be through with tests of this one, or until there is nothing to wait for any more: it is
    /// stopped, or a newer run has taken all of its tests over.
    pub(crate) async fn wait_for(&self, older: &[OlderRun]) {
        if older.is_empty() {
            return;
        }
        let all = async {
            for run in older {
                run.wait().await;
            }
        };
        let (mut stop_tx, mut taken_over) = (self.stop_tx.subscribe(), self.taken_over.subscribe());
        tokio::select! {
            () = all => {}
            _ = stop_tx.wait_for(|wanted| *wanted != StopLevel::Go) => {}
            _ = taken_over.wait_for(|tests| tests.len() == self.selected.len()) => {}
        }
    }

    /// What a worker's session does otherwise than the collected one did.
    pub(crate) fn special(&self, worker: usize) -> Option<SessionOverrides> {
        let (run_disabled, reports) = (self.kind.runs_disabled(), self.kind.makes_reports());
        let folder = self.suite_log.folder();
        let coverage = self.kind.coverage().zip(folder).map(|(coverage, folder)| coverage.measure(folder));
        // A project that looks at which worker it is in was collected as the first of them.
        let is_another = self.collected.mentions_worker && worker > 0 && !reports;
        if !run_disabled && !reports && coverage.is_none() && !is_another {
            return None;
        }
        let place = self.place(worker, self.workers).filter(|_| !reports);
        Some(SessionOverrides { run_disabled, reports, coverage, worker: place })
    }

    /// What a resident runner of it is asked to be.
    pub(crate) fn reuse(&self) -> Option<Reuse> {
        match &self.kind {
            RunKind::Resident(pytest) => Some(Reuse { run_id: self.run_id.clone(), pytest: Arc::clone(pytest) }),
            _ => None,
        }
    }

    /// Which of several runners one is; `None` for one that is alone.
    fn place(&self, index: usize, count: usize) -> Option<WorkerIndex> {
        let count = count.max(self.collected.processes);
        (count > 1 || self.collected.processes > 0).then(|| WorkerIndex { index, count, run: self.run_id.clone() })
    }

    /// What the names of the files begin with that a worker's output goes to.
    pub(crate) fn output(&self, post: WorkerSeat) -> Option<PathBuf> {
        self.suite_log.folder().map(|folder| folder.join(format!("w{}", post.place)))
    }

    /// What a runner is told to run: `feed` to begin with, and whether that is all. `failures`: those so far.
    pub(crate) fn order(
        &self,
        runner: &RoundRunner,
        post: WorkerSeat,
        feed: (Vec<usize>, bool),
        failures: u32,
    ) -> RunOrder {
        let WorkerSeat { worker, place, count } = post;
        let resident = runner.resident();
        let slot = resident.map(ResidentState::slot);
        let whole = resident.is_none()
            && !runner.runner().is_session()
            && self.selected.len() == self.collected.tests.nodes.len();
        let ids = (!whole)
            .then(|| self.selected.iter().map(|&node| self.collected.tests.nodes[node].id.to_string()).collect());
        let (feed, end) = feed;
        RunOrder {
            ids,
            feed,
            end,
            // A failure that will be repaired does not count, and only this side knows which.
            maxfail: self.maxfail.filter(|_| !self.rerun.enabled).map(|limit| limit.saturating_sub(failures).max(1)),
            timeout_ms: self.timeout_ms,
            deadline_ns: None,
            run_disabled: self.kind.runs_disabled(),
            basetemp: self.temp.join(place.to_string()).to_string_lossy().into(),
            output: self.output(post).map(|prefix| prefix.to_string_lossy().into()),
            worker: self
                .place(slot.unwrap_or(worker), count.max(slot.map_or(0, |slot| slot + 1)))
                .filter(|_| !self.kind.makes_reports()),
            asked: self.asked.clone(),
            hold: resident.map(|own| Hold { scopes: own.scopes.clone(), changed: own.changed.clone() }),
            // One that stays was compared with the disk.
            same_files: resident.is_some_and(|own| own.changed.is_empty()),
        }
    }

    /// What a test is told that the run's time did not suffice for.
    pub(crate) fn late(&self) -> String {
        let limit = self.time_limit.map_or(0.0, |limit| limit.as_secs_f64());
        format!("the suite took longer than {limit} s (timeout)")
    }
}

/// Where a runner works: its number in the round, a place that no other of the run has, and how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerSeat {
    pub worker: usize,
    pub place: usize,
    pub count: usize,
}
