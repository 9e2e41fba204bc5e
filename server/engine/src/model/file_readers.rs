//! Which files of the project were read by whom while tests were collected and run: what a changed file can reach
//! besides the imports that the sources show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::model::import_graph::relative;

/// Stands for every file: a process that a test starts may read any.
pub(crate) const ANY_FILE: &str = "*";

/// A file or folder that was read, or `*` for any; and the files whose code read it, none = pytest itself. Absolute.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FileReads(pub String, pub Vec<String>);

/// Reads since the project was opened. Paths are relative to the root. The recorder alone adds to it.
#[derive(Debug, Default)]
pub(crate) struct FileReaders {
    /// From a file, or a folder that was listed, to the files whose code read it.
    readers: BTreeMap<String, BTreeSet<String>>,
    /// Files that pytest itself read: configuration, conftests, test files, plugins.
    by_pytest: BTreeSet<String>,
}

impl FileReaders {
    /// Adds what a worker reports.
    pub(crate) fn add(&mut self, root: &Path, reads: &[FileReads]) {
        let inside = |path: &str| relative(root, Path::new(path));
        for FileReads(path, readers) in reads {
            let Some(path) = (if path == ANY_FILE { Some(path.clone()) } else { inside(path) }) else { continue };
            if readers.is_empty() {
                self.by_pytest.insert(path);
            } else {
                self.readers.entry(path).or_default().extend(readers.iter().filter_map(|reader| inside(reader)));
            }
        }
    }

    /// The files whose code read this file or folder.
    pub(crate) fn readers(&self, path: &str) -> impl Iterator<Item = &str> {
        self.readers.get(path).into_iter().flatten().map(String::as_str)
    }

    /// Whether pytest itself read this file.
    pub(crate) fn is_read_by_pytest(&self, path: &str) -> bool {
        self.by_pytest.contains(path)
    }
}
