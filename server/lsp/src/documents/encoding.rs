//! Converts positions between LSP's negotiated encoding, ropey's chars and the UTF-8 bytes of the analysis.

use lsp_types::{Position, PositionEncodingKind, Range};
use pytest_lens_analysis::{Pos, Span};
use ropey::{Rope, RopeSlice};

/// The unit of `Position.character`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    /// Bytes of UTF-8.
    Utf8,
    /// Code units of UTF-16, which every client supports.
    #[default]
    Utf16,
}

impl Encoding {
    /// utf-8 if the client offers it (which needs no conversion), otherwise utf-16.
    pub(crate) fn negotiate(offered: Option<&[PositionEncodingKind]>) -> Self {
        match offered {
            Some(kinds) if kinds.contains(&PositionEncodingKind::UTF8) => Encoding::Utf8,
            _ => Encoding::Utf16,
        }
    }

    /// The name for the client.
    pub(crate) fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
        }
    }

    /// The char index of a position; a position after the end of a line or of the text is that end, as LSP specifies.
    pub(crate) fn char_index(self, text: &Rope, position: Position) -> usize {
        let line = position.line as usize;
        if line >= text.len_lines() {
            return text.len_chars();
        }
        let slice = content(text.line(line));
        let wanted = position.character as usize;
        let inner = match self {
            Encoding::Utf8 => slice.byte_to_char(wanted.min(slice.len_bytes())),
            Encoding::Utf16 => slice.utf16_cu_to_char(wanted.min(slice.len_utf16_cu())),
        };
        text.line_to_char(line) + inner
    }

    /// The position of a UTF-8 byte column of a line.
    pub(crate) fn position(self, text: &Rope, pos: Pos) -> Position {
        let line = pos.line as usize;
        if line >= text.len_lines() {
            return self.end(text);
        }
        let slice = content(text.line(line));
        let byte = (pos.col as usize).min(slice.len_bytes());
        let character = match self {
            Encoding::Utf8 => byte,
            Encoding::Utf16 => slice.char_to_utf16_cu(slice.byte_to_char(byte)),
        };
        Position { line: pos.line, character: narrow(character) }
    }

    /// The range of an analysis' span.
    pub(crate) fn range(self, text: &Rope, span: Span) -> Range {
        Range { start: self.position(text, span.start), end: self.position(text, span.end) }
    }

    /// The range of a line without its indentation and its end; the last line for one after the end.
    pub(crate) fn line(self, text: &Rope, line: u32) -> Range {
        let line = line.min(narrow(text.len_lines().saturating_sub(1)));
        let slice = content(text.line(line as usize));
        let start = slice.chars().take_while(|char| char.is_whitespace()).map(char::len_utf8).sum::<usize>();
        let end = slice.len_bytes();
        let start = if start >= end { 0 } else { start };
        self.range(text, Span { start: Pos { line, col: narrow(start) }, end: Pos { line, col: narrow(end) } })
    }

    fn end(self, text: &Rope) -> Position {
        let line = narrow(text.len_lines().saturating_sub(1));
        self.position(text, Pos { line, col: u32::MAX })
    }
}

/// A line without its line ending.
pub(crate) fn content(line: RopeSlice<'_>) -> RopeSlice<'_> {
    let mut end = line.len_chars();
    while end > 0 && matches!(line.char(end - 1), '\n' | '\r') {
        end -= 1;
    }
    line.slice(..end)
}

/// Lines and columns are `u32` in LSP; larger values saturate.
pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn astral_characters_count_as_their_encoding_says() {
        let text = Rope::from_str("a\n😀b = 1\r\nc");
        assert_eq!(Encoding::Utf16.char_index(&text, at(1, 2)), 3);
        assert_eq!(Encoding::Utf8.char_index(&text, at(1, 4)), 3);
        assert_eq!(Encoding::Utf16.position(&text, Pos { line: 1, col: 4 }), at(1, 2));
        assert_eq!(Encoding::Utf8.position(&text, Pos { line: 1, col: 4 }), at(1, 4));
    }

    #[test]
    fn beyond_the_end_is_the_end() {
        let text = Rope::from_str("ab\r\nc");
        assert_eq!(Encoding::Utf16.char_index(&text, at(0, 99)), 2);
        assert_eq!(Encoding::Utf16.char_index(&text, at(99, 0)), 5);
        assert_eq!(Encoding::Utf16.position(&text, Pos { line: 9, col: 9 }), at(1, 1));
    }

    #[test]
    fn lines_end_as_in_lsp_and_nowhere_else() {
        let text = Rope::from_str("a\u{c}b\u{2028}c\rd");
        assert_eq!(text.len_lines(), 2);
        assert_eq!(Encoding::Utf16.char_index(&text, at(1, 0)), 6);
    }

    #[test]
    fn a_line_is_without_its_indentation() {
        let text = Rope::from_str("    x = 1\n   \n");
        assert_eq!(Encoding::Utf16.line(&text, 0), Range { start: at(0, 4), end: at(0, 9) });
        assert_eq!(Encoding::Utf16.line(&text, 1), Range { start: at(1, 0), end: at(1, 3) });
        assert_eq!(Encoding::Utf16.line(&text, 7), Range { start: at(2, 0), end: at(2, 0) });
    }

    #[test]
    fn utf8_where_offered() {
        let both = [PositionEncodingKind::UTF16, PositionEncodingKind::UTF8];
        assert_eq!(Encoding::negotiate(Some(&both)), Encoding::Utf8);
        assert_eq!(Encoding::negotiate(Some(&[PositionEncodingKind::UTF32])), Encoding::Utf16);
        assert_eq!(Encoding::negotiate(None), Encoding::Utf16);
    }
}
