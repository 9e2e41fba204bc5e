//! Shows a run in progress: a bar for a person, letters or lines as pytest prints them, or events as JSON.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use pytest_lens_protocol::{EventPayload, NodeId, OutputStream, Response, RunStart, TestOutcome};

use super::agent;
use super::counts::{colour, counts};
use super::dots::Dots;
use super::entries::entries;
use super::figure::{Done, figure};
use super::header::{Extent, collected_by_now, collected_more, header};
use super::outcome_words::paint;
use super::running::Running;
use super::sections::wants_all;
use super::statuses::{is_hidden, is_of_subtest, statuses};
use super::summary::{summary, timings};
use super::text::{colour_first_word, first_line, short_line};
use crate::failure::Failure;
use crate::options::arguments::{OutputOptions, Run};
use crate::results::report::{Report, is_failure};
use crate::style::{Paint, Style};
use crate::timing::BAR_INTERVAL;

/// Shows a run in progress.
pub(crate) struct Progress<'a> {
    style: Style,
    run: &'a Run,
    options: OutputOptions,
    display: Display,
    running: RefCell<Running>,
    /// The heading of the run that comes before its tests, as in pytest's output.
    header: Cell<Option<Extent>>,
    /// The number of collected tests that was printed last.
    collected: Cell<Option<usize>>,
    status: RefCell<Option<Response>>,
    /// A test has started.
    has_begun: Cell<bool>,
}

enum Display {
    Json,
    /// Nothing before the end; then a verdict for a program.
    Agent,
    /// Nothing before the end.
    Quiet,
    /// A line per test.
    Lines,
    /// A letter per test.
    Dots(RefCell<Dots>),
    Bar(ProgressBar),
}

impl<'a> Progress<'a> {
    /// Chooses the display: a bar on a terminal, pytest's letters elsewhere, unless the user wants a line per test. Tests
    /// that have the terminal show their progress there themselves.
    pub(crate) fn new(run: &'a Run, style: Style) -> Self {
        Self::with(run, run.output.clone(), style)
    }

    fn with(run: &'a Run, options: OutputOptions, style: Style) -> Self {
        let display = match (run.json, style.is_terminal, options.tests_level() > 0) {
            _ if run.for_agent => Display::Agent,
            _ if run.has_terminal => Display::Quiet,
            (true, ..) => Display::Json,
            (false, _, true) => Display::Lines,
            (false, false, false) => Display::Dots(RefCell::new(Dots::new(style, &options, run.has_several_runners()))),
            (false, true, false) => Display::Bar(bar()),
        };
        let extent = match () {
            () if options.is_quiet() => Extent::Collected,
            () if options.no_header || run.passed.iter().any(|word| word == "--no-header") => Extent::Short,
            () => Extent::Full,
        };
        let header = (matches!(display, Display::Lines | Display::Dots(_)) && !run.watch).then_some(extent);
        Progress {
            style,
            run,
            options,
            display,
            running: RefCell::default(),
            header: header.into(),
            collected: None.into(),
            status: None.into(),
            has_begun: false.into(),
        }
    }

    /// Follows the options of pytest's output that code of the project has set. Returns whether the report must keep more
    /// outcomes than the failures for them.
    pub(crate) fn follow(&mut self, set: &[String]) -> bool {
        self.options.set_by_code(set);
        // On a terminal the bar has begun.
        if !matches!(self.display, Display::Bar(_)) {
            let mut fresh = Self::with(self.run, self.options.clone(), self.style);
            std::mem::swap(&mut self.display, &mut fresh.display);
            if self.has_heading() {
                self.header.set(fresh.header.get());
            }
        }
        wants_all(&self.options)
    }

    /// Whether the run's heading is still to come.
    pub(crate) fn has_heading(&self) -> bool {
        self.header.get().is_some()
    }

    /// Whether it needs the status of the context.
    pub(crate) fn wants_status(&self) -> bool {
        self.header.get() == Some(Extent::Full)
    }

    /// Takes the status of the context for the heading.
    pub(crate) fn set_status(&self, status: Response) {
        self.status.replace(Some(status));
    }

