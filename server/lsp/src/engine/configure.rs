//! Applies a folder's settings, in the server and in the engine.

use std::sync::Arc;

use lsp_types::MessageType;
use pytest_lens_protocol::{Request, Response, Settings};
use serde_json::{Map, Value};

use crate::session::state::{Shared, State};

/// The consequence of a change of settings for the engine.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The engine is not affected.
    None,
    /// Another interpreter or mode needs another context.
    Reopen,
    /// The open context applies the rest.
    Configure(Box<Request>),
}

impl State {
    /// Applies settings to a folder; returns a sentence for each problem.
    pub(crate) fn configure(&mut self, folder: &str, value: &Value) -> (Vec<String>, Effect) {
        let trusted = self.trusted;
        let Some(workspace) = self.workspace_mut(folder) else { return (Vec::new(), Effect::None) };
        let value = if value.is_null() { Value::Object(Map::new()) } else { value.clone() };
        let (settings, problems) = Settings::from_json(&value);
        let old = std::mem::replace(&mut workspace.settings, settings);
        let new = &workspace.settings;
        let context = workspace.link.context();
        let reopen = old.python_path != new.python_path || old.execution_mode != new.execution_mode;
        let same = old == *new;
        // Passes on only valid settings: the invalid ones have been reported.
        workspace.settings_json = serde_json::to_value(new).unwrap_or(value);
        let effect = match context {
            _ if same || !trusted => Effect::None,
            _ if reopen => Effect::Reopen,
            Some(context_id) => {
                let settings = workspace.settings_json.clone();
                Effect::Configure(Box::new(Request::ConfigureContext { context_id, settings }))
            }
            None => Effect::None,
        };
        (problems, effect)
    }
}

/// Sends settings to the engine, and shows the problems that it reports.
pub(crate) async fn send(shared: &Arc<Shared>, request: Request) {
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
