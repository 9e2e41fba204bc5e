//! The language server's readers of input, for the fuzz targets in `fuzz/` alone.

use std::path::PathBuf;
use std::sync::Arc;

use lsp_types::{Range, TextDocumentContentChangeEvent};
use pytest_lens_analysis::PytestSettings;

use crate::documents::document::Document;
use crate::documents::encoding::{Encoding, narrow};
use crate::documents::text::{Reader, Text};
use crate::transport::dispatch;

/// Reads a client's bytes, which arrive in pieces of this length; returns the number of messages.
pub fn client_input(bytes: &[u8], piece: usize) -> usize {
    dispatch::count_messages(bytes, piece)
}

/// An open document of a client, as `textDocument/didChange` edits it.
pub struct Editor {
    document: Document,
    encoding: Encoding,
}

impl Editor {
    /// Opens a test file in a client whose positions count bytes or UTF-16 code units.
    #[must_use]
    pub fn open(text: &str, counts_bytes: bool) -> Self {
        let file = Some((PathBuf::from("/r/test_a.py"), Arc::new(PytestSettings::default())));
        let document = Document::new("file:///r/test_a.py".into(), 1, text, Reader { file, is_known: true });
        Editor { document, encoding: if counts_bytes { Encoding::Utf8 } else { Encoding::Utf16 } }
    }

    /// Applies a change: of the range, or of the whole text.
    pub fn change(&mut self, range: Option<Range>, text: String) {
        let change = TextDocumentContentChangeEvent { range, range_length: None, text };
        self.document.apply(&change, self.encoding);
    }

    /// The live text.
    #[must_use]
    pub fn text(&self) -> String {
        self.document.text.to_string()
    }

    /// Saves the document.
    pub fn save(&mut self) {
        self.document.save();
    }

    /// The ranges of the tests, as lenses have them, and the present places of all saved lines.
    #[must_use]
    pub fn places(&self) -> (Vec<Range>, usize) {
        let (text, saved): (&Text, &Arc<Text>) = (&self.document.text, &self.document.saved);
        let ranges = text.nodes().iter().flat_map(|node| [node.name_span, node.full_span]);
        let ranges = ranges.map(|span| self.encoding.range(text, span)).collect();
        for node in saved.nodes() {
            let _ = text.spot_within(saved, &node.id_suffix(), node.full_span.start.line);
        }
        let lines = saved.len_lines();
        for line in 0..lines {
            let _ = (text.spot(saved, narrow(line)), self.encoding.line(text, narrow(line)));
        }
        (ranges, lines)
    }
}
