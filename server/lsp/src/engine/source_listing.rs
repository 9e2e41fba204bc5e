//! Fills the tree from the sources alone: at the start, while an interpreter gets ready, and if there is no context (the
//! folder is not trusted, has no interpreter, or its daemon is gone). The engine's items always take precedence.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use pytest_lens_analysis::PytestSettings;
use pytest_lens_engine::list_sources;
use pytest_lens_protocol::{EventPayload, InventoryDelta, TestItem};

use crate::engine::last_outcomes;
use crate::session::message::Outgoing;
use crate::session::narrow::events_for_client;
use crate::session::state::{Shared, State};

/// Shows a folder's sources, until pytest has collected it.
pub(crate) async fn show(shared: &Arc<Shared>, folder: &str) {
    let Some((root, settings, projects)) = shared.state().uncollected(folder) else { return };
    let listing = move || list_sources(&root, &settings, projects.as_deref());
    let Ok(items) = tokio::task::spawn_blocking(listing).await else { return };
    let size = shared.state().piece(folder);
    for piece in (InventoryDelta { upserts: items, ..InventoryDelta::default() }).pieces(size) {
        shared.change_and_send(|state| state.apply_sources(folder, piece.upserts));
        tokio::task::yield_now().await;
    }
    shared.change_and_send(|state| {
        let mut told = state.update_live_trees(folder);
        told.extend(state.send_small_tree(folder));
        told
    });
    last_outcomes::apply_kept(shared, folder);
}

impl State {
    /// The root, pytest's settings and the setting `projects` of a folder that pytest has not collected.
    fn uncollected(&self, folder: &str) -> Option<(PathBuf, PytestSettings, Option<Vec<String>>)> {
        let workspace = self.workspace(folder).filter(|workspace| !workspace.is_collected)?;
        Some((workspace.canonical.clone(), workspace.pytest.clone(), workspace.settings.projects.clone()))
    }

    /// Adds items of sources to a folder's tree. Leaves out files that pytest has collected, and open documents: their
    /// texts are newer.
    fn apply_sources(&mut self, folder: &str, items: Vec<Arc<TestItem>>) -> Vec<Outgoing> {
        let State { documents, disk, workspaces, encoding, features, .. } = self;
        let mut waiting = workspaces.iter_mut().filter(|workspace| !workspace.is_collected);
        let Some(workspace) = waiting.find(|workspace| workspace.uri == folder) else { return Vec::new() };
        let open: HashSet<String> = documents.keys().filter_map(|path| workspace.relative(path)).collect();
        let delta = workspace.view.add_sources(items, &open);
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
}