    /// Shows one event of the run, after the report has applied it.
    pub(crate) fn show(&self, payload: &EventPayload, report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
        if let Display::Json = &self.display {
            let payload = match payload {
                // For the heading, which this form does not have.
                EventPayload::RunStarted(start) if has_text(start) => {
                    let (header, on_collected, output_options) = (Vec::new(), Vec::new(), Vec::new());
                    &EventPayload::RunStarted(RunStart { header, on_collected, output_options, ..start.clone() })
                }
                other => other,
            };
            let line = serde_json::to_string(payload).map_err(|error| Failure::internal(error.to_string()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        match payload {
            EventPayload::RunStarted(start) => {
                if let Display::Bar(bar) = &self.display {
                    bar.set_length(start.total as u64);
                    bar.set_style(style_of(template(self.style.width)));
                }
                // The start of a run comes again if more tests join it.
                if let Some(extent) = self.header.take() {
                    let status = self.status.take();
                    let text = header(extent, status.as_ref(), report, self.options.level(), self.style);
                    out.write_all(text.as_bytes())?;
                    self.collected.set((extent != Extent::Collected).then(|| collected_by_now(report)));
                }
            }
            EventPayload::TestStarted(tests) => {
                self.has_begun.set(true);
                self.running.borrow_mut().begin(&tests.ids, Instant::now());
                self.refresh(report);
            }
            EventPayload::TestOutcome(tests) => {
                self.running.borrow_mut().end(tests.outcomes.iter().map(|outcome| &*outcome.id));
                let counts = |outcome: &TestOutcome| !outcome.will_rerun && !is_hidden(outcome);
                let now = tests.outcomes.iter().filter(|outcome| counts(outcome)).count();
                let mut done = (report.done() - report.hidden).saturating_sub(now);
                for outcome in &tests.outcomes {
                    let before = Done { count: done, total: report.total };
                    out.write_all(self.joined(outcome, before, report).as_bytes())?;
                    done += usize::from(counts(outcome));
                    self.show_outcome(outcome, Done { count: done, total: report.total }, report, out)?;
                }
                self.refresh(report);
            }
            // A program wants to know about its tests, in few words.
            EventPayload::Output(_) if matches!(self.display, Display::Agent) && !self.has_begun.get() => {}
            EventPayload::Output(output) => {
                let text = output.text.as_bytes();
                match output.stream {
                    OutputStream::Stdout => {
                        out.write_all(self.interrupt(report).as_bytes())?;
                        self.around_bar(|| out.write_all(text).and_then(|()| out.flush()))?;
                    }
                    // If standard error is closed, nobody reads it.
                    _ => self.around_bar(|| io::stderr().write_all(text).unwrap_or_default()),
                }
            }
            EventPayload::RunFinished(_)
            | EventPayload::Inventory(_)
            | EventPayload::FlakinessHint(_)
            | EventPayload::StaleOutcomes(_) => {}
        }
        Ok(())
    }

    /// The line on tests that have joined the run since the last one, if there is a place for it before this outcome.
    fn joined(&self, outcome: &TestOutcome, done: Done, report: &Report) -> String {
        let is_shown = outcome.outcome != "not_run";
        let Some(line) =
            self.collected.get().filter(|_| is_shown).and_then(|it| collected_more(report, it, self.style))
        else {
            return String::new();
        };
        let text = match &self.display {
            Display::Dots(dots) if dots.borrow().is_between(NodeId::new(&outcome.id).file()) => {
                dots.borrow_mut().line(&line, done, colour(report, 0))
            }
            Display::Lines => line + "\n",
            _ => return String::new(),
        };
        self.collected.set(Some(collected_by_now(report)));
        text
    }

    /// The line on tests that have joined the run after the last outcome.
    fn joined_last(&self, report: &Report) -> String {
        let line = self.collected.take().and_then(|shown| collected_more(report, shown, self.style));
        line.map_or_else(String::new, |line| line + "\n")
    }

    fn show_outcome(&self, outcome: &TestOutcome, done: Done, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        match &self.display {
            Display::Json | Display::Agent | Display::Quiet => Ok(()),
            // Tests that a limit or a stop left out are counted, not listed.
            Display::Lines
                if outcome.message.as_deref().is_some_and(|why| {
                    outcome.outcome == "not_run" && (why.starts_with("the run ") || report.interrupting().is_some())
                }) =>
            {
                Ok(())
            }
            Display::Lines => {
                let part = figure(self.options.figure, done, outcome.duration_ms);
                let level = self.options.tests_level();
                for (index, subtest) in outcome.subtests.iter().enumerate() {
                    let is_shown = subtest.outcome == "failed" || self.options.subtests_level() != 0;
                    if !is_shown || is_of_subtest(outcome, index) {
                        continue;
                    }
                    let reason = subtest.message.as_deref().filter(|_| subtest.outcome != "failed");
                    let name = format!("{}{}", subtest_word(&subtest.outcome), subtest.label);
                    let painted = self.style.paint(paint(&subtest.outcome), &name);
                    writeln!(out, "{}", line(&outcome.id, &name, &painted, reason, &part, level, self.style))?;
                }
                for status in statuses(outcome) {
                    if status.is_hidden() {
                        continue;
                    }
                    let painted = status.paint(status.word, self.style);
                    let text = line(&outcome.id, status.word, &painted, status.reason, &part, level, self.style);
                    writeln!(out, "{text}")?;
                }
                // It has ended the session: pytest has no word for it.
                if outcome.statuses.as_ref().is_some_and(Vec::is_empty) && is_failure(&outcome.outcome) {
                    writeln!(out, "{} ", outcome.id)?;
                }
                Ok(())
            }
            Display::Dots(dots) => {
                let text = dots.borrow_mut().outcome(outcome, done, colour(report, 0));
                write!(out, "{text}")
            }
            Display::Bar(_) if is_failure(&outcome.outcome) && !outcome.will_rerun => {
                let lines: Vec<_> =
                    entries(outcome).iter().map(|entry| short_line(entry, &self.options, self.style) + "\n").collect();
                self.around_bar(|| write!(out, "{}", lines.concat()))
            }
            Display::Bar(_) => Ok(()),
        }
    }

    /// Shows how long tests have been running, and names those that are slow.
    pub(crate) fn tick(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        if matches!(self.display, Display::Json | Display::Quiet) {
            return Ok(());
        }
        self.refresh(report);
        for (id, age) in self.running.borrow_mut().newly_slow(Instant::now()) {
            let text = colour_first_word(&format!("SLOW [> {}s] {id}", age.as_secs()), Paint::Yellow, self.style);
            let before = self.interrupt(report);
            self.around_bar(|| writeln!(out, "{before}{text}"))?;
        }
        out.flush()
    }

    fn refresh(&self, report: &Report) {
        let Display::Bar(bar) = &self.display else { return };
        bar.set_position(report.done() as u64);
        let mut message = counts(report, 0, 0, self.style);
        if let Some(running) = self.running.borrow().shown(Instant::now()) {
            message = format!("{message}  {running}");
        }
        bar.set_message(message);
    }

    /// The text before text of another kind.
    fn interrupt(&self, report: &Report) -> String {
        match &self.display {
            Display::Dots(dots) => {
                let done = Done { count: report.done() - report.hidden, total: report.total };
                dots.borrow_mut().interrupt(done, colour(report, 0))
            }
            _ => String::new(),
        }
    }

    /// Writes while the bar is hidden.
    fn around_bar<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.display {
            Display::Bar(bar) => bar.suspend(write),
            _ => write(),
        }
    }

    /// Shows pytest's report of an exception of a hook, which has ended the session, as pytest does.
    pub(crate) fn show_internal_error(&self, report: &str, out: &mut dyn Write) -> io::Result<()> {
        match &self.display {
            Display::Json | Display::Agent => Ok(()),
            Display::Bar(_) | Display::Lines | Display::Dots(_) | Display::Quiet => {
                self.around_bar(|| report.lines().try_for_each(|line| writeln!(out, "INTERNALERROR> {line}")))
            }
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
            Display::Lines if report.have_run() > 0 => writeln!(out)?,
            // The process of the tests has ended their last line.
            Display::Quiet if report.have_run() > 0 && !self.options.is_quiet() => writeln!(out)?,
            Display::Dots(dots) => {
                let done = Done { count: report.have_run() - report.hidden, total: report.total };
                // A test that ended the session broke off its line.
                let is_broken = report.interrupting().is_some();
                let is_whole = !is_broken && report.have_run() >= report.total;
                let done = Done { count: done.count.max(usize::from(is_broken)), ..done };
                let text = dots.borrow_mut().end(done, is_whole, colour(report, 0));
                write!(out, "{text}")?;
            }
            Display::Lines | Display::Quiet => {}
            Display::Agent => {
                out.write_all(agent::answer::of_command(report).as_bytes())?;
                out.write_all(timings(report, self.style).as_bytes())?;
                return Ok(out.flush()?);
            }
            Display::Json => {
                for error in &report.errors {
                    let message = first_line(&error.message);
                    self.note(&format!("{}:{}: {message}", report.shown(&error.path), error.line));
                }
                if !report.left_out.is_empty() {
                    self.note(&report.left_out);
                }
                return Ok(out.flush()?);
            }
        }
        out.write_all(self.joined_last(report).as_bytes())?;
        out.write_all(summary(report, &self.options, self.style).as_bytes())?;
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

/// Whether it has what only pytest's text needs.
fn has_text(start: &RunStart) -> bool {
    !(start.header.is_empty() && start.on_collected.is_empty() && start.output_options.is_empty())
}

/// pytest's word for the outcome of a subtest.
fn subtest_word(outcome: &str) -> &'static str {
    match outcome {
        "passed" => "SUBPASSED",
        "skipped" => "SUBSKIPPED",
        "xfailed" => "SUBXFAIL",
        _ => "SUBFAILED",
    }
}

/// A test's line, as pytest prints it with `-v`: its id, the word for a status (also with its colors), a reason as far as there is room, and
/// the figure of the run's progress.
fn line(id: &str, name: &str, painted: &str, reason: Option<&str>, part: &str, level: i16, style: Style) -> String {
    let mut text = format!("{id} {name}");
    // pytest leaves the last column free, for terminals that break the line there.
    let room = style.width.saturating_sub(part.len() + 1);
    if let Some(reason) = reason {
        let reason = format!(" ({})", first_line(reason));
        let left = room.saturating_sub(width_of(&text));
        if level > 1 || width_of(&reason) <= left {
            text.push_str(&reason);
        } else if left >= " (...)".len() {
            text.push_str(&console::truncate_str(&reason, left, "...)"));
        }
    }
    let gap = room.saturating_sub(width_of(&text));
    // An id may contain the word.
    let after = text.split_off(id.len() + 1 + name.len());
    let text = format!("{id} {painted}{after}");
    if part.is_empty() { text } else { format!("{text}{}{part}", " ".repeat(gap)) }
}

fn width_of(text: &str) -> usize {
    console::measure_text_width(text)
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
