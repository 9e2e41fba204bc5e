//! The plan of a run: its tests, and the kind of processes.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use pytest_lens_analysis::PytestSettings;
use pytest_lens_history::Source;
use pytest_lens_plan::rerun::Policy;
use pytest_lens_protocol::{CollectError, FileSkip, RunStart, Settings};
use tokio::sync::watch;

use crate::model::node::Node;
use crate::model::timings::TimeBefore;
use crate::model::verbosity;
use crate::processes::collected_session::CollectedSession;
use crate::processes::debug_process::DebugProcess;
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::pool::SessionOverrides;
use crate::processes::ray_cluster::{RayCluster, RemoteSession};
use crate::processes::resident::ResidentState;
use crate::processes::resident_pool::Reuse;
use crate::processes::worker_protocol::{Hold, RequestedTests, RunOrder, WorkerIndex, WorkerOptions};
use crate::runs::coverage::Coverage;
use crate::runs::pending_runners::RoundRunner;
use crate::runs::record::OlderRun;
use crate::runs::stop::StopLevel;
use crate::runs::suite_log::SuiteLog;

/// The plan of a run.
pub(crate) struct RunPlan {
    /// Output since this time, from before the run, is its own.
    pub prints_since: Instant,
    pub run_id: String,
    /// The folder for its tests' temporary folders.
    pub temp: PathBuf,
    pub collected: Arc<CollectedSession>,
    /// Indices into the collected session's nodes, in order.
    pub selected: Vec<usize>,
    /// Those that run first, as indices into `selected`, in their order.
    pub first: Vec<usize>,
    /// Tests of a file stay with one runner.
    pub whole_files: bool,
    /// Outcomes carry pytest's own reports.
    pub full_reports: bool,
    /// In such a run, pytest's reports of files that skip themselves as a whole.
    pub collect_reports: Vec<String>,
    /// The time before the run, if the request asks where the time goes.
    pub time_before: Option<Box<TimeBefore>>,
    /// Files that skip themselves as a whole.
    pub skipped_files: Vec<FileSkip>,
    /// Outcomes carry the durations of their phases.
    pub phase_durations: bool,
    /// The run ends after its session, whose summary has sections of plugins.
    pub awaits_summary: bool,
    /// The arguments of the request.
    pub asked: RequestedTests,
    /// Number of requested tests that were deselected.
    pub deselected: usize,
    pub workers: usize,
    pub maxfail: Option<u32>,
    pub timeout_ms: Option<u64>,
    /// The longest time that a session may take to collect by itself.
    pub collect_limit: Duration,
    pub kind: RunKind,
    pub rerun: Policy,
    /// Last duration of each test, by index into `selected`.
    pub durations: Vec<Option<f64>>,
    /// The selected tests that are known to be flaky; empty if that does not matter.
    pub known_flaky: Vec<bool>,
    /// The source of the request.
    pub source: Source,
    /// The request says that a command at a terminal or of a CI service waits for the end.
    pub is_command: bool,
    /// The stop level, which clients raise.
    pub stop_tx: watch::Sender<StopLevel>,
    /// The run's log for run control.
    pub suite_log: Arc<SuiteLog>,
    /// Limit for the whole run. The task that sets it raises the stop level.
    pub time_limit: Option<Duration>,
    /// Files that could not be collected, a sentence each. Such a run does not pass, whatever its outcomes.
    pub problems: Vec<String>,
    /// Their errors, as events tell them.
    pub errors: Vec<CollectError>,
    /// They reach the limit of failures before everything is collected: pytest fails there.
    pub collection_failed: bool,
    /// The process that was collected for this run alone.
    pub exclusive: Arc<ExclusiveSession>,
    /// Its first runner may be the process that has collected, instead of a fork.
    pub may_take_session: bool,
    /// Its rule for sharing tests with older and newer runs.
    pub conflicts: ConflictPolicy,
    /// Tests that it has left to a newer run.
    pub taken_over: watch::Sender<Arc<BTreeSet<usize>>>,
    /// The failures in all parts of a run over several projects, for its limit of failures.
    pub failures: Arc<AtomicU32>,
    /// Its processes stay for the next run.
    pub stays_warm: bool,
    /// The cluster on whose nodes it runs; `None` on this machine.
    pub remote: Option<RemoteRun>,
}

