//! The messages between the engine and its Python processes: each frame holds one JSON object, with its type in `t`.
//!
//! A frame is a 4-byte little-endian length and that many bytes of UTF-8. Every process, including each fork, makes its
//! own connection and sends [`FromWorker::Hello`] first. Line numbers are 1-based, and paths absolute unless a field
//! says otherwise.

use std::collections::HashMap;

use pytest_lens_protocol::SessionExit;
use serde::{Deserialize, Serialize};

use crate::model::collect_error::{CollectError, CrashKind};
use crate::model::collection::SkippedFile;
use crate::model::file_readers::FileReads;
use crate::model::node::CollectedItem;
use crate::model::outcome::ReportedOutcome;
use crate::model::recording::ReportedInputs;
use crate::model::timings::ReportedTime;
use crate::model::warnings::ReportedWarning;
use crate::processes::cluster_protocol::{RemoteOrder, SnapshotChange};
use crate::processes::wire_reads::{WireRead, WireStat};

/// The start message for a fresh interpreter, in its environment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Boot {
    pub socket: String,
    pub token: String,
    pub host: String,
    pub root: String,
    pub cache_dir: String,
    pub tmp_dir: String,
    /// The user's terminal is at its standard streams.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    /// The folder in which its sessions run, if that is not the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Third-party modules to import before the first fork, in this order.
    pub preload: Vec<String>,
    /// Plugins to regard as safe to fork, in addition to the worker's own list.
    pub harmless: Vec<String>,
    /// Modules that are never imported in advance.
    #[serde(rename = "unsafe")]
    pub unsafe_names: Vec<String>,
}

/// The options for a fork's, or the fresh process's, call of pytest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct WorkerOptions {
    /// Files, folders or ids; empty for those of the project's configuration.
    pub args: Vec<String>,
    /// The files of these: what it collects instead, unless the project may read the arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Further arguments of the user.
    pub arguments: Vec<String>,
    pub no_cov: bool,
    pub run_disabled: bool,
    /// Earlier sessions of the run have measured coverage: this one adds to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub appends: bool,
    /// Make the reports about the session as a whole.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reports: bool,
    /// Folders that belong to other projects, and are not collected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nested: Vec<String>,
    /// The coverage to measure in a session that runs tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Measure>,
    /// Its index among several runners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerIndex>,
    /// Wait for a debugger before anything of the project is loaded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub debug: bool,
    /// Record what each test depends on.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub record: bool,
    /// It is for the engine's own run while nobody uses it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub idle: bool,
    /// Measure where the time goes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timings: bool,
    /// Files that are not imported, as they end or hold up the process. `None`: no file is known to crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crashed: Option<Vec<CrashedFile>>,
}

/// A file whose import ends the process that collects, or never ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct CrashedFile {
    /// Relative to the root.
    pub path: String,
    /// The error of each file that needs it.
    pub message: String,
    pub kind: CrashKind,
}

impl WorkerOptions {
    /// Returns whether no other run has a use for the session.
    pub(crate) fn is_for_one_run(&self) -> bool {
        self.run_disabled || self.coverage.is_some() || self.idle
    }
}

/// Options for coverage.py, and the place for its data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Measure {
    pub folder: String,
    pub source: Vec<String>,
    pub branch: bool,
    /// Record which test executed a line.
    pub contexts: bool,
    pub config: Option<String>,
}

/// The purpose of a forked process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// A warm interpreter, without anything of the project.
    Base,
    /// Starts a session and waits before its collection.
    Configured,
    /// A fork of that: it waits before its collection, and then continues as `Collected`.
    Prestarted,
    /// Holds a collected session, to be forked.
    Collected,
    /// Collects, reports, and ends.
    Collect,
    /// A fork of a collected session that runs tests.
    Runner,
    /// Collects and runs tests.
    Session,
}

