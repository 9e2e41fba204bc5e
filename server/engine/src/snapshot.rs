//! What the disk looked like when a process read it, and whether it still does.
//!
//! A file is unchanged if its stat is, the time of its entry's last change included; but where it was written shortly
//! before it was read, two edits within one tick of the clock, of the same size, look alike, so there the content
//! decides. A folder is unchanged if the names in it that matter are. Who reads a file or a folder looks at its stat
//! first, and says whether that was long enough after the last change: by the time that the engine hears of it,
//! another change may have come.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

use pytest_lens_history::is_config_file;
use sha2::{Digest, Sha256};

use crate::wire::{WireDir, WireStat};

/// A modification time this close to the reading proves nothing: 2 s, the coarsest tick of file systems in use.
const RECENT_NS: i64 = 2_000_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    mtime_ns: i64,
    /// When the file's entry last changed, which no program can put back.
    ctime_ns: i64,
    size: u64,
    sha256: Option<String>,
    /// The stat alone decides: whatever was written to the file was written well before it was looked at.
    settled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct DirState {
    mtime_ns: i64,
    /// The time alone decides, as for a file.
    settled: bool,
    names: Vec<String>,
}

/// The files and folders that a process has read, as they were then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    files: BTreeMap<PathBuf, FileState>,
    dirs: BTreeMap<PathBuf, DirState>,
}

/// How the disk differs from a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Files with another content, or gone.
    pub files: Vec<PathBuf>,
    /// Entries that came or went in folders.
    pub entries: Vec<PathBuf>,
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.entries.is_empty()
    }

    /// Takes in other changes.
    pub(crate) fn add(&mut self, more: Changes) {
        for (own, more) in [(&mut self.files, more.files), (&mut self.entries, more.entries)] {
            own.extend(more);
            own.sort_unstable();
            own.dedup();
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().chain(&self.entries)
    }
}

impl Snapshot {
    pub(crate) fn new(files: Vec<WireStat>, dirs: Vec<WireDir>) -> Self {
        let files = files.into_iter().map(|WireStat(path, mtime_ns, ctime_ns, size, settled, sha256)| {
            (path.into(), FileState { mtime_ns, ctime_ns, size, sha256, settled })
        });
        let dirs = dirs
            .into_iter()
            .map(|WireDir(path, mtime_ns, settled, names)| (path.into(), DirState { mtime_ns, settled, names }));
        Snapshot { files: files.collect(), dirs: dirs.collect() }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Takes in what another process read later.
    pub(crate) fn absorb(&mut self, later: &Snapshot) {
        self.files.extend(later.files.iter().map(|(path, state)| (path.clone(), state.clone())));
        self.dirs.extend(later.dirs.iter().map(|(path, state)| (path.clone(), state.clone())));
    }

    /// Adds what the same process read later: files as they were then, folders only where they are new.
    pub(crate) fn add(&mut self, later: Snapshot) {
        self.files.extend(later.files);
        for (path, state) in later.dirs {
            self.dirs.entry(path).or_insert(state);
        }
    }

    /// Forgets files and folders, so that they count as changed no more.
    pub(crate) fn forget<'a>(&mut self, paths: impl Iterator<Item = &'a PathBuf>) {
        for path in paths {
            self.files.remove(path);
        }
    }

    /// Takes the folders' present names for the known ones.
    pub(crate) fn accept_entries(&mut self) {
        self.dirs.retain(|path, state| match list(path) {
            Ok(present) => {
                *state = present;
                true
            }
            Err(_) => false,
        });
    }

    /// Whether nothing differs. Stops at the first difference.
    pub(crate) fn is_fresh(&mut self) -> bool {
        self.compare(true).is_empty()
    }

    /// What differs.
    pub(crate) fn changes(&mut self) -> Changes {
        self.compare(false)
    }

    fn compare(&mut self, first_only: bool) -> Changes {
        let mut changes = Changes::default();
        for (path, state) in &mut self.files {
            if !state.holds(path) {
                changes.files.push(path.clone());
                if first_only {
                    return changes;
                }
            }
        }
        for (path, state) in &mut self.dirs {
            if state.settled && fs::metadata(path).is_ok_and(|data| mtime_ns(&data) == state.mtime_ns) {
                continue;
            }
            let present = list(path).ok();
            let names = present.as_ref().map_or(&[][..], |present| &present.names);
            if names == state.names {
                if let Some(present) = present {
                    *state = present;
                }
                continue;
            }
            let came = names.iter().filter(|name| !state.names.contains(name));
            let went = state.names.iter().filter(|name| !names.contains(name));
            changes.entries.extend(came.chain(went).map(|name| path.join(name)));
            if first_only {
                return changes;
            }
        }
        changes
    }
}

