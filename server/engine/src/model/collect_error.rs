//! A file that could not be collected.

use serde::Deserialize;

/// Where collecting failed, and why.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CollectError {
    /// Relative to the root, or absolute.
    pub path: String,
    pub line: Option<u32>,
    pub message: String,
    /// pytest's own text of it.
    #[serde(default)]
    pub longrepr: Option<String>,
}

impl CollectError {
    /// Where it is, and the first line of what it says.
    pub(crate) fn short(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(":{line}"));
        let first = self.message.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        format!("{}{line}: {first}", self.path)
    }

    /// As one sentence, to those who wanted to run what is in the file.
    pub(crate) fn sentence(&self) -> String {
        let line = self.line.map_or_else(String::new, |line| format!(", line {line}"));
        format!("{} can't be collected{line}: {}; mend it and run again", self.path, self.message)
    }
}
