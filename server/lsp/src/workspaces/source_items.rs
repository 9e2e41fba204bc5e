//! Creates items of the test tree from the analysis of a source.

use std::path::Path;

use pytest_lens_analysis::StaticNode;
use pytest_lens_engine::{outline_item, source_items};
use pytest_lens_protocol::{ItemKind, Range, TestItem};

/// The items of one file: its folders, itself, and its tests. Empty for a file without tests.
pub(crate) fn of_source(
    root: &Path,
    file: &str,
    nodes: &[StaticNode],
    range: impl Fn(&StaticNode) -> Range,
) -> Vec<TestItem> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let folders = file.match_indices('/').map(|(end, _)| outline_item(root, &file[..end], ItemKind::Dir));
    let mut items: Vec<TestItem> = folders.collect();
    let own = TestItem { provisional: true, ..outline_item(root, file, ItemKind::File) };
    let tests = source_items(file, &own.uri, nodes, range);
    items.push(own);
    items.extend(tests);
    items
}
