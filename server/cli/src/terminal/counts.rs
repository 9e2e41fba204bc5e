//! The number of tests with each outcome.

use std::collections::BTreeMap;

use super::outcome_words::paint;
use crate::results::report::Report;
use crate::style::{Paint, Style};

/// `1 failed, 3 passed`, in pytest's order. `warned`: the number of warnings to count. `level`: the verbosity.
pub(crate) fn counts(report: &Report, warned: usize, level: i16, style: Style) -> String {
    let painted =
        |(count, outcome, word): &(usize, &str, &str)| style.paint(paint(outcome), &format!("{count} {word}"));
    figures(report, warned, level).iter().map(painted).collect::<Vec<_>>().join(", ")
}

/// Number, outcome and its word, without zeros. As in pytest, failed subtests count as failures, and passed ones count
/// only with `-v` or `-q`.
pub(crate) fn figures(report: &Report, warned: usize, level: i16) -> Vec<(usize, &'static str, &'static str)> {
    let of = |counts: &BTreeMap<String, usize>, outcome: &str| counts.get(outcome).copied().unwrap_or(0);
    let count = |outcome: &str| of(&report.outcomes, outcome) + of(&report.before_teardown, outcome);
    let errors = count("error") + report.errors.len();
    let plural = |count: usize, one: &'static str, many: &'static str| if count == 1 { one } else { many };
    let (passed, failed) = report.subtests;
    let figures = [
        (count("failed") + failed, "failed", "failed"),
        (count("timed_out"), "timed_out", "timed out"),
        (count("crashed"), "crashed", "crashed"),
        (count("passed"), "passed", "passed"),
        (count("skipped") + report.skipped_files.len(), "skipped", "skipped"),
        (count("not_run"), "not_run", "not run"),
        (report.deselected, "deselected", "deselected"),
        (count("xfailed"), "xfailed", "xfailed"),
        (count("xpassed"), "xpassed", "xpassed"),
        (warned, "warning", plural(warned, "warning", "warnings")),
        (errors, "error", plural(errors, "error", "errors")),
        (if level != 0 { passed } else { 0 }, "subtest", "subtests passed"),
        (report.reruns, "rerun", "rerun"),
    ];
    figures.into_iter().filter(|(count, ..)| *count > 0).collect()
}

/// The color of the whole, by pytest's rule.
pub(crate) fn colour(report: &Report, warned: usize) -> Paint {
    let figures = figures(report, warned, 0);
    let has = |is: &dyn Fn(&str) -> bool| figures.iter().any(|(_, outcome, _)| is(outcome));
    if has(&|outcome| paint(outcome) == Paint::Red) {
        Paint::Red
    } else if has(&|outcome| outcome == "passed") && !has(&|outcome| matches!(outcome, "warning" | "xpassed" | "rerun"))
    {
        Paint::Green
    } else {
        Paint::Yellow
    }
}
