//! pytest's form of progress for pipes and files: a letter for each test, in lines of one file each.

use pytest_lens_protocol::{NodeId, TestOutcome};

use super::figure::{Done, figure, room};
use super::outcome_words::paint;
use super::statuses;
use crate::options::arguments::OutputOptions;
use crate::options::values::Figure;
use crate::style::{Paint, Style};

/// The position on the screen.
#[derive(Debug)]
pub(super) struct Dots {
    style: Style,
    figure: Figure,
    /// The lines begin with the names of their files. Several runners mix the tests of files, so that pytest-xdist shows
    /// none.
    names_files: bool,
    is_quiet: bool,
    /// All subtests have letters, not only those that failed.
    has_subtests: bool,
    file: Option<String>,
    column: usize,
    /// The time that the tests of the present file took, in milliseconds.
    spent_ms: f64,
}

impl Dots {
    pub(super) fn new(style: Style, options: &OutputOptions, several_runners: bool) -> Self {
        Dots {
            style,
            figure: options.figure,
            names_files: options.tests_level() >= 0 && !several_runners,
            is_quiet: options.is_quiet(),
            has_subtests: options.subtests_level() != 0,
            file: None,
            column: 0,
            spent_ms: 0.0,
        }
    }

    /// The text for an outcome. `done`: with it; `main`: the color of the run so far.
    pub(super) fn outcome(&mut self, outcome: &TestOutcome, done: Done, main: Paint) -> String {
        if outcome.outcome == "not_run" {
            return String::new();
        }
        let mut text = String::new();
        let file = NodeId::new(&outcome.id).file();
        if self.names_files && self.file.as_deref() != Some(file) {
            if self.file.is_some() {
                let before = Done { count: done.count.saturating_sub(usize::from(!outcome.will_rerun)), ..done };
                text.push_str(&self.fill(before, main));
                text.push('\n');
            }
            text.push_str(file);
            text.push(' ');
            (self.file, self.column) = (Some(file.to_owned()), console::measure_text_width(file) + 1);
        }
        self.spent_ms += outcome.duration_ms;
        for (index, subtest) in outcome.subtests.iter().enumerate() {
            if statuses::is_of_subtest(outcome, index) {
                continue;
            }
            let letter = match &*subtest.outcome {
                "failed" => "u",
                // As in pytest, `-q` shows them all.
                _ if !self.has_subtests => continue,
                "passed" => "u",
                "xfailed" => "y",
                _ => "-",
            };
            text.push_str(&self.style.paint(paint(&subtest.outcome), letter));
            self.column += 1;
        }
        for status in statuses::statuses(outcome) {
            text.push_str(&status.paint(status.letter, self.style));
            self.column += console::measure_text_width(status.letter);
        }
        let is_last = done.count >= done.total;
        if !is_last
            && self.figure != Figure::None
            && self.column + room(self.figure, done.total) + 1 >= self.style.width
        {
            let shown = if self.figure == Figure::Time { String::new() } else { figure(self.figure, done, 0.0) };
            text.push_str(&self.style.paint(main, &shown));
            text.push('\n');
            self.column = 0;
        }
        text
    }

    /// The figure at the right end of the line.
    fn fill(&mut self, done: Done, main: Paint) -> String {
        let shown = figure(self.figure, done, std::mem::take(&mut self.spent_ms));
        let fill = self.style.width.saturating_sub(self.column + 1);
        self.column = 0;
        if shown.is_empty() { shown } else { self.style.paint(main, &format!("{shown:>fill$}")) }
    }

    /// The line break between the last letter and text of another kind. After the last test, the line ends with the
    /// figure, as it would without that text.
    pub(super) fn interrupt(&mut self, done: Done, main: Paint) -> String {
        self.file = None;
        if self.column == 0 {
            return String::new();
        }
        let is_whole = done.count > 0 && done.count == done.total;
        let figure = if is_whole { self.fill(done, main) } else { String::new() };
        self.column = 0;
        format!("{figure}\n")
    }

    /// Whether a line of other text before a test of this file interrupts no line.
    pub(super) fn is_between(&self, file: &str) -> bool {
        self.column == 0 || self.names_files && self.file.as_deref() != Some(file)
    }

    /// A line of other text, after the end of the line before it. `done`: without tests that follow.
    pub(super) fn line(&mut self, text: &str, done: Done, main: Paint) -> String {
        let before = if self.column > 0 { self.fill(done, main) + "\n" } else { String::new() };
        self.file = None;
        format!("{before}{text}\n")
    }

    /// The end of the last line, and an empty line where pytest has one.
    pub(super) fn end(&mut self, done: Done, is_whole: bool, main: Paint) -> String {
        if done.count == 0 {
            return if self.is_quiet { "\n".to_owned() } else { String::new() };
        }
        if self.column == 0 {
            return if self.names_files { "\n".to_owned() } else { String::new() };
        }
        // A run that ended early has no figure.
        let figure = if is_whole { self.fill(done, main) } else { String::new() };
        format!("{figure}\n{}", if self.names_files { "\n" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text for tests, each a file and an outcome, with 10 ms each.
    fn shown(figure: Figure, names_files: bool, width: usize, tests: &[(&str, &str)]) -> String {
        let mut dots = Dots::new(
            Style { width, ..Style::PLAIN },
            &OutputOptions { figure, ..OutputOptions::default() },
            !names_files,
        );
        let mut text = String::new();
        let total = tests.len();
        for (index, (file, outcome)) in tests.iter().enumerate() {
            let test = TestOutcome {
                id: format!("{file}::test"),
                outcome: (*outcome).to_owned(),
                duration_ms: 10.0,
                ..TestOutcome::default()
            };
            text.push_str(&dots.outcome(&test, Done { count: index + 1, total }, Paint::Green));
        }
        text.push_str(&dots.end(Done { count: total, total }, true, Paint::Green));
        text
    }

    #[test]
    fn lines_are_those_of_pytest_in_each_of_its_styles() {
        let mut tests = vec![("a.py", "passed"); 25];
        tests.extend(["failed", "error", "skipped", "xfailed", "xpassed"].map(|outcome| ("sub/b.py", outcome)));
        insta::assert_snapshot!(shown(Figure::Percent, true, 40, &tests), @r"
        a.py .........................   [ 83%]
        sub/b.py FEsxX                   [100%]
        ");
        insta::assert_snapshot!(shown(Figure::Count, true, 30, &tests), @r"
        a.py ................ [16/30]
        .........             [25/30]
        sub/b.py FEsxX        [30/30]
        ");
        insta::assert_snapshot!(shown(Figure::Time, true, 40, &tests), @r"
        a.py .........................  250.0ms
        sub/b.py FEsxX                  50.00ms
        ");
        insta::assert_snapshot!(shown(Figure::None, true, 40, &tests), @r"
        a.py .........................
        sub/b.py FEsxX
        ");
        insta::assert_snapshot!(shown(Figure::Percent, false, 30, &tests), @r"
        ...................... [ 73%]
        ...FEsxX               [100%]
        ");
    }
}
