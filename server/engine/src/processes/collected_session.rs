//! A collected session: the tests of a scope as pytest collected them and, if it can be shared, the process that is
//! forked to run them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use pytest_lens_analysis::clocks::{Reading, first_reading};
use pytest_lens_analysis::{FileAnalysis, PytestSettings};
use pytest_lens_protocol::{SessionExit, TimeSpent};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::model::collect_error::CollectError;
use crate::model::collection::{Collection, Deselected, source_order};
use crate::model::file_readers::FileReads;
use crate::model::node::{Analyses, MadeNode, Node};
use crate::model::scope::Scope;
use crate::model::timings::sums;
use crate::processes::blocking::blocking;
use crate::processes::disk_snapshot::Snapshot;
use crate::processes::exclusive_session::{self, ExclusiveSession, ExitingSessions};
use crate::processes::file_opens::{UnreportedReads, Window};
use crate::processes::gathering::{CrashPoint, Gathered, Progress, gather};
use crate::processes::hub::Hub;
use crate::processes::launcher::Base;
use crate::processes::liveness::stopped_too_long;
use crate::processes::outside_files::{Readings, is_configuration};
use crate::processes::prestarted::Prestarted;
use crate::processes::process::{Arrival, ExitStatus, NoProcess, Process, ProcessEvent};
use crate::processes::process_tree::{KillOnDrop, kill_tree};
use crate::processes::runner::Runner;
use crate::processes::wire_reads::{WireRead, WireStat};
use crate::processes::worker_protocol::{Purpose, Role, ToWorker, WorkerOptions};
use crate::timing::{COLLECTION_AGE_LIMIT, FILE_OPENS_INTERVAL, FORK_COST_MS, FORK_LIMIT, QUICK_COLLECTION_MS};

/// The processes of which a session is a fork, or which became the session. Their end would end it.
pub(crate) type Parents = (Arc<Base>, Option<Arc<Prestarted>>);

/// A finished collection.
pub(crate) struct CollectedSession {
    pub scope: Scope,
    /// The files, folders and ids from which pytest collected, relative to the root.
    pub args: Vec<String>,
    /// The folders of conftests with hooks that act on the whole session.
    pub hook_folders: Vec<String>,
    /// Code of the project may have read the arguments.
    pub reads_args: bool,
    /// A hook has added tests.
    pub adds: bool,
    pub settings: Arc<PytestSettings>,
    pub options: WorkerOptions,
    pub tests: Collection,
    /// Files of the project that it read, with the files whose code read them.
    pub reads: Vec<FileReads>,
    /// Third-party modules that a base may load in advance.
    pub third_party: Vec<String>,
    /// Options that ask for reports about, or set a gate for, a session as a whole.
    pub reports: Vec<String>,
    /// The project may read `-k` and `-m` before its tests run.
    pub looks: bool,
    /// Modules that must not be loaded in advance any more.
    pub unfit: Vec<String>,
    /// The reasons why runs are not forked off it; empty if they are.
    pub reasons: Vec<String>,
    pub inifile: Option<String>,
    /// The lines with which pytest begins its output.
    pub header: Vec<String>,
    /// The lines of hooks on the collected tests.
    pub on_collected: Vec<String>,
    /// Number of tests that hooks left out without a word.
    pub dropped: usize,
    /// The options of pytest's output that code of the project has set, as words.
    pub output_options: Vec<String>,
    /// Number of pytest-xdist workers that the project's configuration asks for.
    pub processes: usize,
    /// The project reads its xdist worker id.
    pub mentions_worker: bool,
    /// Its hooks in pytest-xdist's controller set something up for all workers, so that one runner runs all tests: each
    /// has a controller of its own.
    pub one_controller: bool,
    /// Its end counts: a conftest or plugin adds sections to pytest's summary, or a warning would be an error.
    pub summarizes: bool,
    /// Duration of collecting, in milliseconds.
    pub took_ms: f64,
    /// Where that time went, if it was measured.
    pub times: Vec<TimeSpent>,
    /// The time after which it must not be forked: values that it took from a clock may be outdated then.
    until: SystemTime,
    /// The interpreter that it was forked from, or became.
    pub base: Arc<Base>,
    /// The session that it was forked from.
    prestarted: Option<Arc<Prestarted>>,
    process: Option<Process>,
    /// Its process runs tests itself, and can't be forked any more.
    is_given_away: AtomicBool,
    /// Its reads are known: no file that a C library may have read was changed meanwhile.
    is_certain: bool,
    /// That holds for the project's own files.
    has_certain_code: bool,
    /// Files outside of the project that it did not report: nobody knows whether C libraries read them.
    perhaps_read: BTreeSet<PathBuf>,
    /// The sources of the project that it has read, wherever they are.
    pub sources: Arc<[PathBuf]>,
    state: Mutex<HostState>,
    getting_ready: tokio::sync::Mutex<()>,
    /// The inventory's revision that contains its tests.
    recorded_at: AtomicU64,
}

