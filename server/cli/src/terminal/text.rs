//! Lines that several parts of the summary print.

use pytest_lens_protocol::TestOutcome;

use super::outcome_words::{paint, word};
use crate::style::{Paint, Style};

pub(crate) fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// `FAILED id - message`, cut to the width of a terminal.
pub(crate) fn short_line(outcome: &TestOutcome, style: Style) -> String {
    let message = first_line(outcome.message.as_deref().unwrap_or_default());
    let mut short = with_reason(&format!("{} {}", word(&outcome.outcome), outcome.id), message);
    let least = word(&outcome.outcome).len() + 1 + console::measure_text_width(&outcome.id);
    if style.is_terminal && console::measure_text_width(&short) > style.width {
        short = console::truncate_str(&short, style.width.max(least), "...").into_owned();
    }
    colour_first_word(&short, paint(&outcome.outcome), style)
}

pub(crate) fn colour_first_word(text: &str, paint: Paint, style: Style) -> String {
    match text.split_once(' ') {
        Some((word, rest)) => format!("{} {rest}", style.paint(paint, word)),
        None => text.to_owned(),
    }
}

pub(crate) fn with_reason(text: &str, reason: &str) -> String {
    if reason.is_empty() { text.to_owned() } else { format!("{text} - {reason}") }
}

/// The first line that is not blank.
pub(crate) fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_one_that_says_something() {
        assert_eq!(first_line("\n  \n  AssertionError: no\nmore"), "AssertionError: no");
        assert_eq!(first_line(""), "");
    }
}
