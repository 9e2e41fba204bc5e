//! Synchronizes folders with the client: opened, closed, trusted, and changed files in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::notification::{DidChangeWatchedFiles, DidChangeWorkspaceFolders, Initialized, Notification};
use lsp_types::{
    DidChangeWatchedFilesParams, DidChangeWatchedFilesRegistrationOptions, DidChangeWorkspaceFoldersParams,
    FileSystemWatcher, GlobPattern, InitializeParams, InitializedParams, MessageType, Registration,
    WorkspaceFoldersChangeEvent,
};
use pytest_lens_analysis::{CONFIG_FILES, SETTINGS_FILES, is_config_file, is_settings_file};
use pytest_lens_protocol::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::documents::encoding::Encoding;
use crate::engine::configure;
use crate::engine::connection;
use crate::engine::source_listing;
use crate::paths::path_of;
use crate::session::client_capabilities::Features;
use crate::session::handlers::StateChange;
use crate::session::message::Outgoing;
use crate::session::state::{Shared, State};
use crate::sync::settings;
use crate::workspaces::workspace::Workspace;

/// Reads the parameters of `initialize`.
pub(crate) fn initialize(shared: &Arc<Shared>, params: &InitializeParams, encoding: Encoding) {
    let options = params.initialization_options.clone().unwrap_or_default();
    let mut state = shared.state();
    state.features = Features::read(params);
    state.encoding = encoding;
    let trusted = options.get("trusted").and_then(Value::as_bool);
    (state.trusted, state.has_trust) = (trusted.unwrap_or(true), trusted.is_some());
    let given = options.get("settings").cloned().unwrap_or_default();
    state.settings = settings::ours(&given).unwrap_or(given);
    for (uri, path) in roots(params) {
        state.add_folder(uri, path);
    }
}

/// The client's open folders: from `workspaceFolders`, or in the older ways.
#[expect(deprecated, reason = "clients without workspace folders send `rootUri`, older ones `rootPath`")]
fn roots(params: &InitializeParams) -> Vec<(String, PathBuf)> {
    if let Some(folders) = &params.workspace_folders {
        let named = folders.iter().map(|folder| folder.uri.as_str().to_owned());
        return named.filter_map(|uri| path_of(&uri).map(|path| (uri, path))).collect();
    }
    if let Some(uri) = &params.root_uri {
        let uri = uri.as_str().to_owned();
        return path_of(&uri).map(|path| (uri, path)).into_iter().collect();
    }
    let path = params.root_path.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
    path.map(|path| (crate::paths::uri_text(&path), path)).into_iter().collect()
}

impl State {
    fn add_folder(&mut self, uri: String, path: PathBuf) {
        if self.workspace(&uri).is_none() {
            self.workspaces.push(Workspace::new(uri, path));
        }
    }
}

impl StateChange for Initialized {
    fn apply(shared: &Arc<Shared>, _: InitializedParams) {
        initialized(shared);
    }
}

impl StateChange for DidChangeWorkspaceFolders {
    fn apply(shared: &Arc<Shared>, params: DidChangeWorkspaceFoldersParams) {
        changed(shared, params.event);
    }
}

impl StateChange for DidChangeWatchedFiles {
    fn apply(shared: &Arc<Shared>, params: DidChangeWatchedFilesParams) {
        let paths: Vec<PathBuf> = {
            let state = shared.state();
            params.changes.iter().filter_map(|change| state.key_of(change.uri.as_str())).collect()
        };
        files_changed(shared, paths);
    }
}

/// `pytestLens/trust`: the user trusts the workspace, or no longer does.
pub(crate) enum Trust {}

impl Notification for Trust {
    type Params = TrustParams;
    const METHOD: &'static str = "pytestLens/trust";
}

/// Parameters of `pytestLens/trust`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TrustParams {
    /// Whether code of the workspace may be executed.
    trusted: bool,
}

impl StateChange for Trust {
    fn apply(shared: &Arc<Shared>, params: TrustParams) {
        trust(shared, params.trusted);
    }
}

/// The client is ready: opens the folders, and sends the requests that had to wait.
fn initialized(shared: &Arc<Shared>) {
    let (features, settings) = {
        let state = shared.state();
        (state.features.clone(), state.settings.clone())
    };
    let wanted = [features.watching.then(watchers), features.saving.then(saves)];
    let registrations: Vec<Registration> = wanted.into_iter().flatten().collect();
    if !registrations.is_empty() {
        shared.send(Outgoing::Register(registrations));
    }
    let folders: Vec<String> = shared.state().workspaces.iter().map(|workspace| workspace.uri.clone()).collect();
    for folder in folders {
        open(shared, &folder);
    }
    if settings.is_null() {
        settings::ask(shared);
    }
}

/// Sends the engine whether the user trusts a folder, for clients without a user to ask.
fn pass_on_trust(shared: &Arc<Shared>, folder: &str) {
    let (inner, folder) = (Arc::clone(shared), folder.to_owned());
    let present = move || {
        let state = inner.state();
        let root = state.workspace(&folder).filter(|_| state.has_trust)?.root.display().to_string();
        Some((root, state.trusted))
    };
    let inner = Arc::clone(shared);
    shared.spawn(async move {
        let mut sent = None;
        // Another change may have come while the engine stored the last one.
        while let Some((repo_path, trusted)) = present().filter(|now| sent.as_ref() != Some(now)) {
            sent = Some((repo_path.clone(), trusted));
            if let Err(error) = inner.call(Request::Trust { repo_path, trusted: Some(trusted) }).await {
                tracing::warn!(message = error.message, "whether the folder is trusted is not stored");
            }
        }
    });
}

