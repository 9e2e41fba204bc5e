//! `textDocument/codeLens`: run, debug and the last outcome above each test and class. Uses local state only.

use crate::session::handlers::ReadRequest;
use lsp_types::CodeLensParams;
use lsp_types::request::CodeLensRequest;
use std::path::Path;

use lsp_types::{CodeLens, Command, Position, Range};
use pytest_lens_analysis::NodeKind;
use serde_json::json;

use crate::commands;
use crate::session::state::State;
use crate::workspaces::runnables::{Runnable, by_line};
use crate::workspaces::summary::{Summary, flakiness};
use crate::workspaces::workspace::Workspace;

impl ReadRequest for CodeLensRequest {
    fn answer(state: &State, params: CodeLensParams) -> Option<Vec<CodeLens>> {
        Some(state.lenses(&state.key_of(params.text_document.uri.as_str())?))
    }
}

impl State {
    /// The lenses of a document.
    fn lenses(&self, path: &Path) -> Vec<CodeLens> {
        let Some((document, workspace)) = self.document(path) else { return Vec::new() };
        if !workspace.settings.code_lens.enable {
            return Vec::new();
        }
        let mut lenses = Vec::new();
        let runnables = self.positions(workspace).runnables(path, &document.text);
        for runnables in by_line(&runnables).into_values() {
            let Some(first) = runnables.first() else { continue };
            let mut range = line_range(self.encoding.position(&document.text, first.name_span.start));
            if self.features.lenses_above {
                // A client that draws lenses above their line would put this one between decorators and their function.
                range.start.line = range.start.line.min(first.first_line.saturating_sub(1));
                range.end.line = range.start.line;
            }
            let ids: Vec<String> = runnables.iter().map(|runnable| runnable.id.clone()).collect();
            let lens = |command| CodeLens { range, command: Some(command), data: None };
            lenses.push(lens(run_command(workspace, &ids, &run_title(workspace, &ids, first))));
            lenses.push(lens(debug_command(workspace, &ids, "Debug")));
            lenses.extend(outcome_command(workspace, &ids).map(lens));
        }
        lenses
    }
}

/// A lens belongs to a line; the start of the line is enough.
fn line_range(at: Position) -> Range {
    let start = Position { line: at.line, character: 0 };
    Range { start, end: start }
}

fn run_title(workspace: &Workspace, ids: &[String], runnable: &Runnable) -> String {
    let collected = match ids {
        [id] => workspace.view.item(id).filter(|item| !item.provisional),
        _ => None,
    };
    let cases = match collected {
        Some(item) => item.case_count,
        None => runnable.case_count,
    };
    match cases {
        Some(1) => "▶ Run (1 case)".into(),
        Some(cases) => format!("▶ Run ({cases} cases)"),
        None if runnable.kind == NodeKind::Function && runnable.parametrized => "▶ Run (parametrized)".into(),
        None => "▶ Run".into(),
    }
}

/// The command that runs these ids.
pub(crate) fn run_command(workspace: &Workspace, ids: &[String], title: &str) -> Command {
    selection_command(commands::RUN, workspace, ids, title)
}

/// The command that debugs these ids.
pub(crate) fn debug_command(workspace: &Workspace, ids: &[String], title: &str) -> Command {
    selection_command(commands::DEBUG, workspace, ids, title)
}

fn selection_command(command: &str, workspace: &Workspace, ids: &[String], title: &str) -> Command {
    let argument = json!({ "ids": ids, "workspace": workspace.uri });
    Command { title: title.into(), command: command.into(), arguments: Some(vec![argument]) }
}

/// The last outcome; selecting it shows the output.
fn outcome_command(workspace: &Workspace, ids: &[String]) -> Option<Command> {
    let view = &workspace.view;
    let summary = Summary::of(view, ids);
    let running = ids.iter().any(|id| view.is_running(id));
    let title = match (&summary, running) {
        (_, true) => String::from("⟳ running"),
        (Some(summary), false) => summary.text(),
        (None, false) => return None,
    };
    let flaky = flakiness(view, ids);
    let title = flaky.map_or_else(|| title.clone(), |flaky| format!("{title} · {flaky}"));
    let id = summary.map_or_else(|| ids.first().cloned().unwrap_or_default(), |summary| summary.example);
    let argument = json!({ "id": id, "workspace": workspace.uri });
    Some(Command { title, command: commands::OUTPUT.into(), arguments: Some(vec![argument]) })
}
