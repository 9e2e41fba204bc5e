//! The inventory as a tree of items, and the differences between two states of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::NodeKind;
use pytest_lens_protocol::{CollectError, InventoryDelta, ItemKind, NodeId, Range, Siblings, TestItem};

use crate::model::collect_error::CollectError as Reported;
use crate::model::inventory::{FileEntry, Inventory};
use crate::model::item::{item, outline_item, uri_of};
use crate::model::node::Node;
use crate::model::scope::is_within;
use crate::model::sources;

/// The changes that turn a client's tree of `old` into that of `new`.
pub(crate) fn delta(root: &Path, old: &Inventory, new: &Inventory) -> InventoryDelta {
    let mut upserts = folder_items(root, old, new);
    let mut removed = gone_folders(old, new);
    let mut order = Vec::new();
    let before: HashMap<&str, &Arc<FileEntry>> = old.files.iter().map(|file| (&*file.path, file)).collect();
    let after: HashSet<&str> = new.files.iter().map(|file| &*file.path).collect();
    for file in &new.files {
        match before.get(&*file.path) {
            Some(known) if Arc::ptr_eq(known, file) => {}
            Some(known) => {
                let old_items = items_of(root, known);
                let new_items = items_of(root, file);
                let new_ids: HashSet<&str> = new_items.iter().map(|item| &*item.id).collect();
                let lost: HashSet<&str> =
                    old_items.iter().map(|item| &*item.id).filter(|id| !new_ids.contains(id)).collect();
                // Removing a parent removes its children.
                let topmost = old_items.iter().filter(|item| {
                    lost.contains(&*item.id) && !item.parent.as_deref().is_some_and(|parent| lost.contains(parent))
                });
                removed.extend(topmost.map(|item| item.id.to_string()));
                let mut families: HashMap<&str, Vec<&str>> = HashMap::new();
                for item in &old_items {
                    families.entry(item.parent.as_deref().unwrap_or_default()).or_default().push(&item.id);
                }
                let known = |parent: &str| families.get(parent).cloned().unwrap_or_default();
                order.extend(Siblings::out_of_order(&new_items, known));
                let old_by_id: HashMap<&str, &TestItem> = old_items.iter().map(|item| (&*item.id, item)).collect();
                let news = new_items.into_iter().filter(|item| old_by_id.get(&*item.id) != Some(&item));
                upserts.extend(news.map(Arc::new));
            }
            None => upserts.extend(items_of(root, file).into_iter().map(Arc::new)),
        }
    }
    removed.extend(before.keys().filter(|path| !after.contains(**path)).map(|path| (*path).to_owned()));
    removed.sort_unstable();
    let errors = errors_of(root, new);
    InventoryDelta { revision: new.revision, upserts, removed, order, errors, ..InventoryDelta::default() }
}

/// All items at or below a path, as a change.
pub(crate) fn delta_within(root: &Path, inventory: &Inventory, path: &str) -> InventoryDelta {
    let mut whole = delta(root, &Inventory::default(), inventory);
    whole.upserts.retain(|item| is_within(NodeId::new(&item.id).file(), path));
    whole
}

/// The errors of collection, as events tell them.
pub(crate) fn errors_of(root: &Path, inventory: &Inventory) -> Vec<CollectError> {
    inventory.errors.values().map(|error| error_of(root, &error.reported)).collect()
}

/// An error of collection, as events tell it.
pub(crate) fn error_of(root: &Path, error: &Reported) -> CollectError {
    CollectError {
        uri: uri_of(&root.join(&error.path)),
        range: Range::of_line(error.line.unwrap_or(1)),
        message: error.message.clone(),
        longrepr: error.longrepr.clone().filter(|text| !text.trim().is_empty()),
    }
}

/// Every folder above a file, outermost first.
fn folders(inventory: &Inventory) -> BTreeSet<&str> {
    let paths = inventory.files.iter().map(|file| &*file.path);
    paths.flat_map(|path| path.match_indices('/').map(move |(end, _)| &path[..end])).collect()
}