struct HostState {
    snapshot: Snapshot,
    /// The last time at which the disk was known to be in the state that it describes.
    current_at: Instant,
    /// The source of its process's events. It is kept so that the connection stays open.
    events: Option<mpsc::UnboundedReceiver<ProcessEvent>>,
    standby: Vec<Runner>,
}

/// The reason why collecting failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CollectFailure {
    /// pytest refused its configuration, a conftest or its arguments. The file and the line at fault, if known.
    #[error("{message}")]
    Refused { message: String, path: Option<String>, line: Option<u32>, session_exit: Option<SessionExit> },
    #[error("{message}")]
    TimedOut { message: String, point: Option<Box<CrashPoint>> },
    /// The process that collects has ended.
    #[error("{message}")]
    Crashed { message: String, point: Option<Box<CrashPoint>> },
    /// There is no process to collect in.
    #[error("{0}")]
    Unreachable(NoProcess),
    #[error("{message}")]
    Broken { message: String, session_exit: Option<SessionExit> },
    /// Nobody asked for it, and it would have had an effect. This is not an error: collecting waits for a request.
    #[error("tests are collected only when somebody asks: {reason}")]
    OnlyWhenAsked {
        reason: String,
        /// The files that led to it. While they are unchanged, so is the answer.
        files: Vec<WireStat>,
    },
}

impl CollectFailure {
    /// A fault of the engine.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        CollectFailure::Broken { message: message.into(), session_exit: None }
    }

    /// How pytest ended the session, if that is the reason.
    pub(crate) fn session_exit(&self) -> Option<&SessionExit> {
        match self {
            CollectFailure::Refused { session_exit, .. } | CollectFailure::Broken { session_exit, .. } => {
                session_exit.as_ref()
            }
            _ => None,
        }
    }

    /// The error of the file to which it is attributed: the one that it names, else the only one in the scope.
    pub(crate) fn as_error_of(&self, scope: &Scope) -> CollectError {
        let (path, line) = match (self, scope) {
            (CollectFailure::Refused { path: Some(path), line, .. }, _) => (path.clone(), *line),
            (_, Scope::Paths(paths)) if paths.len() == 1 => (paths.first().cloned().unwrap_or_default(), None),
            _ => (String::new(), None),
        };
        CollectError { path, line, message: self.to_string(), longrepr: None, crash: None, followed: false }
    }
}

/// A collection to make.
pub(crate) struct CollectOrder {
    pub scope: Scope,
    pub options: WorkerOptions,
    pub root: PathBuf,
    /// The variables of interpreters that differ from this process's own.
    pub variables: BTreeMap<String, String>,
    pub settings: Arc<PytestSettings>,
    pub analyses: Arc<Analyses>,
    pub limit: Duration,
    pub by: Collector,
    pub purpose: Purpose,
    /// Sessions that are over and still tear themselves down.
    pub exiting: ExitingSessions,
    /// Records opened files from now on, if that matters.
    pub window: Option<Window>,
    /// The inputs of the crashes of the files that it leaves out.
    pub crash_inputs: Snapshot,
}

/// The process that collects.
pub(crate) enum Collector {
    /// A fork of the prestarted session, which is kept, or that session itself.
    Prestarted(Arc<Prestarted>),
    /// A fork of the base, which is kept.
    Fork,
    /// The base itself, of which no other session is forked.
    SoleSession,
    /// The base itself, which ends with the session.
    Base,
    /// That of a debugger, at which a person may take any amount of time.
    Debugged(Arrival),
}

