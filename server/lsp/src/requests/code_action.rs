//! `textDocument/codeAction`: offers the commands of the code lenses to editors that show no lenses.

use crate::session::handlers::ReadRequest;
use lsp_types::request::CodeActionRequest;
use lsp_types::{CodeActionParams, CodeActionResponse};
use std::path::Path;

use lsp_types::{CodeAction, CodeActionContext, CodeActionKind, CodeActionOrCommand, Command};
use pytest_lens_protocol::NodeId;
use serde_json::{Value, json};

use crate::commands;
use crate::requests::code_lens::{debug_command, run_command};
use crate::session::state::State;
use crate::workspaces::runnables::innermost;
use crate::workspaces::summary::Summary;
use crate::workspaces::workspace::Workspace;

impl ReadRequest for CodeActionRequest {
    fn answer(state: &State, params: CodeActionParams) -> Option<CodeActionResponse> {
        let path = state.key_of(params.text_document.uri.as_str())?;
        Some(state.actions(&path, params.range.start.line, &params.context))
    }
}

/// The kinds of our code actions. They change no source, and no kind that runs on every save includes them.
pub(crate) mod kinds {
    /// The parent of all of them.
    pub(crate) const ALL: &str = "pytestLens";
    /// Running tests.
    pub(crate) const RUN: &str = "pytestLens.run";
    /// Debugging tests.
    pub(crate) const DEBUG: &str = "pytestLens.debug";
    /// Stopping runs.
    pub(crate) const STOP: &str = "pytestLens.stop";
    /// Showing a test's output.
    pub(crate) const OUTPUT: &str = "pytestLens.output";
}

impl State {
    /// The actions at a line of a document.
    fn actions(&self, path: &Path, line: u32, context: &CodeActionContext) -> Vec<CodeActionOrCommand> {
        let Some((document, workspace)) = self.document(path) else { return Vec::new() };
        let Some(file) = workspace.relative(path) else { return Vec::new() };
        let mut found = Vec::new();
        let runnables = self.positions(workspace).runnables(path, &document.text);
        let holds_tests = !runnables.is_empty();
        let runnables = innermost(runnables, line);
        let ids: Vec<String> = runnables.iter().map(|runnable| runnable.id.clone()).collect();
        if let Some(runnable) = runnables.first() {
            found.push((kinds::RUN, run_command(workspace, &ids, &format!("Run {}", runnable.name))));
            found.push((kinds::DEBUG, debug_command(workspace, &ids, &format!("Debug {}", runnable.name))));
        }
        if holds_tests {
            let name = file.rsplit('/').next().unwrap_or(&file);
            let argument = json!({ "textDocument": { "uri": document.uri } });
            found.push((kinds::RUN, command(commands::RUN, format!("Run all tests in {name}"), argument)));
        }
        if !self.features.lenses && !self.features.opted_in {
            found.extend(self.fallback_actions(workspace, &ids));
        }
        let is_wanted =
            |kind: &str| context.only.as_ref().is_none_or(|kinds| kinds.iter().any(|asked| includes(asked, kind)));
        found
            .into_iter()
            .filter(|(kind, _)| is_wanted(kind))
            .map(|(kind, command)| self.action(kind, command))
            .collect()
    }

    /// Actions for editors that support only code actions.
    fn fallback_actions(&self, workspace: &Workspace, ids: &[String]) -> Vec<(&'static str, Command)> {
        let mut found = Vec::new();
        let view = &workspace.view;
        if let Some(summary) = Summary::of(view, ids) {
            let argument = json!({ "id": summary.example, "workspace": workspace.uri });
            let title = format!("Show the output of {}", NodeId::new(&summary.example).case_name());
            found.push((kinds::OUTPUT, command(commands::OUTPUT, title, argument)));
        }
        let failed = view.failed().len();
        if failed > 0 {
            let title = if failed == 1 { "Run the failed test".into() } else { format!("Run {failed} failed tests") };
            found.push((kinds::RUN, command(commands::RUN_FAILED, title, json!({ "workspace": workspace.uri }))));
        }
        found.push((kinds::RUN, command(commands::RUN, "Run all tests".into(), json!({}))));
        if self.workspaces.iter().any(|workspace| !workspace.view.runs().is_empty()) {
            found.push((kinds::STOP, command(commands::STOP, "Stop running tests".into(), json!({}))));
        }
        found
    }

    fn action(&self, kind: &'static str, command: Command) -> CodeActionOrCommand {
        if !self.features.action_literals {
            return CodeActionOrCommand::Command(command);
        }
        CodeActionOrCommand::CodeAction(CodeAction {
            title: command.title.clone(),
            kind: Some(CodeActionKind::new(kind)),
            command: Some(command),
            ..CodeAction::default()
        })
    }
}

fn command(command: &str, title: String, argument: Value) -> Command {
    Command { title, command: command.into(), arguments: Some(vec![argument]) }
}

/// Kinds are dotted, and one includes all below it.
fn includes(asked: &CodeActionKind, kind: &str) -> bool {
    let asked = asked.as_str();
    asked.is_empty() || kind == asked || kind.strip_prefix(asked).is_some_and(|rest| rest.starts_with('.'))
}
