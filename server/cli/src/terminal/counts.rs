//! The number of tests with each outcome.

use std::collections::BTreeMap;

use super::outcome_words::paint;
use crate::results::report::{Report, SubtestCounts};
use crate::style::{Paint, Style};

/// `1 failed, 3 passed`, in pytest's order. `warned`: the number of warnings to count. `level`: the verbosity of subtests.
pub(crate) fn counts(report: &Report, warned: usize, level: i16, style: Style) -> String {
    let painted =
        |(count, outcome, word): &(usize, &str, &str)| style.paint(paint(outcome), &format!("{count} {word}"));
    figures(report, warned, level).iter().map(painted).collect::<Vec<_>>().join(", ")
}

/// Number, category and its word, without zeros. As in pytest, failed subtests count as failures, and others count only
/// with `-v` or `-q`. The categories that only hooks know come last.
pub(crate) fn figures(report: &Report, warned: usize, level: i16) -> Vec<(usize, &str, &str)> {
    let failed = SubtestCounts { failed: report.subtests.failed, ..SubtestCounts::default() };
    let subtests = if level == 0 { failed } else { report.subtests };
    let mut figures = known_figures(report, |name| category(report, name), subtests, warned);
    let others = report.categories.iter().filter(|(category, _)| !KNOWN.contains(&&**category));
    figures.extend(others.map(|(category, count)| (*count, &**category, &**category)));
    figures.retain(|(count, ..)| *count > 0);
    figures
}

/// As [`figures`], by the outcomes of the tests, of which failed subtests are no part: hooks and subtests change how a
/// report looks to a person. Only the category of the reports names the attempts that pytest-rerunfailures repeated.
pub(crate) fn outcome_figures(report: &Report) -> Vec<(usize, &str, &str)> {
    let of = |counts: &BTreeMap<String, usize>, outcome: &str| counts.get(outcome).copied().unwrap_or(0);
    let count = |outcome: &str| match outcome {
        "rerun" => category(report, outcome),
        _ => of(&report.outcomes, outcome) + of(&report.before_teardown, outcome),
    };
    let mut figures = known_figures(report, count, SubtestCounts::default(), 0);
    let SubtestCounts { passed, failed, .. } = report.subtests;
    figures.push((failed, "subtest", plural(failed, "subtest failed", "subtests failed")));
    figures.push((passed, "subtest", plural(passed, "subtest passed", "subtests passed")));
    figures.retain(|(count, ..)| *count > 0);
    figures
}

/// The number of reports in one of pytest's categories.
fn category(report: &Report, name: &str) -> usize {
    report.categories.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count)
}

/// The categories of [`known_figures`] that reports have.
const KNOWN: [&str; 10] =
    ["failed", "timed_out", "crashed", "passed", "skipped", "not_run", "xfailed", "xpassed", "error", "rerun"];

fn plural(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

/// `subtests`: the numbers of those to count.
fn known_figures(
    report: &Report,
    count: impl Fn(&str) -> usize,
    subtests: SubtestCounts,
    warned: usize,
) -> Vec<(usize, &'static str, &'static str)> {
    let errors = count("error") + report.errors.len();
    vec![
        (count("failed") + subtests.failed, "failed", "failed"),
        (count("timed_out"), "timed_out", "timed out"),
        (count("crashed"), "crashed", "crashed"),
        (count("passed"), "passed", "passed"),
        (count("skipped") + subtests.skipped + report.skipped_files.len(), "skipped", "skipped"),
        (count("not_run"), "not_run", "not run"),
        (report.deselected, "deselected", "deselected"),
        (count("xfailed") + subtests.xfailed, "xfailed", "xfailed"),
        (count("xpassed"), "xpassed", "xpassed"),
        (warned, "warning", plural(warned, "warning", "warnings")),
        (errors, "error", plural(errors, "error", "errors")),
        (subtests.passed, "subtest", "subtests passed"),
        (report.reruns + count("rerun"), "rerun", "rerun"),
    ]
}

/// The color of the whole, by pytest's rule.
pub(crate) fn colour(report: &Report, warned: usize) -> Paint {
    let figures = figures(report, warned, 0);
    let has = |is: &dyn Fn(&str) -> bool| figures.iter().any(|(_, category, _)| is(category));
    let is_odd = |category: &str| match category {
        "warning" | "xpassed" | "rerun" => true,
        "deselected" | "subtest" => false,
        other => !KNOWN.contains(&other),
    };
    if has(&|category| paint(category) == Paint::Red) {
        Paint::Red
    } else if has(&|category| category == "passed") && !has(&is_odd) {
        Paint::Green
    } else {
        Paint::Yellow
    }
}
