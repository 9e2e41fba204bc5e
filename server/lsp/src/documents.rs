//! Open documents: the live text, what the analysis reads in it, and how its lines have moved since it was saved.

use std::collections::HashMap;

use lsp_types::{Range, TextDocumentContentChangeEvent};
use pytest_lens_analysis::{FileAnalysis, StaticNode, innermost_at};
use ropey::Rope;

use crate::edits::{LineEdit, LineLog};
use crate::encoding::{Encoding, narrow};

/// One open document.
#[derive(Debug)]
pub(crate) struct Document {
    /// The URI in the client's spelling.
    pub(crate) uri: String,
    /// The client's version number.
    pub(crate) version: i32,
    /// The live text.
    pub(crate) text: Rope,
    /// How lines have moved.
    pub(crate) log: LineLog,
    /// There are edits that the disk does not have.
    pub(crate) dirty: bool,
    analysis: FileAnalysis,
    by_id: HashMap<String, usize>,
}

impl Document {
    /// A document as it was opened; [`Document::set_analysis`] must follow.
    pub(crate) fn new(uri: String, version: i32, text: &str) -> Self {
        Document {
            uri,
            version,
            text: Rope::from_str(text),
            log: LineLog::default(),
            dirty: false,
            analysis: FileAnalysis::default(),
            by_id: HashMap::new(),
        }
    }

    /// Takes what was read in the live text.
    pub(crate) fn set_analysis(&mut self, analysis: FileAnalysis) {
        self.by_id = analysis.nodes.iter().enumerate().map(|(index, node)| (node.id_suffix(), index)).collect();
        self.analysis = analysis;
    }

    /// The tests and classes of the live text, in source order.
    pub(crate) fn nodes(&self) -> &[StaticNode] {
        &self.analysis.nodes
    }

    /// The node of an id's part behind the file; a case is found as its function.
    pub(crate) fn node(&self, suffix: &str) -> Option<&StaticNode> {
        let index = self.by_id.get(suffix).or_else(|| {
            let (function, _) = suffix.split_once('[')?;
            self.by_id.get(function)
        })?;
        self.analysis.nodes.get(*index)
    }

    /// The innermost test or class around a line; where it is inherited by several classes, every one of them.
    pub(crate) fn nodes_at(&self, line: u32) -> Vec<&StaticNode> {
        let nodes = self.nodes();
        let Some(found) = innermost_at(nodes, line).and_then(|index| nodes.get(index)) else { return Vec::new() };
        if !found.inherited {
            return vec![found];
        }
        nodes.iter().filter(|node| node.inherited && node.name_span == found.name_span).collect()
    }

    /// Puts one change into the text, and says how it moved lines.
    pub(crate) fn apply(&mut self, change: &TextDocumentContentChangeEvent, encoding: Encoding) -> LineEdit {
        let edit = match change.range {
            Some(range) => self.replace(range, &change.text, encoding),
            None => self.replace_all(&change.text),
        };
        self.dirty = true;
        self.log.push(edit);
        edit
    }

    fn replace(&mut self, range: Range, new: &str, encoding: Encoding) -> LineEdit {
        let a = encoding.char_index(&self.text, range.start);
        let b = encoding.char_index(&self.text, range.end);
        let (from, to) = (a.min(b), a.max(b));
        let (start, end) = (self.text.char_to_line(from), self.text.char_to_line(to));
        let before_end = self.text.slice(self.text.line_to_char(end)..to);
        let moves_last = before_end.chars().all(char::is_whitespace);
        let lines = self.text.len_lines();
        self.text.remove(from..to);
        self.text.insert(from, new);
        // Counted in the text, not in what was put in: a `\n` behind a `\r` is no new line.
        let inserted = (self.text.len_lines() + (end - start)).saturating_sub(lines);
        LineEdit { start: narrow(start), end: narrow(end), inserted: narrow(inserted), moves_last }
    }

