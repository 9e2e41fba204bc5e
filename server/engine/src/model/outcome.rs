//! Makes outcomes for the protocol, from a worker's message or from the end of its process.

use std::path::Path;

use pytest_lens_plan::outcome::{Counts, RunStatus};
use pytest_lens_protocol::{
    FailedReport, Frame, Location, NOT_COLLECTED, OutputSection, Phase, PhaseDurations, Range, ReportStatus, RunCounts,
    RunEndStatus, Subtest, TestOutcome,
};
use serde::Deserialize;

use crate::model::item::uri_of;
use crate::model::node::Node;
use crate::model::stacks;

/// One test's outcome.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedOutcome {
    pub i: usize,
    pub outcome: String,
    pub ms: f64,
    pub phase: Option<Phase>,
    pub message: Option<String>,
    pub location: Option<ReportedPlace>,
    #[serde(default)]
    pub frames: Vec<ReportedFrame>,
    pub expected: Option<String>,
    pub actual: Option<String>,
    pub longrepr: Option<String>,
    pub stdout: Option<String>,
    pub stderr: Option<String>,
    pub log: Option<String>,
    #[serde(default)]
    pub subtests: Vec<ReportedSubtest>,
    /// The outcome before the failing teardown.
    pub before_teardown: Option<String>,
    /// The end of its output in the files of the three streams.
    pub to: Option<[u64; 3]>,
    /// The folder of its artifacts.
    pub artifacts: Option<String>,
    /// pytest's own reports, if the run order asks for them.
    #[serde(default)]
    pub reports: Vec<String>,
    #[serde(default)]
    pub sections: Vec<OutputSection>,
    #[serde(default)]
    pub failed_reports: Vec<FailedReport>,
    pub phase_durations: Option<PhaseDurations>,
    pub statuses: Option<Vec<ReportStatus>>,
    /// The failed attempts before it that a plugin has repeated.
    #[serde(default)]
    pub repeats: Vec<ReportedRepeat>,
}

/// A failed attempt at a test that a plugin has repeated.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedRepeat {
    pub outcome: String,
    pub ms: f64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedPlace {
    pub path: String,
    pub line: u32,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedFrame {
    pub path: String,
    pub line: u32,
    #[serde(default)]
    pub name: String,
    pub text: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedSubtest {
    pub label: String,
    pub outcome: String,
    pub message: Option<String>,
}

fn location(path: &str, line: u32) -> Location {
    Location { uri: uri_of(Path::new(path)), range: Range::of_line(line) }
}

/// Makes an outcome of a worker's message.
pub(crate) fn of_report(wire: ReportedOutcome, id: &str, attempt: u32) -> TestOutcome {
    let frames = wire.frames.into_iter().map(|frame| Frame {
        location: location(&frame.path, frame.line),
        name: frame.name,
        text: frame.text,
    });
    let subtests = wire.subtests.into_iter();
    TestOutcome {
        id: id.to_owned(),
        outcome: wire.outcome,
        duration_ms: (wire.ms * 1000.0).round() / 1000.0,
        attempt,
        will_rerun: false,
        phase: wire.phase,
        message: wire.message,
        location: wire.location.map(|place| location(&place.path, place.line)),
        expected: wire.expected,
        actual: wire.actual,
        frames: frames.collect(),
        longrepr: wire.longrepr,
        stdout: wire.stdout,
        stderr: wire.stderr,
        log: wire.log,
        subtests: subtests
            .map(|sub| Subtest { label: sub.label, outcome: sub.outcome, message: sub.message })
            .collect(),
        as_of: None,
        before_teardown: wire.before_teardown,
        reports: wire.reports,
        sections: wire.sections,
        failed_reports: wire.failed_reports,
        phase_durations: wire.phase_durations,
        stale: false,
        node: None,
        statuses: wire.statuses,
    }
}

fn bare(id: &str, attempt: u32, outcome: &str, message: String) -> TestOutcome {
    TestOutcome {
        id: id.to_owned(),
        outcome: outcome.to_owned(),
        attempt,
        message: Some(message),
        ..TestOutcome::default()
    }
}

/// The status of a run, as events report it.
pub(crate) fn status_of(status: RunStatus) -> RunEndStatus {
    match status {
        RunStatus::Passed => RunEndStatus::Passed,
        RunStatus::Failed => RunEndStatus::Failed,
        RunStatus::Stopped => RunEndStatus::Stopped,
        RunStatus::Killed => RunEndStatus::Killed,
        RunStatus::TimedOut => RunEndStatus::TimedOut,
        RunStatus::InternalError => RunEndStatus::InternalError,
    }
}

/// The counts of a run, as events report them.
pub(crate) fn counts_of(counts: &Counts) -> RunCounts {
    RunCounts {
        total: counts.total,
        passed: counts.passed,
        failed: counts.failed,
        skipped: counts.skipped,
        errors: counts.errors,
        not_run: counts.not_run,
    }
}

/// A test that never ran.
pub(crate) fn not_run(id: &str, attempt: u32, why: &str) -> TestOutcome {
    bare(id, attempt, "not_run", why.to_owned())
}

/// A test whose process ended while it ran. `how`: the predicate of a sentence.
pub(crate) fn crashed(id: &str, attempt: u32, how: &impl std::fmt::Display) -> TestOutcome {
    bare(id, attempt, "crashed", format!("the process that ran this test {how}"))
}

/// A test that was ended because its own time limit or that of its run was over. `stacks`: the stacks of all threads at
/// that moment.
pub(crate) fn timed_out(
    node: &Node,
    root: &Path,
    attempt: u32,
    message: String,
    stacks: Option<String>,
) -> TestOutcome {
    let file = root.join(&*node.file);
    let frames = stacks.as_deref().map(|stacks| stacks::of_test(stacks, &file, root)).unwrap_or_default();
    let own = frames.iter().rev().find(|frame| Path::new(&frame.path) == file).or(frames.last());
    TestOutcome {
        location: own.map(|frame| location(&frame.path, frame.line)),
        frames: frames
            .iter()
            .map(|frame| Frame { name: frame.name.clone(), location: location(&frame.path, frame.line), text: None })
            .collect(),
        longrepr: stacks,
        ..bare(&node.id, attempt, "timed_out", message)
    }
}

/// A test that exceeded its time limit, without further details.
pub(crate) fn overdue(node: &Node, root: &Path, attempt: u32, limit_ms: u64, stacks: Option<String>) -> TestOutcome {
    let message = format!("the test took longer than {limit_ms} ms (timeoutMs)");
    #[expect(clippy::cast_precision_loss, reason = "a limit in milliseconds is far below 2^52")]
    let duration_ms = limit_ms as f64;
    TestOutcome { duration_ms, ..timed_out(node, root, attempt, message, stacks) }
}

/// A sentence about the files of a run that could not be collected.
pub(crate) fn uncollected(problems: &[String]) -> Option<String> {
    let first = problems.first()?;
    Some(match problems.len() - 1 {
        0 => format!("1 file {NOT_COLLECTED}: {first}"),
        more => format!("{} files {NOT_COLLECTED}: {first}; and {more} more", more + 1),
    })
}
