//! The tree as the source alone tells it: at the start, while an interpreter gets ready, and where nothing may or can be
//! collected. What pytest says is never overruled.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_protocol::{EventPayload, InventoryDelta, ItemKind, Range, Request, Response, TestItem};

use crate::publisher::Outgoing;
use crate::state::{Shared, State};
use crate::tree;

/// Shows a folder's sources, as long as pytest has said nothing of it.
pub(crate) async fn show(shared: &Arc<Shared>, folder: &str) {
    let Some((root, settings)) = shared.state().unconfirmed(folder) else { return };
    let listing = tokio::task::spawn_blocking(move || {
        let files = pytest_lens_analysis::listing::list(&root, &settings);
        let mut folders = HashSet::new();
        let mut items = Vec::new();
        for file in files.iter().filter(|file| !file.path.starts_with('/')) {
            let found = tree::of_source(&root, &file.path, &file.analysis.nodes, |node| Range::of_line(node.def_line));
            items
                .extend(found.into_iter().filter(|item| item.kind != ItemKind::Dir || folders.insert(item.id.clone())));
        }
        items
    });
    let Ok(items) = listing.await else { return };
    let (delta, size) = {
        let mut state = shared.state();
        if state.unconfirmed(folder).is_none() {
            return;
        }
        let Some(workspace) = state.workspace_mut(folder) else { return };
        workspace.shows_sources = true;
        let mut delta = workspace.view.difference(items);
        // Folders and files first: there is something to see while the rest comes.
        delta.upserts.sort_by_key(|item| !item.kind.is_outline());
        (delta, state.piece())
    };
    if delta.is_empty() {
        return;
    }
    for piece in delta.pieces(size) {
        shared.tell(|state| state.guess(folder, piece));
        tokio::task::yield_now().await;
    }
    shared.tell(|state| state.tell_rest(folder));
    // What open documents have besides.
    shared.settle(folder);
}

/// pytest has spoken for the first time: what the sources told, and neither it nor the engine knows, goes. A file may
/// have gone before the engine could see it.
pub(crate) async fn compare(shared: &Arc<Shared>, folder: &str) {
    let shows = |state: &mut State| {
        let workspace = state.workspace_mut(folder)?;
        std::mem::take(&mut workspace.shows_sources).then(|| workspace.link.context())?
    };
    let Some(context_id) = shows(&mut shared.state()) else { return };
    let present = Request::GetEvents { context_id, cursor: u64::MAX, wait_ms: 0 };
    let Ok(Response::Events { events, .. }) = shared.call(present).await else { return };
    let whole = events.iter().find_map(|event| match &event.payload {
        EventPayload::Inventory(delta) if delta.whole => Some(delta),
        _ => None,
    });
    let Some(whole) = whole else { return };
    let known: HashSet<&str> = whole.upserts.iter().map(|item| item.id.as_str()).collect();
    let gone = shared.state().unknown(folder, &known);
    if !gone.is_empty() {
        shared.tell(|state| state.apply_event(folder, &EventPayload::Inventory(gone)));
    }
}

impl State {
    /// What is needed to read a folder's sources, where pytest has confirmed nothing of it.
    fn unconfirmed(&self, folder: &str) -> Option<(std::path::PathBuf, pytest_lens_analysis::PytestSettings)> {
        let workspace = self.workspace(folder)?;
        let is_guess = |item: &&TestItem| item.provisional || item.kind == ItemKind::Dir;
        let all = workspace.view.preorder().iter().all(is_guess);
        all.then(|| (workspace.canonical.clone(), workspace.pytest.clone()))
    }

    /// Takes in what the source says, where pytest has not spoken meanwhile.
    fn guess(&mut self, folder: &str, mut delta: InventoryDelta) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace(folder) else { return Vec::new() };
        let view = &workspace.view;
        delta.upserts.retain(|item| view.item(&item.id).is_none_or(|known| known.provisional && known != item));
        delta.errors = view.errors().to_vec();
        self.apply_event(folder, &EventPayload::Inventory(delta))
    }

    /// What of a folder's tree is neither known nor in an open document.
    fn unknown(&self, folder: &str, known: &HashSet<&str>) -> InventoryDelta {
        let Some(workspace) = self.workspace(folder) else { return InventoryDelta::default() };
        let is_open = |item: &TestItem| {
            let path = workspace.file_of(&item.id);
            self.documents.keys().any(|document: &std::path::PathBuf| document.starts_with(Path::new(&path)))
        };
        workspace.view.unknown(known, is_open)
    }
}