fn folder_items(root: &Path, old: &Inventory, new: &Inventory) -> Vec<Arc<TestItem>> {
    let known = folders(old);
    let new = folders(new).into_iter().filter(|folder| !known.contains(folder));
    new.map(|folder| Arc::new(outline_item(root, folder, ItemKind::Dir))).collect()
}

fn gone_folders(old: &Inventory, new: &Inventory) -> Vec<String> {
    let present = folders(new);
    folders(old).into_iter().filter(|folder| !present.contains(folder)).map(str::to_owned).collect()
}

/// The items of a file, parents before children, in source order.
fn items_of(root: &Path, file: &FileEntry) -> Vec<TestItem> {
    if !file.confirmed {
        let nodes = file.analysis.as_ref().map_or(&[][..], |analysis| &analysis.nodes);
        return sources::file_items(root, &file.path, nodes, sources::line_of);
    }
    let mut items = vec![outline_item(root, &file.path, ItemKind::File)];
    let uri = Arc::clone(&items[0].uri);
    confirmed_items(&mut items, file, &uri);
    items
}

fn confirmed_items(items: &mut Vec<TestItem>, file: &FileEntry, uri: &Arc<str>) {
    let mut seen: HashMap<Arc<str>, usize> = HashMap::new();
    let class_line = |class: &str| {
        let nodes = file.analysis.iter().flat_map(|analysis| &analysis.nodes);
        nodes
            .filter(|node| node.kind == NodeKind::Class)
            .find(|node| node.id_suffix() == class)
            .map(|node| node.def_line)
            .or_else(|| {
                // The source does not show that it is a test class, because of its name or of bases in other files.
                let qualname = class.replace("::", ".");
                let defs = file.analysis.iter().flat_map(|analysis| &analysis.defs);
                defs.filter(|def| def.qualname == qualname).map(|def| def.def_line).next_back()
            })
    };
    for node in &file.nodes {
        let mut parent: Arc<str> = Arc::clone(&file.path);
        if let Some(class) = &node.class_name {
            let ends = class.match_indices("::").map(|(end, _)| end).chain([class.len()]);
            for end in ends {
                let id: Arc<str> = format!("{}::{}", file.path, &class[..end]).into();
                if !seen.contains_key(&id) {
                    let label = class[..end].rsplit("::").next().unwrap_or_default().into();
                    let range = class_line(&class[..end]).map(Range::of_line);
                    seen.insert(Arc::clone(&id), items.len());
                    items.push(item(&id, &parent, ItemKind::Class, label, uri, range));
                }
                parent = id;
            }
        }
        let range = node.line.map(Range::of_line);
        let mut kind = if node.is_doctest { ItemKind::Doctest } else { ItemKind::Function };
        let mut label = Arc::clone(&node.name);
        if node.is_case {
            let place = *seen.entry(Arc::clone(&node.function_id)).or_insert_with(|| {
                let label = node.name.split('[').next().unwrap_or_default().into();
                items.push(item(&node.function_id, &parent, ItemKind::Function, label, uri, range));
                items.len() - 1
            });
            let function = &mut items[place];
            function.case_count = Some(function.case_count.unwrap_or(0) + 1);
            let first = function.case_count == Some(1);
            function.skip = node.skip && (first || function.skip);
            function.xfail = node.xfail && (first || function.xfail);
            merge_markers(&mut function.markers, node);
            kind = ItemKind::Case;
            if let Some((_, case)) = node.name.split_once('[') {
                label = case.trim_end_matches(']').into();
            }
            parent = Arc::clone(&node.function_id);
        }
        let mut leaf = item(&node.id, &parent, kind, label, uri, range);
        leaf.markers = node.markers.iter().map(|marker| marker.to_string()).collect();
        leaf.skip = node.skip;
        leaf.xfail = node.xfail;
        items.push(leaf);
    }
}

fn merge_markers(markers: &mut Vec<String>, node: &Node) {
    for marker in &node.markers {
        if !markers.iter().any(|known| **known == **marker) {
            markers.push(marker.to_string());
        }
    }
}