/// Reads a folder's configuration, and connects it to the engine if it is trusted.
fn open(shared: &Arc<Shared>, folder: &str) {
    let (trusted, problems, config) = {
        let mut state = shared.state();
        let settings = state.settings.clone();
        if let Some(workspace) = state.workspace_mut(folder) {
            workspace.read_settings_files();
        }
        let (problems, _) = state.configure(folder, &settings);
        let config = state.workspace_mut(folder).map(Workspace::read_pytest_config);
        state.refresh_documents();
        (state.trusted, problems, config)
    };
    configure::report(shared, &problems);
    configure::show_file_problems(shared, folder);
    if let Some(Err(problem)) = config {
        shared.show_once(MessageType::WARNING, &problem);
    }
    let (inner, name) = (Arc::clone(shared), folder.to_owned());
    shared.spawn(async move { source_listing::show(&inner, &name).await });
    pass_on_trust(shared, folder);
    if trusted {
        connection::start(shared, folder);
    }
}

/// Folders were opened and closed.
fn changed(shared: &Arc<Shared>, event: WorkspaceFoldersChangeEvent) {
    let mut shown = std::collections::BTreeSet::new();
    for removed in &event.removed {
        let uri = removed.uri.as_str();
        let Some(link) = shared.link(uri) else { continue };
        connection::stop(shared, uri, &link);
        let mut state = shared.state();
        shown.extend(state.workspace(uri).into_iter().flat_map(Workspace::files_with_problems));
        state.workspaces.retain(|workspace| workspace.uri != uri);
    }
    let mut opened = Vec::new();
    for added in &event.added {
        let uri = added.uri.as_str().to_owned();
        if let Some(path) = path_of(&uri) {
            shared.state().add_folder(uri.clone(), path);
            opened.push(uri);
        }
    }
    for folder in &opened {
        open(shared, folder);
    }
    if !opened.is_empty() && shared.state().settings.is_null() {
        settings::ask(shared);
    }
    let mut state = shared.state();
    state.refresh_documents();
    shown.extend(state.documents.keys().cloned());
    drop(state);
    shared.changed(shown);
}

/// Starts or stops every folder.
fn trust(shared: &Arc<Shared>, trusted: bool) {
    let (was, was_said) = {
        let mut state = shared.state();
        (std::mem::replace(&mut state.trusted, trusted), std::mem::replace(&mut state.has_trust, true))
    };
    if was == trusted && was_said {
        return;
    }
    let folders: Vec<_> = {
        let state = shared.state();
        state.workspaces.iter().map(|workspace| (workspace.uri.clone(), Arc::clone(&workspace.link))).collect()
    };
    for (folder, link) in folders {
        pass_on_trust(shared, &folder);
        if was == trusted {
            continue;
        }
        // The folder's own settings depend on it.
        shared.state().apply_settings(&folder);
        if trusted {
            connection::start(shared, &folder);
        } else {
            connection::stop(shared, &folder, &link);
        }
    }
}

/// The most files that are read at once when they change together. If more change, the engine reports them soon.
const READ_AT_ONCE: usize = 64;

/// Files changed: diagnostics in them follow at once, configuration is read again, and tests are collected when no
/// further file changes.
pub(crate) fn files_changed(shared: &Arc<Shared>, paths: impl IntoIterator<Item = PathBuf>) {
    let paths: Vec<PathBuf> = paths.into_iter().filter(|path| is_watched(path)).collect();
    let many = paths.len() > READ_AT_ONCE;
    settings::files_changed(shared, &paths);
    for path in paths {
        let mut problem = None;
        let mut state = shared.state();
        let folder = state.workspace_of(&path).map(|workspace| workspace.uri.clone());
        let Some(workspace) = folder.and_then(|folder| state.workspace_mut(&folder)) else { continue };
        workspace.link.files_changed();
        let holds_tests = workspace.relative(&path).is_some_and(|file| workspace.view.is_confirmed(&file));
        if is_config(&path) {
            problem = workspace.read_pytest_config().err();
            state.refresh_documents();
        }
        let is_shown = state.documents.contains_key(&path) || state.disk.seen(&path).is_some();
        if is_shown || (holds_tests && !many) {
            state.follow_file(&path).into_iter().for_each(|message| shared.send(message));
            shared.send(Outgoing::Moved { file: path, replaced: false });
        }
        drop(state);
        if let Some(problem) = problem {
            shared.show_once(MessageType::WARNING, &problem);
        }
    }
}

fn is_config(path: &Path) -> bool {
    path.file_name().is_some_and(is_config_file)
}

fn is_watched(path: &Path) -> bool {
    is_config(path)
        || path.file_name().is_some_and(is_settings_file)
        || path.extension().is_some_and(|extension| extension == "py")
}

/// Registers for saves of all files: a test may read any of them. The handler checks whether a saved file is in an open
/// folder.
fn saves() -> Registration {
    Registration {
        id: "pytest-lens/saves".into(),
        method: "textDocument/didSave".into(),
        register_options: Some(json!({ "documentSelector": [{ "scheme": "file" }], "includeText": false })),
    }
}

fn watchers() -> Registration {
    // A name that holds both kinds is watched once.
    let others = SETTINGS_FILES.iter().filter(|name| !is_config_file(name));
    let globs = CONFIG_FILES.iter().chain(others).map(|name| format!("**/{name}")).chain(["**/*.py".to_owned()]);
    let watchers = globs.map(|glob| FileSystemWatcher { glob_pattern: GlobPattern::String(glob), kind: None });
    let options = DidChangeWatchedFilesRegistrationOptions { watchers: watchers.collect() };
    Registration {
        id: "pytest-lens/files".into(),
        method: "workspace/didChangeWatchedFiles".into(),
        register_options: serde_json::to_value(options).ok(),
    }
}
