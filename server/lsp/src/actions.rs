//! Code actions: what lenses offer, for editors that show none.

use std::path::Path;

use lsp_types::{CodeAction, CodeActionContext, CodeActionKind, CodeActionOrCommand, Command};
use serde_json::json;

use crate::commands;
use crate::features::ACTION_KIND;
use crate::lens::{debug_command, run_command};
use crate::state::State;

impl State {
    /// The actions at a line of a document.
    pub(crate) fn actions(&self, path: &Path, line: u32, context: &CodeActionContext) -> Vec<CodeActionOrCommand> {
        let wanted = context.only.as_ref().is_none_or(|kinds| kinds.iter().any(takes_in_ours));
        let Some((document, workspace)) = self.document(path).filter(|_| wanted) else { return Vec::new() };
        let Some(file) = workspace.relative(path) else { return Vec::new() };
        if document.nodes().is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let nodes = document.nodes_at(line);
        if let Some(node) = nodes.first() {
            let ids: Vec<String> = nodes.iter().map(|node| format!("{file}::{}", node.id_suffix())).collect();
            found.push(run_command(workspace, &ids, &format!("Run {}", node.name)));
            found.push(debug_command(workspace, &ids, &format!("Debug {}", node.name)));
        }
        let name = file.rsplit('/').next().unwrap_or(&file);
        let argument = json!({ "textDocument": { "uri": document.uri } });
        found.push(Command {
            title: format!("Run all tests in {name}"),
            command: commands::RUN.into(),
            arguments: Some(vec![argument]),
        });
        found.into_iter().map(|command| self.action(command)).collect()
    }

    fn action(&self, command: Command) -> CodeActionOrCommand {
        if !self.features.action_literals {
            return CodeActionOrCommand::Command(command);
        }
        CodeActionOrCommand::CodeAction(CodeAction {
            title: command.title.clone(),
            kind: Some(CodeActionKind::new(ACTION_KIND)),
            command: Some(command),
            ..CodeAction::default()
        })
    }
}

/// Kinds are dotted, and one takes in all below it.
fn takes_in_ours(kind: &CodeActionKind) -> bool {
    let asked = kind.as_str();
    asked.is_empty()
        || ACTION_KIND == asked
        || ACTION_KIND.strip_prefix(asked).is_some_and(|rest| rest.starts_with('.'))
}
