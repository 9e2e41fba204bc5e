//! Adds tests that only live texts have to the tree, as provisional items. Once pytest has collected a file, its result
//! replaces them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_engine::items_of_source;
use pytest_lens_protocol::{EventPayload, NodeId, TestItem};

use crate::session::message::Outgoing;
use crate::session::state::State;
use crate::workspaces::positions::to_wire;

impl State {
    /// The user pauses after edits, or a file changed: the tree follows.
    pub(crate) fn follow_file(&mut self, path: &Path) -> Vec<Outgoing> {
        self.read_disk(path);
        self.update_file(path)
    }

    /// The tests of a file, and their positions, for the client.
    pub(crate) fn update_file(&mut self, path: &Path) -> Vec<Outgoing> {
        let mut told = self.update_live_tree(path);
        told.extend(self.resend_ranges(path));
        told
    }

    /// Updates the tree from a folder's open documents.
    pub(crate) fn update_live_trees(&mut self, folder: &str) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace(folder) else { return Vec::new() };
        let inside = self.documents.keys().filter(|path| path.starts_with(&workspace.root));
        let paths: Vec<PathBuf> = inside.cloned().collect();
        paths.iter().flat_map(|path| self.update_live_tree(path)).collect()
    }

    /// Adds the tests that only the live text has, and removes those that it had added and are no longer in the text.
    fn update_live_tree(&mut self, path: &Path) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace_of(path) else { return Vec::new() };
        let Some(file) = workspace.relative(path) else { return Vec::new() };
        let folder = workspace.uri.clone();
        let document = self.documents.get(path);
        let is_dirty = document.is_some_and(|document| document.dirty);
        let has_engine = workspace.link.has_engine();
        let pytest_knows_it_all = !is_dirty && has_engine && workspace.view.is_confirmed(&file);
        let text = document.map(|document| &document.text).or_else(|| self.disk.seen(path).map(|text| &**text));
        let items = match text.filter(|_| !pytest_knows_it_all) {
            Some(text) => {
                items_of_source(&workspace.root, &workspace.project_of(path).path, &file, text.nodes(), |node| {
                    to_wire(self.encoding.range(text, node.name_span))
                })
            }
            None => Vec::new(),
        };
        let mut told = if is_dirty || has_engine { Vec::new() } else { self.remove_deleted(&folder, &file) };
        told.extend(self.set_provisional(&folder, &file, items));
        told
    }

    /// Removes the collected tests of a file that its saved document no longer has: no engine does it.
    fn remove_deleted(&mut self, folder: &str, file: &str) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace(folder) else { return Vec::new() };
        let positions = self.positions(workspace);
        let is_deleted = |item: &TestItem| {
            let id = NodeId::new(&item.id);
            id.file() == file && id.names().is_some() && !item.provisional && positions.is_gone(&item.id)
        };
        let delta = workspace.view.without(is_deleted);
        if delta.is_empty() { Vec::new() } else { self.apply_event(folder, &EventPayload::Inventory(delta)) }
    }

    fn set_provisional(&mut self, folder: &str, file: &str, items: Vec<TestItem>) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace_mut(folder) else { return Vec::new() };
        let delta = workspace.view.replace_provisional(file, items.into_iter().map(Arc::new).collect());
        self.own_delta(folder, delta)
    }
}