/// Collects, in `base` itself or in a fork of it.
///
/// If a client wants the tests run and the session can't be shared, its process is returned as well.
pub(crate) async fn collect(
    hub: &Hub,
    base: Arc<Base>,
    order: CollectOrder,
) -> Result<(CollectedSession, ExclusiveSession), CollectFailure> {
    let began = Instant::now();
    let purpose = order.purpose;
    let may_fork = !matches!(order.by, Collector::Base | Collector::Debugged(_));
    let is_debugged = matches!(order.by, Collector::Debugged(_));
    let (mut opened_before, mut from) = (Snapshot::default(), None);
    let arrived = match order.by {
        Collector::Prestarted(prestarted) => {
            let arrived = prestarted.collect(hub, &order.options, purpose).await.map(|(arrived, before)| {
                opened_before = before;
                arrived
            });
            from = Some(prestarted);
            arrived
        }
        Collector::Fork => base.fork(hub, Role::Collected, order.options.clone(), purpose).await,
        Collector::SoleSession => base.become_role(Role::Collected, order.options.clone(), purpose),
        Collector::Base => {
            let role = if purpose == Purpose::Run { Role::Collected } else { Role::Collect };
            base.become_role(role, order.options.clone(), purpose)
        }
        Collector::Debugged(arrived) => Ok(arrived),
    };
    let (process, mut events) = arrived.map_err(CollectFailure::Unreachable)?;
    let mut unfinished = KillOnDrop(Some(process.pid));
    let mut progress = Progress::default();
    let analyze_ahead = |path: &str| {
        let (path, settings, analyses) = (order.root.join(path), order.settings.clone(), order.analyses.clone());
        tokio::task::spawn_blocking(move || analyses.of(&path, &settings));
    };
    let gathering = async {
        tokio::select! {
            gathered = gather(&mut events, &mut progress, analyze_ahead) => gathered.map_err(Some),
            never = looking(order.window.as_ref()) => match never {},
            () = stopped_too_long(process.pid), if !is_debugged => Err(None),
        }
    };
    let outcome = tokio::time::timeout(order.limit, gathering).await;
    unfinished.0 = None;
    let Gathered { items, reads, times, collected } = match outcome {
        Ok(Ok(gathered)) => gathered,
        Ok(Err(Some(failure))) => return Err(failure),
        Ok(Err(None)) => {
            kill_tree(process.pid);
            return Err(progress.ended(&ExitStatus { was_stopped: true, ..ExitStatus::default() }));
        }
        Err(_) => {
            kill_tree(process.pid);
            return Err(progress.timed_out(order.limit));
        }
    };
    let source_order = source_order(&items);
    let (root, settings, analyses, variables) =
        (order.root, Arc::clone(&order.settings), order.analyses, order.variables);
    let day_left = collected.day_left.and_then(|left| Duration::try_from_secs_f64(left).ok());
    let sources: Arc<[PathBuf]> =
        collected.read.files.iter().filter(|file| is_source(file)).map(|file| PathBuf::from(&file.0)).collect();
    let configuration: Vec<_> =
        collected.read.files.iter().map(|file| PathBuf::from(&file.0)).filter(|path| is_configuration(path)).collect();
    let is_idle = order.options.idle;
    let read_sources = Arc::clone(&sources);
    let (window, mut reasons, mut snapshot) = (order.window, collected.reasons, Snapshot::new(collected.read));
    let compared = blocking(move || {
        let nodes = make_nodes(items, &root, &settings, &analyses);
        let read: Vec<_> =
            read_sources.iter().filter_map(|path| Some((path.as_path(), analyses.of(path, &settings)?))).collect();
        if !is_idle {
            reasons.extend(first_clock(&read, &root));
        }
        let opened = match window {
            // A session that can't be shared is not used again.
            Some(window) if reasons.is_empty() => {
                let sources = read.iter().map(|(path, analysis)| (*path, &**analysis)).collect();
                let readings = Readings { root: &root, variables: &variables, sources, configuration: &configuration };
                let unseen = window.watch_named(readings.named());
                window.opened().beside(&snapshot, &unseen)
            }
            _ => UnreportedReads::default(),
        };
        let certain = (opened.are_certain(), opened.are_certain_within(&root));
        let unreported = opened.snapshot.files().chain(opened_before.files());
        let outside = unreported.filter(|path| !path.starts_with(&root) && !snapshot.knows(path));
        let perhaps_read: BTreeSet<_> = outside.map(Path::to_path_buf).collect();
        snapshot.add(opened.snapshot);
        snapshot.add(opened_before);
        snapshot.add(order.crash_inputs);
        (nodes, reasons, snapshot, certain, perhaps_read)
    });
    let (nodes, reasons, snapshot, (is_certain, has_certain_code), perhaps_read) =
        compared.await.ok_or_else(|| CollectFailure::broken("the collected tests could not be read"))?;
    // Its reports are about the one run.
    let shared = may_fork && reasons.is_empty() && !order.options.reports;
    let (process, events, exclusive) = match purpose {
        _ if shared => (Some(process), Some(events), ExclusiveSession::default()),
        Purpose::Run => {
            let parents = (Arc::clone(&base), from.clone());
            (None, None, ExclusiveSession::new((process, events), parents, order.exiting))
        }
        Purpose::List => {
            // The next session may need the resources that it holds.
            exclusive_session::await_session_end(&process, &mut events).await;
            (None, None, ExclusiveSession::default())
        }
        Purpose::Unasked => (None, None, ExclusiveSession::default()),
    };
    let keeps_args = order.options.files.is_empty() || collected.keeps_args;
    let args = if keeps_args { order.options.args } else { order.options.files };
    let deselected = Deselected { count: collected.deselected, ids: collected.deselected_ids };
    let session = CollectedSession {
        scope: order.scope,
        args: collected.args,
        hook_folders: collected.hook_folders,
        reads_args: collected.reads_args,
        adds: collected.adds,
        settings: order.settings,
        // It is no other session than one whose time was not measured.
        options: WorkerOptions {
            args,
            files: Vec::new(),
            timings: order.options.timings && !shared,
            crashed: order.options.crashed.filter(|crashed| !crashed.is_empty()),
            ..order.options
        },
        tests: Collection::new(nodes, source_order, collected.errors, collected.skipped, deselected),
        reads,
        third_party: collected.third_party,
        unfit: collected.unfit,
        looks: collected.looks,
        reports: collected.reports,
        reasons,
        inifile: collected.inifile,
        header: collected.header,
        on_collected: collected.on_collected,
        dropped: collected.dropped,
        output_options: collected.output_options,
        processes: collected.processes,
        mentions_worker: collected.mentions_worker,
        one_controller: collected.one_controller,
        summarizes: collected.summarizes,
        took_ms: collected.duration_ms,
        times: sums(times),
        until: SystemTime::now() + day_left.map_or(COLLECTION_AGE_LIMIT, |left| left.min(COLLECTION_AGE_LIMIT)),
        base,
        prestarted: from,
        process,
        is_given_away: AtomicBool::new(false),
        is_certain,
        has_certain_code,
        perhaps_read,
        sources,
        state: Mutex::new(HostState { snapshot, current_at: began, events, standby: Vec::new() }),
        getting_ready: tokio::sync::Mutex::default(),
        recorded_at: AtomicU64::new(0),
    };
    Ok((session, exclusive))
}

