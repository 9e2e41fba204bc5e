//! Run control: suites and their options, the events of runs and suites, artifacts. The terms are those of a test
//! manager whose interface it follows; a *suite* is a test file, a folder or a node id, a *case* is one test.

use serde::{Deserialize, Serialize};

/// One suite of a run to build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuiteSpec {
    /// A test file, a folder or a node id, relative to the repo.
    pub test_url: String,
    /// How to run it.
    #[serde(default)]
    pub options: Option<SuiteOptions>,
}

/// Options of a suite. Every field is optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SuiteOptions {
    /// Also run tests that are marked to be skipped.
    pub run_disabled_tests: Option<bool>,
    /// Number of cases at a time, at least 1; defaults to the context's settings.
    pub parallel: Option<u16>,
    /// Further arguments for pytest, appended to those of the settings.
    pub arguments: Option<Vec<String>>,
    /// Limit for the whole suite, in seconds from its start.
    pub timeout: Option<f64>,
    /// Globs that select cases by name; a glob that begins with `-` excludes.
    pub case_filters_to_run: Option<Vec<String>>,
    /// The format of the logs.
    pub log_iterator: Option<LogsIteratorOption>,
}

/// The format in which log artifacts are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogsIteratorOption {
    /// JSON arrays of records.
    #[default]
    Batch,
    /// Formatted text.
    Archive,
}

/// Scheduling options of a run of suites. Every field is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SchedulingOptions {
    /// Number of suites at a time, at least 1; defaults to one after the other.
    pub max_parallel_suites: Option<u16>,
}

/// One case of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Case {
    /// Node id of the case.
    pub name: String,
}

/// An event of a run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunEvent {
    /// Time of the event, in nanoseconds of the machine's monotonic clock.
    pub timestamp: u64,
    /// Payload of the event.
    pub payload: RunEventPayload,
}

/// Payload of a run's event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEventPayload {
    /// The run started; always the first event.
    RunStarted,
    /// The run is over; artifacts may follow.
    RunStopped,
    /// The run produced an artifact.
    Artifact {
        /// The artifact.
        artifact: Artifact,
    },
}

/// An event of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuiteEvent {
    /// Time of the event, in nanoseconds of the machine's monotonic clock.
    pub timestamp: u64,
    /// Payload of the event.
    pub payload: SuiteEventPayload,
}

/// Payload of a suite's event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SuiteEventPayload {
    /// A case was found: the first event of each case.
    CaseFound {
        /// Node id of the case.
        test_case_name: String,
        /// Names the case in later events; unique in the suite's run.
        identifier: u32,
    },
    /// A case is about to run.
    CaseStarted {
        /// `case_id` of the case.
        identifier: u32,
    },
    /// A case is over; artifacts of it may follow.
    CaseStopped {
        /// `case_id` of the case.
        identifier: u32,
        /// How the case ended.
        status: CaseStatus,
    },
    /// The last event of a case: no artifact of it follows.
    CaseFinished {
        /// `case_id` of the case.
        identifier: u32,
    },
    /// A case produced an artifact.
    CaseArtifact {
        /// `case_id` of the case.
        identifier: u32,
        /// The artifact.
        artifact: Artifact,
    },
    /// The suite produced an artifact.
    SuiteArtifact {
        /// The artifact.
        artifact: Artifact,
    },
    /// The suite started; its timeout counts from this moment.
    SuiteStarted,
    /// The whole suite is over.
    SuiteStopped {
        /// How the suite ended.
        status: SuiteStatus,
    },
}

/// The status of a case that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// The case passed.
    Passed,
    /// The case failed.
    Failed,
    /// The case took longer than its limit.
    TimedOut,
    /// The case was skipped, or never ran.
    Skipped,
    /// Set-up or teardown of the case failed, or its process ended.
    Error,
}

/// The status of a suite that is over, from the weakest to the one that outranks all others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SuiteStatus {
    /// Every case passed or was skipped.
    #[default]
    Passed,
    /// At least one case failed.
    Failed,
    /// The suite ended early: the process of a case ended.
    DidNotFinish,
    /// A case, or the suite as a whole, took longer than its limit.
    TimedOut,
    /// A client stopped or killed the suite.
    Stopped,
    /// The engine or pytest failed internally.
    InternalError,
}

/// A file or folder that a test, a suite or a run produces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Artifact {
    /// Standard output.
    Stdout {
        /// Argument for `read_artifact`.
        artifact_id: String,
    },
    /// Standard error.
    Stderr {
        /// Argument for `read_artifact`.
        artifact_id: String,
    },
    /// Log records.
    Log {
        /// Argument for `read_artifact`.
        artifact_id: String,
    },
    /// A folder that a test filled with files.
    Custom {
        /// Absolute path of the folder.
        directory: String,
        /// Argument for `release_directory`.
        token: String,
        /// Node id of the test.
        component_moniker: String,
    },
    /// Files such as coverage data.
    DebugData {
        /// Argument for `next_debug_data`.
        iterator_id: String,
    },
}

/// The reason why a suite could not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LaunchErrorCode {
    /// The machine has no processes or no memory left.
    ResourceUnavailable,
    /// No file, folder or test has the name `test_url`.
    InstanceCannotResolve,
    /// pytest refused the suite's arguments.
    InvalidArgs,
    /// The interpreter did not start.
    FailedToConnectToTestSuite,
    /// The tests could not be collected.
    CaseEnumeration,
    /// The engine failed internally.
    InternalError,
    /// The filters excluded every case.
    NoMatchingCases,
    /// pytest refused the project's configuration.
    InvalidManifest,
}

/// A file of debug data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DebugFile {
    /// Name of the file, unique within its iterator.
    pub name: String,
    /// Argument for `read_artifact`.
    pub artifact_id: String,
}

/// Bytes: MessagePack's bin.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "binary" })
    }
}
