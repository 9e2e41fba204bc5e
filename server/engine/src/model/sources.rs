//! Makes items of the test tree from sources, without pytest. The engine needs them if pytest takes long; the language
//! server needs them for folders without a context, and for unsaved texts.

use std::collections::HashSet;
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
    let inside = files.filter(|file| !file.path.starts_with('/') && !file.analysis.nodes.is_empty());
    inside.map(|file| (file.path, Arc::new(file.analysis))).collect()
}

/// The items of all sources in `root` and its nested projects. Folders and files come first, so that a client can show
/// them while it adds the tests. Blocks. `projects`: the setting of that name.
pub fn list_sources(root: &Path, settings: &PytestSettings, projects: Option<&[String]>) -> Vec<TestItem> {
    let (mut outline, mut tests) = (Vec::new(), Vec::new());
    let mut folders = HashSet::new();
    for TreeProject { path: project, root: own, settings } in tree(root, settings.clone(), projects) {
        for (path, analysis) in read(&own, &settings) {
            let path = Prefix(&project).id(&path);
            for item in items_of_source(root, &project, &path, &analysis.nodes, line_of) {
                match item.kind {
                    ItemKind::Dir if !folders.insert(item.id.clone()) => {}
                    kind if kind.is_outline() => outline.push(item),
                    _ => tests.push(item),
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
    let uri = items[0].uri.clone();
    let classes: HashSet<String> =
        nodes.iter().filter(|node| node.kind == NodeKind::Class).map(StaticNode::id_suffix).collect();
    items.extend(nodes.iter().map(|node| {
        let class = Some(node.parents.join("::")).filter(|class| classes.contains(class));
        let parent = class.map_or_else(|| file.to_owned(), |class| format!("{file}::{class}"));
        let kind = match node.kind {
            NodeKind::Class => ItemKind::Class,
            NodeKind::Function => ItemKind::Function,
            NodeKind::Doctest => ItemKind::Doctest,
        };
        let id = format!("{file}::{}", node.id_suffix());
        TestItem {
            markers: node.markers.clone(),
            skip: node.skip,
            xfail: node.xfail,
            case_count: node.case_count,
            provisional: true,
            ..item(&id, &parent, kind, node.name.clone(), &uri, Some(range(node)))
        }
    }));
    items
}
