//! `textDocument/inlayHint`: the last duration after each test's name; off by default.

use crate::session::handlers::ReadRequest;
use lsp_types::InlayHintParams;
use lsp_types::request::InlayHintRequest;
use std::path::Path;

use lsp_types::{InlayHint, InlayHintLabel, Range};

use crate::session::state::State;
use crate::workspaces::outcome::duration;
use crate::workspaces::runnables::Runnable;
use crate::workspaces::summary::Summary;

impl ReadRequest for InlayHintRequest {
    fn answer(state: &State, params: InlayHintParams) -> Option<Vec<InlayHint>> {
        Some(state.inlay_hints(&state.key_of(params.text_document.uri.as_str())?, params.range))
    }
}

impl State {
    /// The hints in a range of a document.
    fn inlay_hints(&self, path: &Path, within: Range) -> Vec<InlayHint> {
        let Some((document, workspace)) = self.document(path) else { return Vec::new() };
        if !workspace.settings.inlay_hints.enable {
            return Vec::new();
        }
        let lines = within.start.line..=within.end.line;
        let runnables = self.positions(workspace).runnables(path, &document.text);
        let shown =
            runnables.iter().filter(|runnable| !runnable.shared && lines.contains(&runnable.name_span.start.line));
        let hint = |runnable: &Runnable| {
            let summary = Summary::of(&workspace.view, [&runnable.id])?;
            Some(InlayHint {
                position: self.encoding.line(&document.text, runnable.name_span.start.line).end,
                label: InlayHintLabel::String(label(&summary)),
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

/// The duration, and whether the outcomes are stale.
fn label(summary: &Summary) -> String {
    let stale = summary.stale_text().map(|text| format!(" · {text}")).unwrap_or_default();
    format!("{}{stale}", duration(summary.duration_ms))
}
