//! Tests and results in the protocol's responses, and positions in files as in LSP.

use serde::{Deserialize, Serialize};

/// One test of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestNodeInfo {
    /// pytest's node id, relative to the repo's root.
    pub node_id: String,
    /// The file of the node id, relative to the repo's root.
    pub file_path: String,
    /// 1-based line of the `def` keyword, or of a doctest's first example; `None` if the test is inherited from another
    /// file.
    pub lineno: Option<u32>,
    /// Name of the function or method, with the case in brackets.
    pub name: String,
    /// Name of the class, nested ones joined by `::`; `None` for a function.
    pub class_name: Option<String>,
    /// Names of its markers, each once, its own before inherited ones.
    pub markers: Vec<String>,
    /// Whether it is marked to be skipped.
    pub skip: bool,
    /// Whether it is marked as expected to fail.
    pub xfail: bool,
}

/// One test's final outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TestResultInfo {
    /// pytest's node id.
    pub node_id: String,
    /// How the test ended; a word of [`crate::TestOutcome`].
    #[cfg_attr(feature = "schema", schemars(with = "crate::Outcome"))]
    pub outcome: String,
    /// Duration of set-up, call and teardown together, in milliseconds.
    pub duration_ms: u64,
    /// The reason why it failed, was skipped or was not run.
    pub message: Option<String>,
}

/// The flakiness of one test, from the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlakinessInfo {
    /// pytest's node id.
    pub node_id: String,
    /// Share of failures, 0.0 to 1.0.
    pub failure_rate: f64,
    /// Number of changes between pass and failure.
    pub flaky_streak: u32,
    /// Number of runs in the window.
    pub total_runs: u32,
    /// Number of failures since the last pass.
    pub consecutive_failures: u32,
    /// Number of passes since the last failure.
    pub consecutive_passes: u32,
}

/// A position in a text, as in LSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Position {
    /// 0-based line.
    pub line: u32,
    /// 0-based offset in the line; engine events give 0 or UTF-16 units.
    pub character: u32,
}

/// A range of a text, its end exclusive, as in LSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Range {
    /// The first position of the range.
    pub start: Position,
    /// The position after the range.
    pub end: Position,
}

impl Range {
    /// The range of a whole line, given 1-based.
    #[must_use]
    pub fn of_line(line: u32) -> Self {
        let line = line.saturating_sub(1);
        Range { start: Position { line, character: 0 }, end: Position { line, character: 0 } }
    }
}

/// A range of a file, as in LSP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Location {
    /// `file:` URI.
    pub uri: String,
    /// The range.
    pub range: Range,
}
