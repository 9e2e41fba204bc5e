//! The part of the tree that a client with `lazyTests` knows. It gets folders and files from the start, and the tests
//! of a file when it asks or when one of them has an event. Even a tree of 100,000 tests appears at once this way.

use std::collections::HashSet;

use pytest_lens_protocol::{CollectError, EventPayload, InventoryDelta, NodeId};

use crate::workspaces::view::View;

/// The largest tree that is sent as a whole, in items.
const SMALL: usize = 5_000;

/// The number of items up to which a delta takes in further files.
const PIECE: usize = 2_000;

/// The number of tests in a run above which their files are sent as the tests start.
const MANY: usize = 500;

/// The part of one folder's tree that the client knows.
#[derive(Debug, Default)]
pub(crate) struct LazyOutline {
    open: HashSet<String>,
    errors: Vec<CollectError>,
}

impl LazyOutline {
    /// The part of a delta that concerns the client; `None` if there is none.
    pub(crate) fn narrow(&mut self, delta: &InventoryDelta) -> Option<InventoryDelta> {
        // The file of a removed test stays known.
        for id in delta.removed.iter().filter(|id| !id.contains("::")) {
            let below = format!("{id}/");
            self.open.retain(|file| file != id && !file.starts_with(&below));
        }
        let is_open = |id: &str| self.open.contains(NodeId::new(id).file());
        let told = InventoryDelta {
            revision: delta.revision,
            upserts: delta.upserts.iter().filter(|item| item.kind.is_outline() || is_open(&item.id)).cloned().collect(),
            removed: delta.removed.iter().filter(|id| !id.contains("::") || is_open(id)).cloned().collect(),
            order: delta.order.iter().filter(|siblings| is_open(&siblings.parent)).cloned().collect(),
            errors: delta.errors.clone(),
            ..InventoryDelta::default()
        };
        let same_errors = self.errors == told.errors;
        self.errors.clone_from(&told.errors);
        (!told.is_empty() || !same_errors).then_some(told)
    }

    /// Sends the tests of this file to the client from now on.
    pub(crate) fn open(&mut self, file: &str) {
        self.open.insert(file.to_owned());
    }

    /// The client starts again without the tests of any file.
    pub(crate) fn close(&mut self) {
        self.open.clear();
    }

    /// Whether the client knows the tests of no file.
    pub(crate) fn is_closed(&self) -> bool {
        self.open.is_empty()
    }

    /// The deltas that the client needs before it can apply an event: the files of its tests.
    pub(crate) fn before(&mut self, view: &View, payload: &EventPayload) -> Vec<InventoryDelta> {
        let ids: Vec<&String> = match payload {
            EventPayload::RunStarted(run) => run.ids.iter().filter(|ids| ids.len() <= MANY).flatten().collect(),
            EventPayload::TestStarted(started) => started.ids.iter().collect(),
            EventPayload::TestOutcome(outcomes) => outcomes.outcomes.iter().map(|outcome| &outcome.id).collect(),
            EventPayload::Output(output) => output.id.iter().collect(),
            EventPayload::Inventory(_)
            | EventPayload::RunFinished(_)
            | EventPayload::FlakinessHint(_)
            | EventPayload::StaleOutcomes(_) => Vec::new(),
        };
        self.open_all(view, ids.iter().map(|id| NodeId::new(id).file()))
    }

    /// The rest of a tree that is small enough to be sent as a whole.
    pub(crate) fn rest(&mut self, view: &View) -> Vec<InventoryDelta> {
        if view.len() > SMALL { Vec::new() } else { self.open_all(view, view.files()) }
    }

    fn open_all<'a>(&mut self, view: &View, files: impl Iterator<Item = &'a str>) -> Vec<InventoryDelta> {
        let mut new: Vec<String> = Vec::new();
        for file in files {
            if !self.open.contains(file) && view.item(file).is_some() {
                self.open(file);
                new.push(file.to_owned());
            }
        }
        contents(view, new)
    }
}

/// All items in some files; a file is never split over two deltas.
pub(crate) fn contents(view: &View, files: Vec<String>) -> Vec<InventoryDelta> {
    let mut told: Vec<InventoryDelta> = Vec::new();
    for file in files {
        let items = view.within(&file).into_iter().filter(|item| !item.kind.is_outline()).cloned();
        match told.last_mut().filter(|piece| piece.upserts.len() < PIECE) {
            Some(piece) => {
                piece.upserts.extend(items);
                piece.whole_files.push(file);
            }
            None => told.push(InventoryDelta {
                upserts: items.collect(),
                errors: view.errors().to_vec(),
                whole_files: vec![file],
                ..InventoryDelta::default()
            }),
        }
    }
    told
}