/// The purpose of a session, which determines the effects that it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// A client runs its tests: it behaves like pytest's own session.
    Run,
    /// A client lists its tests: it behaves like `--collect-only`.
    List,
    /// No client asked for it, so it must have no effects.
    Unasked,
}

/// A runner's index among several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct WorkerIndex {
    pub index: usize,
    pub count: usize,
    pub run: String,
}

/// A runner's first message: its tests, and those with which it may begin.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunOrder {
    /// The run's tests; `None`: the collected session's items in their order.
    pub ids: Option<Vec<String>>,
    /// Indices into the list.
    pub feed: Vec<usize>,
    pub end: bool,
    pub maxfail: Option<u32>,
    pub timeout_ms: Option<u64>,
    /// The end of the run's time limit, by the monotonic clock. The worker then writes the stacks of running tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ns: Option<u64>,
    pub run_disabled: bool,
    pub basetemp: String,
    /// The prefix of the files for its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    pub worker: Option<WorkerIndex>,
    /// The arguments of the run, for plugins that read them.
    #[serde(skip_serializing_if = "RequestedTests::is_nothing")]
    pub asked: RequestedTests,
    /// The runner stays after the run, with its fixtures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The runner has collected the same files by itself, so unknown ids belong to tests that have other ids there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub same_files: bool,
    /// Tests of the same files that the run does not want: they are none of those with other ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unwanted: Vec<String>,
    /// How often tests have crashed in this run: those that did, by their indices.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crashes: Vec<(usize, u32)>,
    /// Outcomes carry pytest's own reports.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub full_reports: bool,
    /// Outcomes carry the reports that a later session of the run needs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keeps_reports: bool,
    /// The tests that earlier sessions of the run have executed: the session's reports have them, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierTest>,
    /// Measure where the time goes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timings: bool,
    /// Outcomes carry the durations of their phases.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub phase_durations: bool,
}

/// A test of an earlier session: pytest's reports, none if it just passed, or a message if its process has ended.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EarlierTest {
    pub id: String,
    pub ms: f64,
    pub reports: Vec<String>,
    pub message: Option<String>,
}

/// The tests that a run was asked for, in terms of pytest's command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RequestedTests {
    /// Files, folders or ids.
    pub args: Vec<String>,
    /// `-k`
    pub keyword: Option<String>,
    /// `-m`
    pub marker: Option<String>,
}

impl RequestedTests {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// `-k` and `-m`, as arguments of pytest.
    pub(crate) fn filters(&self) -> Vec<String> {
        let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| [name.to_owned(), value.clone()]);
        [named("-k", &self.keyword), named("-m", &self.marker)].into_iter().flatten().flatten().collect()
    }
}

/// The state that a resident runner keeps, and the state that it drops.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Hold {
    /// Scopes whose fixtures are kept; a wider scope is kept as well.
    pub scopes: Vec<String>,
    /// Test modules to drop before the run, relative to the root.
    pub changed: Vec<String>,
}

/// Engine to worker.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(crate) enum ToWorker {
    Fork {
        host: String,
        role: Role,
        #[serde(skip_serializing_if = "Option::is_none")]
        options: Option<WorkerOptions>,
        purpose: Purpose,
    },
    Become {
        host: String,
        role: Role,
        options: WorkerOptions,
        purpose: Purpose,
    },
    /// Continues a session that waits before its collection.
    Collect {
        purpose: Purpose,
        /// The files to collect, if they are others than the session's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        args: Option<Vec<String>>,
        /// As in the options.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        files: Vec<String>,
        /// As in the options.
        #[serde(skip_serializing_if = "Option::is_none")]
        crashed: Option<Vec<CrashedFile>>,
    },
    Run(RunOrder),
    Feed {
        indices: Vec<usize>,
        end: bool,
    },
    Stop,
    /// Finishes the session of a resident: tears down its fixtures and ends it.
    Exit,
    /// To the driver of a cluster: the code that runs from now on may use.
    Snapshot(SnapshotChange),
    /// To the driver of a cluster: a runner is needed.
    StartRemote(Box<RemoteOrder>),
    /// To the driver of a cluster: kills a runner's processes, or gives it up if there are none yet.
    KillRemote {
        host: String,
    },
}

