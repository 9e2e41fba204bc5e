//! Documents as they are opened, edited, saved and closed, and what their live text adds to the tree.
//!
//! Tests that only the live buffer has are shown as provisional items; where pytest has spoken, its word stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::{DidChangeTextDocumentParams, TextDocumentItem};

use crate::commands::run_on_save;
use crate::documents::Document;
use crate::folders;
use crate::live::to_wire;
use crate::paths::path_of;
use crate::publisher::Outgoing;
use crate::state::{Shared, State};
use crate::tree;

/// A document was opened.
pub(crate) fn opened(shared: &Arc<Shared>, item: TextDocumentItem) {
    let uri = item.uri.as_str().to_owned();
    let Some(path) = path_of(&uri) else { return };
    let document = Document::new(uri, item.version, &item.text);
    let mut state = shared.state();
    state.documents.insert(path.clone(), document);
    state.refresh_document(&path);
    // Sent before anybody else can change, and tell, the tree.
    state.overlay(&path).into_iter().for_each(|message| shared.send(message));
    drop(state);
    shared.send(Outgoing::Moved { file: path });
}

/// A document was edited.
pub(crate) fn changed(shared: &Arc<Shared>, params: DidChangeTextDocumentParams) {
    let Some(path) = path_of(params.text_document.uri.as_str()) else { return };
    shared.state().edit(&path, &params);
    shared.send(Outgoing::Moved { file: path.clone() });
    shared.send(Outgoing::Edited { file: path });
}

/// A document was saved.
pub(crate) fn saved(shared: &Arc<Shared>, path: &Path) {
    let mut state = shared.state();
    if let Some(document) = state.documents.get_mut(path) {
        document.log.save();
        document.dirty = false;
    }
    for workspace in &mut state.workspaces {
        workspace.findings.saved(path);
    }
    state.trim_logs();
    drop(state);
    folders::files_changed(shared, [path.to_owned()]);
    run_on_save(shared, path);
}

/// A document was closed.
pub(crate) fn closed(shared: &Arc<Shared>, path: &Path) {
    let mut state = shared.state();
    if let Some(document) = state.documents.get_mut(path) {
        // What was not saved is gone, and with it what it had added to the tree.
        document.dirty = false;
    }
    state.overlay(path).into_iter().for_each(|message| shared.send(message));
    state.documents.remove(path);
    for workspace in &mut state.workspaces {
        workspace.findings.closed(path);
        for marks in workspace.marks.values_mut() {
            marks.remove(path);
        }
    }
    drop(state);
    shared.send(Outgoing::Moved { file: path.to_owned() });
}

impl Shared {
    /// pytest has spoken: what only the source said of saved files goes.
    pub(crate) fn settle(&self, folder: &str) {
        let mut state = self.state();
        let Some(workspace) = state.workspace(folder) else { return };
        let inside = state.documents.keys().filter(|path| path.starts_with(&workspace.root));
        let paths: Vec<PathBuf> = inside.cloned().collect();
        for path in paths {
            for message in state.overlay(&path) {
                self.send(message);
            }
        }
    }
}

impl State {
    fn edit(&mut self, path: &Path, params: &DidChangeTextDocumentParams) {
        let encoding = self.encoding;
        let Some(document) = self.documents.get_mut(path) else { return };
        document.version = params.text_document.version;
        for change in &params.content_changes {
            let edit = document.apply(change, encoding);
            for workspace in &mut self.workspaces {
                workspace.findings.edited(path, &edit);
            }
        }
        self.refresh_document(path);
    }

    /// Adds what only the live buffer has to the tree, and takes away what it had added and the buffer has no more.
    pub(crate) fn overlay(&mut self, path: &Path) -> Vec<Outgoing> {
        let Some((document, workspace)) = self.document(path) else { return Vec::new() };
        let Some(file) = workspace.relative(path) else { return Vec::new() };
        let folder = workspace.uri.clone();
        let pytest_knows_it_all = !document.dirty && workspace.view.is_confirmed(&file);
        let items = if pytest_knows_it_all {
            Vec::new()
        } else {
            tree::of_source(&workspace.root, &file, document.nodes(), |node| {
                to_wire(self.encoding.range(&document.text, node.name_span))
            })
        };
        let Some(workspace) = self.workspace_mut(&folder) else { return Vec::new() };
        let delta = workspace.view.overlay(&file, items);
        self.own_delta(&folder, delta)
    }
}
