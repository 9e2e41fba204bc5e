//! The result of collecting a scope: its tests, and the files that could not be collected.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::model::collect_error::CollectError;
use crate::model::node::{MadeNode, Node};
use crate::model::select::covers_test;

/// Why a file skips itself as a whole.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SkippedFile {
    pub reason: String,
    /// The line that skips it, from 1; 0 if it is not known.
    #[serde(default)]
    pub line: u32,
    /// pytest's report, as JSON.
    pub report: String,
}

/// The tests of a scope.
pub(crate) struct Collection {
    /// In pytest's order.
    pub nodes: Vec<Arc<Node>>,
    by_id: HashMap<Arc<str>, usize>,
    /// The nodes' indices in source order; empty if pytest's order is the same.
    source_order: Vec<usize>,
    pub errors: Vec<CollectError>,
    /// Files that skip themselves as a whole, with the reasons.
    pub skipped: HashMap<String, SkippedFile>,
    deselected: Deselected,
}

/// The tests that pytest, its configuration or a plugin deselected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deselected {
    pub count: usize,
    /// Empty if they are too many.
    pub ids: Vec<String>,
}

impl Collection {
    pub(crate) fn new(
        nodes: Vec<Arc<Node>>,
        source_order: Vec<usize>,
        errors: Vec<CollectError>,
        skipped: HashMap<String, SkippedFile>,
        deselected: Deselected,
    ) -> Self {
        let by_id = nodes.iter().enumerate().map(|(index, node)| (Arc::clone(&node.id), index)).collect();
        Collection { nodes, by_id, source_order, errors, skipped, deselected }
    }

    /// Whether pytest's order is that of the sources: no hook and no fixture has changed it.
    pub(crate) fn is_in_source_order(&self) -> bool {
        self.source_order.is_empty()
    }

    /// The nodes in source order.
    pub(crate) fn in_source_order(&self) -> Cow<'_, [Arc<Node>]> {
        if self.source_order.is_empty() {
            return Cow::Borrowed(&self.nodes);
        }
        self.source_order.iter().map(|&index| Arc::clone(&self.nodes[index])).collect()
    }

    /// Whether an id names a test that was deselected.
    pub(crate) fn is_deselected(&self, id: &str) -> bool {
        self.deselected.ids.iter().any(|test| covers_test(id, test))
    }

    /// Whether it is known which tests were deselected.
    pub(crate) fn knows_deselected(&self) -> bool {
        self.deselected.ids.len() == self.deselected.count
    }

    /// Number of deselected tests that these ids name; none stand for all.
    pub(crate) fn deselected_of(&self, ids: &[String]) -> usize {
        if ids.is_empty() || !self.knows_deselected() {
            return self.deselected.count;
        }
        self.deselected.ids.iter().filter(|test| ids.iter().any(|id| covers_test(id, test))).count()
    }

    pub(crate) fn index_of(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }
}

/// A plugin may shuffle a session for its runs; the tree keeps the source order.
pub(crate) fn source_order(items: &[MadeNode]) -> Vec<usize> {
    if items.iter().all(|item| item.place.is_none()) {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&index| items[index].place.unwrap_or(usize::MAX));
    order
}