/// Worker to engine.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(crate) enum FromWorker {
    Hello {
        token: String,
        host: String,
        pid: i32,
        /// The process that forked it.
        #[serde(default)]
        parent: Option<String>,
        /// The node of a cluster on which it is; the pid is that of the cluster's driver then.
        #[serde(default)]
        node: Option<String>,
    },
    Ready(Box<Ready>),
    Fatal {
        code: String,
        message: String,
    },
    /// The collection is about to run a file's code, or goes on with it, or (without a path) runs no file's any more.
    Importing(ImportPoint),
    /// A session that follows crashes has opened a file that is no source.
    Opened {
        path: String,
    },
    /// A session waits before its collection.
    Configured {
        /// Its forks may collect.
        is_shared: bool,
        /// Its forks may collect other files of the same folders.
        is_open: bool,
        /// Code of the project may have read the arguments, or does so later.
        #[serde(default)]
        reads_args: bool,
        #[serde(flatten)]
        read: WireRead,
    },
    /// A session that nobody asked for was about to have an effect, and has ended first.
    Effect {
        detail: String,
        /// The files that led to it.
        files: Vec<WireStat>,
    },
    Nodes {
        items: Vec<CollectedItem>,
    },
    Collected(Box<WireCollected>),
    /// Files of the project that were read since the last report.
    Reads {
        reads: Vec<FileReads>,
    },
    UsageError {
        message: String,
        /// The file at fault, relative to the root, if known.
        path: Option<String>,
        line: Option<u32>,
        session_exit: Option<SessionExit>,
    },
    InternalError {
        message: String,
        session_exit: Option<SessionExit>,
    },
    Forked {},
    ForkFailed {
        host: String,
        message: String,
        /// The system's error number.
        #[serde(default)]
        errno: Option<i32>,
    },
    Exited {
        host: String,
        code: Option<i32>,
        signal: Option<i32>,
    },
    RunnerReady {
        stacks: Option<String>,
        /// Its reads, if it collected by itself.
        #[serde(flatten)]
        read: WireRead,
    },
    /// Further reads of a resident that collected more.
    Reread(WireRead),
    /// The reads of a resident while it set up fixtures that stay, and the modules that its tests imported.
    KeptReads(WireRead),
    Missing {
        indices: Vec<usize>,
    },
    /// A session waits for a debugger.
    Listening {
        host: String,
        port: u16,
    },
    /// A debugger has connected.
    Attached {},
    Started {
        i: usize,
        /// The start of its output in the files of the three streams.
        at: Option<[u64; 3]>,
        /// How often a plugin repeats it after crashes.
        #[serde(default)]
        after_crash: u32,
    },
    /// The inputs of a test; before its outcome.
    Inputs(ReportedInputs),
    /// The times of a collection or of a run; before its end.
    Timings {
        spans: Vec<ReportedTime>,
    },
    Finished(Box<ReportedOutcome>),
    Done {
        reason: String,
        message: Option<String>,
        /// The exit status that a test or hook asked for.
        #[serde(default)]
        exit_status: Option<i32>,
        /// A resident waits for the next run.
        #[serde(default)]
        held: bool,
        /// Warnings of Python.
        #[serde(default)]
        warnings: Vec<ReportedWarning>,
    },
    Bye {
        /// pytest's exit status.
        #[serde(default)]
        exitstatus: i32,
        /// The one by the outcomes of its tests: another was decided by a hook. `None` if a test ended the session.
        #[serde(default)]
        expected: Option<i32>,
        /// A plugin's message about the session as a whole.
        message: Option<String>,
        /// The sections of plugins and conftests in pytest's summary.
        #[serde(default)]
        summary: Option<String>,
    },
    /// The driver of a cluster is connected to it.
    ClusterReady {
        cpus: usize,
        version: String,
    },
    /// The cluster has grown or shrunk.
    ClusterSize {
        cpus: usize,
    },
    /// The driver has a snapshot's contents, unless files have changed since it was made.
    SnapshotTaken {
        id: String,
        /// Those files.
        moved: Vec<String>,
        files: usize,
        bytes: u64,
    },
    /// A runner's node or actor is gone.
    LostRemote {
        host: String,
        message: String,
    },
}