/// Reads the kernel's events while a session collects, since it keeps a limited number of them.
async fn looking(window: Option<&Window>) -> Infallible {
    loop {
        tokio::time::sleep(FILE_OPENS_INTERVAL).await;
        if let Some(window) = window {
            window.look();
        }
    }
}

/// Returns whether a file is source of the project. Installed files have a digest only if something reads their text,
/// as hypothesis does with its own.
fn is_source(file: &WireStat) -> bool {
    let is_installed = || file.0.contains("/site-packages/") || file.0.contains("/dist-packages/");
    file.5.is_some() && file.0.ends_with(".py") && !is_installed()
}

/// The reason why a collection that read a clock must not be shared.
fn first_clock(read: &[(&Path, Arc<FileAnalysis>)], root: &Path) -> Option<String> {
    let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    let named: Vec<_> = read.iter().map(|(path, analysis)| (shown(path), &**analysis)).collect();
    let files: Vec<_> = named.iter().map(|(path, analysis)| (path.as_str(), *analysis)).collect();
    let Reading { file, at, what } = first_reading(&files)?;
    Some(format!("{}:{} calls {what} while tests are collected", files[file].0, at.line + 1))
}

fn make_nodes(items: Vec<MadeNode>, root: &Path, settings: &PytestSettings, analyses: &Analyses) -> Vec<Arc<Node>> {
    let mut last: Option<(Arc<str>, Option<Arc<FileAnalysis>>)> = None;
    let mut nodes = Vec::with_capacity(items.len());
    for item in items {
        if last.as_ref().is_none_or(|(path, _)| path != item.file()) {
            last = Some((Arc::clone(item.file()), analyses.of(&root.join(&**item.file()), settings)));
        }
        let analysis = last.as_ref().and_then(|(_, analysis)| analysis.as_deref());
        nodes.push(item.located(analysis));
    }
    nodes
}

