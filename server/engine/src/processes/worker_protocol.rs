//! The messages between the engine and its Python processes: one JSON object a frame, `t` its type.
//!
//! A frame is a 4-byte little-endian length and that many bytes of UTF-8. Every process, each fork too, makes a
//! connection of its own and says [`FromWorker::Hello`] first. Line numbers are 1-based, paths absolute unless a
//! field says otherwise.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::model::collect_error::CollectError;
use crate::model::file_readers::FileReads;
use crate::model::node::CollectedItem;
use crate::model::outcome::ReportedOutcome;
use crate::model::warnings::ReportedWarning;

/// What a fresh interpreter is told, through its environment.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Boot {
    pub socket: String,
    pub token: String,
    pub host: String,
    pub root: String,
    pub cache_dir: String,
    pub tmp_dir: String,
    /// The person who asked sits at its standard streams.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub terminal: bool,
    /// Third-party modules to import before the first fork, in this order.
    pub preload: Vec<String>,
    /// Plugins to regard as harmless to forking, beside the worker's own list.
    pub harmless: Vec<String>,
    /// Modules that are never imported in advance.
    #[serde(rename = "unsafe")]
    pub unsafe_names: Vec<String>,
}

/// How a fork, or the fresh process itself, is to call pytest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct WorkerOptions {
    /// Files, folders or ids; empty = as the project's configuration says.
    pub args: Vec<String>,
    /// Further arguments of the user.
    pub arguments: Vec<String>,
    pub no_cov: bool,
    pub run_disabled: bool,
    /// Reports about the session as a whole are wanted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reports: bool,
    /// What a session is to measure; only those that run tests are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Measure>,
    /// Which of several runners the session is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerIndex>,
    /// Wait for a debugger before anything of the project is loaded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub debug: bool,
}

/// What coverage.py is to measure, and where its data go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Measure {
    pub folder: String,
    pub source: Vec<String>,
    pub branch: bool,
    /// Tell the tests apart.
    pub contexts: bool,
    pub config: Option<String>,
}

/// What a forked process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Warm interpreter, nothing of the project.
    Base,
    /// Starts a session and waits before its collection; then it goes on as `Collected`.
    Configured,
    /// Holds a collected session, to be forked.
    Collected,
    /// Collects, tells, and ends.
    Collect,
    /// A fork of a collected session that runs tests.
    Runner,
    /// Collects and runs tests in one go.
    Session,
}

/// Who wants a session, and so what it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// Somebody runs its tests: it is a session as pytest's.
    Run,
    /// Somebody wants to know its tests: it is one of `--collect-only`.
    List,
    /// It is made so that things are known or ready: it must have no effects.
    Unasked,
}

/// Which of several runners this is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct WorkerIndex {
    pub index: usize,
    pub count: usize,
    pub run: String,
}

/// What a runner is told first: its tests, and as many of them as it may begin with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunOrder {
    /// The run's tests; `None`: the collected session's items in their order.
    pub ids: Option<Vec<String>>,
    /// Indices into the list.
    pub feed: Vec<usize>,
    pub end: bool,
    pub maxfail: Option<u32>,
    pub timeout_ms: Option<u64>,
    /// When the time of the whole run is up, by the monotonic clock: the stacks of what runs then are wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ns: Option<u64>,
    pub run_disabled: bool,
    pub basetemp: String,
    /// What the names of the files begin with that its output goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    pub worker: Option<WorkerIndex>,
    /// What the run was called with, for those in it who ask.
    #[serde(skip_serializing_if = "Asked::is_nothing")]
    pub asked: Asked,
    /// The runner is to stay, with its fixtures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// The runner has collected by itself, from the same files: ids that it lacks are of tests that it has by other names.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub same_files: bool,
}

/// Which tests a run was asked for, in the words of pytest's command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Asked {
    /// Files, folders or ids.
    pub args: Vec<String>,
    /// `-k`
    pub keyword: Option<String>,
    /// `-m`
    pub marker: Option<String>,
}

impl Asked {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// `-k` and `-m`, as pytest's arguments.
    pub(crate) fn filters(&self) -> Vec<String> {
        let named = |name: &str, value: &Option<String>| value.as_ref().map(|value| [name.to_owned(), value.clone()]);
        [named("-k", &self.keyword), named("-m", &self.marker)].into_iter().flatten().flatten().collect()
    }
}

/// What a resident runner keeps, and what it must not.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Hold {
    /// Scopes whose fixtures live on; what is wider than one of them lives on with it.
    pub scopes: Vec<String>,
    /// Test modules to forget before the run, relative to the root.
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
    /// A session that waits before its collection is to go on.
    Collect {
        purpose: Purpose,
    },
    Run(RunOrder),
    Feed {
        indices: Vec<usize>,
        end: bool,
    },
    Stop,
    /// A resident runner is to finish its session: fixtures are torn down, and it ends.
    Exit,
}

