//! Synchronizes settings with the client: from `initializationOptions`, from `didChangeConfiguration`, or requested for
//! each folder.

use std::sync::Arc;

use lsp_types::DidChangeConfigurationParams;
use lsp_types::notification::DidChangeConfiguration;
use serde_json::Value;

use crate::engine::configure::{Effect, report, send};
use crate::engine::connection;
use crate::session::handlers::StateChange;
use crate::session::message::Outgoing;
use crate::session::state::Shared;

impl StateChange for DidChangeConfiguration {
    fn apply(shared: &Arc<Shared>, params: DidChangeConfigurationParams) {
        changed(shared, &params.settings);
    }
}

/// The client's settings changed: the notification contains them, or the server requests them.
fn changed(shared: &Arc<Shared>, payload: &Value) {
    let Some(settings) = ours(payload) else {
        ask(shared);
        return;
    };
    let folders: Vec<String> = {
        let mut state = shared.state();
        state.settings = settings.clone();
        state.workspaces.iter().map(|workspace| workspace.uri.clone()).collect()
    };
    folders_configured(shared, folders.into_iter().map(|folder| (folder, settings.clone())));
}

/// Requests the settings of every folder from the client, if it supports that.
pub(crate) fn ask(shared: &Arc<Shared>) {
    let state = shared.state();
    if state.features.configuration && !state.workspaces.is_empty() {
        let folders = state.workspaces.iter().map(|workspace| workspace.uri.clone()).collect();
        shared.send(Outgoing::AskSettings(folders));
    }
}

/// Extracts the settings from `{settings: {pytestLens: {...}}}`, `{pytestLens: {...}}` or the bare settings; `None` if
/// the payload has none, because the client expects a request.
fn ours(payload: &Value) -> Option<Value> {
    let object = payload.as_object()?;
    if let Some(inner) = object.get("settings").filter(|_| !object.contains_key("pytestLens")) {
        return ours(inner);
    }
    match object.get("pytestLens") {
        Some(Value::Null) => None,
        Some(inner) => Some(inner.clone()),
        None if object.is_empty() => None,
        None => Some(payload.clone()),
    }
}

/// The client answered with the settings of these folders; a folder without any uses those that the client sent before.
pub(crate) fn answered(shared: &Arc<Shared>, all: impl Iterator<Item = (String, Value)>) {
    let sent = shared.state().settings.clone();
    folders_configured(shared, all.map(|(folder, value)| (folder, if value.is_null() { sent.clone() } else { value })));
}

/// Applies settings to these folders, in the server and in the engine, and shows their problems.
pub(crate) fn folders_configured(shared: &Arc<Shared>, all: impl IntoIterator<Item = (String, Value)>) {
    for (folder, value) in all {
        let (problems, effect) = shared.state().configure(&folder, &value);
        report(shared, &problems);
        match effect {
            Effect::None => {}
            Effect::Reopen => connection::start(shared, &folder),
            Effect::Configure(request) => {
                let inner = Arc::clone(shared);
                shared.spawn(async move { send(&inner, *request).await });
            }
        }
        let files = shared.state().documents.keys().cloned().collect();
        shared.changed(files);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_found_however_they_are_wrapped() {
        let bare = json!({"workers": 2});
        for payload in [
            json!({"settings": {"pytestLens": bare}}),
            json!({"pytestLens": bare}),
            json!({"settings": bare}),
            bare.clone(),
        ] {
            assert_eq!(ours(&payload), Some(bare.clone()), "{payload}");
        }
        for payload in [json!(null), json!({}), json!({"settings": null}), json!({"settings": {"pytestLens": null}})] {
            assert_eq!(ours(&payload), None, "{payload}");
        }
    }
}
