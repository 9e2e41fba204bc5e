//! A file that could not be collected.

use serde::{Deserialize, Serialize};

/// How the import of a file fails that leaves no process to report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CrashKind {
    /// It ends the process.
    Ended,
    /// It does not end.
    TimedOut,
}

/// The place and the reason of a failed collection.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CollectError {
    /// Relative to the root, or absolute.
    pub path: String,
    pub line: Option<u32>,
    pub message: String,
    /// pytest's text of the error.
    #[serde(default)]
    pub longrepr: Option<String>,
    /// It needs a file that is not imported, as that would end or hold up the process.
    #[serde(default)]
    pub crash: Option<CrashKind>,
    /// pytest collected more after it.
    #[serde(default)]
    pub followed: bool,
}

impl CollectError {
    /// The place, and the first line of the message.
    pub(crate) fn short(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        let first = self.message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        format!("{}{line}: {first}", self.path)
    }

    /// The error as one sentence, for clients that asked to run tests in the file.
    pub(crate) fn sentence(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(", line {line}"));
        format!("{} can't be collected{line}: {}; mend it and run again", self.path, self.message)
    }
}
