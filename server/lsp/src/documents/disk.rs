//! Caches the texts on disk of files that are open or have outcomes or errors shown in them. Lines of runs and
//! collections refer to these texts, not to those in the editor.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use pytest_lens_platform::files;
use ropey::Rope;

use crate::documents::text::{Reader, Text};
use crate::timing::MTIME_RESOLUTION;

/// The largest file that is read, in bytes; sources are smaller.
const LARGEST: u64 = 16 << 20;

/// A file's time of modification and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    identity: (u64, u64),
    size: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp { identity: files::identity(metadata), size: metadata.len(), modified: metadata.modified().ok() }
    }

    /// Whether every later change shows in the stamp.
    fn is_settled(&self) -> bool {
        self.modified.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > MTIME_RESOLUTION)
    }
}

/// The cached files.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: HashMap<PathBuf, (Stamp, Arc<Text>)>,
}

impl Disk {
    /// Returns the present text on disk, the same object as long as the file does not change; `None` if it can't be
    /// read.
    pub(crate) fn read_disk(&mut self, path: &Path, reader: impl FnOnce() -> Reader) -> Option<Arc<Text>> {
        let metadata = std::fs::metadata(path).ok().filter(|metadata| metadata.is_file() && metadata.len() <= LARGEST);
        let Some(metadata) = metadata else {
            self.files.remove(path);
            return None;
        };
        let stamp = Stamp::of(&metadata);
        let known = self.files.get(path);
        if let Some((_, text)) = known.filter(|(old, _)| *old == stamp && stamp.is_settled()) {
            return Some(Arc::clone(text));
        }
        let read = std::fs::read(path).ok()?;
        // Editors don't show the byte order mark.
        let rope = Rope::from_str(String::from_utf8_lossy(&read).trim_start_matches('\u{feff}'));
        let text = match known {
            Some((_, text)) if ***text == rope => Arc::clone(text),
            _ => Arc::new(Text::new(rope, reader())),
        };
        self.files.insert(path.to_owned(), (stamp, Arc::clone(&text)));
        Some(text)
    }

    /// Returns the text at the last look.
    pub(crate) fn seen(&self, path: &Path) -> Option<&Arc<Text>> {
        self.files.get(path).map(|(_, text)| text)
    }

    /// The files whose texts are cached.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// Drops all files but these.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Path) -> bool) {
        self.files.retain(|path, _| keep(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_text_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test_a.py");
        let mut disk = Disk::default();
        assert!(disk.read_disk(&path, Reader::default).is_none());
        std::fs::write(&path, "a = 1\n").unwrap();
        let first = disk.read_disk(&path, Reader::default).unwrap();
        assert!(Arc::ptr_eq(&first, &disk.read_disk(&path, Reader::default).unwrap()));
        std::fs::write(&path, "a = 2\n").unwrap();
        let second = disk.read_disk(&path, Reader::default).unwrap();
        assert_eq!(second.to_string(), "a = 2\n");
        std::fs::remove_file(&path).unwrap();
        assert!(disk.read_disk(&path, Reader::default).is_none());
        assert!(disk.seen(&path).is_none());
    }
}