/// A run on the nodes of a cluster.
pub(crate) struct RemoteRun {
    pub cluster: Arc<RayCluster>,
    pub session: RemoteSession,
    /// The cluster and the snapshot, in one line.
    pub summary: String,
    /// The cluster's size determines the number of runners.
    pub grows: bool,
}

/// The kind of processes in which tests run.
pub(crate) enum RunKind {
    /// Forks of the collected session, or sessions of their own if it can't be shared.
    Forked,
    /// Resident runners, whose fixtures outlive the run. They check changed files by these settings.
    Resident(Arc<PytestSettings>),
    /// Sessions that differ from the collected one, and so collect by themselves.
    Fresh {
        /// Ignore skip marks.
        run_disabled: bool,
        /// One session makes the project's reports, and contributes to the run's end.
        reports: bool,
        coverage: Option<Coverage>,
    },
    /// One process under a debugger: one attempt, without a time limit.
    Debug { debug_process: Box<DebugProcess>, run_disabled: bool },
}

impl RunPlan {
    /// Its beginning, for clients. `ids`: the selected tests; `None` stands for the whole inventory. Editors have no place
    /// for what concerns only the text of a command.
    pub(crate) fn start(&self, ids: Option<Vec<String>>) -> RunStart {
        let start = RunStart {
            run_id: self.run_id.clone(),
            total: self.selected.len(),
            ids,
            deselected: self.deselected,
            collect_reports: self.collect_reports.clone(),
            skipped_files: self.skipped_files.clone(),
            errors: self.errors.clone(),
            ..RunStart::default()
        };
        if self.source == Source::Editor {
            return start;
        }
        let place = self.remote.as_ref().map(|remote| remote.summary.clone());
        let are_all = self.selected.len() == self.collected.tests.nodes.len();
        RunStart {
            header: self.collected.header.iter().cloned().chain(place).collect(),
            on_collected: if are_all { self.collected.on_collected.clone() } else { Vec::new() },
            dropped: if are_all { self.collected.dropped } else { 0 },
            output_options: self.collected.output_options.clone(),
            ..start
        }
    }

    /// Whether its tests run as the settings say, without arguments and options of its own.
    pub(crate) fn is_as_configured(&self, settings: &Settings) -> bool {
        let is_usual = match &self.kind {
            RunKind::Forked => true,
            RunKind::Fresh { run_disabled, coverage, .. } => !run_disabled && coverage.is_none(),
            RunKind::Resident(_) | RunKind::Debug { .. } => false,
        };
        is_usual && verbosity::without(&self.collected.options.arguments).eq(verbosity::without(&settings.arguments))
    }

    /// Whether the ends of its sessions count: they write reports, or have hooks that may decide the exit status.
    pub(crate) fn decides_end(&self) -> bool {
        // An editor shows tests: nobody wants gates, such as for coverage, to judge a few of them.
        let counts = self.source != Source::Editor
            && self.remote.is_none()
            && !self.kind.is_resident()
            && self.kind.debug_process().is_none();
        self.kind.makes_reports() || (counts && (!self.collected.is_shared() || self.collected.summarizes))
    }
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

    /// The differences of its sessions from those that only collect. `folder`: the run's, for its coverage data.
    pub(crate) fn overrides(&self, folder: Option<&Path>) -> SessionOverrides {
        let coverage = self.coverage().zip(folder).map(|(coverage, folder)| coverage.measure(folder));
        let (run_disabled, reports) = (self.runs_disabled(), self.makes_reports());
        SessionOverrides { run_disabled, reports, coverage, ..SessionOverrides::default() }
    }

    /// Returns whether a session that was collected with these options may run its tests.
    pub(crate) fn suits(&self, options: &WorkerOptions) -> bool {
        (self.runs_disabled(), self.makes_reports(), self.coverage().is_some())
            == (options.run_disabled, options.reports, options.coverage.is_some())
    }

    /// Returns whether the whole run is one session, with one attempt for each test.
    pub(crate) fn is_one_session(&self) -> bool {
        self.makes_reports() || self.debug_process().is_some()
    }
}

/// A run's rule for other runs of the same tests. A test never runs twice at a time unless a client asks for
/// that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConflictPolicy {
    /// A person's run in an editor: a newer one of the same kind takes over its unfinished tests. It waits for runs of
    /// other kinds.
    Replaceable,
    /// It waits until older runs have finished the common tests, and nobody takes them over.
    Waits,
    /// A suite of run control, or a run in a debugger: the client decides which runs overlap.
    Independent,
}

