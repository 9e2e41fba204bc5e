//! The options of one run.

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
    /// The client that asked: `editor`, `cli` or `ci`; kept in the history.
    pub source: Option<String>,
    /// Choose the fastest number of runners, if `workers` is left out.
    pub auto_workers: bool,
    /// Measure coverage: the end of the run names the iterator of its data.
    pub coverage: bool,
    /// Repeat tests that pass, each in a fresh process, until one does not, or until it ran this many times. Each pass
    /// but the last is an outcome with `willRetry`.
    pub until_failure: Option<u32>,
}
