//! Makes items of the test tree.

use std::path::Path;
use std::sync::Arc;

use pytest_lens_protocol::{ItemKind, Range, TestItem};
use url::Url;

/// The `file:` URI of a path.
pub(crate) fn uri_of(path: &Path) -> String {
    Url::from_file_path(path).map_or_else(|()| format!("file://{}", path.display()), String::from)
}

/// A folder or file, by its path relative to the root.
pub(crate) fn outline_item(root: &Path, path: &str, kind: ItemKind) -> TestItem {
    let (parent, label) = path.rsplit_once('/').map_or((None, path), |(parent, label)| (Some(parent), label));
    TestItem {
        id: path.into(),
        parent: parent.map(Arc::from),
        kind,
        label: label.into(),
        uri: uri_of(&root.join(path)).into(),
        range: None,
        markers: Vec::new(),
        skip: false,
        xfail: false,
        case_count: None,
        provisional: false,
    }
}

/// An item within a file, without markers and cases.
pub(crate) fn item(
    id: &Arc<str>,
    parent: &Arc<str>,
    kind: ItemKind,
    label: Arc<str>,
    uri: &Arc<str>,
    range: Option<Range>,
) -> TestItem {
    TestItem {
        id: Arc::clone(id),
        parent: Some(Arc::clone(parent)),
        kind,
        label,
        uri: Arc::clone(uri),
        range,
        markers: Vec::new(),
        skip: false,
        xfail: false,
        case_count: None,
        provisional: false,
    }
}
