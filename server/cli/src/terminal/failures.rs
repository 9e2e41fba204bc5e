//! The reports of failed tests, with their captured output.

use std::fmt::Write as _;

use pytest_lens_protocol::TestOutcome;

use super::entries::{Entry, Section};
use super::text::{first_line, line};
use crate::options::arguments::OutputOptions;
use crate::results::report::{FileError, Report, is_failure};
use crate::style::{Paint, Style};

pub(crate) fn tracebacks(
    text: &mut String,
    report: &Report,
    errors: &[Entry<'_>],
    failures: &[Entry<'_>],
    options: &OutputOptions,
    style: Style,
) {
    if !report.errors.is_empty() || !errors.is_empty() {
        line(text, &style.rule('=', "ERRORS"));
        report.errors.iter().for_each(|error| file_error(text, error, style));
        errors.iter().for_each(|entry| failure(text, entry, report, options, style));
    }
    if !failures.is_empty() {
        line(text, &style.rule('=', "FAILURES"));
        failures.iter().for_each(|entry| failure(text, entry, report, options, style));
    }
}

/// A failed report as `--tb=line` has it: the short text of the failure, the output of set-up and call, and the place.
pub(super) fn in_line_style(text: &mut String, entry: &Entry<'_>, options: &OutputOptions, style: Style) {
    // The stacks of a test that was ended are not short.
    let is_of_pytest = !matches!(&*entry.outcome.outcome, "timed_out" | "crashed");
    if let Some(longrepr) = entry.longrepr.filter(|longrepr| is_of_pytest && !longrepr.trim().is_empty()) {
        line(text, &coloured(longrepr.trim_end(), style));
    }
    let sections = entry.sections().into_iter().filter(|section| !section.is_of_teardown());
    captured(text, sections.collect(), options, style);
    line(text, &place_line(entry));
}

/// `path:line: message`, the line that raised. A failure without a place has the beginning of its text instead.
fn place_line(entry: &Entry<'_>) -> String {
    let outcome = entry.outcome;
    let innermost = outcome.frames.last().filter(|_| entry.subtest.is_none()).map(|frame| &frame.location);
    let message = match entry.longrepr {
        // Its message is the reason to expect the failure.
        Some(longrepr) if outcome.outcome == "xfailed" => longrepr.lines().find_map(|line| line.strip_prefix("E ")),
        _ => entry.message,
    };
    let message = first_line(message.unwrap_or_default());
    match (innermost.or(outcome.location.as_ref()), entry.longrepr) {
        (Some(place), _) => {
            let path = place.uri.strip_prefix("file://").unwrap_or(&place.uri);
            format!("{path}:{}: {message}", place.range.start.line + 1)
        }
        (None, Some(longrepr)) => longrepr.chars().take(50).collect(),
        (None, None) => format!("{}: {message}", outcome.id),
    }
}

fn file_error(text: &mut String, error: &FileError, style: Style) {
    let title = style.rule('_', &format!("ERROR collecting {}", error.path));
    line(text, &style.paint(Paint::Red, &title));
    if let Some(longrepr) = &error.longrepr {
        return line(text, &coloured(longrepr, style));
    }
    let message = error.message.trim_end();
    if !message.contains(&*error.path) {
        line(text, &format!("{}:{}:", error.path, error.line));
    }
    line(text, &coloured(message, style));
}

/// One failed report of a test: pytest's text, then the captured output.
pub(super) fn failure(text: &mut String, entry: &Entry<'_>, report: &Report, options: &OutputOptions, style: Style) {
    let outcome = entry.outcome;
    line(text, &style.paint(Paint::Red, &style.rule('_', &entry.title)));
    let shown = match entry.longrepr {
        Some(longrepr) if !longrepr.trim().is_empty() => longrepr.to_owned(),
        // A hook lists a test as a failure that is none.
        _ if !is_failure(&outcome.outcome) => return captured(text, entry.sections(), options, style),
        _ => without_longrepr(outcome),
    };
    reason(text, &shown, style);
    if let Some(hint) = hint(outcome).filter(|_| !report.has_terminal) {
        line(text, &style.paint(Paint::Yellow, &hint));
    }
    captured(text, entry.sections(), options, style);
}

/// pytest's text of a failure, below its heading.
pub(super) fn reason(text: &mut String, longrepr: &str, style: Style) {
    // pytest leaves a blank line between a heading and a whole function.
    let begins_function = |first: &str| first.starts_with([' ', '>']) || first.contains(" = ");
    if longrepr.lines().next().is_some_and(begins_function) {
        line(text, "");
    }
    line(text, &coloured(longrepr.trim_end(), style));
}

/// The way out for a test that needs a person at a terminal.
fn hint(outcome: &TestOutcome) -> Option<String> {
    let message = outcome.message.as_deref()?;
    let id = &outcome.id;
    if message.contains("BdbQuit") {
        Some(format!(
            "Hint: tests have no terminal here; to stop at a breakpoint, run `pytest-lens run -s '{id}'` or use an editor's debugger"
        ))
    } else if message.contains("reading from stdin while output is captured") || message.starts_with("EOFError") {
        Some(format!("Hint: tests have no standard input here; to give them yours, run `pytest-lens run -s '{id}'`"))
    } else {
        None
    }
}

/// Captured output, with headings.
pub(super) fn captured(text: &mut String, sections: Vec<Section<'_>>, options: &OutputOptions, style: Style) {
    for section in sections.iter().filter(|section| section.is_wanted(options.show_capture.as_deref())) {
        line(text, &style.rule('-', &section.name));
        line(text, section.text.strip_suffix('\n').unwrap_or(section.text));
    }
}

/// A report by message and frames: pytest writes none for a crash or a timeout.
fn without_longrepr(outcome: &TestOutcome) -> String {
    let mut text = String::new();
    for frame in &outcome.frames {
        let place = frame.location.uri.strip_prefix("file://").unwrap_or(&frame.location.uri);
        let number = frame.location.range.start.line + 1;
        // Writing to a string does not fail.
        let _ = writeln!(text, "{place}:{number}: in {}", frame.name);
        if let Some(code) = &frame.text {
            let _ = writeln!(text, "    {}", code.trim());
        }
    }
    for reason in outcome.message.as_deref().unwrap_or("no reason is known").lines() {
        let _ = writeln!(text, "E   {reason}");
    }
    text
}

/// pytest's colors: the failed line is bold, the reason red.
fn coloured(text: &str, style: Style) -> String {
    if !style.colour {
        return text.to_owned();
    }
    let paint = |line: &str| match line.as_bytes() {
        [b'E', b' ', ..] | [b'E'] => style.paint(Paint::Red, line),
        [b'>', ..] => style.paint(Paint::Bold, line),
        _ => line.to_owned(),
    };
    text.lines().map(paint).collect::<Vec<_>>().join("\n")
}
