//! Names the files and settings that a run's outcome may depend on: a pass and a failure on the same code prove
//! flakiness.
//!
//! A fingerprint covers the files under the root that git does not ignore, data as well as sources, and inputs that the
//! caller adds (variables, installed packages). It leaves out environments, caches, and data that tests write
//! themselves: a counter or a database that every run changes would give each run another fingerprint.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ignore::WalkBuilder;
use pytest_lens_analysis::{is_config_file, is_settings_file};
use pytest_lens_platform::clock::disk_time;
use pytest_lens_platform::files::entry_changed_ns;
use sha2::{Digest, Sha256};

/// Files of variables that a project reads by itself count, though git usually ignores them.
const VARIABLES: &str = ".env";

/// Larger data files count by size and time.
const LARGE: u64 = 4 << 20;

/// The number of runs whose times are remembered.
const RUNS: usize = 1000;

/// The times at which runs began and ended.
type Runs = Arc<Mutex<Vec<(SystemTime, Option<SystemTime>)>>>;

type Known = HashMap<PathBuf, (SystemTime, u64, [u8; 32])>;

/// Remembers the hashes of files that have not changed, so that only changed ones are read.
#[derive(Debug, Default)]
pub struct Fingerprints {
    known: Mutex<Known>,
    runs: Runs,
}

/// A run in progress, as long as this is held.
#[derive(Debug)]
pub struct Running {
    began: SystemTime,
    first_own: SystemTime,
    runs: Runs,
}

impl Running {
    /// The time of its beginning, by the disk's clock: every file that changes from now on has a later time.
    #[must_use]
    pub fn began(&self) -> SystemTime {
        self.began
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.iter_mut().find(|run| **run == (self.first_own, None)) {
            run.1 = Some(disk_time());
        }
    }
}

/// The time of the last change of a file's entry, because a file may have replaced another with the same modification
/// time.
fn entry_changed(data: &std::fs::Metadata) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(entry_changed_ns(data)).unwrap_or_default())
}

impl Fingerprints {
    /// A run begins: data files that change during it count as written by its tests.
    pub fn run_begins(&self) -> Running {
        let began = disk_time();
        // No file that changed before has a later time, by either clock.
        let first_own = SystemTime::now();
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let surplus = (runs.len() + 1).saturating_sub(RUNS);
        runs.drain(..surplus);
        runs.push((first_own, None));
        Running { began, first_own, runs: Arc::clone(&self.runs) }
    }

    /// The fingerprint of `root` as it is now, without further inputs. Reads every file.
    pub fn of(&self, root: &Path) -> Arc<str> {
        self.look(root, b"").0
    }

    /// The fingerprint of `root` and of the caller's further inputs, `besides`: 32 hexadecimal digits. `None` if a file
    /// that counts has changed since `began`, when the run loaded its code. Reads every file that is new or has
    /// changed.
    pub fn since(&self, began: SystemTime, root: &Path, besides: &[u8]) -> Option<Arc<str>> {
        let (name, last_change) = self.look(root, besides);
        (last_change < began).then_some(name)
    }

    /// The fingerprint, and the time of the last change under it.
    fn look(&self, root: &Path, besides: &[u8]) -> (Arc<str>, SystemTime) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut present: Vec<PathBuf> = WalkBuilder::new(root)
            .hidden(false)
            .require_git(false)
            .sort_by_file_name(std::ffi::OsStr::cmp)
            .filter_entry(|entry| !is_left_out(entry.path(), entry.file_type().is_some_and(|kind| kind.is_dir())))
            .build()
            .flatten()
            .map(ignore::DirEntry::into_path)
            .collect();
        present.push(root.join(VARIABLES));
        present.sort_unstable();
        present.dedup();
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(besides));
        let mut last_change = SystemTime::UNIX_EPOCH;
        for path in present {
            let Some((content, changed)) = self.content_of(&mut known, &path) else { continue };
            last_change = last_change.max(changed);
            let relative = path.strip_prefix(root).unwrap_or(&path);
            digest.update(relative.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(content);
        }
        let name: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        (name.into(), last_change)
    }

    /// The hash of a file's content, and the time of its last change; `None` if the file does not count.
    fn content_of(&self, known: &mut Known, path: &Path) -> Option<([u8; 32], SystemTime)> {
        let data = std::fs::metadata(path).ok()?;
        if !data.is_file() {
            return None;
        }
        let modified = data.modified().ok()?;
        let changed = modified.max(entry_changed(&data));
        if !is_code(path) && self.was_written_by_a_run(modified) {
            return None;
        }
        let settled = modified.elapsed().is_ok_and(|age| age.as_secs() >= 2);
        if settled
            && let Some((time, size, content)) = known.get(path)
            && (*time, *size) == (modified, data.len())
        {
            return Some((*content, changed));
        }
        let content: [u8; 32] = if data.len() > LARGE {
            Sha256::digest(format!("{} {modified:?}", data.len())).into()
        } else {
            Sha256::digest(std::fs::read(path).ok()?).into()
        };
        known.insert(path.to_owned(), (modified, data.len(), content));
        Some((content, changed))
    }

    fn was_written_by_a_run(&self, modified: SystemTime) -> bool {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        // A change that a person makes in the tick of a run's end does not belong to the run.
        runs.iter().any(|(began, ended)| *began < modified && ended.is_none_or(|ended| modified < ended))
    }
}

