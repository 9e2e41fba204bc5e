//! Inlay hints: the last duration behind each test, off by default.

use std::path::Path;

use lsp_types::{InlayHint, InlayHintLabel, Range};

use crate::outcome::{Summary, duration};
use crate::state::State;

impl State {
    /// The hints of a part of a document.
    pub(crate) fn inlay_hints(&self, path: &Path, within: Range) -> Vec<InlayHint> {
        let Some((document, workspace)) = self.document(path) else { return Vec::new() };
        let Some(file) = workspace.relative(path).filter(|_| workspace.settings.inlay_hints.enable) else {
            return Vec::new();
        };
        let lines = within.start.line..=within.end.line;
        let shown =
            document.nodes().iter().filter(|node| !node.inherited && lines.contains(&node.name_span.start.line));
        let hint = |node: &pytest_lens_analysis::StaticNode| {
            let summary = Summary::of(&workspace.view, &format!("{file}::{}", node.id_suffix()))?;
            Some(InlayHint {
                position: self.encoding.line(&document.text, node.name_span.start.line).end,
                label: InlayHintLabel::String(duration(summary.duration_ms)),
                kind: None,
                text_edits: None,
                tooltip: None,
                padding_left: Some(true),
                padding_right: None,
                data: None,
            })
        };
        shown.filter_map(hint).collect()
    }
}
