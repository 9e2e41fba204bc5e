//! Lines that several parts of the summary print.

use pytest_lens_protocol::TestOutcome;

use super::entries::Entry;
use super::outcome_words::word;
use crate::options::arguments::OutputOptions;
use crate::style::{Paint, Style};

pub(crate) fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// `FAILED id - message`. On a terminal the message has the rest of the row; people copy the id, so it is never cut.
pub(super) fn short_line(entry: &Entry<'_>, options: &OutputOptions, style: Style) -> String {
    let outcome = entry.outcome;
    let name = match entry.subtest {
        _ if entry.status.is_some() => entry.status.as_ref().map_or_else(String::new, |status| status.word.to_owned()),
        Some(index) => {
            let label = outcome.subtests.get(index).map(|subtest| &*subtest.label).unwrap_or_default();
            format!("SUBFAILED{label}")
        }
        None if outcome.failed_reports.is_empty() => word(&outcome.outcome).to_owned(),
        None => word(if entry.is_error { "error" } else { "failed" }).to_owned(),
    };
    let test = format!("{name} {}", outcome.id);
    let message = entry.message.unwrap_or_default();
    let is_whole = options.has_whole_messages();
    let mut short = with_reason(&test, if is_whole { message.trim_end() } else { first_line(message) });
    if !is_whole && style.is_terminal && console::measure_text_width(&short) > style.width {
        let has_room = console::measure_text_width(&test) + " - ...".len() <= style.width;
        short = if has_room { console::truncate_str(&short, style.width, "...").into_owned() } else { test };
    }
    let painted = entry.status.as_ref().map_or_else(|| style.paint(Paint::Red, &name), |it| it.paint(&name, style));
    format!("{painted}{}", &short[name.len()..])
}

/// The outcome of a test before its teardown failed.
pub(crate) fn before_teardown(outcome: &TestOutcome) -> Option<&str> {
    outcome.before_teardown.as_deref()
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
