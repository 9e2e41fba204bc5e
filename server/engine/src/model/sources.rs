//! Makes items of the test tree from sources, without pytest. The engine needs them if pytest takes long; the language
//! server needs them for folders without a context, and for unsaved texts.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::listing::{TreeProject, tree};
use pytest_lens_analysis::{FileAnalysis, NodeKind, PytestSettings, StaticNode};
use pytest_lens_protocol::{ItemKind, Range, TestItem};

use crate::model::item::{item, outline_item};
use crate::model::prefix::Prefix;

/// Reads all files with tests that pytest would collect in `root`, by their paths below it. Blocks.
pub(crate) fn read(root: &Path, settings: &PytestSettings) -> Vec<(String, Arc<FileAnalysis>)> {
    let files = pytest_lens_analysis::listing::list(root, settings).into_iter();
    let inside = files.filter(|file| !file.path.starts_with('/') && !file.outline.nodes.is_empty());
    inside.map(|file| (file.path, Arc::new(file.outline.into()))).collect()
}

/// The items of all sources in `root` and its nested projects. Folders and files come first, so that a client can show
/// them while it adds the tests. Blocks. `projects`: the setting of that name.
pub fn list_sources(root: &Path, settings: &PytestSettings, projects: Option<&[String]>) -> Vec<Arc<TestItem>> {
    let (mut outline, mut tests) = (Vec::new(), Vec::new());
    let mut folders = HashSet::new();
    for TreeProject { path: project, root: own, settings } in tree(root, settings.clone(), projects) {
        for (path, analysis) in read(&own, &settings) {
            let path = Prefix(&project).id(&path);
            for item in items_of_source(root, &project, &path, &analysis.nodes, line_of) {
                match item.kind {
                    ItemKind::Dir if !folders.insert(item.id.clone()) => {}
                    kind if kind.is_outline() => outline.push(Arc::new(item)),
                    _ => tests.push(Arc::new(item)),
                }
            }
        }
    }
    outline.append(&mut tests);
    outline
}

/// The items of one source: its folders, itself, and its tests. Empty for a source without tests. `project`: the folder
/// of its nested project, relative to the root; empty for the root's own.
pub fn items_of_source(
    root: &Path,
    project: &str,
    file: &str,
    nodes: &[StaticNode],
    range: impl Fn(&StaticNode) -> Range,
) -> Vec<TestItem> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let folders = file.match_indices('/').filter(|(end, _)| *end >= project.len());
    let folders = folders.map(|(end, _)| match &file[..end] {
        folder if folder == project => Prefix(project).project_item(root),
        folder => outline_item(root, folder, ItemKind::Dir),
    });
    folders.chain(file_items(root, file, nodes, range)).collect()
}

/// The line of a definition.
pub(crate) fn line_of(node: &StaticNode) -> Range {
    Range::of_line(node.def_line)
}

/// The items of a source and its tests: provisional, parents before children, in source order.
pub(crate) fn file_items(
    root: &Path,
    file: &str,
    nodes: &[StaticNode],
    range: impl Fn(&StaticNode) -> Range,
) -> Vec<TestItem> {
    let mut items = vec![TestItem { provisional: true, ..outline_item(root, file, ItemKind::File) }];
    let (file_id, uri) = (Arc::clone(&items[0].id), Arc::clone(&items[0].uri));
    let is_class = |node: &&StaticNode| node.kind == NodeKind::Class;
    let class = |node: &StaticNode| (node.id_suffix(), Arc::from(format!("{file}::{}", node.id_suffix())));
    let classes: HashMap<String, Arc<str>> = nodes.iter().filter(is_class).map(class).collect();
    items.extend(nodes.iter().map(|node| {
        let parent = classes.get(&node.parents.join("::")).unwrap_or(&file_id);
        let kind = match node.kind {
            NodeKind::Class => ItemKind::Class,
            NodeKind::Function => ItemKind::Function,
            NodeKind::Doctest => ItemKind::Doctest,
        };
        let id: Arc<str> = format!("{file}::{}", node.id_suffix()).into();
        TestItem {
            markers: node.markers.clone(),
            skip: node.skip,
            xfail: node.xfail,
            case_count: node.case_count,
            provisional: true,
            ..item(&id, parent, kind, node.name.as_str().into(), &uri, Some(range(node)))
        }
    }));
    items
}
