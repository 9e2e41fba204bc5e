//! The events of a context's log. Their JSON is, but for `workspace` and the notification's own `seq`, that of the
//! language server's notifications of the same name and of the lines of `pytest-lens run --json`.
//!
//! Events are maps in both shapes of the protocol: their optional fields are left out, which an array can't do.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{InventoryDelta, Location};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number: gapless, from 1.
    pub seq: u64,
    /// What happened.
    pub payload: EventPayload,
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(&self.payload).map_err(serde::ser::Error::custom)?;
        if let Some(map) = value.as_object_mut() {
            map.insert("seq".into(), self.seq.into());
        }
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let seq = value.get("seq").and_then(serde_json::Value::as_u64);
        let seq = seq.ok_or_else(|| serde::de::Error::custom("an event without `seq`"))?;
        let payload = serde_json::from_value(value).map_err(serde::de::Error::custom)?;
        Ok(Event { seq, payload })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Event {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        /// One entry of the log.
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "it only has the shape that an event has in JSON")]
        struct Shape {
            /// Its number: gapless, from 1.
            seq: u64,
            #[serde(flatten)]
            payload: EventPayload,
        }
        Shape::json_schema(generator)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum EventPayload {
    /// The inventory changed.
    Inventory(InventoryDelta),
    /// A run was accepted.
    RunStarted(RunStart),
    /// Tests are about to run.
    TestStarted(TestsStarted),
    /// Tests have an outcome.
    TestOutcome(TestOutcomes),
    /// Something was printed.
    Output(Output),
    /// A run is over.
    RunFinished(RunEnd),
    /// Flakiness changed.
    FlakinessHint(FlakinessHints),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A run was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunStart {
    /// The run.
    pub run_id: String,
    /// Tests selected.
    pub total: usize,
    /// The selected tests; left out where that is the whole inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Tests of what was asked for that expressions or pytest's configuration took out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deselected: usize,
}

/// Tests are about to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TestsStarted {
    /// The run.
    pub run_id: String,
    /// Which tests.
    pub ids: Vec<String>,
}

/// Tests have an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TestOutcomes {
    /// The run.
    pub run_id: String,
    /// One for each test.
    pub outcomes: Vec<TestOutcome>,
}

/// One test's outcome, with all that is known of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct TestOutcome {
    /// Node id.
    pub id: String,
    /// How it ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::Outcome"))]
    pub outcome: String,
    /// Set-up, call and teardown together.
    pub duration_ms: f64,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// Another attempt follows: this outcome is not the last.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub will_rerun: bool,
    /// Where it failed: `setup`, `call` or `teardown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Why it failed, was skipped or was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The failing line, in the test's own file where the failure passed through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Of a failed comparison: what was expected (its right side).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Of a failed comparison: what there was (its left side).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// The traceback, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// pytest's own text of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longrepr: Option<String>,
    /// Captured standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// Captured standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Captured log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Subtests, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subtests: Vec<Subtest>,
    /// It is no news, but what the history remembers of a run at this time, Unix time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
}

/// One frame of a traceback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Frame {
    /// The function.
    pub name: String,
    /// The line.
    pub location: Location,
    /// The line's text, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One subtest of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subtest {
    /// Its message and parameters.
    pub label: String,
    /// `passed`, `failed` or `skipped`.
    #[cfg_attr(feature = "schema", schemars(with = "crate::Outcome"))]
    pub outcome: String,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Something was printed outside of what pytest captured for a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The run.
    pub run_id: String,
    /// The test, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which stream.
    pub stream: OutputStream,
    /// The text.
    pub text: String,
}

/// A stream of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Logging.
    Log,
}

/// A run is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunEnd {
    /// The run.
    pub run_id: String,
    /// How it ended.
    pub status: RunEndStatus,
    /// Final outcomes, counted.
    pub counts: RunCounts,
    /// Wall time from its acceptance.
    pub duration_ms: f64,
    /// Why, where the status alone does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The iterator of its debug data (`next_debug_data`), where coverage was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_data: Option<String>,
    /// What Python warned of while tests were collected and run, as pytest's summary has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// A warning of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// Its class: `DeprecationWarning`.
    pub category: String,
    /// What it says.
    pub message: String,
    /// The line that is warned of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// How often it came.
    pub count: usize,
    /// Tests that it came in, the first few; none where it came while tests were collected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

/// What the message of a run's end says of files that are missing from it; such a run is not the session's own failure.
pub const NOT_COLLECTED: &str = "could not be collected";

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunEndStatus {
    /// Every test ran, none failed, and every file could be collected.
    Passed,
    /// A test failed, a selected one did not run, or a file could not be collected.
    Failed,
    /// It was stopped.
    Stopped,
    /// It was killed.
    Killed,
    /// It ran out of time.
    TimedOut,
    /// A fault of the engine or of pytest.
    InternalError,
}

/// Final outcomes, counted. `passed`, `failed`, `skipped` and `errors` add up to `total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunCounts {
    /// Tests with an outcome.
    pub total: usize,
    /// Passed, or passed unexpectedly where that is no failure.
    pub passed: usize,
    /// Failed or timed out.
    pub failed: usize,
    /// Skipped, or failed as expected.
    pub skipped: usize,
    /// Errors in set-up or teardown, and crashes.
    pub errors: usize,
    /// Selected, but not run; in none of the above.
    pub not_run: usize,
}

/// Flakiness changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlakinessHints {
    /// One for each test.
    pub hints: Vec<Hint>,
}

/// What the history says of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hint {
    /// Node id.
    pub id: String,
    /// Whether it passed and failed on the same code.
    pub is_flaky: bool,
    /// Share of failures, 0.0 to 1.0.
    pub failure_rate: f64,
    /// Changes between pass and fail.
    pub flips: u32,
    /// Runs in the window.
    pub total_runs: u32,
    /// Failures since the last pass.
    pub consecutive_failures: u32,
    /// Passes since the last failure.
    pub consecutive_passes: u32,
    /// The last outcomes, oldest first.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::Outcome>"))]
    pub recent_outcomes: Vec<String>,
    /// What it rests on; left out where it neither is flaky nor suspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What a judgement on flakiness rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A pass and a fail on the same code: proof.
    SameCode,
    /// Flips across changes of code: a suspicion.
    AcrossChanges,
}
