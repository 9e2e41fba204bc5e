//! Shows a run in progress: a bar for a person, a line per test, or events as JSON.

use std::io::{self, Write};

use indicatif::{ProgressBar, ProgressStyle};
use pytest_lens_protocol::{EventPayload, OutputStream, TestOutcome};

use super::counts::counts;
use super::outcome_words::word;
use super::summary::summary;
use super::text::{first_line, short_line};
use crate::failure::Failure;
use crate::options::arguments::OutputOptions;
use crate::results::report::{Report, is_failure};
use crate::style::Style;
use crate::timing::BAR_INTERVAL;

/// Shows a run in progress.
pub(crate) struct Progress<'a> {
    style: Style,
    options: &'a OutputOptions,
    display: Display,
}

enum Display {
    Json,
    /// Nothing before the end.
    Quiet,
    Lines,
    Bar(ProgressBar),
}

impl<'a> Progress<'a> {
    /// Chooses the display: a bar on a terminal, unless the user wants a line per test. Tests that have the terminal
    /// show their progress there themselves.
    pub(crate) fn new(json: bool, has_terminal: bool, options: &'a OutputOptions, style: Style) -> Self {
        let display = match (json, style.is_terminal, options.level() > 0) {
            _ if has_terminal => Display::Quiet,
            (true, ..) => Display::Json,
            (false, _, true) => Display::Lines,
            (false, false, false) if options.is_quiet() => Display::Quiet,
            (false, false, false) => Display::Lines,
            (false, true, false) => Display::Bar(bar()),
        };
        Progress { style, options, display }
    }

    /// Shows one event of the run, after the report has applied it.
    pub(crate) fn show(&self, payload: &EventPayload, report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
        if let Display::Json = &self.display {
            let line = serde_json::to_string(payload).map_err(|error| Failure::internal(error.to_string()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        match payload {
            EventPayload::RunStarted(start) => {
                if let Display::Bar(bar) = &self.display {
                    bar.set_length(start.total as u64);
                    bar.set_style(style_of(template(self.style.width)));
                }
            }
            EventPayload::TestStarted(tests) => self.refresh(report, tests.ids.last()),
            EventPayload::TestOutcome(tests) => {
                let mut done = report.done() - tests.outcomes.iter().filter(|outcome| !outcome.will_rerun).count();
                for outcome in &tests.outcomes {
                    done += usize::from(!outcome.will_rerun);
                    self.show_outcome(outcome, done, report.total, out)?;
                }
                self.refresh(report, None);
            }
            EventPayload::Output(output) => {
                let text = output.text.as_bytes();
                match output.stream {
                    OutputStream::Stdout => self.around_bar(|| out.write_all(text).and_then(|()| out.flush()))?,
                    // If standard error is closed, nobody reads it.
                    _ => self.around_bar(|| io::stderr().write_all(text).unwrap_or_default()),
                }
            }
            EventPayload::RunFinished(_) | EventPayload::Inventory(_) | EventPayload::FlakinessHint(_) => {}
        }
        Ok(())
    }

    fn show_outcome(&self, outcome: &TestOutcome, done: usize, total: usize, out: &mut dyn Write) -> io::Result<()> {
        match &self.display {
            Display::Json | Display::Quiet => Ok(()),
            Display::Lines => {
                let text = line(outcome);
                let room = self.style.width.saturating_sub("[100%]".len());
                writeln!(out, "{text:room$}[{:3}%]", (100 * done).checked_div(total).unwrap_or(100))
            }
            Display::Bar(_) if is_failure(&outcome.outcome) && !outcome.will_rerun => {
                let line = short_line(outcome, self.style);
                self.around_bar(|| writeln!(out, "{line}"))
            }
            Display::Bar(_) => Ok(()),
        }
    }

    fn refresh(&self, report: &Report, test: Option<&String>) {
        let Display::Bar(bar) = &self.display else { return };
        bar.set_position(report.done() as u64);
        let mut message = counts(report, self.style);
        if let Some(test) = test {
            message = format!("{message}  {test}");
        }
        bar.set_message(message);
    }

    /// Writes while the bar is hidden.
    fn around_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.display {
            Display::Bar(bar) => bar.suspend(write),
            _ => write(),
        }
    }

    /// Prints a remark on standard error.
    pub(crate) fn note(&self, text: &str) {
        // If standard error is closed, nobody reads it.
        self.around_bar(|| writeln!(io::stderr(), "pytest-lens: {text}").unwrap_or_default());
    }

    /// Prints the summary; with JSON, the errors of collection go to standard error.
    pub(crate) fn finish(&self, report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
        match &self.display {
            Display::Bar(bar) => bar.finish_and_clear(),
            Display::Lines if report.done() > 0 => writeln!(out)?,
            Display::Lines | Display::Quiet => {}
            Display::Json => {
                for error in &report.errors {
                    let message = first_line(&error.message);
                    self.note(&format!("{}:{}: {message}", error.path, error.line));
                }
                if !report.left_out.is_empty() {
                    self.note(&report.left_out);
                }
                return Ok(out.flush()?);
            }
        }
        out.write_all(summary(report, self.options, self.style).as_bytes())?;
        Ok(out.flush()?)
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        // A bar must not stay in front of the sentence that says why there was no run.
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

const WAITING: &str = "{spinner} collecting {elapsed}";
// `wide_msg` cuts the message at the end of the row.
const BAR: &str = "{spinner} [{bar:24}] {pos}/{len} in {elapsed}  {wide_msg}";
const NARROW: &str = "{spinner} {pos}/{len} in {elapsed}  {wide_msg}";

/// On a narrow terminal the numbers matter more than the bar.
fn template(width: usize) -> &'static str {
    if width < 80 { NARROW } else { BAR }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(style_of(WAITING));
    bar.enable_steady_tick(BAR_INTERVAL);
    bar
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// A test's line: its id, its outcome, and a short reason.
fn line(outcome: &TestOutcome) -> String {
    let word = if outcome.will_rerun { "RERUN" } else { word(&outcome.outcome) };
    let reason = match (&*outcome.outcome, &outcome.message) {
        ("skipped" | "xfailed" | "not_run", Some(reason)) => format!(" ({})", first_line(reason)),
        _ => String::new(),
    };
    format!("{} {word}{reason} ", outcome.id)
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn f3_the_bar_takes_one_row_however_narrow_the_terminal() {
        for width in [40, 60, 79, 80, 120] {
            let target = indicatif::InMemoryTerm::new(4, width);
            let bar = ProgressBar::with_draw_target(Some(9), ProgressDrawTarget::term_like(Box::new(target.clone())));
            bar.set_style(style_of(template(width.into())));
            bar.set_message(format!("3 failed, 4 passed, 2 skipped  tests/{}.py::test_it", "long".repeat(20)));
            bar.set_position(9);
            bar.tick();
            let shown = target.contents();
            assert_eq!(shown.lines().count(), 1, "{width}: {shown}");
            assert!(shown.contains("9/9") && shown.contains("3 failed"), "{width}: {shown}");
        }
    }
}