impl CollectedSession {
    /// Its tests are in this revision of the inventory.
    pub(crate) fn set_recorded(&self, revision: u64) {
        self.recorded_at.store(revision, Ordering::Relaxed);
    }

    /// Returns whether the inventory contains this session's tests. Another collection, or a file that was gone for a
    /// while, may have replaced them since.
    pub(crate) fn is_recorded(&self, revision: u64) -> bool {
        self.recorded_at.load(Ordering::Relaxed) == revision
    }

    /// The cost of one more runner, in milliseconds: a fork, or a collection that shares the machine with others.
    pub(crate) fn start_ms(&self) -> f64 {
        if self.is_shared() { FORK_COST_MS } else { self.took_ms / 4.0 }
    }

    /// Returns whether runs may be forked off it. Otherwise each run needs a session that collects for itself.
    pub(crate) fn is_shared(&self) -> bool {
        self.process.is_some()
    }

    /// Returns whether it covers a scope, with the same options.
    pub(crate) fn serves(&self, scope: &Scope, options: &WorkerOptions) -> bool {
        let same = |a: &WorkerOptions, b: &WorkerOptions| {
            (&a.arguments, &a.nested, a.no_cov) == (&b.arguments, &b.nested, b.no_cov)
        };
        if options.is_for_one_run() || !same(&self.options, options) {
            return false;
        }
        match (&self.scope, scope) {
            (own, wanted) if own == wanted => true,
            (_, Scope::All) => false,
            _ if self.acts_by_arguments() => false,
            (own, Scope::Paths(paths)) => paths.iter().all(|path| own.names(path) || self.has_all_of(path)),
        }
    }

    /// Returns whether the code that it collected is known, and the interpreter is still that on disk.
    pub(crate) fn knows_its_code(&self) -> bool {
        self.is_young() && self.has_certain_code && self.base.is_unchanged()
    }

    /// Returns whether the code that it collected, and the interpreter, are still those on disk.
    pub(crate) fn has_present_code(&self) -> bool {
        self.changed_files().is_empty() && self.knows_its_code()
    }

    /// The files that have changed since it read them. A file outside of the project that it perhaps never read does not
    /// count: tests write such files.
    pub(crate) fn changed_files(&self) -> BTreeSet<PathBuf> {
        let changes = self.state.lock().unwrap_or_else(PoisonError::into_inner).snapshot.changes();
        changes.all().filter(|path| !self.perhaps_read.contains(path.as_path())).cloned().collect()
    }