/// The code that a collection runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ImportPoint {
    /// The innermost file whose code runs, relative to the root.
    pub path: Option<String>,
    /// The test file that is collected meanwhile.
    pub within: Option<String>,
}

/// A base is warm.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    pub python: String,
    pub pytest: String,
    pub plugins: Vec<WirePlugin>,
    pub hazards: Vec<WireHazard>,
    /// Modules that must not be imported in advance.
    #[serde(default)]
    pub unfit: Vec<String>,
    /// coverage.py is installed.
    #[serde(default)]
    pub coverage: bool,
    #[serde(flatten)]
    pub read: WireRead,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WirePlugin {
    pub name: String,
    pub version: Option<String>,
}

/// A reason why this process can't be forked safely.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireHazard {
    pub detail: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireCollected {
    /// Number of tests that pytest, its configuration or a plugin deselected.
    #[serde(default)]
    pub deselected: usize,
    /// Their ids; empty if they are too many.
    #[serde(default)]
    pub deselected_ids: Vec<String>,
    /// The arguments from which pytest collected: paths and ids, relative to the root if they are below it.
    #[serde(default)]
    pub args: Vec<String>,
    /// The folders of conftests with hooks that act on the whole session.
    #[serde(default)]
    pub hook_folders: Vec<String>,
    /// Code of the project may have read the arguments.
    #[serde(default)]
    pub reads_args: bool,
    /// It has collected from the arguments, and not from the files that it was given for them.
    #[serde(default)]
    pub keeps_args: bool,
    /// A hook has added tests.
    #[serde(default)]
    pub adds: bool,
    #[serde(default)]
    pub errors: Vec<CollectError>,
    /// Files that skip themselves as a whole, relative to the root, with the reasons.
    #[serde(default)]
    pub skipped: HashMap<String, SkippedFile>,
    #[serde(flatten)]
    pub read: WireRead,
    #[serde(default)]
    pub third_party: Vec<String>,
    /// Modules that it could not use as they were imported in advance.
    #[serde(default)]
    pub unfit: Vec<String>,
    /// Active options that concern the session as a whole: reports, and thresholds of coverage.
    #[serde(default)]
    pub reports: Vec<String>,
    /// `-k` and `-m` may have effects other than selecting tests.
    #[serde(default)]
    pub looks: bool,
    /// The number of pytest-xdist workers in the project's own arguments.
    #[serde(default)]
    pub processes: usize,
    /// The project reads its xdist worker id.
    #[serde(default)]
    pub mentions_worker: bool,
    /// Its hooks in xdist's controller set something up for all workers.
    #[serde(default)]
    pub one_controller: bool,
    /// Its end counts: a conftest or plugin adds sections to pytest's summary, or a warning would be an error.
    #[serde(default)]
    pub summarizes: bool,
    #[serde(default)]
    pub duration_ms: f64,
    #[serde(default)]
    pub reasons: Vec<String>,
    pub inifile: Option<String>,
    /// The lines with which pytest begins its output.
    #[serde(default)]
    pub header: Vec<String>,
    /// The lines of hooks on the collected tests.
    #[serde(default)]
    pub on_collected: Vec<String>,
    /// Number of tests that hooks left out without a word.
    #[serde(default)]
    pub dropped: usize,
    /// The options of pytest's output that code of the project has set, as words.
    #[serde(default)]
    pub output_options: Vec<String>,
    /// The rest of the process's current day, in seconds.
    #[serde(default)]
    pub day_left: Option<f64>,
}