impl RunPlan {
    pub(crate) fn node(&self, index: usize) -> &Arc<Node> {
        &self.collected.tests.nodes[self.selected[index]]
    }

    /// Waits until older runs have finished this run's tests, the run is stopped, or a newer run has taken over all its
    /// tests.
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

    /// The differences of a worker's session from the collected one. `is_later`: another session has run tests before.
    pub(crate) fn special(&self, worker: usize, is_later: bool) -> Option<SessionOverrides> {
        let overrides = self.kind.overrides(self.suite_log.folder());
        let reports = overrides.reports;
        // A project that checks its worker id was collected as the first worker.
        let is_another = self.collected.mentions_worker && worker > 0 && !reports;
        if !overrides.run_disabled && !reports && overrides.coverage.is_none() && !is_another {
            return None;
        }
        Some(SessionOverrides {
            worker: self.place(worker, self.workers).filter(|_| !reports),
            appends: is_later && reports,
            timings: self.time_before.is_some(),
            ..overrides
        })
    }

    /// The options of a resident runner.
    pub(crate) fn reuse(&self) -> Option<Reuse> {
        match &self.kind {
            RunKind::Resident(pytest) => Some(Reuse { run_id: self.run_id.clone(), pytest: Arc::clone(pytest) }),
            _ => None,
        }
    }

    /// The index among several runners; `None` for a single one.
    fn place(&self, index: usize, count: usize) -> Option<WorkerIndex> {
        let count = count.max(self.collected.processes);
        (count > 1 || self.collected.processes > 0).then(|| WorkerIndex { index, count, run: self.run_id.clone() })
    }

    /// The prefix of the files for a worker's output.
    pub(crate) fn output(&self, post: WorkerSeat) -> Option<PathBuf> {
        self.suite_log.folder().map(|folder| folder.join(format!("w{}", post.place)))
    }

    /// The order for a runner: `feed` are its first tests, and whether they are all. `failures`: number so far.
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
        let whole = resident.is_none() && !runner.runner().is_session() && self.is_whole_session();
        let ids = (!whole)
            .then(|| self.selected.iter().map(|&node| self.collected.tests.nodes[node].id.to_string()).collect());
        let is_of_another = resident.is_some() || runner.runner().is_session();
        let unwanted = if is_of_another && !self.collected.reasons.is_empty() { self.unwanted() } else { Vec::new() };
        let (feed, end) = feed;
        RunOrder {
            ids,
            unwanted,
            feed,
            end,
            // A failure that will be repeated does not count, which the worker can't know.
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
            // A resident has been compared with the disk.
            same_files: resident.is_some_and(|own| own.changed.is_empty()),
            crashes: Vec::new(),
            full_reports: self.full_reports,
            keeps_reports: self.kind.makes_reports(),
            earlier: Vec::new(),
            timings: self.time_before.is_some(),
            phase_durations: self.phase_durations,
        }
    }

    /// Whether its tests are those of the collected session, in the session's order.
    pub(crate) fn is_whole_session(&self) -> bool {
        self.selected.iter().copied().eq(0..self.collected.tests.nodes.len())
    }

    /// The other tests in the files of the selected ones.
    fn unwanted(&self) -> Vec<String> {
        let nodes = &self.collected.tests.nodes;
        let wanted: HashSet<usize> = self.selected.iter().copied().collect();
        let files: HashSet<&str> = self.selected.iter().map(|&index| &*nodes[index].file).collect();
        let is_left = |(index, node): &(usize, &Arc<Node>)| !wanted.contains(index) && files.contains(&*node.file);
        nodes.iter().enumerate().filter(is_left).map(|(_, node)| node.id.to_string()).collect()
    }

    /// The message of a test that did not start within the run's time limit.
    pub(crate) fn late(&self) -> String {
        let limit = self.time_limit.map_or(0.0, |limit| limit.as_secs_f64());
        format!("the suite took longer than {limit} s (timeout)")
    }
}

/// A runner's position: its number in the round, its index among all of the run, and their number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorkerSeat {
    pub worker: usize,
    pub place: usize,
    pub count: usize,
}
