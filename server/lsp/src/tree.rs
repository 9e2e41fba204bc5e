//! Items of the test tree, made from what the source says or from a plain inventory.

use std::collections::HashSet;
use std::path::Path;

use pytest_lens_analysis::{NodeKind, StaticNode};
use pytest_lens_protocol::{ItemKind, Range, TestItem, TestNodeInfo};

use crate::paths::uri_text;

/// The provisional items of one file: its folders, itself, and its tests. Nothing for a file without tests.
pub(crate) fn of_source(
    root: &Path,
    file: &str,
    nodes: &[StaticNode],
    range: impl Fn(&StaticNode) -> Range,
) -> Vec<TestItem> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let mut items = folders_and_file(root, file, true);
    let uri = uri_text(&root.join(file));
    let classes: HashSet<String> =
        nodes.iter().filter(|node| node.kind == NodeKind::Class).map(StaticNode::id_suffix).collect();
    for node in nodes {
        let parent = Some(node.parents.join("::")).filter(|parent| classes.contains(parent));
        items.push(TestItem {
            id: format!("{file}::{}", node.id_suffix()),
            parent: Some(parent.map_or_else(|| file.to_owned(), |parent| format!("{file}::{parent}"))),
            kind: match node.kind {
                NodeKind::Class => ItemKind::Class,
                NodeKind::Function => ItemKind::Function,
                NodeKind::Doctest => ItemKind::Doctest,
            },
            label: node.name.clone(),
            uri: uri.clone(),
            range: Some(range(node)),
            markers: node.markers.clone(),
            skip: node.skip,
            xfail: node.xfail,
            case_count: node.case_count,
            provisional: true,
        });
    }
    items
}

/// The items of a whole inventory, parents before children.
pub(crate) fn of_inventory(root: &Path, nodes: &[TestNodeInfo]) -> Vec<TestItem> {
    let mut items = Vec::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut add = |item: TestItem| {
        if known.insert(item.id.clone()) {
            items.push(item);
        }
    };
    for node in nodes {
        for item in folders_and_file(root, &node.file_path, false) {
            add(item);
        }
        let uri = uri_text(&root.join(&node.file_path));
        let item = |id: String, parent: String, kind: ItemKind, label: &str| TestItem {
            id,
            parent: Some(parent),
            kind,
            label: label.to_owned(),
            uri: uri.clone(),
            range: None,
            markers: Vec::new(),
            skip: false,
            xfail: false,
            case_count: None,
            provisional: false,
        };
        let mut parent = node.file_path.clone();
        for class in node.class_name.iter().flat_map(|classes| classes.split("::")) {
            let id = format!("{parent}::{class}");
            add(item(id.clone(), parent, ItemKind::Class, class));
            parent = id;
        }
        let base = node.name.split_once('[').map_or(node.name.as_str(), |(function, _)| function);
        let function = format!("{parent}::{base}");
        let range = node.lineno.map(Range::of_line);
        let is_case = base != node.name;
        let kind = if base.contains('.') { ItemKind::Doctest } else { ItemKind::Function };
        let marked = |item: TestItem| TestItem {
            range,
            markers: node.markers.clone(),
            skip: node.skip,
            xfail: node.xfail,
            ..item
        };
        add(marked(item(function.clone(), parent, kind, base)));
        if is_case {
            let case = node.name.get(base.len()..).unwrap_or_default();
            let label = case.trim_start_matches('[').trim_end_matches(']');
            add(marked(item(node.node_id.clone(), function, ItemKind::Case, label)));
        }
    }
    count_cases(&mut items);
    items
}

fn count_cases(items: &mut [TestItem]) {
    let mut counts = std::collections::HashMap::<String, u32>::new();
    for item in items.iter().filter(|item| item.kind == ItemKind::Case) {
        *counts.entry(item.parent.clone().unwrap_or_default()).or_default() += 1;
    }
    for item in items {
        item.case_count = counts.get(&item.id).copied();
    }
}

fn folders_and_file(root: &Path, file: &str, provisional: bool) -> Vec<TestItem> {
    let mut items = Vec::new();
    let mut parent = None;
    for (end, _) in file.match_indices('/').chain([(file.len(), "")]) {
        let id = file.get(..end).unwrap_or(file).to_owned();
        let kind = if end == file.len() { ItemKind::File } else { ItemKind::Dir };
        items.push(TestItem {
            label: id.rsplit('/').next().unwrap_or(&id).to_owned(),
            uri: uri_text(&root.join(&id)),
            id: id.clone(),
            parent,
            kind,
            range: None,
            markers: Vec::new(),
            skip: false,
            xfail: false,
            case_count: None,
            provisional,
        });
        parent = Some(id);
    }
    items
}