/// Worker to engine.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(crate) enum FromWorker {
    Hello {
        token: String,
        host: String,
        pid: i32,
        /// Who forked it.
        #[serde(default)]
        parent: Option<String>,
    },
    Ready(Box<Ready>),
    Fatal {
        code: String,
        message: String,
    },
    /// A file is about to be imported by the collection: relative to the root.
    Importing {
        path: String,
    },
    /// A session waits before its collection.
    Configured(WireRead),
    /// A session that nobody asked for would have had an effect, and has ended before it.
    Effect {
        detail: String,
        /// The files that led there.
        files: Vec<WireStat>,
    },
    Nodes {
        items: Vec<CollectedItem>,
    },
    Collected(Box<WireCollected>),
    /// Files of the project that were read since this was last told.
    Reads {
        reads: Vec<FileReads>,
    },
    UsageError {
        message: String,
        /// The file at fault, relative to the root, where known.
        path: Option<String>,
        line: Option<u32>,
    },
    InternalError {
        message: String,
    },
    Forked {},
    ForkFailed {
        host: String,
        message: String,
        /// The system's number for it.
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
        /// What it read, where it collected by itself.
        #[serde(flatten)]
        read: WireRead,
    },
    /// What a resident runner read when it collected more.
    Reread(WireRead),
    Missing {
        indices: Vec<usize>,
    },
    /// A session waits for a debugger.
    Listening {
        host: String,
        port: u16,
    },
    /// A debugger has come.
    Attached {},
    Started {
        i: usize,
        /// Where its output begins in the files of the three streams.
        at: Option<[u64; 3]>,
    },
    Finished(Box<ReportedOutcome>),
    Done {
        reason: String,
        message: Option<String>,
        /// A resident runner waits for the next run.
        #[serde(default)]
        held: bool,
        /// What Python warned of.
        #[serde(default)]
        warnings: Vec<ReportedWarning>,
    },
    Bye {
        /// pytest's.
        #[serde(default)]
        exitstatus: i32,
        /// What a plugin said of the session as a whole.
        message: Option<String>,
    },
}

/// A base is warm.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Ready {
    pub python: String,
    pub pytest: String,
    pub plugins: Vec<WirePlugin>,
    pub hazards: Vec<WireHazard>,
    /// Modules that turned out not to be for importing in advance.
    #[serde(default)]
    pub unfit: Vec<String>,
    /// Whether coverage.py is installed.
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

/// Something that makes a fork of this process unsafe.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireHazard {
    pub detail: String,
}

/// What a process has read from disk, or asked of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct WireRead {
    pub files: Vec<WireStat>,
    pub dirs: Vec<WireDir>,
    pub names: Vec<WireLook>,
}

/// A file that was read: path, mtime and ctime in nanoseconds (no ctime where it says nothing), size, whether those
/// alone tell later changes, the SHA-256 of what was read, where that is known, device and inode.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct WireStat(
    pub String,
    pub i64,
    pub Option<i64>,
    pub u64,
    pub bool,
    pub Option<String>,
    pub u64,
    pub u64,
);

/// A folder that was listed: path, mtime in nanoseconds, whether that alone tells later changes, which names count, and
/// those names.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireDir(pub String, pub i64, pub bool, pub Counted, pub Vec<String>);

/// Which names in a folder count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Counted {
    /// No hidden ones but pytest's, no bytecode, no editors' backups.
    Shown,
    /// Hidden ones too.
    All,
    /// None: a folder of installed packages, whose time tells enough.
    Installed,
}

/// A name that was asked for: path, and what was there: `none`, `file`, `folder`, `other`, or `link` and where it leads.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireLook(pub String, pub String);

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WireCollected {
    /// How many tests pytest, its configuration or a plugin took out.
    #[serde(default)]
    pub deselected: usize,
    #[serde(default)]
    pub errors: Vec<CollectError>,
    /// Files that skip themselves as a whole, relative to the root: why.
    #[serde(default)]
    pub skipped: HashMap<String, String>,
    #[serde(flatten)]
    pub read: WireRead,
    #[serde(default)]
    pub third_party: Vec<String>,
    /// Modules that it could not take as they were imported in advance.
    #[serde(default)]
    pub unfit: Vec<String>,
    /// Options in force that are about a session as a whole: reports, and gates of coverage.
    #[serde(default)]
    pub reports: Vec<String>,
    /// Whether `-k` and `-m` may make a difference beside what they select.
    #[serde(default)]
    pub looks: bool,
    /// How many processes the project's own arguments ask pytest-xdist for.
    #[serde(default)]
    pub processes: usize,
    /// Whether the project looks at which of xdist's workers it is in.
    #[serde(default)]
    pub mentions_worker: bool,
    #[serde(default)]
    pub duration_ms: f64,
    #[serde(default)]
    pub reasons: Vec<String>,
    pub inifile: Option<String>,
    /// How long the process's day lasts, in seconds.
    #[serde(default)]
    pub day_left: Option<f64>,
}
