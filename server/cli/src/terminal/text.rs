//! Lines that several parts of the summary print.

use pytest_lens_protocol::TestOutcome;

use super::outcome_words::{paint, word};
use crate::results::report::is_failure;
use crate::style::{Paint, Style};

pub(crate) fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// `FAILED id - message`, cut to the width of a terminal.
pub(crate) fn short_line(outcome: &TestOutcome, style: Style) -> String {
    let message = outcome.message.as_deref().unwrap_or_default();
    let own = before_teardown(outcome).and_then(|_| message.rsplit_once(IN_TEARDOWN));
    short_line_of(&outcome.outcome, &outcome.id, own.map_or(message, |(_, rest)| rest.trim_end_matches(')')), style)
}

/// The line of a test that failed before its teardown failed as well.
pub(crate) fn short_line_before(outcome: &TestOutcome, style: Style) -> Option<String> {
    let before = before_teardown(outcome).filter(|before| is_failure(before))?;
    Some(short_line_of(before, &outcome.id, outcome.message.as_deref().unwrap_or_default(), style))
}

/// The worker's words between the message of a call and that of its teardown.
const IN_TEARDOWN: &str = "\n(and in teardown: ";

/// The outcome of a test before its teardown failed.
pub(crate) fn before_teardown(outcome: &TestOutcome) -> Option<&str> {
    outcome.before_teardown.as_deref()
}

fn short_line_of(outcome: &str, id: &str, message: &str, style: Style) -> String {
    let mut short = with_reason(&format!("{} {id}", word(outcome)), first_line(message));
    let least = word(outcome).len() + 1 + console::measure_text_width(id);
    if style.is_terminal && console::measure_text_width(&short) > style.width {
        short = console::truncate_str(&short, style.width.max(least), "...").into_owned();
    }
    colour_first_word(&short, paint(outcome), style)
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

/// `1,204`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 test`, `1,204 tests`.
pub(crate) fn count_of(number: usize, thing: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {thing}{ending}", thousands(number))
}

/// The first line that is not blank.
pub(crate) fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 1_204].map(|number| count_of(number, "test")), ["0 tests", "1 test", "1,204 tests"]);
    }

    #[test]
    fn the_first_line_is_one_that_says_something() {
        assert_eq!(first_line("\n  \n  AssertionError: no\nmore"), "AssertionError: no");
        assert_eq!(first_line(""), "");
    }
}
