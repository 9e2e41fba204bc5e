//! The path of a repository's history, and the folder that holds it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pytest_lens_platform::{files, private};
use sha2::{Digest, Sha256};

/// A repository's history on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The SQLite file; while it is in use, the files with `-wal` and `-shm` after its name are next to it.
    pub file: PathBuf,
    /// The repository's root, its symlinks resolved.
    pub root: PathBuf,
}

impl Location {
    /// The history of the repository at `root`, below a user's state folder: `history/NAME-HASH.db`.
    #[must_use]
    pub fn of(state_dir: &Path, root: &Path) -> Self {
        let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "._-".contains(*letter);
        let name: String = name.chars().filter(is_plain).take(40).collect();
        let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
        let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Location { file: state_dir.join("history").join(format!("{name}-{hash}.db")), root }
    }

    /// Files that were set aside because they were damaged, the oldest first.
    #[must_use]
    pub fn set_aside(&self) -> Vec<PathBuf> {
        let (Some(folder), Some(name)) = (self.file.parent(), self.file.file_name()) else { return Vec::new() };
        let start = format!("{}.damaged-", name.to_string_lossy());
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut found: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                name.starts_with(&start) && !name.ends_with("-wal") && !name.ends_with("-shm")
            })
            .map(|entry| entry.path())
            .collect();
        found.sort_unstable();
        found
    }

    /// Creates the folder, private to the user.
    pub(crate) fn make_folder(&self) -> io::Result<()> {
        let Some(folder) = self.file.parent() else { return Ok(()) };
        private::create_folders(folder)
    }

    /// Renames the file, and SQLite's files next to it; returns its new name.
    pub(crate) fn put_aside(&self) -> io::Result<PathBuf> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let aside = beside(&self.file, &format!(".damaged-{now}"));
        fs::rename(&self.file, &aside)?;
        for suffix in ["-wal", "-shm"] {
            match fs::rename(beside(&self.file, suffix), beside(&aside, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(aside)
    }

    /// Runs `work` while no other process does the same for this file.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let lock = fs::OpenOptions::new().create(true).truncate(false).write(true).open(beside(&self.file, ".lock"))?;
        lock.lock()?;
        Ok(work())
    }

    /// Identifies the file of this name: whether it is still the same one.
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        fs::metadata(&self.file).ok().map(|data| files::identity(&data))
    }
}

/// The path with a suffix after its last name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_of_the_same_name_have_files_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let location = |root: &str| {
            fs::create_dir_all(folder.path().join(root)).unwrap();
            Location::of(Path::new("/state"), &folder.path().join(root))
        };
        let (one, two) = (location("a/my repo!"), location("b/my repo!"));
        assert_ne!(one.file, two.file);
        assert_eq!(location("b/../a/my repo!"), one);
        let name = one.file.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("myrepo-") && name.ends_with(".db"), "{name}");
    }

    #[test]
    fn a_file_is_set_aside_with_those_next_to_it_or_the_fault_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let location = |name: &str| Location { file: folder.path().join(name), root: folder.path().to_owned() };
        let fill = |location: &Location, ends: &[&str]| {
            for end in ends {
                fs::write(beside(&location.file, end), end).unwrap();
            }
        };
        let short = location("x.db");
        fill(&short, &["", "-wal"]);
        let aside = short.put_aside().unwrap();
        assert_eq!(short.set_aside(), std::slice::from_ref(&aside));
        assert_eq!(fs::read(beside(&aside, "-wal")).unwrap(), b"-wal");
        assert!(!short.file.exists() && !beside(&short.file, "-wal").exists());
        // Of this one, the new name is as long as a name may be, and that of its log is longer.
        let long = location(&"x".repeat(255 - ".damaged-".len() - 13));
        fill(&long, &["", "-wal"]);
        assert!(long.put_aside().is_err());
        assert_eq!(short.put_aside().map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    }
}
