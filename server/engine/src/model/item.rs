//! Makes items of the test tree.

use std::path::Path;

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
        id: path.to_owned(),
        parent: parent.map(str::to_owned),
        kind,
        label: label.to_owned(),
        uri: uri_of(&root.join(path)),
        range: None,
        markers: Vec::new(),
        skip: false,
        xfail: false,
        case_count: None,
        provisional: false,
    }
}

/// An item within a file, without markers and cases.
pub(crate) fn item(id: &str, parent: &str, kind: ItemKind, label: String, uri: &str, range: Option<Range>) -> TestItem {
    TestItem {
        id: id.to_owned(),
        parent: Some(parent.to_owned()),
        kind,
        label,
        uri: uri.to_owned(),
        range,
        markers: Vec::new(),
        skip: false,
        xfail: false,
        case_count: None,
        provisional: false,
    }
}
