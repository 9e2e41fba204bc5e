//! The text at the end of a run, laid out as pytest's: what its users' eyes already know where to find.

use std::fmt::Write as _;
use std::time::Duration;

use pytest_lens_protocol::{RunEnd, RunEndStatus, TestOutcome};

use super::live::{paint, word};
use super::more;
use super::report::{FileError, Report};
use crate::args::Look;
use crate::style::{Paint, Style};

/// Errors, failures, the slowest tests, the short summary and the closing line.
pub fn summary(report: &Report, look: &Look, style: Style) -> String {
    let mut text = String::new();
    let (errors, failures): (Vec<_>, Vec<_>) = report.failures.iter().partition(|outcome| outcome.outcome == "error");
    match look.tb.as_deref() {
        Some("no") => {}
        Some("line") => {
            if !report.failures.is_empty() {
                line(&mut text, &style.rule('=', "FAILURES"));
                report.failures.iter().for_each(|outcome| line(&mut text, &place_line(outcome)));
            }
        }
        _ => tracebacks(&mut text, report, &errors, &failures, look, style),
    }
    more::warnings(&mut text, report, look, style);
    more::passes(&mut text, report, look, style);
    more::slowest(&mut text, report, look, style);
    let letters = more::letters(look);
    let (mut failures, mut errors) = (failures, errors);
    failures.retain(|_| letters.contains('f'));
    errors.retain(|_| letters.contains('E'));
    let listed = more::listed(report, &letters, style);
    let of_files = if letters.contains('E') { &*report.errors } else { &[] };
    let is_empty = of_files.is_empty() && failures.is_empty() && errors.is_empty() && listed.is_empty();
    if !is_empty && !look.no_summary {
        line(&mut text, &style.rule('=', "short test summary info"));
        listed.iter().for_each(|short| line(&mut text, short));
        for outcome in failures.iter().chain(&errors) {
            line(&mut text, &short_line(outcome, style));
        }
        for error in of_files {
            let short = format!("{} {} - {}", word("error"), error.path, first_line(&error.message));
            line(&mut text, &colour_first_word(&short, Paint::Red, style));
        }
    }
    if let Some(reason) = report.end.as_ref().and_then(interruption) {
        line(&mut text, &style.paint(Paint::Red, &style.rule('!', &reason)));
    }
    closing(&mut text, report, look, style);
    text
}

fn tracebacks(
    text: &mut String,
    report: &Report,
    errors: &[&TestOutcome],
    failures: &[&TestOutcome],
    look: &Look,
    style: Style,
) {
    if !report.errors.is_empty() || !errors.is_empty() {
        line(text, &style.rule('=', "ERRORS"));
        report.errors.iter().for_each(|error| file_error(text, error, style));
        errors.iter().for_each(|outcome| failure(text, outcome, report, look, style));
    }
    if !failures.is_empty() {
        line(text, &style.rule('=', "FAILURES"));
        failures.iter().for_each(|outcome| failure(text, outcome, report, look, style));
    }
}

/// `path:line: message`, as pytest's `--tb=line` has it.
fn place_line(outcome: &TestOutcome) -> String {
    let message = first_line(outcome.message.as_deref().unwrap_or_default());
    let place = outcome.location.as_ref().map(|place| {
        let path = place.uri.strip_prefix("file://").unwrap_or(&place.uri);
        format!("{path}:{}", place.range.start.line + 1)
    });
    format!("{}: {message}", place.as_deref().unwrap_or(&outcome.id))
}

pub(super) fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
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

/// One test's failure: pytest's own text of it, then what it printed.
fn failure(text: &mut String, outcome: &TestOutcome, report: &Report, look: &Look, style: Style) {
    let name = outcome.id.split_once("::").map_or(&*outcome.id, |(_, test)| test).replace("::", ".");
    let title = match (&*outcome.outcome, &outcome.phase) {
        ("error", Some(phase)) if phase != "call" => format!("ERROR at {phase} of {name}"),
        ("error", _) => format!("ERROR in {name}"),
        ("failed", _) => name,
        (other, _) => format!("{name}: {}", other.replace('_', " ")),
    };
    line(text, &style.paint(Paint::Red, &style.rule('_', &title)));
    let told = match &outcome.longrepr {
        Some(longrepr) if !longrepr.trim().is_empty() => longrepr.clone(),
        _ => without_longrepr(outcome),
    };
    // As pytest sets a whole function apart from its heading.
    if told.lines().next().is_some_and(|first| first.starts_with(' ') || first.contains(" = ")) {
        line(text, "");
    }
    line(text, &coloured(told.trim_end(), style));
    if let Some(hint) = hint(outcome).filter(|_| !report.has_terminal) {
        line(text, &style.paint(Paint::Yellow, &hint));
    }
    for subtest in outcome.subtests.iter().filter(|subtest| subtest.outcome == "failed") {
        let message = first_line(subtest.message.as_deref().unwrap_or_default());
        line(text, &with_reason(&format!("SUBFAILED {}", subtest.label), message));
    }
    captured(text, outcome, look, style);
}

