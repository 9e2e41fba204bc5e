//! The number of tests with each outcome.

use super::outcome_words::paint;
use crate::results::report::Report;
use crate::style::Style;

/// `1 failed, 3 passed`, in pytest's order.
pub(crate) fn counts(report: &Report, style: Style) -> String {
    let painted =
        |(count, outcome, word): &(usize, &str, &str)| style.paint(paint(outcome), &format!("{count} {word}"));
    figures(report).iter().map(painted).collect::<Vec<_>>().join(", ")
}

/// Number, outcome and its word, without zeros.
pub(crate) fn figures(report: &Report) -> Vec<(usize, &'static str, &'static str)> {
    let count = |outcome: &str| report.outcomes.get(outcome).copied().unwrap_or(0);
    let errors = count("error") + report.errors.len();
    let figures = [
        (count("failed"), "failed", "failed"),
        (count("timed_out"), "timed_out", "timed out"),
        (count("crashed"), "crashed", "crashed"),
        (count("passed"), "passed", "passed"),
        (count("skipped"), "skipped", "skipped"),
        (count("not_run"), "not_run", "not run"),
        (count("xfailed"), "xfailed", "xfailed"),
        (count("xpassed"), "xpassed", "xpassed"),
        (errors, "error", if errors == 1 { "error" } else { "errors" }),
        (report.reruns, "rerun", "rerun"),
        (report.deselected, "deselected", "deselected"),
        (report.subtests.1, "failed", if report.subtests.1 == 1 { "subtest failed" } else { "subtests failed" }),
        (report.subtests.0, "subtest", if report.subtests.0 == 1 { "subtest passed" } else { "subtests passed" }),
    ];
    figures.into_iter().filter(|(count, ..)| *count > 0).collect()
}
