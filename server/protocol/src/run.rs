//! The options and the origin of one run, and the outcomes of one that has ended elsewhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Options of one run, which take precedence over the context's settings. An addition of pytest-lens, last in the
/// messages that carry it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RunOptions {
    /// pytest's `-k` expression; narrows the selected tests.
    pub keyword: Option<String>,
    /// pytest's `-m` expression; narrows the selected tests.
    pub marker: Option<String>,
    /// Further pytest arguments, appended to those of the settings.
    pub arguments: Vec<String>,
    /// Also run tests that are marked to be skipped.
    pub run_disabled: bool,
    /// Limit for each test, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The most repeats of a failed test.
    pub reruns: Option<u32>,
    /// The client that asked: `editor`, `cli`, `agent` or `ci`; kept in the history.
    pub source: Option<String>,
    /// Choose the fastest number of runners, if `workers` is left out.
    pub auto_workers: bool,
    /// Measure coverage: the end of the run names the iterator of its data.
    pub coverage: bool,
    /// Repeat tests that pass, each in a fresh process, until one does not, or until it ran this many times. Each pass
    /// but the last is an outcome with `willRerun`.
    pub until_failure: Option<u32>,
    /// Node ids of selected tests that run before the others, in this order.
    pub first: Vec<String>,
    /// Node ids and paths in whose order the selected tests run, as pytest's arguments; tests that none of them names come
    /// last. Without effect if pytest's hooks or fixtures of a wide scope determine the order.
    pub in_order_of: Vec<String>,
    /// Tests of a file stay with one runner, even if there are many.
    pub whole_files: bool,
    /// The run ends with the session that requested it, so nothing goes on after its client has gone.
    pub ends_with_session: bool,
    /// The client shows the run as pytest's own: outcomes carry pytest's reports, the run makes no reports of its own,
    /// and nothing runs if a file could not be collected.
    pub full_reports: bool,
    /// Measure where the time goes; the end of the run says it.
    pub timings: bool,
    /// Outcomes carry the durations of their phases.
    pub phase_durations: bool,
    /// The place where tests run, if another than the settings': `local`, `ray`, or `ray=HOST:PORT`.
    pub executor: Option<String>,
}

/// How pytest ended a session before any test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionExit {
    /// pytest's exit status.
    pub status: i32,
    /// pytest's report of the exception of a hook (its `INTERNALERROR>` lines), or nothing.
    #[serde(default)]
    pub report: String,
}

/// The outcome of one attempt at a test, in a run that has ended elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PastOutcome {
    /// Node id of the test.
    pub id: String,
    /// How the attempt ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::Outcome"))]
    pub outcome: String,
    /// Number of the attempt, from 1; no two attempts at one test have the same.
    pub attempt: u32,
    /// Duration in milliseconds.
    pub duration_ms: f64,
}

/// The nested projects of a root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NestedStatus {
    /// The projects, by their folders.
    pub projects: Vec<NestedContext>,
    /// Their faults, a sentence each.
    pub problems: Vec<String>,
}

/// A project of its own below a root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NestedContext {
    /// Its folder, relative to the root; the ids of its tests begin with it.
    pub path: String,
    /// Its own context, in which ids are relative to its folder.
    pub context_id: String,
}

/// A test file that a change of files may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReachedFile {
    /// Path, relative to the repo.
    pub path: String,
    /// The way to it: the file itself, the file that it imports or reads, and so on down to a changed file; `*` stands
    /// for any file, at the end of the way of a file that starts processes.
    pub through: Vec<String>,
}

/// Whether a change affects a test, by its recorded inputs or its last outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestImpact {
    /// Node id.
    pub node_id: String,
    /// Why the test is affected; `None`: nothing that it depends on has changed since it passed.
    pub reason: Option<ImpactReason>,
    /// The number of recorded inputs; 0 if there is no record.
    pub inputs: usize,
    /// The time of the recorded pass, in milliseconds since 1970; 0 if there is no record.
    pub passed_ms: u64,
}

/// Why a test is affected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ImpactReason {
    /// The change, or the reason why it may reach the test: `function`, `file`, `folder` or `variable` (an input that
    /// changed), `lines` (a source whose text the test reads), `imports` (a module that its file imports, directly or
    /// not), `environment` (the interpreter, its packages or pytest's arguments), `configuration` (a file of pytest's
    /// configuration), `stat` (a file, if the test asks for the existence, size or time of files), `exists` (a file or
    /// folder for whose existence a library looked), `library` (a folder with a library's code or data, which changed),
    /// `process`, `network`, `extension` or `tracing` (nobody can know what the test depends on), `not_passed` (its last
    /// outcome is a failure), `unknown`.
    pub kind: String,
    /// The name of the input, such as `pkg/core.py::parse` (`*` stands for the names of all variables), or the last
    /// outcome; may be empty.
    pub name: String,
}

/// The origin of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// A user asked for it in an editor.
    Editor,
    /// A user or a program asked for it at a terminal.
    #[default]
    Cli,
    /// An AI agent asked for it. As in an editor, it makes no reports; as at a terminal, it waits for runs of the same
    /// tests.
    Agent,
    /// A continuous integration service ran it, here or elsewhere.
    Ci,
}

impl Source {
    /// The word for it in messages and in the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Editor => "editor",
            Self::Cli => "cli",
            Self::Agent => "agent",
            Self::Ci => "ci",
        }
    }

    /// The origin of a command at a terminal, by the value of the environment variable `CI`: services set it to
    /// something true.
    #[must_use]
    pub fn of_command(ci: Option<&str>) -> Self {
        match ci.map(str::trim) {
            None | Some("" | "0") => Self::Cli,
            Some(value) if value.eq_ignore_ascii_case("false") => Self::Cli,
            Some(_) => Self::Ci,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown source '{0}': expected editor, cli, agent or ci")]
pub struct UnknownSource(pub String);

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = [Self::Editor, Self::Cli, Self::Agent, Self::Ci];
        all.into_iter().find(|source| source.as_str() == name).ok_or_else(|| UnknownSource(name.to_owned()))
    }
}
