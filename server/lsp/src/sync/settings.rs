//! Synchronizes settings with the client: from `initializationOptions`, from `didChangeConfiguration`, or requested for
//! each folder; and with a folder's own files of settings.

use std::path::PathBuf;
use std::sync::Arc;

use lsp_types::DidChangeConfigurationParams;
use lsp_types::notification::DidChangeConfiguration;
use pytest_lens_analysis::SETTINGS_FILES;
use pytest_lens_protocol::ClientSettings;
use serde_json::{Map, Value};

use crate::engine::configure::{report, show_file_problems};
use crate::engine::connection;
use crate::session::handlers::StateChange;
use crate::session::message::Outgoing;
use crate::session::state::{Shared, State};
use crate::workspaces::workspace::Workspace;

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
    configure(shared, |state| {
        state.settings_applied = state.next_settings();
        state.settings = settings.clone();
        state.workspaces.iter().map(|workspace| (workspace.uri.clone(), settings.clone())).collect()
    });
}

/// Requests the settings of every folder from the client, if it supports that.
pub(crate) fn ask(shared: &Arc<Shared>) {
    let mut state = shared.state();
    if state.features.configuration && !state.workspaces.is_empty() {
        let number = state.next_settings();
        let folders = state.workspaces.iter().map(|workspace| workspace.uri.clone()).collect();
        shared.send(Outgoing::AskSettings { number, folders });
    }
}

/// Extracts the settings from `{settings: {pytestLens: {...}}}`, `{pytestLens: {...}}`, `{"pytestLens.workers": 2}` or
/// the bare settings. `None` if the payload has none: the client expects a request, or sends only the sections of other
/// servers, which leave the settings as they are.
pub(crate) fn ours(payload: &Value) -> Option<Value> {
    let all = nested(payload.as_object()?);
    match all.get("pytestLens") {
        Some(Value::Object(section)) => return Some(Value::Object(nested(section))),
        Some(Value::Null) => return None,
        Some(wrong) => return Some(wrong.clone()),
        None => {}
    }
    let bare = Value::Object(all);
    if ClientSettings::is_given_in(&bare) { Some(bare) } else { ours(bare.get("settings")?) }
}

/// An object with nested objects for its dotted keys: some clients send the keys as a user writes them.
fn nested(flat: &Map<String, Value>) -> Map<String, Value> {
    let mut found = Map::new();
    for (key, value) in flat {
        put(&mut found, key, value);
    }
    found
}

fn put(into: &mut Map<String, Value>, key: &str, value: &Value) {
    let Some((first, rest)) = key.split_once('.') else {
        into.insert(key.to_owned(), value.clone());
        return;
    };
    let below = into.entry(first).or_insert(Value::Null);
    if !below.is_object() {
        *below = Value::Object(Map::new());
    }
    if let Some(below) = below.as_object_mut() {
        put(below, rest, value);
    }
}

/// The client answered request `number` with the settings of these folders; a folder without any uses those that the
/// client sent before. An answer that comes after newer settings is dropped.
pub(crate) fn answered(shared: &Arc<Shared>, number: u64, all: impl Iterator<Item = (String, Value)>) {
    configure(shared, |state| {
        if number < state.settings_applied {
            return Vec::new();
        }
        state.settings_applied = number;
        all.map(|(folder, value)| (folder, if value.is_null() { state.settings.clone() } else { value })).collect()
    });
}

/// Applies settings to folders, in the server and in the engine, and shows their problems. `news` takes the settings from
/// the client; they are all in force before any other change of the state.
fn configure(shared: &Arc<Shared>, news: impl FnOnce(&mut State) -> Vec<(String, Value)>) {
    let configured: Vec<_> = {
        let mut state = shared.state();
        let all = news(&mut state);
        all.into_iter().map(|(folder, value)| (state.configure(&folder, &value), folder)).collect()
    };
    if configured.is_empty() {
        return;
    }
    for ((problems, reopen), folder) in configured {
        report(shared, &problems);
        if reopen {
            connection::start(shared, &folder);
        }
    }
    let files = shared.state().documents.keys().cloned().collect();
    shared.changed(files);
}

/// Puts the settings in a folder's files in force again, if these are among them and have changed.
pub(crate) fn files_changed(shared: &Arc<Shared>, paths: &[PathBuf]) {
    let folders: Vec<String> = {
        let state = shared.state();
        let is_theirs = |workspace: &&Workspace| {
            // A new folder may be the one that a pattern of the settings lacked.
            let may_be_solved = !workspace.file_settings.problems.is_empty();
            let mut files = SETTINGS_FILES.iter().map(|name| workspace.root.join(name));
            may_be_solved || files.any(|file| paths.contains(&file))
        };
        state.workspaces.iter().filter(is_theirs).map(|workspace| workspace.uri.clone()).collect()
    };
    for folder in folders {
        let (gone, changed, reopen) = {
            let mut state = shared.state();
            let Some(workspace) = state.workspace_mut(&folder) else { continue };
            let (gone, changed) = workspace.read_settings_files();
            (gone, changed, changed && state.apply_settings(&folder))
        };
        if !changed {
            continue;
        }
        for problem in gone {
            shared.forget_shown(&problem.to_string());
        }
        show_file_problems(shared, &folder);
        // Lenses and hints may be turned on or off.
        let files = shared.state().documents.keys().cloned().collect();
        shared.changed(files);
        if reopen {
            connection::start(shared, &folder);
        }
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
            json!({"settings": {"pylsp": {"x": 1}, "pytestLens.workers": 2}}),
        ] {
            assert_eq!(ours(&payload).unwrap()["workers"], 2, "{payload}");
        }
        let bare = json!({"codeLens": {"enable": false}, "env": {"a.b": "1"}});
        for payload in [
            json!({"pytestLens.codeLens.enable": false, "pytestLens.env": {"a.b": "1"}}),
            json!({"pytestLens": {"codeLens.enable": false, "env": {"a.b": "1"}}}),
            json!({"pytestLens": {"env": {"a.b": "1"}}, "pytestLens.codeLens": {"enable": false}}),
        ] {
            assert_eq!(ours(&payload), Some(bare.clone()), "{payload}");
        }
        for payload in [
            json!(null),
            json!({}),
            json!({"settings": null}),
            json!({"settings": {"pytestLens": null}}),
            json!({"pylsp": {"workers": 1}, "settings": {"gopls.env": {}}}),
        ] {
            assert_eq!(ours(&payload), None, "{payload}");
        }
    }
}
