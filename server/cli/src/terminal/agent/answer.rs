//! The text of an answer: the verdict with its figures first, then what did not run and why, then the failures.

use std::path::Path;

use pytest_lens_protocol::{Outcome, RunEndStatus};

use super::failures;
use super::verdict::{Ending, Facts, Verdict, judge, some_of};
use crate::results::code::{Changed, CodeWatch};
use crate::results::report::Report;
use crate::terminal::counts::outcome_figures;
use crate::terminal::text::first_line;

/// The longest answer, in characters.
const LIMIT: usize = 8_000;

/// Sentences of an answer besides the results.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    /// The name of the code that ran.
    pub code: Option<String>,
    /// Sentences on the selection and on what this run does not check.
    pub notes: Vec<String>,
}

/// The answer on a run.
pub(crate) fn answer(report: &Report, root: &Path, facts: &Facts, remarks: &Remarks) -> String {
    let (verdict, reasons) = judge(facts);
    let mut text = headline(report, verdict, &reasons, remarks.code.as_deref());
    skipped(&mut text, report, verdict);
    failures::write(&mut text, &report.errors, &report.failures, root);
    for note in &remarks.notes {
        text.push_str(&format!("{note}\n"));
    }
    bounded(text, ": ask for fewer tests")
}

/// The answer of `pytest-lens run`.
pub(crate) fn of_command(report: &Report) -> String {
    let ending = match &report.end {
        Some(end) => Ending::Of(end.status),
        // The engine refused the run, because files could not be collected.
        None => Ending::Of(RunEndStatus::Failed),
    };
    let changed = report.code.as_ref().map(CodeWatch::changed).unwrap_or_default();
    let mut remarks = Remarks { code: report.code.as_ref().map(CodeWatch::name), notes: written(&changed) };
    remarks.notes.extend(Some(report.left_out.clone()).filter(|note| !note.is_empty()));
    answer(report, report.root(), &Facts::of(report, ending, changed.code), &remarks)
}

/// The note on data that changed while the tests ran.
pub(crate) fn written(changed: &Changed) -> Vec<String> {
    let written = Some(some_of(&changed.data)).filter(|names| !names.is_empty());
    written.into_iter().map(|names| format!("written while the tests ran, by them or by others: {names}")).collect()
}

/// `FAILED: 1 failed, 2 passed in 0.12 s on code 1f2e3d4c; 3 tests did not run`.
fn headline(report: &Report, verdict: Verdict, reasons: &[String], code: Option<&str>) -> String {
    let figures: Vec<String> =
        outcome_figures(report).iter().map(|(count, _, word)| format!("{count} {word}")).collect();
    let mut text = format!("{}:", verdict.word());
    if !figures.is_empty() {
        text.push_str(&format!(" {}", figures.join(", ")));
    }
    if let Some(end) = report.end.as_ref().filter(|_| !figures.is_empty()) {
        text.push_str(&format!(" in {:.2}s", end.duration_ms.max(0.0) / 1_000.0));
    }
    if let Some(code) = code.filter(|_| !figures.is_empty()) {
        text.push_str(&format!(", code {code}"));
    }
    let mut reasons = reasons.to_vec();
    if verdict == Verdict::NothingRan {
        reasons.extend(nothing(report));
    }
    if !reasons.is_empty() {
        let joint = if figures.is_empty() { " " } else { "; " };
        text.push_str(&format!("{joint}{}", reasons.join("; ")));
    }
    text.push('\n');
    text
}

/// Why no test passed or failed, as far as that is known.
fn nothing(report: &Report) -> Option<String> {
    Some(match (report.total, report.deselected, report.skipped_files.as_slice()) {
        (0, 0, []) => "nothing is selected".to_owned(),
        (0, 0, [first, ..]) => format!("{} skips itself: {}", first.path, first_line(&first.reason)),
        (0, ..) => "expressions or the project's configuration deselect every selected test".to_owned(),
        _ if report.outcomes.keys().all(|outcome| outcome == "skipped") => "every selected test is skipped".to_owned(),
        _ => return None,
    })
}

/// Why tests were skipped, if that is the answer, and why selected tests did not run.
fn skipped(text: &mut String, report: &Report, verdict: Verdict) {
    let wanted = |outcome: &str| match outcome.parse() {
        Ok(Outcome::NotRun) => true,
        Ok(Outcome::Skipped) => verdict == Verdict::NothingRan,
        _ => false,
    };
    let mut reasons = std::collections::BTreeMap::new();
    for outcome in report.all.iter().flatten().filter(|outcome| wanted(&outcome.outcome)) {
        let message = first_line(outcome.message.as_deref().unwrap_or("no reason is known"));
        let (count, _) = reasons.entry((outcome.outcome.as_str(), message)).or_insert((0, &outcome.id));
        *count += 1;
    }
    for (((outcome, message), (count, first)), _) in reasons.into_iter().zip(0..3) {
        let others = if count > 1 { format!(" [and {} alike]", count - 1) } else { String::new() };
        text.push_str(&format!("- {}: {first}: {message}{others}\n", outcome.replace('_', " ")));
    }
}

/// At most [`LIMIT`] characters, whole lines, then the way to the rest.
pub(crate) fn bounded(mut text: String, advice: &str) -> String {
    if let Some((end, _)) = text.char_indices().nth(LIMIT) {
        let end = text.get(..end).and_then(|kept| kept.rfind('\n')).map_or(end, |line| line + 1);
        text.truncate(end);
        text.push_str(&format!("... cut{advice}\n"));
    }
    text
}
