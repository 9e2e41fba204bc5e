//! The argument objects of the commands, and the errors for wrong ones.

use lsp_types::{Position, TextDocumentIdentifier};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{CommandError, CommandResult};

/// A command's argument.
pub(crate) trait Argument: DeserializeOwned {
    /// The expected form of the argument, for the error message.
    const EXPECTED: &'static str;
}

/// Argument of `pytestLens.run` and `pytestLens.debug`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RunArgs {
    /// Node ids.
    pub(crate) ids: Option<Vec<String>>,
    /// Folder URI.
    pub(crate) workspace: Option<String>,
    /// The file; with `position`, the file around that position.
    pub(crate) text_document: Option<TextDocumentIdentifier>,
    /// The cursor.
    pub(crate) position: Option<Position>,
    /// Number of runners.
    pub(crate) workers: Option<u32>,
    /// Stop after this many failures.
    pub(crate) maxfail: Option<u32>,
    /// Repeat failures.
    pub(crate) rerun: Option<bool>,
    /// pytest's `-k`.
    pub(crate) keyword: Option<String>,
    /// pytest's `-m`.
    pub(crate) marker: Option<String>,
    /// Also run tests that are marked to be skipped.
    pub(crate) run_disabled: Option<bool>,
    /// Limit for each test, in milliseconds.
    pub(crate) timeout_ms: Option<u64>,
    /// Further pytest arguments.
    pub(crate) arguments: Option<Vec<String>>,
    /// Measure coverage.
    pub(crate) coverage: Option<bool>,
    /// Repeat tests that pass until one fails; at most this many times.
    pub(crate) until_failure: Option<u32>,
}

impl Argument for RunArgs {
    const EXPECTED: &'static str = "{ids, workspace?}, {textDocument, position}, {textDocument} or {} for all tests, \
                                    with workers, maxfail, rerun, keyword, marker, runDisabled, timeoutMs, \
                                    arguments, coverage and untilFailure as wanted";
}

/// Argument of commands with an optional folder.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FolderArgs {
    /// Folder URI.
    pub(crate) workspace: Option<String>,
}

impl Argument for FolderArgs {
    const EXPECTED: &'static str = "{workspace?}";
}

/// Argument of `pytestLens.stop` and `pytestLens.kill`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StopArgs {
    /// Id of the run; all runs if left out.
    pub(crate) run_id: Option<String>,
}

impl Argument for StopArgs {
    const EXPECTED: &'static str = "{runId?}";
}

/// Argument of `pytestLens.collect`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CollectArgs {
    /// Also collect unchanged files.
    pub(crate) force: Option<bool>,
    /// Folder URI.
    pub(crate) workspace: Option<String>,
}

impl Argument for CollectArgs {
    const EXPECTED: &'static str = "{force?, workspace?}";
}

/// Argument of `pytestLens.tests`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TestsArgs {
    /// Folder URI.
    pub(crate) workspace: Option<String>,
    /// The item whose children are wanted; the whole tree if left out.
    pub(crate) parent: Option<String>,
    /// The `next` of the last page.
    pub(crate) cursor: Option<String>,
    /// Folders and files only.
    pub(crate) outline: Option<bool>,
}

impl Argument for TestsArgs {
    const EXPECTED: &'static str = "{workspace?, parent?, cursor?, outline?}";
}

/// Argument of `pytestLens.resolve`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResolveArgs {
    /// Ids of files, or of items in them.
    pub(crate) ids: Vec<String>,
    /// Folder URI.
    pub(crate) workspace: Option<String>,
}

impl Argument for ResolveArgs {
    const EXPECTED: &'static str = "{ids, workspace?}";
}

/// Argument of `pytestLens.output`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OutputArgs {
    /// Node id.
    pub(crate) id: String,
    /// Folder URI.
    pub(crate) workspace: Option<String>,
}

impl Argument for OutputArgs {
    const EXPECTED: &'static str = "{id, workspace?}";
}

/// Argument of `pytestLens.coverage`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CoverageArgs {
    /// Id of the run.
    pub(crate) run_id: String,
    /// Folder URI.
    pub(crate) workspace: Option<String>,
}

impl Argument for CoverageArgs {
    const EXPECTED: &'static str = "{runId, workspace?}";
}

/// Argument of `pytestLens.affected`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AffectedArgs {
    /// URIs of the changed files.
    pub(crate) uris: Vec<String>,
    /// Folder URI.
    pub(crate) workspace: Option<String>,
}

impl Argument for AffectedArgs {
    const EXPECTED: &'static str = "{uris, workspace?}";
}

/// Argument of `pytestLens.flakiness`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FlakinessArgs {
    /// Node id; the whole report if left out.
    pub(crate) id: Option<String>,
    /// Folder URI.
    pub(crate) workspace: Option<String>,
}

impl Argument for FlakinessArgs {
    const EXPECTED: &'static str = "{id?, workspace?}";
}

/// Reads the one object that a command takes; an argument that is left out is empty.
pub(crate) fn one<A: Argument>(command: &str, arguments: Vec<Value>) -> CommandResult<A> {
    let expected = A::EXPECTED;
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let argument = match (arguments.next().unwrap_or_default(), count) {
        (Value::Null, 0 | 1) => Value::Object(Map::new()),
        (argument @ Value::Object(_), 1) => argument,
        (other, 1) => {
            return Err(CommandError::arguments(format!(
                "`{command}` takes one object, not {}: give it {expected}",
                kind(&other)
            )));
        }
        _ => {
            return Err(CommandError::arguments(format!(
                "`{command}` takes one object as its only argument, and got {count}: give it {expected}"
            )));
        }
    };
    serde_json::from_value(argument)
        .map_err(|error| CommandError::arguments(format!("`{command}`: {error}; it takes {expected}")))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
