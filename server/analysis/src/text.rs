//! Converts byte offsets to lines and columns, with the line ends that LSP and Python agree on.

use ruff_text_size::{TextRange, TextSize};

use crate::model::{Pos, Span};

/// The offsets at which the lines of a text start.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<u32>,
}

impl<'a> Lines<'a> {
    /// Indexes a text; the parser bounds its length to what fits 32 bits.
    pub(crate) fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = Vec::with_capacity(bytes.len() / 32 + 1);
        starts.push(0);
        for (at, byte) in bytes.iter().enumerate() {
            let ends = match byte {
                b'\n' => true,
                b'\r' => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends {
                starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
            }
        }
        Self { text, starts }
    }

    /// The text that was indexed.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// The text of a range; empty if the range is not one of this text.
    pub(crate) fn slice(&self, range: TextRange) -> &'a str {
        self.text.get(range.start().to_usize()..range.end().to_usize()).unwrap_or("")
    }

    /// The 0-based line and column of an offset.
    pub(crate) fn pos(&self, offset: TextSize) -> Pos {
        let offset = offset.to_u32();
        let line = self.starts.partition_point(|&start| start <= offset).saturating_sub(1);
        Pos { line: u32::try_from(line).unwrap_or(u32::MAX), col: offset - self.starts[line] }
    }

    /// Both ends of a range.
    pub(crate) fn span(&self, range: TextRange) -> Span {
        Span { start: self.pos(range.start()), end: self.pos(range.end()) }
    }

    /// The 1-based line of an offset.
    pub(crate) fn line1(&self, offset: TextSize) -> u32 {
        self.pos(offset).line + 1
    }
}

/// The offset of the `def` or `class` keyword before a name that starts at `name`.
///
/// Only blanks and continued lines may stand between the two, so the text is read backwards.
pub(crate) fn keyword_before(text: &str, name: TextSize, keyword: &str) -> TextSize {
    let before = text.get(..name.to_usize()).unwrap_or("");
    let head = before.trim_end_matches(|c: char| c.is_whitespace() || c == '\\');
    match head.strip_suffix(keyword) {
        Some(rest) => TextSize::try_from(rest.len()).unwrap_or(name),
        None => name,
    }
}
