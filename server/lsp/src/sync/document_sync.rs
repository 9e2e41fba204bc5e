//! Synchronizes documents with the client: opened, edited, saved and closed.

use std::path::Path;
use std::sync::Arc;

use lsp_types::notification::{DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, DidSaveTextDocument};
use lsp_types::{
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, DidSaveTextDocumentParams,
    TextDocumentItem,
};

use crate::commands::run_on_save;
use crate::documents::document::Document;
use crate::paths::path_of;
use crate::session::handlers::StateChange;
use crate::session::message::Outgoing;
use crate::session::state::{Shared, State};
use crate::sync::folders;

impl StateChange for DidOpenTextDocument {
    fn apply(shared: &Arc<Shared>, params: DidOpenTextDocumentParams) {
        opened(shared, params.text_document);
    }
}

impl StateChange for DidChangeTextDocument {
    fn apply(shared: &Arc<Shared>, params: DidChangeTextDocumentParams) {
        changed(shared, &params);
    }
}

impl StateChange for DidSaveTextDocument {
    fn apply(shared: &Arc<Shared>, params: DidSaveTextDocumentParams) {
        let path = shared.state().key_of(params.text_document.uri.as_str());
        if let Some(path) = path {
            saved(shared, &path);
        }
    }
}

impl StateChange for DidCloseTextDocument {
    fn apply(shared: &Arc<Shared>, params: DidCloseTextDocumentParams) {
        let path = shared.state().key_of(params.text_document.uri.as_str());
        if let Some(path) = path {
            closed(shared, &path);
        }
    }
}

/// A document was opened.
fn opened(shared: &Arc<Shared>, item: TextDocumentItem) {
    let uri = item.uri.as_str().to_owned();
    let Some(path) = path_of(&uri) else { return };
    // Sends the message before another task can change the tree.
    shared.change_and_send(|state| {
        let document = Document::new(uri, item.version, &item.text, state.reader(&state.own_name(&path)));
        let Some(path) = state.insert_document(document) else { return Vec::new() };
        state.read_disk(&path);
        state.mark_collected(&path);
        state.keep_for_runs(&path);
        let mut told = state.update_file(&path);
        told.push(Outgoing::Moved { file: path, replaced: true });
        told
    });
}

/// A document was edited.
fn changed(shared: &Arc<Shared>, params: &DidChangeTextDocumentParams) {
    let mut state = shared.state();
    let Some(path) = state.key_of(params.text_document.uri.as_str()) else { return };
    let replaced = state.edit(&path, params);
    shared.send(Outgoing::Edited { file: path, replaced });
}

/// A file was saved; it need not be an open document.
fn saved(shared: &Arc<Shared>, path: &Path) {
    let is_source = path.extension().is_some_and(|extension| extension == "py");
    if is_source || shared.state().documents.contains_key(path) {
        follow_saved(shared, path);
    }
    folders::files_changed(shared, [path.to_owned()]);
    run_on_save(shared, path);
}

/// Tests from a source follow its saved text.
fn follow_saved(shared: &Arc<Shared>, path: &Path) {
    shared.change_and_send(|state| {
        if let Some(document) = state.documents.get_mut(path) {
            document.save();
        }
        state.read_disk(path);
        state.forget_sources();
        Vec::new()
    });
    shared.send(Outgoing::Moved { file: path.to_owned(), replaced: false });
}

/// A document was closed: its unsaved text is gone, and so are the items that it added to the tree.
fn closed(shared: &Arc<Shared>, path: &Path) {
    shared.change_and_send(|state| {
        state.doubt_uris(path);
        state.documents.remove(path);
        state.read_disk(path);
        let told = state.update_file(path);
        state.forget_sources();
        let file = state.workspace_of(path).and_then(|workspace| {
            let file = workspace.relative(path).filter(|file| !workspace.view.is_confirmed(file))?;
            Some((file, workspace.uri.clone()))
        });
        if let Some((file, folder)) = file
            && let Some(workspace) = state.workspace_mut(&folder)
            && workspace.view.item(&file).is_some()
        {
            // Whether pytest collects the file is not known yet. The file is removed if a collection does not include
            // it.
            workspace.view.doubt(&file);
            workspace.link.files_changed();
        }
        told
    });
    shared.send(Outgoing::Moved { file: path.to_owned(), replaced: true });
}

impl State {
    /// Applies changes to a document; returns whether they replaced lines.
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
            around.for_each(|workspace| workspace.maybe_moved.extend([path.to_owned()]));
        }
        replaced
    }
}
