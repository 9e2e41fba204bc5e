//! Documents as they are opened, edited, saved and closed, and what their live text adds to the tree.
//!
//! Tests that only the live buffer has are shown as provisional items; where pytest has spoken, its word stands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::{DidChangeTextDocumentParams, TextDocumentItem};

use crate::commands::run_on_save;
use crate::documents::document::Document;
use crate::paths::path_of;
use crate::session::message::Outgoing;
use crate::session::state::{Shared, State};
use crate::sync::folders;
use crate::workspaces::positions::to_wire;
use crate::workspaces::source_items;

/// A document was opened.
pub(crate) fn opened(shared: &Arc<Shared>, item: TextDocumentItem) {
    let uri = item.uri.as_str().to_owned();
    let Some(path) = path_of(&uri) else { return };
    // Sent before anybody else can change, and tell, the tree.
    shared.tell(|state| {
        let document = Document::new(uri, item.version, &item.text, state.reader(&path));
        state.documents.insert(path.clone(), document);
        state.look(&path);
        state.collected(&path);
        state.tell_file(&path)
    });
    shared.send(Outgoing::Moved { file: path, replaced: true });
}

/// A document was edited.
pub(crate) fn changed(shared: &Arc<Shared>, params: DidChangeTextDocumentParams) {
    let Some(path) = path_of(params.text_document.uri.as_str()) else { return };
    let replaced = shared.state().edit(&path, &params);
    shared.send(Outgoing::Edited { file: path, replaced });
}

/// A file was saved; it need not be an open document.
pub(crate) fn saved(shared: &Arc<Shared>, path: &Path) {
    let is_source = path.extension().is_some_and(|extension| extension == "py");
    if is_source || shared.state().documents.contains_key(path) {
        follow_saved(shared, path);
    }
    folders::files_changed(shared, [path.to_owned()]);
    run_on_save(shared, path);
}

/// What is shown of a source follows what was saved of it.
fn follow_saved(shared: &Arc<Shared>, path: &Path) {
    shared.tell(|state| {
        if let Some(document) = state.documents.get_mut(path) {
            document.save();
        }
        state.look(path);
        state.forget_sources();
        Vec::new()
    });
    shared.send(Outgoing::Moved { file: path.to_owned(), replaced: false });
}

/// A document was closed: what was not saved is gone, and with it what it had added to the tree.
pub(crate) fn closed(shared: &Arc<Shared>, path: &Path) {
    shared.tell(|state| {
        state.documents.remove(path);
        state.look(path);
        let told = state.tell_file(path);
        state.forget_sources();
        let file = state.workspace_of(path).and_then(|workspace| {
            let file = workspace.relative(path).filter(|file| !workspace.view.is_confirmed(file))?;
            Some((file, workspace.uri.clone()))
        });
        if let Some((file, folder)) = file
            && let Some(workspace) = state.workspace_mut(&folder)
            && workspace.view.item(&file).is_some()
        {
            // Does pytest take it? It goes when pytest has looked and does not.
            workspace.unclaimed.insert(file);
            workspace.link.files_changed();
        }
        told
    });
    shared.send(Outgoing::Moved { file: path.to_owned(), replaced: true });
}

impl Shared {
    /// pytest has spoken: what only the source said of saved files goes.
    pub(crate) fn settle(&self, folder: &str) {
        self.tell(|state| {
            let Some(workspace) = state.workspace(folder) else { return Vec::new() };
            let inside = state.documents.keys().filter(|path| path.starts_with(&workspace.root));
            let paths: Vec<PathBuf> = inside.cloned().collect();
            let mut told: Vec<Outgoing> = paths.iter().flat_map(|path| state.overlay(path)).collect();
            told.extend(state.drop_unclaimed(folder));
            told
        });
    }
}

impl State {
    /// Puts changes into a document; whether they replaced lines.
    fn edit(&mut self, path: &Path, params: &DidChangeTextDocumentParams) -> bool {
        let encoding = self.encoding;
        let Some(document) = self.documents.get_mut(path) else { return false };
        document.version = params.text_document.version;
        let mut replaced = false;
        for change in &params.content_changes {
            replaced |= document.apply(change, encoding);
        }
        if replaced {
            let around = self.workspaces.iter_mut().filter(|workspace| path.starts_with(&workspace.root));
            around.for_each(|workspace| workspace.unsure.extend([path.to_owned()]));
        }
        replaced
    }

    /// The user pauses after edits, or somebody changed a file: the tree follows.
    pub(crate) fn follow_file(&mut self, path: &Path) -> Vec<Outgoing> {
        self.look(path);
        self.tell_file(path)
    }

    /// What the client is to know of the tests of a file, and of where they are.
    fn tell_file(&mut self, path: &Path) -> Vec<Outgoing> {
        let mut told = self.overlay(path);
        told.extend(self.tell_places(path));
        told
    }

    /// Adds what only the live text has to the tree, and takes away what it had added and the text has no more.
    fn overlay(&mut self, path: &Path) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace_of(path) else { return Vec::new() };
        let Some(file) = workspace.relative(path) else { return Vec::new() };
        let folder = workspace.uri.clone();
        let document = self.documents.get(path);
        let is_dirty = document.is_some_and(|document| document.dirty);
        let pytest_knows_it_all = !is_dirty && workspace.view.is_confirmed(&file);
        let text = document.map(|document| &document.text).or_else(|| self.disk.seen(path).map(|text| &**text));
        let items = match text.filter(|_| !pytest_knows_it_all) {
            Some(text) => source_items::of_source(&workspace.root, &file, text.nodes(), |node| {
                to_wire(self.encoding.range(text, node.name_span))
            }),
            None => Vec::new(),
        };
        self.overlay_items(&folder, &file, items)
    }

    fn overlay_items(&mut self, folder: &str, file: &str, items: Vec<pytest_lens_protocol::TestItem>) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace_mut(folder) else { return Vec::new() };
        let delta = workspace.view.overlay(file, items);
        self.own_delta(folder, delta)
    }

    /// pytest has looked: closed files that it does not take go, unless something is wrong that may keep it from them.
    fn drop_unclaimed(&mut self, folder: &str) -> Vec<Outgoing> {
        let open: Vec<PathBuf> = self.documents.keys().cloned().collect();
        let Some(workspace) = self.workspace_mut(folder).filter(|workspace| workspace.view.errors().is_empty()) else {
            return Vec::new();
        };
        let files = std::mem::take(&mut workspace.unclaimed);
        let goes = |file: &String| !workspace.view.is_confirmed(file) && !open.contains(&workspace.root.join(file));
        let files: Vec<String> = files.into_iter().filter(goes).collect();
        files.iter().flat_map(|file| self.overlay_items(folder, file, Vec::new())).collect()
    }
}
