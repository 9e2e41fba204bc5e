//! `textDocument/hover` on a test's definition: its last outcome, duration, flakiness and markers.

use crate::session::handlers::ReadRequest;
use lsp_types::HoverParams;
use lsp_types::request::HoverRequest;
use std::fmt::Write;
use std::path::Path;

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Position};

use crate::session::state::State;
use crate::workspaces::outcome::{duration, is_failure, sign, words};
use crate::workspaces::runnables::Runnable;
use crate::workspaces::summary::Summary;
use crate::workspaces::workspace::Workspace;

impl ReadRequest for HoverRequest {
    fn answer(state: &State, params: HoverParams) -> Option<Hover> {
        let at = params.text_document_position_params;
        state.hover(&state.key_of(at.text_document.uri.as_str())?, at.position)
    }
}

/// The most failing cases that are listed.
const CASES: usize = 5;

impl State {
    /// The hover for the test whose name, or `def` line, is at a position.
    fn hover(&self, path: &Path, position: Position) -> Option<Hover> {
        let (document, workspace) = self.document(path)?;
        let runnables = self.positions(workspace).runnables(path, &document.text);
        let on_line = runnables.iter().filter(|runnable| runnable.name_span.start.line == position.line);
        let runnable = on_line.min_by_key(|runnable| runnable.shared)?;
        let value = text(workspace, &runnable.id, runnable);
        Some(Hover {
            contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value }),
            range: Some(self.encoding.range(&document.text, runnable.name_span)),
        })
    }
}

fn text(workspace: &Workspace, id: &str, runnable: &Runnable) -> String {
    let view = &workspace.view;
    let mut lines = vec![format!("**{}**", escape(&runnable.name))];
    match Summary::of(view, id) {
        _ if view.is_running(id) => lines.push("⟳ running".into()),
        Some(summary) => {
            lines.push(summary.text());
            if summary.stale > 0 {
                lines.push("stale: a file or setting that it depends on has changed since; run it again".into());
            }
        }
        None => lines.push("not run yet".into()),
    }
    let failures: Vec<_> = view.results_within(id).filter(|result| is_failure(&result.outcome)).collect();
    for result in failures.iter().take(CASES) {
        let name = result.id.strip_prefix(id).unwrap_or(&result.id).trim_start_matches("::");
        let message = result.message.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
        let name = if name.is_empty() { String::new() } else { format!("{} ", code(name)) };
        lines.push(format!("{} {name}{}: {}", sign(&result.outcome), words(&result.outcome), code(message)));
    }
    if failures.len() > CASES {
        lines.push(format!("… and {} more", failures.len() - CASES));
    }
    if failures.is_empty()
        && let Some(reason) = view.result(id).and_then(|result| result.message.as_deref())
    {
        lines.push(code(reason.lines().next().unwrap_or_default()));
    }
    let hints: Vec<_> = view.hints_within(id).filter(|hint| hint.evidence.is_some() || hint.is_flaky).collect();
    for hint in hints.iter().take(CASES) {
        let verdict = if hint.is_flaky { "flaky" } else { "unstable" };
        let mut line = format!(
            "{verdict}: failed in {:.0} % of {} runs, {} flips",
            hint.failure_rate * 100.0,
            hint.total_runs,
            hint.flips
        );
        if !hint.recent_outcomes.is_empty() {
            let recent: String = hint.recent_outcomes.iter().map(|outcome| sign(outcome)).collect();
            let _ = write!(line, ", last {recent}");
        }
        lines.push(line);
    }
    let item = view.item(id).filter(|item| !item.provisional);
    let markers = item.map_or(&runnable.markers, |item| &item.markers);
    if !markers.is_empty() {
        let markers: Vec<String> = markers.iter().map(|marker| code(marker)).collect();
        lines.push(format!("markers: {}", markers.join(", ")));
    }
    if let Some(cases) = item.map_or(runnable.case_count, |item| item.case_count) {
        lines.push(format!("{cases} cases"));
    }
    if let Some(longest) = longest_case(workspace, id) {
        lines.push(longest);
    }
    lines.join("\n\n")
}

/// Of several tests, the slowest.
fn longest_case(workspace: &Workspace, id: &str) -> Option<String> {
    let results: Vec<_> = workspace.view.results_within(id).collect();
    if results.len() < 2 {
        return None;
    }
    let longest = results.iter().max_by(|a, b| a.duration_ms.total_cmp(&b.duration_ms))?;
    let name = longest.id.strip_prefix(id).unwrap_or(&longest.id).trim_start_matches("::");
    Some(format!("longest: {} {}", code(name), duration(longest.duration_ms)))
}

fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// A name as Markdown: underscores between letters are no markup, and clients without Markdown show the text as it is.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    let mut before = None;
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_letter = |other: Option<char>| other.is_some_and(|other| other.is_alphanumeric() || other == '_');
        let is_inside = is_letter(before) && is_letter(letters.peek().copied());
        if letter == '*' || (letter == '_' && !is_inside) {
            escaped.push('\\');
        }
        escaped.push(letter);
        before = Some(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_well_with_and_without_markdown() {
        let all = ["test_a_b", "Test*", "m.__init__", "test_"].map(escape);
        assert_eq!(all, ["test_a_b", "Test\\*", r"m.\__init_\_", r"test\_"]);
    }
}
