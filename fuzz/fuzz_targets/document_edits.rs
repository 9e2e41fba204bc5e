//! Edits of an open document: the text is that of a plain string with the same edits, and all places lie in it.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use lsp_types::{Position, Range};
use pytest_lens_lsp::fuzzing::Editor;

#[derive(Arbitrary, Debug)]
struct Session {
    counts_bytes: bool,
    text: String,
    edits: Vec<Edit>,
}

#[derive(Arbitrary, Debug)]
struct Edit {
    /// Start and end; `None` replaces the whole text.
    range: Option<[(u8, u8); 2]>,
    text: String,
    saves: bool,
}

/// The byte index of a position, counted as the specification says.
fn index(text: &str, position: Position, counts_bytes: bool) -> usize {
    let (mut line, mut column) = (0, 0);
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let is_end = matches!(char, '\r' | '\n');
        if line == position.line && (column >= position.character || is_end) {
            return at;
        }
        column += if counts_bytes { char.len_utf8() as u32 } else { char.len_utf16() as u32 };
        // Within a character: its position.
        if line == position.line && column > position.character {
            return at;
        }
        if char == '\n' || char == '\r' && chars.peek().is_none_or(|(_, next)| *next != '\n') {
            (line, column) = (line + 1, 0);
        }
    }
    text.len()
}

fuzz_target!(|session: Session| {
    let Session { counts_bytes, mut text, edits } = session;
    let mut editor = Editor::open(&text, counts_bytes);
    for edit in edits {
        let at = |(line, character): (u8, u8)| Position { line: line.into(), character: character.into() };
        let range = edit.range.map(|[start, end]| Range { start: at(start), end: at(end) });
        match range {
            Some(range) => {
                let (a, b) = (index(&text, range.start, counts_bytes), index(&text, range.end, counts_bytes));
                text = format!("{}{}{}", &text[..a.min(b)], edit.text, &text[a.max(b)..]);
            }
            None => text.clone_from(&edit.text),
        }
        editor.change(range, edit.text);
        assert_eq!(editor.text(), text);
        let (ranges, _) = editor.places();
        for range in ranges {
            assert!(range.start <= range.end);
        }
        if edit.saves {
            editor.save();
        }
    }
});
