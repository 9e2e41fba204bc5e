//! Items of the test tree, made from what the source says.

use std::collections::HashSet;
use std::path::Path;

use pytest_lens_analysis::{NodeKind, StaticNode};
use pytest_lens_protocol::{ItemKind, Range, TestItem};

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
