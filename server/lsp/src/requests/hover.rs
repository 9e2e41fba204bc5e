//! `textDocument/hover` on a test's definition: its last outcome, duration, flakiness and markers.

use crate::session::handlers::ReadRequest;
use lsp_types::HoverParams;
use lsp_types::request::HoverRequest;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use lsp_types::{Hover, HoverContents, MarkupContent, MarkupKind, Position};
use pytest_lens_protocol::{NodeId, TestOutcome};

use crate::session::state::State;
use crate::workspaces::outcome::{duration, is_failure, sign, words};
use crate::workspaces::runnables::{Runnable, by_line};
use crate::workspaces::summary::{Summary, hints_of, results_of};
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
        let on_line = by_line(&runnables).remove(&position.line)?;
        let runnable = *on_line.first()?;
        let value = text(workspace, &on_line);
        Some(Hover {
            contents: HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value }),
            range: Some(self.encoding.range(&document.text, runnable.name_span)),
        })
    }
}

/// The text for all tests of a line.
fn text(workspace: &Workspace, on_line: &[&Runnable]) -> String {
    let view = &workspace.view;
    let ids: Vec<String> = on_line.iter().map(|runnable| runnable.id.clone()).collect();
    let mut lines = vec![title(on_line)];
    match Summary::of(view, &ids) {
        _ if ids.iter().any(|id| view.is_running(id)) => lines.push("⟳ running".into()),
        Some(summary) => {
            lines.push(summary.text());
            if summary.stale > 0 {
                lines.push("stale: a file or setting that it depends on has changed since; run it again".into());
            }
        }
        None => lines.push("not run yet".into()),
    }
    let results = results_of(view, &ids);
    let failures: Vec<_> = results.iter().filter(|result| is_failure(&result.outcome)).collect();
    for result in failures.iter().take(CASES) {
        let name = name_within(&ids, &result.id);
        let message = result.message.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
        let name = if name.is_empty() { String::new() } else { format!("{} ", code(name)) };
        lines.push(format!("{} {name}{}: {}", sign(&result.outcome), words(&result.outcome), code(message)));
    }
    if failures.len() > CASES {
        lines.push(format!("… and {} more", failures.len() - CASES));
    }
    if failures.is_empty()
        && let [id] = ids.as_slice()
        && let Some(reason) = view.result(id).and_then(|result| result.message.as_deref())
    {
        lines.push(code(reason.lines().next().unwrap_or_default()));
    }
    let hints = hints_of(view, &ids).into_iter().filter(|hint| hint.evidence.is_some() || hint.is_flaky);
    for hint in hints.take(CASES) {
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
    let item = |runnable: &Runnable| view.item(&runnable.id).filter(|item| !item.provisional);
    let of_each = on_line.iter().map(|runnable| item(runnable).map_or(&runnable.markers, |item| &item.markers));
    let mut markers: Vec<String> = Vec::new();
    for marker in of_each.flatten().map(|marker| code(marker)) {
        if !markers.contains(&marker) {
            markers.push(marker);
        }
    }
    if !markers.is_empty() {
        lines.push(format!("markers: {}", markers.join(", ")));
    }
    if let [runnable] = on_line
        && let Some(cases) = item(runnable).map_or(runnable.case_count, |item| item.case_count)
    {
        lines.push(format!("{cases} cases"));
    }
    lines.extend(longest_case(&ids, &results));
    lines.join("\n\n")
}

/// The names of the tests of a line, each once: a method that several classes inherit has one.
fn title(on_line: &[&Runnable]) -> String {
    let names: BTreeSet<&str> = on_line.iter().map(|runnable| runnable.name.as_str()).collect();
    let more = if names.len() > CASES { ", …" } else { "" };
    let named: Vec<String> = names.into_iter().take(CASES).map(|name| format!("**{}**", escape(name))).collect();
    format!("{}{more}", named.join(", "))
}

/// The name of a test as the text for these items lists it: the part that differs.
fn name_within<'a>(ids: &[String], test: &'a str) -> &'a str {
    match ids {
        [id] => test.strip_prefix(id.as_str()).unwrap_or(test).trim_start_matches("::"),
        _ => NodeId::new(test).names().unwrap_or(test),
    }
}

/// Of several tests, the slowest.
fn longest_case(ids: &[String], results: &[&TestOutcome]) -> Option<String> {
    if results.len() < 2 {
        return None;
    }
    let longest = results.iter().max_by(|a, b| a.duration_ms.total_cmp(&b.duration_ms))?;
    Some(format!("longest: {} {}", code(name_within(ids, &longest.id)), duration(longest.duration_ms)))
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
