//! Why a test failed: for each test its last failure only, a few lines of it, and its position.

use std::sync::Arc;

/// Lines of a message that are kept.
const LINES: usize = 8;

/// Bytes of a message that are kept.
const BYTES: usize = 600;

/// Bytes of a source line that are kept.
const SOURCE: usize = 160;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The beginning of its message.
    pub message: Box<str>,
    /// The line that failed.
    pub place: Option<FailedAt>,
}

/// The line that failed, in a form that can be found again in a later version of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedAt {
    /// The file, relative to the root; none for the test's own, in which `line` counts from the test's `def`.
    pub file: Option<Arc<str>>,
    /// The line: in the test's own file the number of lines below its `def`, in another one its number, from 1.
    pub line: i32,
    /// The text of the line, without surrounding blanks.
    pub text: Option<Box<str>>,
}

impl Failure {
    /// Keeps the beginning of a message, and the line that failed.
    #[must_use]
    pub fn new(message: &str, place: Option<FailedAt>) -> Self {
        let end = message.match_indices('\n').nth(LINES - 1).map_or(message.len(), |(at, _)| at);
        let few = message.get(..end).unwrap_or(message);
        let mut kept = beginning(few, BYTES).trim_end().to_owned();
        if kept.len() < message.trim_end().len() {
            kept.push('…');
        }
        let place = place.map(|place| FailedAt { text: place.text.map(|text| FailedAt::kept(&text)), ..place });
        Failure { message: kept.into(), place }
    }
}

impl FailedAt {
    /// A source line in the form in which it is kept.
    #[must_use]
    pub fn kept(line: &str) -> Box<str> {
        beginning(line.trim(), SOURCE).into()
    }
}

/// The longest beginning of a text that fits, in whole characters.
fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v8_a_message_is_kept_in_few_lines_and_bytes() {
        let kept = |message: &str| Failure::new(message, None).message.into_string();
        assert_eq!(kept("assert 1 == 2\n"), "assert 1 == 2");
        let lines = |count: usize| (0..count).map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(kept(&lines(8)), "0\n1\n2\n3\n4\n5\n6\n7");
        assert_eq!(kept(&lines(900)), "0\n1\n2\n3\n4\n5\n6\n7…");
        let wide = kept(&"ü".repeat(10_000));
        assert_eq!((wide.chars().count(), wide.ends_with("ü…")), (301, true));
        assert_eq!(kept(""), "");
    }
}
