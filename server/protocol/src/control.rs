//! Run control: suites and their options, the events of runs and suites, artifacts. The terms are those of a test
//! manager whose interface it follows; a *suite* is a test file, a folder or a node id, a *case* is one test.

use serde::{Deserialize, Serialize};

/// One suite of a run that is to be built.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuiteSpec {
    /// A test file, a folder or a node id, relative to the repo.
    pub test_url: String,
    /// How it is run.
    #[serde(default)]
    pub options: Option<SuiteOptions>,
}

/// How a suite is run. Each may be left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SuiteOptions {
    /// Run tests that are marked to be skipped, too.
    pub run_disabled_tests: Option<bool>,
    /// Cases at a time, at least 1; by default what the context's settings say.
    pub parallel: Option<u16>,
    /// Further arguments for pytest, behind those of the settings.
    pub arguments: Option<Vec<String>>,
    /// Limit for the whole suite from its start on, in seconds.
    pub timeout: Option<f64>,
    /// Globs over the cases' names; those that begin with `-` exclude.
    pub case_filters_to_run: Option<Vec<String>>,
    /// How logs are read.
    pub log_iterator: Option<LogsIteratorOption>,
}

/// How logs are read.
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

/// How the suites of a run are scheduled. Each may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SchedulingOptions {
    /// Suites at a time, at least 1; by default one after the other.
    pub max_parallel_suites: Option<u16>,
}

/// One case of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Case {
    /// Its node id.
    pub name: String,
}

/// Something that happened in a run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunEvent {
    /// When, in nanoseconds of the machine's monotonic clock.
    pub timestamp: u64,
    /// What.
    pub payload: RunEventPayload,
}

/// What happened in a run as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEventPayload {
    /// It started: always first.
    RunStarted,
    /// It is over; artifacts may follow.
    RunStopped,
    /// It produced an artifact.
    Artifact {
        /// Which.
        artifact: Artifact,
    },
}

/// Something that happened in a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SuiteEvent {
    /// When, in nanoseconds of the machine's monotonic clock.
    pub timestamp: u64,
    /// What.
    pub payload: SuiteEventPayload,
}

/// What happened in a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SuiteEventPayload {
    /// A case was found: the first event of each case.
    CaseFound {
        /// Its node id.
        test_case_name: String,
        /// Names it in the events that follow; unique in the suite's run.
        identifier: u32,
    },
    /// A case is about to run.
    CaseStarted {
        /// Which case.
        identifier: u32,
    },
    /// A case is over; artifacts of it may follow.
    CaseStopped {
        /// Which case.
        identifier: u32,
        /// How it ended.
        status: CaseStatus,
    },
    /// The last event of a case: all its artifacts were told.
    CaseFinished {
        /// Which case.
        identifier: u32,
    },
    /// A case produced an artifact.
    CaseArtifact {
        /// Which case.
        identifier: u32,
        /// Which artifact.
        artifact: Artifact,
    },
    /// The suite produced an artifact.
    SuiteArtifact {
        /// Which.
        artifact: Artifact,
    },
    /// The suite started; its timeout counts from here.
    SuiteStarted,
    /// The whole suite is over.
    SuiteStopped {
        /// How it ended.
        status: SuiteStatus,
    },
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It took longer than allowed.
    TimedOut,
    /// It was skipped, or never ran.
    Skipped,
    /// Its set-up or teardown failed, or its process ended.
    Error,
}

/// How a suite ended, from the weakest to the one that outranks all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SuiteStatus {
    /// Every case passed or was skipped.
    Passed,
    /// At least one case failed.
    Failed,
    /// It ended before it was through: a case's process ended.
    DidNotFinish,
    /// A case, or the suite as a whole, took longer than allowed.
    TimedOut,
    /// It was stopped or killed.
    Stopped,
    /// A fault of the engine or of pytest.
    InternalError,
}

/// Something that a test, a suite or a run leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Artifact {
    /// Standard output.
    Stdout {
        /// For `read_artifact`.
        artifact_id: String,
    },
    /// Standard error.
    Stderr {
        /// For `read_artifact`.
        artifact_id: String,
    },
    /// Log records.
    Log {
        /// For `read_artifact`.
        artifact_id: String,
    },
    /// A folder that a test filled.
    Custom {
        /// Its absolute path.
        directory: String,
        /// For `release_directory`.
        token: String,
        /// The node id of the test.
        component_moniker: String,
    },
    /// Files such as coverage data.
    DebugData {
        /// For `next_debug_data`.
        iterator_id: String,
    },
}

/// Why a suite could not be launched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LaunchErrorCode {
    /// No processes, or no memory.
    ResourceUnavailable,
    /// There is nothing of the name `test_url`.
    InstanceCannotResolve,
    /// pytest refused the suite's arguments.
    InvalidArgs,
    /// The interpreter did not come up.
    FailedToConnectToTestSuite,
    /// The tests could not be collected.
    CaseEnumeration,
    /// A fault of the engine.
    InternalError,
    /// The filters left no case.
    NoMatchingCases,
    /// pytest refused the project's configuration.
    InvalidManifest,
}

/// A file of debug data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DebugFile {
    /// Its name, unique within its iterator.
    pub name: String,
    /// For `read_artifact`.
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