    fn replace_all(&mut self, new: &str) -> LineEdit {
        let new = Rope::from_str(new);
        let (before, after) = (self.text.len_lines(), new.len_lines());
        let shorter = before.min(after);
        let head = (0..shorter).take_while(|line| self.text.line(*line) == new.line(*line)).count();
        let tail =
            (1..=shorter - head).take_while(|back| self.text.line(before - back) == new.line(after - back)).count();
        self.text = new;
        LineEdit {
            start: narrow(head),
            end: narrow(before - tail),
            inserted: narrow(after - tail - head),
            moves_last: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use lsp_types::Position;
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document {
        Document::new("file:///t.py".into(), 1, text)
    }

    fn change(range: Option<Range>, text: &str) -> TextDocumentContentChangeEvent {
        TextDocumentContentChangeEvent { range, range_length: None, text: text.into() }
    }

    fn text() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just("\n"),
                Just("\r\n"),
                Just("\r"),
                Just("a"),
                Just("ä"),
                Just("😀"),
                Just("    "),
                Just("x")
            ],
            0..24,
        )
        .prop_map(|parts| parts.concat())
    }

    /// The text after the edit, by counting through a plain string as the specification says.
    fn edited(text: &str, range: Range, new: &str, encoding: Encoding) -> String {
        let index = |position: Position| {
            let mut line = 0;
            let mut column = 0;
            let mut chars = text.char_indices().peekable();
            while let Some((at, char)) = chars.next() {
                let ends = match char {
                    '\n' => true,
                    '\r' => chars.peek().is_none_or(|(_, next)| *next != '\n'),
                    _ => false,
                };
                let starts_end = char == '\r' || char == '\n';
                if line == position.line && (column >= position.character || starts_end) {
                    return at;
                }
                column += match encoding {
                    Encoding::Utf8 => char.len_utf8() as u32,
                    Encoding::Utf16 => char.len_utf16() as u32,
                };
                // Within a surrogate pair or a multi-byte character: the character that it lies in.
                if line == position.line && column > position.character {
                    return at;
                }
                if ends {
                    line += 1;
                    column = 0;
                }
            }
            text.len()
        };
        let (a, b) = (index(range.start), index(range.end));
        format!("{}{new}{}", &text[..a.min(b)], &text[a.max(b)..])
    }

    proptest! {
        #[test]
        fn incremental_edits_give_the_text_of_a_full_sync(
            first in text(),
            edits in proptest::collection::vec((0u32..8, 0u32..8, 0u32..8, 0u32..8, text()), 1..12),
            utf8 in any::<bool>(),
        ) {
            let encoding = if utf8 { Encoding::Utf8 } else { Encoding::Utf16 };
            let mut live = document(&first);
            let mut plain = first;
            for (line, character, to_line, to_character, new) in edits {
                let range = Range {
                    start: Position { line, character },
                    end: Position { line: to_line, character: to_character },
                };
                plain = edited(&plain, range, &new, encoding);
                live.apply(&change(Some(range), &new), encoding);
                prop_assert_eq!(live.text.to_string(), plain.clone());
            }
            let mut synced = document("");
            synced.apply(&change(None, &plain), encoding);
            prop_assert_eq!(synced.text.to_string(), plain);
        }

        #[test]
        fn lines_outside_of_an_edit_keep_their_text(
            lines in proptest::collection::vec("[a-z]{1,6}", 3..12),
            from in (0usize..12, 0u32..8),
            to in (0usize..12, 0u32..8),
            new in "[A-Z\n]{0,8}",
            full in any::<bool>(),
        ) {
            // Each line is unlike all others, so that a full sync has only one reading.
            let lines: Vec<String> = lines.iter().enumerate().map(|(at, line)| format!("{line}{at}")).collect();
            let text = lines.join("\n");
            let mut live = document(&text);
            let clamp = |(line, column): (usize, u32)| Position {
                line: narrow(line.min(lines.len() - 1)),
                character: column,
            };
            let (a, b) = (clamp(from), clamp(to));
            let range = Range { start: a.min(b), end: a.max(b) };
            let edit = if full {
                let new = edited(&text, range, &new, Encoding::Utf16);
                live.apply(&change(None, &new), Encoding::Utf16)
            } else {
                live.apply(&change(Some(range), &new), Encoding::Utf16)
            };
            for (line, before) in lines.iter().enumerate() {
                let line = narrow(line);
                let outside = line < range.start.line || line > range.end.line;
                if outside {
                    let after = live.text.line(edit.map(line) as usize).to_string();
                    prop_assert_eq!(after.trim_end_matches('\n'), before.as_str());
                }
            }
        }
    }

    #[test]
    fn a_line_broken_before_its_content_moves_with_it() {
        let mut live = document("def test():\n    assert 0\n");
        let at = Position { line: 1, character: 2 };
        let edit = live.apply(&change(Some(Range { start: at, end: at }), "x = 1\n"), Encoding::Utf16);
        assert_eq!(edit.map(1), 2);
        let at = Position { line: 2, character: 10 };
        let edit = live.apply(&change(Some(Range { start: at, end: at }), "\n"), Encoding::Utf16);
        assert_eq!(edit.map(2), 2);
    }
}
