//! Applies a folder's settings, in the server and in the engine.

use std::sync::Arc;

use lsp_types::MessageType;
use pytest_lens_protocol::{Request, Response, Settings};
use serde_json::{Map, Value};

use crate::session::state::{Shared, State};

impl State {
    /// Applies settings to a folder; returns a sentence for each problem, and whether another interpreter or mode needs
    /// another context. The folder's task sends the other settings to the open context.
    pub(crate) fn configure(&mut self, folder: &str, value: &Value) -> (Vec<String>, bool) {
        let trusted = self.trusted;
        let Some(workspace) = self.workspace_mut(folder) else { return (Vec::new(), false) };
        let value = if value.is_null() { Value::Object(Map::new()) } else { value.clone() };
        let (settings, problems) = Settings::from_json(&value);
        let old = std::mem::replace(&mut workspace.settings, settings);
        let new = &workspace.settings;
        let reopen = old.python_path != new.python_path || old.execution_mode != new.execution_mode;
        // Passes on only valid settings: the invalid ones have been reported.
        let for_engine = serde_json::to_value(new).unwrap_or(value);
        workspace.link.settings.send_if_modified(|present| {
            let before = std::mem::replace(present, for_engine);
            before != *present && !reopen
        });
        (problems, reopen && trusted)
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