fn is_code(path: &Path) -> bool {
    let is_python = path.extension().is_some_and(|extension| extension == "py" || extension == "pyi");
    is_python || path.file_name().is_some_and(|name| is_config_file(name) || is_settings_file(name))
}

fn is_left_out(path: &Path, is_folder: bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if is_folder {
        let is_cache = name.starts_with('.') && name.ends_with("_cache");
        is_cache
            || matches!(name, ".git" | ".hypothesis" | "htmlcov" | "node_modules" | "__pycache__" | ".tox" | ".nox")
            || path.join("pyvenv.cfg").is_file()
    } else {
        name == ".coverage"
            || name.starts_with(".coverage.")
            || [".pyc", "~", ".swp", ".log"].iter().any(|end| name.ends_with(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn only_what_git_knows_of_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| write(root.path(), name, text);
        let prints = Fingerprints::default();
        write("a.py", "1");
        write(".gitignore", "made.py\n");
        let first = prints.look(root.path(), b"").0;
        write("made.py", "x");
        write(".venv/pyvenv.cfg", "");
        write(".venv/lib/b.py", "x");
        assert_eq!(prints.look(root.path(), b"").0, first);
        write("a.py", "2");
        let second = prints.look(root.path(), b"").0;
        assert_ne!(second, first);
        write("pytest.ini", "[pytest]");
        assert_ne!(prints.look(root.path(), b"").0, second);
        write("a.py", "1");
        fs::remove_file(root.path().join("pytest.ini")).unwrap();
        assert_eq!(prints.look(root.path(), b"").0, first);
    }

    #[test]
    fn a7_data_templates_and_what_the_caller_knows_of_count() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let prints = Fingerprints::default();
        write(root, ".gitignore", ".env\n");
        write(root, "a.py", "1");
        let mut last = prints.look(root, b"").0;
        for name in ["data/a.txt", "tests/test_x.yaml", "templates/page.html", "sql/schema.sql", ".env", "Makefile"] {
            for text in ["1", "2"] {
                write(root, name, text);
                let now = prints.look(root, b"").0;
                assert_ne!(now, last, "{name} {text}");
                last = now;
            }
        }
        assert_ne!(prints.look(root, b"M=bad").0, last);
        let began = prints.run_begins().began();
        assert_eq!(prints.since(began + Duration::from_secs(1), root, b""), Some(Arc::clone(&last)));
        write(root, "data/a.txt", "3");
        assert_eq!(prints.since(began, root, b""), None, "it is not what the run had");
        write(root, "data/a.txt", "2");
        assert_eq!(prints.look(root, b"").0, last);
    }

    #[test]
    fn a7_what_tests_write_themselves_does_not_count_but_code_always_does() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let prints = Fingerprints::default();
        write(root, "a.py", "1");
        let first = prints.look(root, b"").0;
        let running = prints.run_begins();
        // Written in a tick of its own, apart from the run's beginning and end.
        let next_tick = || {
            let now = SystemTime::now();
            while disk_time() <= now {
                std::hint::spin_loop();
            }
        };
        next_tick();
        write(root, "counter", "1");
        next_tick();
        assert_eq!(prints.look(root, b"").0, first);
        write(root, "a.py", "2");
        let second = prints.look(root, b"").0;
        assert_ne!(second, first);
        drop(running);
        assert_eq!(prints.look(root, b"").0, second);
        write(root, "counter", "by hand");
        assert_ne!(prints.look(root, b"").0, second);
    }

    #[test]
    fn r17_large_data_is_told_by_its_size_and_time() {
        let root = tempfile::tempdir().unwrap();
        let prints = Fingerprints::default();
        let large = fs::File::create(root.path().join("large.bin")).unwrap();
        large.set_len(8 << 30).unwrap();
        let first = prints.look(root.path(), b"").0;
        large.set_len(9 << 30).unwrap();
        assert_ne!(prints.look(root.path(), b"").0, first);
    }
}
