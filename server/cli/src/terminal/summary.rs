//! The text at the end of a run, in pytest's layout, where its users know their way.

use std::time::Duration;

use pytest_lens_protocol::{NOT_COLLECTED, RunEnd, RunEndStatus};

use super::counts::{colour, counts};
use super::entries::{Entry, entries};
use super::failures::{in_line_style, tracebacks};
use super::outcome_words::word;
use super::text::{colour_first_word, first_line, line, short_line};
use super::timings::table;
use super::{plugin_summaries, sections};
use crate::failure::exit;
use crate::options::arguments::OutputOptions;
use crate::results::report::Report;
use crate::style::{Paint, Style};

/// Errors, failures, the slowest tests, the short summary and the closing line.
pub(crate) fn summary(report: &Report, options: &OutputOptions, style: Style) -> String {
    let mut text = String::new();
    let has_summary = matches!(report.status(), exit::OK | exit::FAILED | exit::INTERRUPTED | 4 | exit::NO_TESTS);
    if report.interrupting().is_some() && !has_summary {
        ending(&mut text, report, options, style);
        return text;
    }
    if options.no_summary {
        plugin_summaries::sections(&mut text, report, style);
        ending(&mut text, report, options, style);
        return text;
    }
    let all: Vec<Entry<'_>> = report.listed_failures().into_iter().flat_map(entries).collect();
    let (errors, failures): (Vec<_>, Vec<_>) = all.into_iter().partition(|entry| entry.is_error);
    match options.tb() {
        Some("no") => {}
        Some("line") => {
            tracebacks(&mut text, report, &errors, &[], options, style);
            if !failures.is_empty() {
                line(&mut text, &style.rule('=', "FAILURES"));
                failures.iter().for_each(|entry| in_line_style(&mut text, entry, options, style));
            }
        }
        _ => tracebacks(&mut text, report, &errors, &failures, options, style),
    }
    sections::expected_failures(&mut text, report, options, style);
    sections::warnings(&mut text, report, options, style);
    sections::passes(&mut text, report, options, style);
    plugin_summaries::sections(&mut text, report, style);
    sections::repeated(&mut text, report, options, style);
    sections::slowest(&mut text, report, options, style);
    let letters = sections::letters(options);
    let mut lines = Vec::new();
    for letter in letters.chars() {
        let short =
            |entries: &[Entry<'_>]| entries.iter().map(|entry| short_line(entry, options, style)).collect::<Vec<_>>();
        match letter {
            'f' => lines.extend(short(&failures)),
            'E' => {
                lines.extend(report.errors.iter().map(|error| {
                    let short =
                        format!("{} {} - {}", word("error"), report.shown(&error.path), first_line(&error.message));
                    colour_first_word(&short, Paint::Red, style)
                }));
                lines.extend(short(&errors));
            }
            other => lines.extend(sections::listed(report, other, options, style)),
        }
    }
    if !lines.is_empty() {
        line(&mut text, &style.rule('=', "short test summary info"));
        lines.iter().for_each(|short| line(&mut text, short));
    }
    sections::slow(&mut text, report, style);
    ending(&mut text, report, options, style);
    text
}

/// Why the run ended early, what was left out, and the counts.
fn ending(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    let (raised, is_before) = (raised(report, style), report.status() == exit::INTERRUPTED);
    if let Some(raised) = raised.as_ref() {
        text.push_str(if is_before { raised } else { "" });
    } else if let Some(limit) = report.limit.filter(|limit| report.failed() + report.errors.len() >= *limit as usize) {
        line(text, &style.paint(Paint::Red, &style.rule('!', &format!("stopping after {limit} failures"))));
    } else if report.step.is_some_and(|step| report.failed() >= step as usize) {
        let why = "Interrupted: Test failed, continuing from this test next run.";
        line(text, &style.paint(Paint::Red, &style.rule('!', why)));
    }
    let nothing_ran = report.total == 0 && report.has_errors();
    let interruption = match &report.end {
        Some(end) if !(nothing_ran && matches!(end.status, RunEndStatus::Failed)) => interruption(end),
        _ if nothing_ran && !report.continues => Some(interrupted_by(report.errors.len())),
        _ => None,
    };
    let is_no_interruption = report.continues || report.fails_by_collection();
    let interruption = interruption.filter(|reason| !(is_no_interruption && is_about_collection(reason)));
    let interruption = interruption.filter(|_| raised.is_none());
    if let Some(reason) = interruption.filter(|reason| !plugin_summaries::contain(report, reason)) {
        line(text, &style.paint(Paint::Red, &style.rule('!', &reason)));
    }
    if !report.left_out.is_empty() {
        line(text, &report.left_out);
    }
    text.push_str(&timings(report, style));
    // As pytest: with `-qq` the exit status says it all.
    if options.level() > -2 {
        closing(text, report, options, style);
    }
    // As in pytest, if the test asked for another exit status.
    text.push_str(raised.as_deref().filter(|_| !is_before).unwrap_or_default());
}

/// pytest's lines on the exception of a test that ended the session.
fn raised(report: &Report, style: Style) -> Option<String> {
    let (test, raised) = report.interrupting()?;
    let mut text = String::new();
    line(&mut text, &style.rule('!', &raised));
    if raised.contains("KeyboardInterrupt") {
        if let Some(place) = &test.location {
            let path = place.uri.strip_prefix("file://").unwrap_or(&place.uri);
            let place = format!("{path}:{}: {}", place.range.start.line + 1, first_line(&raised));
            line(&mut text, &style.paint(Paint::Yellow, &place));
        }
        let hint = "(to show a full traceback on KeyboardInterrupt use --full-trace)";
        line(&mut text, &style.paint(Paint::Yellow, hint));
    }
    Some(text)
}

/// The table of `--timings`, if the run was measured.
pub(crate) fn timings(report: &Report, style: Style) -> String {
    let timings = report.end.as_ref().and_then(|end| end.timings.as_deref());
    timings.map_or_else(String::new, |timings| table(timings, report.before, report.took, style))
}

fn is_about_collection(reason: &str) -> bool {
    reason.contains(NOT_COLLECTED) || reason.ends_with(" during collection")
}

/// pytest's sentence on a run that has only errors of collection.
fn interrupted_by(errors: usize) -> String {
    format!("Interrupted: {errors} error{} during collection", if errors == 1 { "" } else { "s" })
}

/// The reason why the run ended early, if it did.
fn interruption(end: &RunEnd) -> Option<String> {
    let word = match end.status {
        RunEndStatus::Stopped => "stopped",
        RunEndStatus::Killed => "killed",
        RunEndStatus::TimedOut => "out of time",
        // pytest refused to start: its sentence says it all.
        RunEndStatus::InternalError if end.exit_status.is_some_and(|status| status != exit::INTERNAL) => {
            return end.message.clone();
        }
        RunEndStatus::InternalError => "internal error",
        RunEndStatus::Passed | RunEndStatus::Failed => return end.message.clone(),
    };
    Some(end.message.as_ref().map_or_else(|| word.to_owned(), |message| format!("{word}: {message}")))
}

fn closing(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    let warned = sections::warned(report);
    let counted = match counts(report, warned, options.subtests_level(), Style::PLAIN) {
        none if none.is_empty() => "no tests ran".to_owned(),
        counted => counted,
    };
    let time = report.end.as_ref().map_or_else(String::new, |end| format!(" in {}", duration(end.duration_ms)));
    let colour = colour(report, warned);
    let closing = format!("{counted}{time}");
    line(text, &style.paint(colour, &if options.is_quiet() { closing } else { style.rule('=', &closing) }));
}

/// `0.12s`, and from a minute on `83.20s (0:01:23)`, as pytest writes it.
fn duration(milliseconds: f64) -> String {
    let seconds = milliseconds.max(0.0) / 1_000.0;
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    if whole < 60 {
        format!("{seconds:.2}s")
    } else {
        format!("{seconds:.2}s ({}:{:02}:{:02})", whole / 3_600, whole / 60 % 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_pytest_writes_them() {
        let written = [0.0, 1_234.0, 59_999.0, 83_200.0, 7_322_000.0].map(duration);
        assert_eq!(written, ["0.00s", "1.23s", "60.00s", "83.20s (0:01:23)", "7322.00s (2:02:02)"]);
    }
}