impl FileState {
    fn holds(&mut self, path: &Path) -> bool {
        let Ok(data) = fs::metadata(path) else { return false };
        let same = mtime_ns(&data) == self.mtime_ns && data.len() == self.size;
        if same && self.settled && ctime_ns(&data) == self.ctime_ns {
            return true;
        }
        // Without a digest it is an installed file, whose ctime changes when another environment links to it.
        let Some(sha256) = &self.sha256 else { return same };
        let settled = is_settled(mtime_ns(&data).max(ctime_ns(&data)));
        if data.len() != self.size || !fs::read(path).is_ok_and(|content| hex_sha256(&content) == *sha256) {
            return false;
        }
        self.mtime_ns = mtime_ns(&data);
        self.ctime_ns = ctime_ns(&data);
        self.settled = settled;
        true
    }
}

/// The names in a folder that matter: no hidden ones but pytest's, no bytecode, no editors' backups.
fn list(path: &Path) -> io::Result<DirState> {
    let mtime_ns = mtime_ns(&fs::metadata(path)?);
    let settled = is_settled(mtime_ns);
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let hidden = name.starts_with('.') && !is_config_file(&name);
        let noise = hidden || name == "__pycache__" || name.ends_with(".pyc") || name.ends_with('~');
        if !noise {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(DirState { mtime_ns, settled, names })
}

pub(crate) fn hex_sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mtime_ns(data: &fs::Metadata) -> i64 {
    data.mtime() * 1_000_000_000 + data.mtime_nsec()
}

fn ctime_ns(data: &fs::Metadata) -> i64 {
    data.ctime() * 1_000_000_000 + data.ctime_nsec()
}

/// Whether a time is long enough ago for the next change to show another one.
fn is_settled(changed_ns: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos());
    i64::try_from(now).unwrap_or(i64::MAX) - changed_ns > RECENT_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(path: &Path, with_hash: bool) -> WireStat {
        let data = fs::metadata(path).unwrap();
        let sha256 = with_hash.then(|| hex_sha256(&fs::read(path).unwrap()));
        WireStat(path.to_string_lossy().into(), mtime_ns(&data), ctime_ns(&data), data.len(), false, sha256)
    }

    fn dir(path: &Path) -> WireDir {
        let state = list(path).unwrap();
        WireDir(path.to_string_lossy().into(), state.mtime_ns, state.settled, state.names)
    }

    #[test]
    fn an_edit_of_the_same_size_and_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.py");
        fs::write(&path, "a = 1").unwrap();
        let mut snapshot = Snapshot::new(vec![stat(&path, true)], vec![]);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "a = 2").unwrap();
        fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
        assert!(!snapshot.is_fresh());
        assert_eq!(snapshot.changes().files, vec![path]);
    }

    #[test]
    fn touching_a_file_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.py");
        fs::write(&path, "a = 1").unwrap();
        let mut snapshot = Snapshot::new(vec![stat(&path, true)], vec![]);
        fs::File::options().write(true).open(&path).unwrap().set_modified(SystemTime::now()).unwrap();
        assert!(snapshot.is_fresh());
    }

    #[test]
    fn a_file_that_goes_and_one_that_comes_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.py"), folder.path().join("new.py"));
        fs::write(&old, "").unwrap();
        let mut snapshot = Snapshot::new(vec![stat(&old, true)], vec![dir(folder.path())]);
        assert!(snapshot.is_fresh());
        fs::write(&new, "").unwrap();
        assert_eq!(snapshot.changes().entries, vec![new.clone()]);
        snapshot.accept_entries();
        assert!(snapshot.is_fresh());
        fs::remove_file(&old).unwrap();
        let changes = snapshot.changes();
        assert_eq!((changes.files, changes.entries), (vec![old.clone()], vec![old]));
    }

    #[test]
    fn bytecode_and_backups_in_a_folder_are_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut snapshot = Snapshot::new(vec![], vec![dir(folder.path())]);
        fs::create_dir(folder.path().join("__pycache__")).unwrap();
        fs::write(folder.path().join("m.py~"), "").unwrap();
        fs::write(folder.path().join(".m.py.swp"), "").unwrap();
        assert!(snapshot.is_fresh());
    }
}
