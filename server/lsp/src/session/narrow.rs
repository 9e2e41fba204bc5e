//! Narrows each event to what the client needs: its own spelling of files, current positions, and only the parts of the
//! tree that it asked for.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_protocol::{EventPayload, InventoryDelta, ItemKind, NodeId, TestItem};

use crate::documents::disk::Disk;
use crate::documents::document::Documents;
use crate::documents::encoding::Encoding;
use crate::session::client_capabilities::Features;
use crate::session::message::Outgoing;
use crate::session::state::State;
use crate::workspaces::lazy_outline::contents;
use crate::workspaces::positions::Positions;
use crate::workspaces::workspace::Workspace;

/// Converts an event to its notifications.
pub(crate) fn events_for_client(
    features: &Features,
    documents: &Documents,
    disk: &Disk,
    workspace: &mut Workspace,
    encoding: Encoding,
    payload: &EventPayload,
) -> Vec<Outgoing> {
    if !features.opted_in {
        return Vec::new();
    }
    let mut payloads = Vec::new();
    match payload {
        EventPayload::Inventory(delta) if features.lazy_tests => {
            payloads.extend(workspace.outline.narrow(delta).map(EventPayload::Inventory));
        }
        _ => {
            if features.lazy_tests {
                let before = workspace.outline.before(&workspace.view, payload);
                payloads.extend(before.into_iter().map(EventPayload::Inventory));
            }
            payloads.push(payload.clone());
        }
    }
    payloads.into_iter().map(|payload| event_for_client(documents, disk, workspace, encoding, payload)).collect()
}

/// A notification in the client's terms. Records the positions of items that it contains.
fn event_for_client(
    documents: &Documents,
    disk: &Disk,
    workspace: &mut Workspace,
    encoding: Encoding,
    payload: EventPayload,
) -> Outgoing {
    let places: Vec<_> = match &payload {
        EventPayload::Inventory(delta) => delta.upserts.iter().map(|item| item.range).collect(),
        _ => Vec::new(),
    };
    let positions = Positions { documents, disk, workspace, encoding };
    let payload = positions.payload(payload);
    if let EventPayload::Inventory(delta) = &payload {
        for id in &delta.removed {
            workspace.sent_ranges.remove(id);
        }
        for (item, place) in delta.upserts.iter().zip(places) {
            if item.range == place {
                workspace.sent_ranges.remove(&*item.id);
            } else {
                workspace.sent_ranges.insert(item.id.to_string(), item.range);
            }
        }
    }
    Outgoing::Event { workspace: workspace.uri.clone(), payload }
}

/// The most items in one delta.
const PIECE: usize = 500;

impl State {
    /// The most items that are applied at once; no limit if the client gets only folders and files.
    pub(crate) fn piece(&self, folder: &str) -> usize {
        let is_closed = self.workspace(folder).is_some_and(|workspace| workspace.outline.is_closed());
        if self.features.lazy_tests && is_closed { usize::MAX } else { PIECE }
    }

    /// Applies a delta that the server itself makes to a folder's view.
    pub(crate) fn own_delta(&mut self, folder: &str, delta: InventoryDelta) -> Vec<Outgoing> {
        let State { documents, disk, workspaces, encoding, features, .. } = self;
        let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.uri == folder) else {
            return Vec::new();
        };
        if delta.is_empty() {
            return Vec::new();
        }
        let files = delta.upserts.iter().map(|item| workspace.file_of(&item.id));
        let files = files.filter(|path| documents.contains_key(path)).collect();
        let mut out =
            events_for_client(features, documents, disk, workspace, *encoding, &EventPayload::Inventory(delta));
        out.push(Outgoing::Changed { files });
        out.extend(self.send_small_tree(folder));
        out
    }

    /// Sends the positions of a file's items if the client may have others: lines moved under them, or their file was
    /// replaced.
    pub(crate) fn resend_ranges(&mut self, path: &Path) -> Vec<Outgoing> {
        if !self.features.opted_in {
            return Vec::new();
        }
        let Some(workspace) = self.workspace_of(path) else { return Vec::new() };
        let Some(file) = workspace.relative(path) else { return Vec::new() };
        let positions = self.positions(workspace);
        let has_moved = workspace.maybe_moved.contains(path);
        let moved = |item: &&Arc<TestItem>| {
            let told = workspace.sent_ranges.get(&*item.id).copied().unwrap_or(item.range);
            !item.kind.is_outline()
                && (has_moved || positions.item(item).range.map(|at| at.start) != told.map(|at| at.start))
        };
        let moved: Vec<Arc<TestItem>> = workspace.view.within(&file).into_iter().filter(moved).cloned().collect();
        let errors = workspace.view.errors().to_vec();
        let folder = workspace.uri.clone();
        let State { documents, disk, workspaces, encoding, features, .. } = self;
        let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.uri == folder) else {
            return Vec::new();
        };
        workspace.maybe_moved.remove(path);
        if moved.is_empty() {
            return Vec::new();
        }
        let delta = InventoryDelta { upserts: moved, errors, ..InventoryDelta::default() };
        events_for_client(features, documents, disk, workspace, *encoding, &EventPayload::Inventory(delta))
    }

    /// Sends all of a small tree to a client that requests tests file by file.
    pub(crate) fn send_small_tree(&mut self, folder: &str) -> Vec<Outgoing> {
        let State { documents, disk, workspaces, encoding, features, .. } = self;
        let wanted = features.opted_in && features.lazy_tests;
        let Some(workspace) = workspaces.iter_mut().find(|workspace| wanted && workspace.uri == folder) else {
            return Vec::new();
        };
        let rest = workspace.outline.rest(&workspace.view).into_iter().map(EventPayload::Inventory);
        rest.map(|payload| event_for_client(documents, disk, workspace, *encoding, payload)).collect()
    }

    /// Sends all items in the files of these ids, and later changes of them, to the client; returns the files.
    pub(crate) fn resolve(&mut self, folder: &str, ids: &[String]) -> (Vec<String>, Vec<Outgoing>) {
        let State { documents, disk, workspaces, encoding, .. } = self;
        let Some(workspace) = workspaces.iter_mut().find(|workspace| workspace.uri == folder) else {
            return (Vec::new(), Vec::new());
        };
        let mut files: BTreeSet<&str> = ids.iter().map(|id| NodeId::new(id).file()).collect();
        // An unknown file may be known soon.
        files.iter().for_each(|file| workspace.outline.open(file));
        files.retain(|file| {
            let item = workspace.view.item(file).filter(|item| item.kind == ItemKind::File);
            // The source of a file has tests, otherwise the file would not be in the tree: they will follow.
            item.is_some_and(|item| !item.provisional || !workspace.view.children(Some(file)).is_empty())
        });
        let files: Vec<String> = files.into_iter().map(str::to_owned).collect();
        let whole = contents(&workspace.view, files.clone()).into_iter().map(EventPayload::Inventory);
        let told = whole.map(|payload| event_for_client(documents, disk, workspace, *encoding, payload)).collect();
        (files, told)
    }
}
