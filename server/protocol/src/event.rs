//! The events of a context's log. Their JSON equals that of the language server's notifications of the same name,
//! except for `workspace` and `seq`, and that of the lines of `pytest-lens run --json`.
//!
//! Events are maps in both shapes of the protocol, because an array can't leave out optional fields.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{CollectError, InventoryDelta, Location, Phase, RunTimings};

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Sequence number, from 1 without gaps.
    pub seq: u64,
    /// Payload of the event.
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
            /// Sequence number, from 1 without gaps.
            seq: u64,
            #[serde(flatten)]
            payload: EventPayload,
        }
        Shape::json_schema(generator)
    }
}

/// Payload of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum EventPayload {
    /// The inventory changed.
    Inventory(InventoryDelta),
    /// The engine accepted a run.
    RunStarted(RunStart),
    /// Tests start.
    TestStarted(TestsStarted),
    /// Tests have an outcome.
    TestOutcome(TestOutcomes),
    /// A process printed outside of pytest's capture.
    Output(Output),
    /// A run ended.
    RunFinished(RunEnd),
    /// Flakiness changed.
    FlakinessHint(FlakinessHints),
    /// Outcomes became older than their inputs, or are no longer.
    StaleOutcomes(StaleOutcomes),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// The engine accepted a run. It comes again as more is known of nested projects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunStart {
    /// The run.
    pub run_id: String,
    /// Number of selected tests, as far as they are known.
    pub total: usize,
    /// The selected tests, when it comes again only the new ones; left out for the whole inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Number of requested tests that expressions or pytest's configuration deselected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deselected: usize,
    /// pytest's reports of files that skip themselves as a whole, as JSON; only in a run with `full_reports`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub collect_reports: Vec<String>,
    /// Files that skip themselves as a whole, such as by `pytest.importorskip`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped_files: Vec<FileSkip>,
    /// Selected files that the run's own collection could not collect, when it comes again only the new ones. Those of
    /// the inventory may be newer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<CollectError>,
    /// The lines with which pytest begins its output, such as `rootdir: ...` and those of plugins and conftests; empty
    /// for a run over several projects, and for one of an editor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header: Vec<String>,
    /// The lines of plugins and conftests on the collected tests, for the place after their number; empty as those of
    /// the heading, and if the run leaves some of those tests out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_collected: Vec<String>,
    /// Number of tests that hooks took out of the collection without deselecting them: pytest counts them as collected.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: usize,
    /// pytest's options for its output that code of the project has set, as words of the command line, such as
    /// `--verbosity=1`; empty for an editor's run, and for one over several projects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_options: Vec<String>,
}

/// A file that skips itself as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FileSkip {
    /// Path, relative to the root.
    pub path: String,
    /// The line that skips it, from 1; 0 if it is not known.
    pub line: u32,
    /// The reason.
    pub reason: String,
}

/// Tests start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TestsStarted {
    /// The run.
    pub run_id: String,
    /// Their node ids.
    pub ids: Vec<String>,
}

/// Tests have an outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TestOutcomes {
    /// The run.
    pub run_id: String,
    /// One outcome per test.
    pub outcomes: Vec<TestOutcome>,
}

/// The outcome of one test, with its details.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct TestOutcome {
    /// Node id.
    pub id: String,
    /// How it ended.
    #[cfg_attr(feature = "schema", schemars(with = "crate::Outcome"))]
    pub outcome: String,
    /// Duration of set-up, call and teardown, in milliseconds.
    pub duration_ms: f64,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Another attempt follows: this outcome is not final.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub will_rerun: bool,
    /// The phase that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The reason why it failed, was skipped or was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The failing line, in the test's own file where the failure passed through it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The expected value of a failed comparison (its right side).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// The actual value of a failed comparison (its left side).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// The traceback, outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// pytest's text of the failure.
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
    /// Set if the outcome comes from the history: the time of that run, Unix time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
    /// Set if the teardown failed, which makes any outcome an error: the outcome before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::Outcome>"))]
    pub before_teardown: Option<String>,
    /// pytest's own reports of the test, as JSON, in order; only in a run with `full_reports`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<String>,
    /// The headings of the captured output, in pytest's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<OutputSection>,
    /// pytest's failed reports of the test, in order, if `id` and `longrepr` are not all that pytest shows: those of its
    /// subtests, of its call and its teardown, or one with a heading of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_reports: Vec<FailedReport>,
    /// The durations of the phases that ran; only in a run with `phase_durations`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_durations: Option<PhaseDurations>,
    /// Set if the outcome comes from the history, and something that the test depends on has changed since.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// The node of a cluster on which it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How pytest shows its reports, in order, if a hook of the project or of a plugin gives one another category, letter
    /// or word than pytest does. Usual ones of subtests are left out. Of a test that ended the session (`pytest.exit`,
    /// `KeyboardInterrupt`), those of its reports before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<ReportStatus>>,
}

/// How pytest shows one report of a test: the result of its hook `pytest_report_teststatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportStatus {
    /// The phase that the report is about.
    pub phase: Phase,
    /// The index of the subtest that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtest: Option<usize>,
    /// The word by which pytest counts and lists the report; it counts none without a word.
    pub category: String,
    /// The text for the line of dots.
    pub letter: String,
    /// The word for `-v` and the short summary.
    pub word: String,
    /// pytest's names of the colors and looks of the letter and the word.
    pub markup: Vec<String>,
    /// The reason that follows the word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The durations of a test's phases, in milliseconds; a phase that did not run has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct PhaseDurations {
    /// Setting up its fixtures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<f64>,
    /// The test function itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<f64>,
    /// Tearing down its fixtures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teardown: Option<f64>,
}

