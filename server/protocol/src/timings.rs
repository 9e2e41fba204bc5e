//! The time of a run, by its parts. The end of a run carries it, if the request asked for it.

use serde::{Deserialize, Serialize};

/// Where the time of a run went, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunTimings {
    /// Time in which the request waited for an interpreter to start.
    pub start_ms: f64,
    /// Time in which tests were collected for the run.
    pub collect_ms: f64,
    /// Duration of the collection, if tests had been collected before the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_before_ms: Option<f64>,
    /// Time from the run's start, after the collection, to its end.
    pub run_ms: f64,
    /// Number of runners at a time.
    pub runners: usize,
    /// That time of all runners together: `runMs` times `runners`, for each project.
    pub runners_ms: f64,
    /// Number of projects, whose times are added up; they may run at the same time.
    pub projects: usize,
    /// The time of the collection, if it was measured. The sum of `ownMs` is the time of the process that collected.
    pub collection: Vec<TimeSpent>,
    /// The time of the runners. Their idle time is what the sum of `ownMs` lacks of `runnersMs`.
    pub run: Vec<TimeSpent>,
}

/// The time that one thing took. Each moment of a process counts as the `ownMs` of one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TimeSpent {
    /// Its kind.
    pub kind: TimeKind,
    /// Its name, by its kind; empty for the rest after the slowest hundred of a kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Number of times.
    pub count: u64,
    /// Time without the other things that went on meanwhile, in milliseconds.
    pub own_ms: f64,
    /// Time with them, in milliseconds.
    pub total_ms: f64,
}

/// The kind of a thing that takes time in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TimeKind {
    /// The import of a module.
    Import,
    /// The collection of a file.
    File,
    /// The rest of a collection: pytest, plugins, conftests.
    Collection,
    /// The set-up of a fixture.
    Setup,
    /// The teardown of a fixture.
    Teardown,
    /// The body of a test.
    Body,
    /// The rest of a test: pytest and plugins.
    Pytest,
    /// The rest of a runner: pytest-lens.
    Runner,
    /// A runner waits for tests.
    Wait,
    /// A runner that ended without a report of its time.
    Lost,
}
