//! Fills the tree from the sources alone: at the start, while an interpreter gets ready, and if nothing can be
//! collected. pytest's result always takes precedence.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_analysis::PytestSettings;
use pytest_lens_protocol::{EventPayload, InventoryDelta, ItemKind, Range, Request, Response, TestItem};

use crate::engine::last_outcomes;
use crate::node_id::split_id;
use crate::session::message::Outgoing;
use crate::session::narrow::events_for_client;
use crate::session::state::{Shared, State};
use crate::workspaces::source_items;

/// Shows a folder's sources, until pytest has collected it.
pub(crate) async fn show(shared: &Arc<Shared>, folder: &str) {
    let Some((root, settings)) = shared.state().unconfirmed(folder) else { return };
    let listing = tokio::task::spawn_blocking(move || read(&root, &settings));
    let Ok(items) = listing.await else { return };
    let (delta, size) = {
        let state = shared.state();
        let Some(workspace) = state.workspace(folder).filter(|_| state.unconfirmed(folder).is_some()) else { return };
        (workspace.view.difference(items), state.piece(folder))
    };
    if delta.is_empty() {
        return;
    }
    for piece in delta.pieces(size) {
        shared.change_and_send(|state| state.apply_source_items(folder, piece));
        tokio::task::yield_now().await;
    }
    shared.change_and_send(|state| state.send_small_tree(folder));
    // Adds the unsaved tests of open documents.
    shared.refresh_live_tree(folder);
    last_outcomes::apply_kept(shared, folder);
}

/// Sends the sources of a folder, folders and files first: users see something while the rest follows.
fn read(root: &Path, settings: &PytestSettings) -> Vec<TestItem> {
    let (mut outline, mut tests) = (Vec::new(), Vec::new());
    let mut folders = HashSet::new();
    for file in pytest_lens_analysis::listing::list(root, settings).iter().filter(|file| !file.path.starts_with('/')) {
        for item in
            source_items::of_source(root, &file.path, &file.analysis.nodes, |node| Range::of_line(node.def_line))
        {
            match item.kind {
                ItemKind::Dir if !folders.insert(item.id.clone()) => {}
                kind if kind.is_outline() => outline.push(item),
                _ => tests.push(item),
            }
        }
    }
    outline.append(&mut tests);
    outline
}

/// pytest has collected the folder without an error: removes tests from the sources that neither it nor the engine
/// knows. A file may have been deleted before the engine could see it. Once is enough: later deltas are complete.
pub(crate) async fn drop_unknown(shared: &Arc<Shared>, folder: &str) {
    let context_id = {
        let state = shared.state();
        let Some(workspace) = state.workspace(folder) else { return };
        // Below a `conftest.py` that can't be imported, only the sources are known.
        if workspace.is_collected || !workspace.view.errors().is_empty() {
            return;
        }
        workspace.link.context()
    };
    let Some(context_id) = context_id else { return };
    let present = Request::GetEvents { context_id, cursor: u64::MAX, wait_ms: 0 };
    let Ok(Response::Events { events, .. }) = shared.call(present).await else { return };
    let whole = events.iter().find_map(|event| match &event.payload {
        EventPayload::Inventory(delta) if delta.whole => Some(delta),
        _ => None,
    });
    if let Some(whole) = whole {
        shared.change_and_send(|state| state.drop_unknown_items(folder, &whole.upserts));
    }
}

impl State {
    /// The inputs for reading a folder's sources; `None` if pytest has confirmed its tests.
    fn unconfirmed(&self, folder: &str) -> Option<(PathBuf, PytestSettings)> {
        let workspace = self.workspace(folder).filter(|workspace| !workspace.is_collected)?;
        let all = workspace.view.preorder().iter().all(|item| item.provisional || item.kind == ItemKind::Dir);
        all.then(|| (workspace.canonical.clone(), workspace.pytest.clone()))
    }

    /// Adds tests from the sources, unless pytest has collected in the meantime.
    fn apply_source_items(&mut self, folder: &str, mut delta: InventoryDelta) -> Vec<Outgoing> {
        let State { documents, disk, workspaces, encoding, features, .. } = self;
        let mut waiting = workspaces.iter_mut().filter(|workspace| !workspace.is_collected);
        let Some(workspace) = waiting.find(|workspace| workspace.uri == folder) else { return Vec::new() };
        let view = &workspace.view;
        let is_guess = |id: &str| !view.is_confirmed(split_id(id).0);
        delta.upserts.retain(|item| is_guess(&item.id) && view.item(&item.id) != Some(item));
        delta.order.retain(|siblings| is_guess(&siblings.parent));
        // Unsaved tests of open documents stay.
        delta.removed.clear();
        delta.errors = view.errors().to_vec();
        if delta.is_empty() {
            return Vec::new();
        }
        let payload = EventPayload::Inventory(delta);
        let told = events_for_client(features, documents, disk, workspace, *encoding, &payload);
        if let EventPayload::Inventory(delta) = payload {
            workspace.view.take(delta);
        }
        told
    }

    /// Removes items that are neither in the whole inventory nor in an open document, and sorts the rest.
    fn drop_unknown_items(&mut self, folder: &str, whole: &[TestItem]) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace(folder) else { return Vec::new() };
        let known: HashSet<&str> = whole.iter().map(|item| item.id.as_str()).collect();
        let is_open = |item: &TestItem| {
            let path = workspace.file_of(&item.id);
            self.documents.keys().any(|document: &PathBuf| document.starts_with(&path))
        };
        let delta = workspace.view.without_unknown(whole, &known, is_open);
        if let Some(workspace) = self.workspace_mut(folder) {
            workspace.is_collected = true;
        }
        if delta.is_empty() { Vec::new() } else { self.apply_event(folder, &EventPayload::Inventory(delta)) }
    }
}
