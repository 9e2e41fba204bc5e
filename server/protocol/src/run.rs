//! What a run may be told besides its tests.

use serde::{Deserialize, Serialize};

/// Options of one run, over the context's settings. An addition of pytest-lens, last in the messages that carry it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct RunOptions {
    /// pytest's `-k` expression; narrows the selected tests.
    pub keyword: Option<String>,
    /// pytest's `-m` expression; narrows the selected tests.
    pub marker: Option<String>,
    /// Further pytest arguments, behind those of the settings.
    pub arguments: Vec<String>,
    /// Run tests that are marked to be skipped, too.
    pub run_disabled: bool,
    /// Limit for each test, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Repeat failures up to so many times.
    pub reruns: Option<u32>,
    /// Who asked: `editor`, `cli` or `ci`; kept in the history.
    pub source: Option<String>,
    /// Choose the number of runners by what is fastest, where `workers` is left out.
    pub auto_workers: bool,
    /// Measure coverage: the end of the run names the iterator of its data.
    pub coverage: bool,
    /// Repeat tests that pass, each in a fresh process, until one does not, or until it ran so many times. Each pass but
    /// the last is told as an outcome that another attempt follows.
    pub until_failure: Option<u32>,
}