    /// Returns whether a run that was requested at this time can use it. Compares files and interpreter in parallel.
    pub(crate) async fn check_fresh(self: &Arc<Self>, requested: Instant) -> bool {
        let compared_at = Instant::now();
        let (own, base) = (Arc::clone(self), Arc::clone(&self.base));
        let own = tokio::task::spawn_blocking(move || own.is_usable() && own.is_collection_unchanged());
        let base = tokio::task::spawn_blocking(move || base.is_unchanged_since(requested));
        let is_fresh = matches!(tokio::join!(own, base), (Ok(true), Ok(true)));
        if is_fresh {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).current_at = compared_at;
        }
        is_fresh
    }

    /// The last time at which the disk was known to be in the state that it describes, and what it has read.
    pub(crate) fn described(&self) -> (Instant, Snapshot) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.current_at, state.snapshot.clone())
    }

    /// Returns whether a comparison with the disk is conclusive: it is young, and its reads are known.
    fn is_young(&self) -> bool {
        !self.is_shared() || SystemTime::now() < self.until
    }

    fn is_collection_unchanged(&self) -> bool {
        self.is_young()
            && self.is_certain
            && self.state.lock().unwrap_or_else(PoisonError::into_inner).snapshot.is_fresh()
    }

    /// Returns whether its process, if it has one, can be forked.
    pub(crate) fn is_usable(&self) -> bool {
        !self.is_given_away() && self.process.as_ref().is_none_or(Process::is_usable)
    }

    /// The session that it was forked from, if that waits for further collections.
    pub(crate) fn prestarted(&self) -> Option<&Arc<Prestarted>> {
        self.prestarted.as_ref()
    }

    /// Returns whether its process was taken as a runner.
    pub(crate) fn is_given_away(&self) -> bool {
        self.is_given_away.load(Ordering::Relaxed)
    }

    /// Returns whether collecting the same again is cheap.
    pub(crate) fn is_quick(&self) -> bool {
        self.scope != Scope::All && self.took_ms < QUICK_COLLECTION_MS
    }

    /// Takes its process as a runner, which saves the fork. Later runs need another collection.
    pub(crate) fn give_away(&self) -> Option<Runner> {
        let process = self.process.clone().filter(|_| self.is_usable())?;
        let events = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.standby.is_empty() { state.events.take() } else { None }?
        };
        self.is_given_away.store(true, Ordering::Relaxed);
        Some(Runner::of_session(process, events))
    }

    /// Returns whether another session has collected the same files.
    pub(crate) fn agrees_with(&self, read: &WireRead) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).snapshot.agrees_with(read)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).snapshot.clone()
    }

    /// Forks a runner, or takes one that stands by.
    pub(crate) async fn runner(self: &Arc<Self>, hub: &Hub) -> Result<Runner, NoProcess> {
        loop {
            let standby = self.state.lock().unwrap_or_else(PoisonError::into_inner).standby.pop();
            let Some(mut runner) = standby else { return self.fork_runner(hub).await };
            if !runner.is_gone() {
                return Ok(runner);
            }
        }
    }

    /// Forks runners in advance, so that the next run need not wait for the fork.
    pub(crate) async fn stand_by(self: &Arc<Self>, hub: &Hub, count: usize) {
        // One at a time, since two callers that see the same gap would fork one runner too many.
        let _one = self.getting_ready.lock().await;
        while self.is_shared() && self.is_usable() && self.standing_by() < count {
            let Ok(runner) = self.fork_runner(hub).await else { return };
            self.state.lock().unwrap_or_else(PoisonError::into_inner).standby.push(runner);
        }
    }

    /// Ends the runners that stand by.
    pub(crate) fn stand_down(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).standby.clear();
    }

    /// Number of runners that stand by.
    pub(crate) fn standing_by(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).standby.len()
    }

    async fn fork_runner(self: &Arc<Self>, hub: &Hub) -> Result<Runner, NoProcess> {
        let process = self.process.as_ref().filter(|_| !self.is_given_away());
        let Some(process) = process else { return Err(NoProcess::new("this session can't be forked")) };
        let awaited = hub.expect("runner");
        process.send(ToWorker::Fork {
            host: awaited.id.clone(),
            role: Role::Runner,
            options: None,
            purpose: Purpose::Run,
        });
        let (process, events) = Process::arrive(awaited, FORK_LIMIT, Some(process)).await?;
        Ok(Runner::fork_of_collected(process, events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p2_a_library_whose_text_is_read_is_no_source_of_the_project() {
        let file = |path: &str| {
            let digest = Some("0".repeat(64));
            is_source(&WireStat(path.into(), 0, None, 0, true, digest, 0, 0))
        };
        assert!(file("/repo/tests/test_a.py"));
        assert!(!file("/repo/data.json"));
        assert!(!file("/repo/.venv/lib/python3.13/site-packages/hypothesis/internal/observability.py"));
        assert!(!file("/usr/lib/python3/dist-packages/library.py"));
    }
}
