//! One name for the code of a project as it is on disk: flakiness is proven by a pass and a fail on the same code.
//!
//! What counts are the Python sources and pytest's configuration under the root that git does not ignore;
//! environments are left out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ignore::WalkBuilder;
use sha2::{Digest, Sha256};

const CONFIG: [&str; 7] =
    ["pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "pyproject.toml", "tox.ini", "setup.cfg"];

type Known = HashMap<PathBuf, (SystemTime, u64, [u8; 32])>;

/// Remembers the contents of files that have not changed, so that only new ones are read.
#[derive(Debug, Default)]
pub struct Fingerprints {
    known: Mutex<Known>,
}

impl Fingerprints {
    /// The name of the code under `root` now: 32 hexadecimal digits. Reads every file that is new or was changed.
    pub fn of(&self, root: &Path) -> Arc<str> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present: Vec<PathBuf> = WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .sort_by_file_name(std::ffi::OsStr::cmp)
            .filter_entry(|entry| !entry.file_type().is_some_and(|kind| kind.is_dir()) || !is_left_out(entry.path()))
            .build()
            .flatten()
            .map(ignore::DirEntry::into_path)
            .filter(|path| is_code(path))
            .collect();
        present.sort_unstable();
        let mut digest = Sha256::new();
        for path in present {
            let Some(content) = content_of(&mut known, &path) else { continue };
            let relative = path.strip_prefix(root).unwrap_or(&path);
            digest.update(relative.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(content);
        }
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
    }
}

/// Whether a file of this name may hold pytest's configuration.
#[must_use]
pub fn is_config_file(name: &str) -> bool {
    CONFIG.contains(&name)
}

fn is_code(path: &Path) -> bool {
    let is_python = path.extension().is_some_and(|extension| extension == "py" || extension == "pyi");
    is_python || path.file_name().and_then(|name| name.to_str()).is_some_and(is_config_file)
}

fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(name, ".git" | "node_modules" | "__pycache__" | ".tox" | ".nox") || path.join("pyvenv.cfg").is_file()
}

fn content_of(known: &mut Known, path: &Path) -> Option<[u8; 32]> {
    let data = std::fs::metadata(path).ok()?;
    if !data.is_file() {
        return None;
    }
    let modified = data.modified().ok()?;
    let settled = modified.elapsed().is_ok_and(|age| age.as_secs() >= 2);
    if settled
        && let Some((time, size, content)) = known.get(path)
        && (*time, *size) == (modified, data.len())
    {
        return Some(*content);
    }
    let content: [u8; 32] = Sha256::digest(std::fs::read(path).ok()?).into();
    known.insert(path.to_owned(), (modified, data.len(), content));
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_code_that_git_knows_of_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let prints = Fingerprints::default();
        write("a.py", "1");
        write(".gitignore", "made.py\n");
        let first = prints.of(root.path());
        write("made.py", "x");
        write("notes.txt", "x");
        write(".venv/pyvenv.cfg", "");
        write(".venv/lib/b.py", "x");
        assert_eq!(prints.of(root.path()), first);
        write("a.py", "2");
        let second = prints.of(root.path());
        assert_ne!(second, first);
        write("pytest.ini", "[pytest]");
        assert_ne!(prints.of(root.path()), second);
        write("a.py", "1");
        fs::remove_file(root.path().join("pytest.ini")).unwrap();
        assert_eq!(prints.of(root.path()), first);
    }
}
