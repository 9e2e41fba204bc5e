//! Applies a folder's settings, in the server and in the engine.

use std::sync::Arc;

use lsp_types::MessageType;
use pytest_lens_analysis::SETTINGS_FILES;
use pytest_lens_protocol::{ClientSettings, Request, Response};
use serde_json::Value;

use crate::session::state::{Shared, State};
use crate::workspaces::projects::Projects;

impl State {
    /// Takes a folder's settings from the client; returns a sentence for each problem, and whether another interpreter or
    /// mode needs another context.
    pub(crate) fn configure(&mut self, folder: &str, value: &Value) -> (Vec<String>, bool) {
        let Some(workspace) = self.workspace_mut(folder) else { return (Vec::new(), false) };
        let (client, mistakes) = ClientSettings::read(value);
        workspace.client_settings = client;
        (mistakes.iter().map(ToString::to_string).collect(), self.apply_settings(folder))
    }

    /// Puts a folder's settings in force: the client's over those of the folder's files. Returns whether another interpreter
    /// or mode needs another context. The folder's task sends the client's other settings to the open context, whose
    /// engine reads the files itself.
    pub(crate) fn apply_settings(&mut self, folder: &str) -> bool {
        let trusted = self.trusted;
        let Some(workspace) = self.workspace_mut(folder) else { return false };
        let file = &workspace.file_settings;
        let file = if trusted { file.given.clone() } else { file.untrusted() };
        let settings = workspace.client_settings.with_file(&file).complete();
        let old = std::mem::replace(&mut workspace.settings, settings);
        let new = &workspace.settings;
        let reopen = old.python_path != new.python_path || old.execution_mode != new.execution_mode;
        // Passes on only valid settings: the invalid ones have been reported.
        let for_engine = workspace.client_settings.to_json();
        workspace.link.settings.send_if_modified(|present| {
            let before = std::mem::replace(present, for_engine);
            before != *present && !reopen
        });
        if old.projects != workspace.settings.projects {
            // Other configurations decide which functions are tests.
            workspace.projects = Projects::default();
            workspace.link.files_changed();
            self.refresh_documents();
        }
        reopen && trusted
    }
}

/// Sends settings to the engine, and shows the problems that it reports.
pub(crate) async fn send(shared: &Arc<Shared>, context_id: &str, settings: Value) {
    let request = Request::ConfigureContext { context_id: context_id.to_owned(), settings };
    match shared.call(request).await {
        Ok(Response::ConfigAck { config, .. }) => {
            let problems = config.get("problems").and_then(Value::as_array).into_iter().flatten();
            report(shared, &problems.filter_map(|problem| problem.as_str().map(str::to_owned)).collect::<Vec<_>>());
        }
        Ok(_) => {}
        Err(error) => shared.show_once(MessageType::ERROR, &error.message),
    }
}

/// Shows problems with settings, each once.
pub(crate) fn report(shared: &Arc<Shared>, problems: &[String]) {
    for problem in problems {
        shared.show_once(MessageType::WARNING, problem);
    }
}

/// Shows the problems with a folder's own files of settings: a message for each, and a diagnostic at its line.
pub(crate) fn show_file_problems(shared: &Arc<Shared>, folder: &str) {
    let (problems, files) = {
        let state = shared.state();
        let Some(workspace) = state.workspace(folder) else { return };
        let problems: Vec<String> = workspace.file_settings.problems.iter().map(ToString::to_string).collect();
        (problems, SETTINGS_FILES.map(|name| workspace.root.join(name)))
    };
    report(shared, &problems);
    shared.changed(files.into());
}
