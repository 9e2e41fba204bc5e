//! The text at the end of a run, in pytest's layout, where its users know their way.

use std::time::Duration;

use pytest_lens_protocol::{RunEnd, RunEndStatus};

use super::counts::{counts, figures};
use super::failures::{place_line, tracebacks};
use super::outcome_words::{paint, word};
use super::sections;
use super::text::{colour_first_word, first_line, line, short_line};
use crate::options::arguments::OutputOptions;
use crate::results::report::Report;
use crate::style::{Paint, Style};

/// Errors, failures, the slowest tests, the short summary and the closing line.
pub(crate) fn summary(report: &Report, options: &OutputOptions, style: Style) -> String {
    let mut text = String::new();
    let (errors, failures): (Vec<_>, Vec<_>) = report.failures.iter().partition(|outcome| outcome.outcome == "error");
    match options.tb() {
        Some("no") => {}
        Some("line") => {
            if !report.failures.is_empty() {
                line(&mut text, &style.rule('=', "FAILURES"));
                report.failures.iter().for_each(|outcome| line(&mut text, &place_line(outcome)));
            }
        }
        _ => tracebacks(&mut text, report, &errors, &failures, options, style),
    }
    sections::warnings(&mut text, report, options, style);
    sections::passes(&mut text, report, options, style);
    sections::slowest(&mut text, report, options, style);
    let letters = sections::letters(options);
    let (mut failures, mut errors) = (failures, errors);
    failures.retain(|_| letters.contains('f'));
    errors.retain(|_| letters.contains('E'));
    let listed = sections::listed(report, &letters, style);
    let of_files = if letters.contains('E') { &*report.errors } else { &[] };
    let is_empty = of_files.is_empty() && failures.is_empty() && errors.is_empty() && listed.is_empty();
    if !is_empty && !options.no_summary {
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
    if !report.left_out.is_empty() {
        line(&mut text, &report.left_out);
    }
    closing(&mut text, report, options, style);
    text
}

/// The reason why the run ended early, if it did.
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

fn closing(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    let figures = figures(report);
    let has = |of: Paint| figures.iter().any(|(_, outcome, _)| paint(outcome) == of);
    let colour = match () {
        () if has(Paint::Red) => Paint::Red,
        () if has(Paint::Green) => Paint::Green,
        () => Paint::Yellow,
    };
    let warned = sections::warned(report, options);
    let counted = if figures.is_empty() { "no tests ran".to_owned() } else { counts(report, Style::PLAIN) };
    let time = report.end.as_ref().map_or_else(String::new, |end| format!(" in {}", duration(end.duration_ms)));
    let warned = match warned {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        many => format!(", {many} warnings"),
    };
    let closing = format!("{counted}{warned}{time}");
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
