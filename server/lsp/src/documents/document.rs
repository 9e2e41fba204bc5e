//! Open documents: the live text that the client keeps in sync.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use lsp_types::{Range, TextDocumentContentChangeEvent};
use pytest_lens_analysis::StaticNode;
use ropey::Rope;

use crate::documents::encoding::Encoding;
use crate::documents::text::{Reader, Text};

/// Open documents, by path.
pub(crate) type Documents = HashMap<PathBuf, Document>;

/// One open document.
#[derive(Debug)]
pub(crate) struct Document {
    /// The URI in the client's spelling.
    pub(crate) uri: String,
    /// The client's version number.
    pub(crate) version: i32,
    /// The live text.
    pub(crate) text: Text,
    /// The text has edits that are not on disk, as far as is known.
    pub(crate) dirty: bool,
    /// The text as the client opened or last saved it; used if the disk can't be read.
    pub(crate) saved: Arc<Text>,
    /// The last text that pytest collected.
    pub(crate) collected: Option<Arc<Text>>,
}

impl Document {
    /// Creates a document that was opened.
    pub(crate) fn new(uri: String, version: i32, text: &str, reader: Reader) -> Self {
        let rope = Rope::from_str(text);
        let saved = Arc::new(Text::new(rope.clone(), reader.clone()));
        Document { uri, version, text: Text::new(rope, reader), dirty: false, saved, collected: None }
    }

    /// The disk now holds the live text.
    pub(crate) fn save(&mut self) {
        self.saved = Arc::new(self.text.copy());
        self.dirty = false;
    }

    /// The tests and classes of the live text, in source order.
    pub(crate) fn nodes(&self) -> &[StaticNode] {
        self.text.nodes()
    }

    /// Applies one change to the text; returns whether it replaces lines, in which case an editor's marks on them may
    /// have moved anywhere.
    pub(crate) fn apply(&mut self, change: &TextDocumentContentChangeEvent, encoding: Encoding) -> bool {
        self.dirty = true;
        let new = change.text.as_str();
        match change.range {
            Some(range) => {
                self.text.edit(|text| replace(text, range, new, encoding));
                range.start.line != range.end.line
            }
            None => {
                self.text.edit(|text| *text = Rope::from_str(new));
                true
            }
        }
    }
}

fn replace(text: &mut Rope, range: Range, new: &str, encoding: Encoding) {
    let a = encoding.char_index(text, range.start);
    let b = encoding.char_index(text, range.end);
    let (from, to) = (a.min(b), a.max(b));
    text.remove(from..to);
    text.insert(from, new);
}

#[cfg(test)]
mod tests {
    use lsp_types::Position;
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document {
        Document::new("file:///t.py".into(), 1, text, Reader::default())
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

    /// The text after the edit, computed by counting through a plain string as the specification says.
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
                // Within a surrogate pair or a multi-byte character: the position of that character.
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
    }
}