/// A part of a test's captured output, with the heading that pytest gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutputSection {
    /// The heading, such as `Captured stdout setup`. Its second word names the stream, unless there is a `text`.
    pub name: String,
    /// Number of Unicode scalar values. The sections of a stream follow one another in its text.
    pub length: usize,
    /// The index of the subtest that printed it, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtest: Option<usize>,
    /// Its text, if it is no captured output: a hook added it to a report of a test that passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One of pytest's failed reports of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailedReport {
    /// pytest's heading.
    pub title: String,
    /// The phase that failed.
    pub phase: Phase,
    /// The index of the subtest that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtest: Option<usize>,
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// pytest's text.
    pub longrepr: String,
}

/// One frame of a traceback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Frame {
    /// Name of the function.
    pub name: String,
    /// The line that was executed.
    pub location: Location,
    /// Text of the line, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// One subtest of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Subtest {
    /// Message and parameters of the subtest.
    pub label: String,
    /// `passed`, `failed` or `skipped`.
    #[cfg_attr(feature = "schema", schemars(with = "crate::Outcome"))]
    pub outcome: String,
    /// The reason why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A process printed outside of pytest's capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The run.
    pub run_id: String,
    /// Node id of the test, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The stream that it printed to.
    pub stream: OutputStream,
    /// The printed text.
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

/// A run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunEnd {
    /// The run.
    pub run_id: String,
    /// How it ended.
    pub status: RunEndStatus,
    /// Numbers of tests by final outcome.
    pub counts: RunCounts,
    /// Wall time since the run was accepted, in milliseconds.
    pub duration_ms: f64,
    /// The reason, if the status alone does not explain it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The iterator of the debug data (`next_debug_data`), if the run measured coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_data: Option<String>,
    /// Warnings of the collection and of the run, as in pytest's summary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// Where the time went, if the request asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Box<RunTimings>>,
    /// The sections of plugins and conftests in pytest's summary, such as a table of coverage; in runs of commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub summaries: Vec<PluginSummary>,
    /// The exit status that a test or hook asked for (`pytest.exit(returncode=...)`, `session.exitstatus = ...`), or
    /// that pytest has if files that can't be collected reach the limit of failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
}

/// The sections of plugins and conftests in the summary of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PluginSummary {
    /// The folder of the project, relative to the root; left out for the root's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// The text, in 80 columns.
    pub text: String,
}

/// A warning of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Warning {
    /// The class of the warning, such as `DeprecationWarning`.
    pub category: String,
    /// The text of the warning.
    pub message: String,
    /// The line that the warning refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Number of occurrences.
    pub count: usize,
    /// The tests that issued it, one for each of the first nine occurrences; empty if the collection issued it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Number of occurrences in the tests of each file, if there are ten or more in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileWarnings>,
}

/// How often tests of a file issued a warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct FileWarnings {
    /// Path, relative to the root.
    pub path: String,
    /// Number of occurrences.
    pub count: usize,
}

/// The text by which the message of a run's end refers to files that could not be collected; such a run is not a
/// failure of the session itself.
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

/// Tests by final outcome. `passed`, `failed`, `skipped` and `errors` add up to `total`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RunCounts {
    /// Tests with an outcome.
    pub total: usize,
    /// Passed, or passed unexpectedly without a strict xfail.
    pub passed: usize,
    /// Failed or timed out.
    pub failed: usize,
    /// Skipped, or failed as expected.
    pub skipped: usize,
    /// Errors in set-up or teardown, and crashes.
    pub errors: usize,
    /// Selected but not run; not included in the other counts.
    pub not_run: usize,
}

/// Flakiness changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FlakinessHints {
    /// One hint per test.
    pub hints: Vec<Hint>,
}

/// The flakiness of one test, from the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hint {
    /// Node id.
    pub id: String,
    /// Whether the test passed and failed on the same code.
    pub is_flaky: bool,
    /// Share of failures, 0.0 to 1.0.
    pub failure_rate: f64,
    /// Number of changes between pass and failure.
    pub flips: u32,
    /// Number of runs in the window.
    pub total_runs: u32,
    /// Number of failures since the last pass.
    pub consecutive_failures: u32,
    /// Number of passes since the last failure.
    pub consecutive_passes: u32,
    /// The last outcomes, oldest first.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::Outcome>"))]
    pub recent_outcomes: Vec<String>,
    /// The evidence; left out if the test is neither flaky nor suspected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// The evidence of flakiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A pass and a failure on the same code: proof.
    SameCode,
    /// Flips across changes of code: a suspicion.
    AcrossChanges,
}

/// Outcomes became stale, older than a change that can reach their tests, or fresh again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StaleOutcomes {
    /// Tests whose last outcome is stale from now on.
    pub stale: Vec<String>,
    /// Tests whose last outcome is no longer stale, because the change was taken back. A new outcome needs no such event.
    pub fresh: Vec<String>,
}
