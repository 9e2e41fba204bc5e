//! The inventory as a tree of items, and its deltas.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Range;

/// A change of the inventory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InventoryDelta {
    /// Revision of the inventory after this change.
    pub revision: u64,
    /// New and changed items, parents before children, siblings in source order.
    pub upserts: Vec<Arc<TestItem>>,
    /// Removed items; their children are removed too.
    pub removed: Vec<String>,
    /// The order of siblings within files, if new items are not last or siblings moved. Folders and files are sorted by
    /// name and have no entry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Siblings>,
    /// All current collection errors.
    pub errors: Vec<CollectError>,
    /// The upserts are the whole inventory: all other items are removed. Sent first to a reader whose position in the
    /// log is no longer kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// Files whose upserts are all their tests: other tests in them are removed. Only the language server sends this,
    /// to clients that request tests file by file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole_files: Vec<String>,
}

impl InventoryDelta {
    /// Whether the delta changes nothing but the revision.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.upserts.is_empty() && self.removed.is_empty() && self.order.is_empty()
    }

    /// Splits the delta into several of at most `size` upserts each: removals go into the first, errors into every one.
    #[must_use]
    pub fn pieces(mut self, size: usize) -> Vec<InventoryDelta> {
        if self.upserts.len() <= size {
            return vec![self];
        }
        let upserts = std::mem::take(&mut self.upserts);
        let size = size.max(1);
        let last = upserts.len().div_ceil(size) - 1;
        let piece = |(number, part): (usize, &[Arc<TestItem>])| InventoryDelta {
            revision: self.revision,
            upserts: part.to_vec(),
            removed: if number == 0 { std::mem::take(&mut self.removed) } else { Vec::new() },
            order: if number == last { std::mem::take(&mut self.order) } else { Vec::new() },
            errors: self.errors.clone(),
            whole: self.whole && number == 0,
            whole_files: if number == last { std::mem::take(&mut self.whole_files) } else { Vec::new() },
        };
        upserts.chunks(size).enumerate().map(piece).collect()
    }
}

/// The children of an item, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Siblings {
    /// The item that contains them.
    pub parent: String,
    /// Ids of the children. Children that are not listed come after them.
    pub ids: Vec<String>,
}

impl Siblings {
    /// Returns the siblings among `wanted`, in source order, that a reader would place in another order. A reader knows
    /// the `known` children of an item, keeps those that are wanted in their places, and appends new ones.
    pub fn out_of_order<'a, T: Borrow<TestItem>>(
        wanted: &'a [T],
        known: impl Fn(&str) -> Vec<&'a str>,
    ) -> Vec<Siblings> {
        let mut families: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        // A name that is defined twice is one test.
        let mut seen: HashSet<&str> = HashSet::new();
        for item in wanted.iter().map(Borrow::borrow).filter(|item| !item.kind.is_outline()) {
            let Some(parent) = item.parent.as_deref().filter(|_| seen.insert(&item.id)) else { continue };
            let place = *places.entry(parent).or_insert_with(|| {
                families.push((parent, Vec::new()));
                families.len() - 1
            });
            families[place].1.push(&item.id);
        }
        families.retain(|(parent, ids)| {
            let present: HashSet<&str> = ids.iter().copied().collect();
            let kept: Vec<&str> = known(parent).into_iter().filter(|id| present.contains(id)).collect();
            let old: HashSet<&str> = kept.iter().copied().collect();
            let new = ids.iter().copied().filter(|id| !old.contains(id));
            !kept.iter().copied().chain(new).eq(ids.iter().copied())
        });
        let told = |(parent, ids): (&str, Vec<&str>)| Siblings {
            parent: parent.to_owned(),
            ids: ids.into_iter().map(str::to_owned).collect(),
        };
        families.into_iter().map(told).collect()
    }
}

// There may be 100,000 of them, so that all who hold one share it and its texts.
/// An item of the test tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TestItem {
    /// Node id; the path for a folder.
    pub id: Arc<str>,
    /// The item that contains it; left out at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Arc<str>>,
    /// The kind of the item.
    pub kind: ItemKind,
    /// The name to display.
    pub label: Arc<str>,
    /// URI of the file or folder.
    pub uri: Arc<str>,
    /// The range in the file, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Marker names.
    pub markers: Vec<String>,
    /// Marked to be skipped.
    pub skip: bool,
    /// Marked as expected to fail.
    pub xfail: bool,
    /// Number of cases of a parametrized function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_count: Option<u32>,
    /// Read from the source and not yet confirmed by pytest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provisional: bool,
}

/// The kind of an item of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A folder.
    Dir,
    /// A file.
    File,
    /// A class.
    Class,
    /// A function or method.
    Function,
    /// One case of a parametrized function.
    Case,
    /// A docstring's or text file's examples.
    Doctest,
}

impl ItemKind {
    /// Whether it is a folder or file: part of the outline in which tests lie.
    #[must_use]
    pub fn is_outline(self) -> bool {
        matches!(self, ItemKind::Dir | ItemKind::File)
    }
}

/// A file that could not be collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CollectError {
    /// The file.
    pub uri: String,
    /// The line that caused it.
    pub range: Range,
    /// The message of Python or pytest.
    pub message: String,
    /// pytest's report with source lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longrepr: Option<String>,
}
