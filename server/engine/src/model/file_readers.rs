//! Records which code read which files of the project while tests were collected and run. A changed file can affect
//! these readers as well as the files that import it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::model::import_graph::relative;

/// Stands for every file: a process that a test starts may read any of them.
pub(crate) const ANY_FILE: &str = "*";

/// A file or folder that was read, or `*` for any; and the files whose code read it, empty for pytest itself. Paths are
/// absolute.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FileReads(pub String, pub Vec<String>);

/// Reads since the project was opened, by paths relative to the root. Only the recorder adds to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileReaders {
    /// Maps a file or a listed folder to the files whose code read it.
    readers: BTreeMap<String, BTreeSet<String>>,
    /// Files that pytest itself read: configuration, conftests, test files, plugins.
    by_pytest: BTreeSet<String>,
}

impl FileReaders {
    /// Adds a worker's report.
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

    /// Returns whether pytest itself read this file.
    pub(crate) fn is_read_by_pytest(&self, path: &str) -> bool {
        self.by_pytest.contains(path)
    }
}
