//! Snapshots of a project's code for the nodes of a cluster: the files that git does not ignore, by the hashes of their
//! contents. After an edit only the changed files are read.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ignore::WalkBuilder;
use pytest_lens_platform::files::{entry_changed_ns, is_executable};
use sha2::{Digest, Sha256};

use crate::processes::cluster_protocol::{SnapshotChange, TreeEntry};

/// A file that changed longer ago has another time after its next change.
const SETTLED: Duration = Duration::from_secs(2);

/// Takes snapshots of one root.
pub(crate) struct CodeSnapshots {
    root: PathBuf,
    /// The files at the last snapshot, with the state that they had on the disk.
    known: BTreeMap<String, (State, TreeEntry)>,
    /// The last snapshot.
    last: String,
}

/// The state of a file, as far as it shows without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    modified: SystemTime,
    changed_ns: i64,
    size: u64,
    /// When it was read, every later change had another time; never true of a link to a file outside of the root.
    is_settled: bool,
}

impl CodeSnapshots {
    pub(crate) fn new(root: PathBuf) -> Self {
        CodeSnapshots { root, known: BTreeMap::new(), last: String::new() }
    }

    /// Takes a snapshot of the present files, as changes from the last one. Blocks.
    pub(crate) fn take(&mut self) -> SnapshotChange {
        let now = SystemTime::now();
        let mut present = BTreeMap::new();
        for (name, path, data) in self.files() {
            let modified = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let mut state = State {
                modified,
                changed_ns: entry_changed_ns(&data),
                size: data.len(),
                is_settled: now.duration_since(modified).is_ok_and(|age| age > SETTLED),
            };
            let known = self.known.get(&name).filter(|(before, _)| before.is_settled && *before == state);
            let entry = match known {
                Some((_, entry)) => entry.clone(),
                // A file that goes or can't be read meanwhile is not there.
                None => match entry_of(&self.root, &path, &data) {
                    Ok(Some(entry)) => entry,
                    Ok(None) | Err(_) => continue,
                },
            };
            state.is_settled &= !data.is_symlink() || matches!(entry, TreeEntry::Link(..));
            present.insert(name, (state, entry));
        }
        let id = name_of(&present);
        let is_other = |(name, (_, entry)): &(&String, &(State, TreeEntry))| {
            self.known.get(*name).is_none_or(|(_, before)| before != entry)
        };
        let changed = present.iter().filter(is_other).map(|(name, (_, entry))| (name.clone(), entry.clone())).collect();
        let removed = self.known.keys().filter(|name| !present.contains_key(*name)).cloned().collect();
        self.known = present;
        let base = std::mem::replace(&mut self.last, id.clone());
        SnapshotChange { id, base, changed, removed }
    }

    /// Makes the next snapshot a whole one.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        self.last.clear();
    }

    fn files(&self) -> impl Iterator<Item = (String, PathBuf, Metadata)> {
        let root = self.root.clone();
        let walk = WalkBuilder::new(&self.root)
            .hidden(false)
            .require_git(false)
            .ignore(false)
            .filter_entry(|entry| !is_left_out(entry.path()))
            .build();
        walk.flatten().filter_map(move |entry| {
            let path = entry.into_path();
            let data = fs::symlink_metadata(&path).ok().filter(|data| !data.is_dir())?;
            let name = path.strip_prefix(&root).ok()?.to_str()?.replace('\\', "/");
            Some((name, path, data))
        })
    }
}

/// Environments, caches and the folders of version control, also where no `.gitignore` names them.
fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    matches!(name.to_str(), Some(".git" | ".hg" | ".svn" | "__pycache__" | ".pytest_cache" | "node_modules"))
        || path.join("pyvenv.cfg").is_file()
}

/// The entry of a file; `None` for sockets and the like. A link that leads out of the root is the file behind it.
fn entry_of(root: &Path, path: &Path, data: &Metadata) -> io::Result<Option<TreeEntry>> {
    if data.is_symlink() {
        let target = fs::read_link(path)?;
        let behind = path.parent().unwrap_or(root).join(&target);
        if target.is_relative() && fs::canonicalize(&behind).is_ok_and(|real| real.starts_with(root)) {
            return Ok(target.to_str().map(|target| TreeEntry::Link("link", target.to_owned())));
        }
    }
    let data = fs::metadata(path)?;
    if !data.is_file() {
        return Ok(None);
    }
    let digest = Sha256::digest(fs::read(path)?).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(TreeEntry::File("file", digest, is_executable(path))))
}

fn name_of(files: &BTreeMap<String, (State, TreeEntry)>) -> String {
    let mut digest = Sha256::new();
    for (name, (_, entry)) in files {
        digest.update(name.as_bytes());
        match entry {
            TreeEntry::File(kind, content, is_executable) => {
                digest.update(format!("\0{kind}\0{content}\0{is_executable}\0"));
            }
            TreeEntry::Link(kind, target) => digest.update(format!("\0{kind}\0{target}\0")),
        }
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(change: &SnapshotChange) -> (Vec<&str>, Vec<&str>) {
        (change.changed.keys().map(String::as_str).collect(), change.removed.iter().map(String::as_str).collect())
    }

    #[test]
    fn a_snapshot_has_what_git_does_not_ignore_and_the_next_one_only_what_changed() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put(".gitignore", "build\n");
        put("build/out.txt", "");
        put(".venv/pyvenv.cfg", "");
        put(".venv/lib/a.py", "");
        put("pkg/a.py", "a");
        put("pkg/__pycache__/a.pyc", "");
        put(".github/data.json", "{}");
        std::os::unix::fs::symlink("a.py", root.path().join("pkg/b.py")).unwrap();
        let mut snapshots = CodeSnapshots::new(root.path().canonicalize().unwrap());
        let first = snapshots.take();
        assert_eq!(names(&first), (vec![".github/data.json", ".gitignore", "pkg/a.py", "pkg/b.py"], vec![]));
        assert_eq!(first.changed["pkg/b.py"], TreeEntry::Link("link", "a.py".into()));
        let same = snapshots.take();
        assert_eq!((names(&same), &same.id), ((vec![], vec![]), &first.id));
        put("pkg/a.py", "b");
        fs::remove_file(root.path().join(".github/data.json")).unwrap();
        let next = snapshots.take();
        assert_eq!(names(&next), (vec!["pkg/a.py"], vec![".github/data.json"]));
        assert_eq!((&next.base, next.id == first.id), (&first.id, false));
    }
}