/// The way out where a test wanted a person at a terminal.
fn hint(outcome: &TestOutcome) -> Option<String> {
    let message = outcome.message.as_deref()?;
    let id = &outcome.id;
    if message.contains("BdbQuit") {
        Some(format!(
            "Hint: tests have no terminal here; at a breakpoint stops `pytest-lens run -s '{id}'`, or an editor's debugger"
        ))
    } else if message.contains("reading from stdin while output is captured") || message.starts_with("EOFError") {
        Some(format!("Hint: tests have no standard input here; `pytest-lens run -s '{id}'` reads yours"))
    } else {
        None
    }
}

/// What a test printed.
pub(super) fn captured(text: &mut String, outcome: &TestOutcome, look: &Look, style: Style) {
    let is_wanted = |stream: &str| look.show_capture.as_deref().is_none_or(|shown| shown == "all" || shown == stream);
    for (stream, captured) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr), ("log", &outcome.log)] {
        if !is_wanted(stream) {
            continue;
        }
        if let Some(captured) = captured.as_deref().filter(|captured| !captured.is_empty()) {
            line(text, &style.rule('-', &format!("Captured {stream}")));
            line(text, captured.strip_suffix('\n').unwrap_or(captured));
        }
    }
}

/// A crash or a test out of time leaves no text of pytest's: what is known is the message and the frames.
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
    for told in outcome.message.as_deref().unwrap_or("no reason is known").lines() {
        let _ = writeln!(text, "E   {told}");
    }
    text
}

/// pytest's colours: the line that failed is bold, the reason red.
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

/// `FAILED id - message`, cut to the terminal's width where there is one.
pub fn short_line(outcome: &TestOutcome, style: Style) -> String {
    let message = first_line(outcome.message.as_deref().unwrap_or_default());
    let mut short = with_reason(&format!("{} {}", word(&outcome.outcome), outcome.id), message);
    let least = word(&outcome.outcome).len() + 1 + console::measure_text_width(&outcome.id);
    if style.is_terminal && console::measure_text_width(&short) > style.width {
        short = console::truncate_str(&short, style.width.max(least), "...").into_owned();
    }
    colour_first_word(&short, paint(&outcome.outcome), style)
}

pub(super) fn colour_first_word(text: &str, paint: Paint, style: Style) -> String {
    match text.split_once(' ') {
        Some((word, rest)) => format!("{} {rest}", style.paint(paint, word)),
        None => text.to_owned(),
    }
}

pub(super) fn with_reason(text: &str, reason: &str) -> String {
    if reason.is_empty() { text.to_owned() } else { format!("{text} - {reason}") }
}

/// The first line that says something.
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// Why the run ended before its time, if it did.
fn interruption(end: &RunEnd) -> Option<String> {
    let word = match end.status {
        RunEndStatus::Stopped => "stopped",
        RunEndStatus::Killed => "killed",
        RunEndStatus::TimedOut => "out of time",
        RunEndStatus::InternalError => "internal error",
        RunEndStatus::Passed | RunEndStatus::Failed => return end.message.clone(),
    };
    Some(end.message.as_ref().map_or_else(|| word.to_owned(), |message| format!("{word}: {message}")))
}

/// `1 failed, 3 passed`, in pytest's order.
pub fn counts(report: &Report, style: Style) -> String {
    let painted =
        |(count, outcome, word): &(usize, &str, &str)| style.paint(paint(outcome), &format!("{count} {word}"));
    figures(report).iter().map(painted).collect::<Vec<_>>().join(", ")
}

/// Count, outcome and the word for it.
fn figures(report: &Report) -> Vec<(usize, &'static str, &'static str)> {
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

fn closing(text: &mut String, report: &Report, look: &Look, style: Style) {
    let figures = figures(report);
    let has = |of: Paint| figures.iter().any(|(_, outcome, _)| paint(outcome) == of);
    let colour = match () {
        () if has(Paint::Red) => Paint::Red,
        () if has(Paint::Green) => Paint::Green,
        () => Paint::Yellow,
    };
    let warned = more::warned(report, look);
    let counted = if figures.is_empty() { "no tests ran".to_owned() } else { counts(report, Style::PLAIN) };
    let time = report.end.as_ref().map_or_else(String::new, |end| format!(" in {}", duration(end.duration_ms)));
    let warned = match warned {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        many => format!(", {many} warnings"),
    };
    let closing = format!("{counted}{warned}{time}");
    line(text, &style.paint(colour, &if look.quiet { closing } else { style.rule('=', &closing) }));
}

/// `0.12s`, and from a minute on `83.20s (0:01:23)`, as pytest has it.
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

    #[test]
    fn the_first_line_is_one_that_says_something() {
        assert_eq!(first_line("\n  \n  AssertionError: no\nmore"), "AssertionError: no");
        assert_eq!(first_line(""), "");
    }
}
