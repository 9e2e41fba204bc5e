//! Names the files and settings that a run's outcome may depend on: a pass and a failure on the same code prove
//! flakiness.
//!
//! A fingerprint covers the files under the root that git does not ignore, data as well as sources, and inputs that the
//! caller adds (variables, installed packages). It leaves out environments, caches, and data that tests write
//! themselves: a counter or a database that every run changes would give each run another fingerprint.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ignore::WalkBuilder;
use pytest_lens_analysis::{is_cached_bytecode, is_config_file, is_settings_file};
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

/// The files that count, at one moment.
#[derive(Debug, Clone)]
pub struct Code {
    /// The fingerprint: 32 hexadecimal digits.
    pub name: Arc<str>,
    /// By path relative to the root.
    files: BTreeMap<PathBuf, CodeFile>,
}

/// A file that counts.
#[derive(Debug, Clone, Copy)]
pub struct CodeFile {
    /// The hash of its content.
    pub content: [u8; 32],
    /// The time of its last change.
    pub changed: SystemTime,
}

/// Files that differ between two moments, relative to the root.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Python sources and configuration: changed, new or deleted.
    pub code: Vec<PathBuf>,
    /// Other files: changed or deleted. New ones are what tests leave behind.
    pub data: Vec<PathBuf>,
}

impl Code {
    /// The code of these files, by path relative to the root.
    #[must_use]
    pub fn new(name: Arc<str>, files: BTreeMap<PathBuf, CodeFile>) -> Self {
        Code { name, files }
    }

    /// The files that differ at a later moment.
    #[must_use]
    pub fn differences(&self, later: &Code) -> Differences {
        let mut found = Differences::default();
        for (path, file) in &self.files {
            if later.files.get(path).is_none_or(|later| later.content != file.content) {
                let of = if is_code(path) { &mut found.code } else { &mut found.data };
                of.push(path.clone());
            }
        }
        let new = later.files.keys().filter(|path| !self.files.contains_key(*path) && is_code(path));
        found.code.extend(new.cloned());
        found
    }

    /// The files, by path relative to the root.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<PathBuf, CodeFile> {
        &self.files
    }

    /// Whether no file has changed since this time.
    #[must_use]
    pub fn is_unchanged_since(&self, began: SystemTime) -> bool {
        self.files.values().all(|file| file.changed < began)
    }
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
        self.code(root, b"").name
    }

    /// The files of `root` that count, as they are now, with a fingerprint that covers the caller's further inputs,
    /// `besides`, too. Reads every file that is new or has changed.
    pub fn code(&self, root: &Path, besides: &[u8]) -> Code {
        self.files(root, besides, |_| true)
    }

    /// The fingerprint of the Python sources and the configuration alone: whatever data tests and reports leave behind,
    /// it stays.
    pub fn sources(&self, root: &Path) -> Arc<str> {
        self.files(root, b"", is_code).name
    }

    /// The code of these files, by absolute path.
    pub fn code_of(&self, paths: impl IntoIterator<Item = PathBuf>) -> Code {
        self.hashed(Path::new(""), b"", paths)
    }

    /// Whether the files at the end of a run are those that it had after its beginning, at `began`. A source or
    /// configuration that changed since does not count as the same, whatever its content: the tests may have had either.
    pub fn is_same(&self, root: &Path, began: SystemTime, earlier: &Code, later: &Code) -> bool {
        let Differences { code, data } = earlier.differences(later);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Data that the run has written is in `later` no more.
        let is_rewritten = |path: &PathBuf| {
            let now = content_at(&mut known, &root.join(path), |_| false);
            now.is_some_and(|now| Some(now.content) == earlier.files.get(path).map(|file| file.content))
        };
        code.is_empty()
            && later.files.iter().all(|(path, file)| file.changed < began || !is_code(path))
            && data.iter().all(is_rewritten)
    }

    fn files(&self, root: &Path, besides: &[u8], counts: impl Fn(&Path) -> bool) -> Code {
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
        self.hashed(root, besides, present.into_iter().filter(|path| counts(path)))
    }

    /// The files at these sorted paths that count.
    fn hashed(&self, root: &Path, besides: &[u8], paths: impl IntoIterator<Item = PathBuf>) -> Code {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(besides));
        let mut files = BTreeMap::new();
        for path in paths {
            let Some(file) = self.file_at(&mut known, &path) else { continue };
            let relative = path.strip_prefix(root).unwrap_or(&path);
            digest.update(relative.as_os_str().as_encoded_bytes());
            digest.update([0]);
            digest.update(file.content);
            files.insert(relative.to_owned(), file);
        }
        let name: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Code { name: name.into(), files }
    }

    /// `None` if the file does not count.
    fn file_at(&self, known: &mut Known, path: &Path) -> Option<CodeFile> {
        content_at(known, path, |modified| !is_code(path) && self.was_written_by_a_run(modified))
    }

    fn was_written_by_a_run(&self, modified: SystemTime) -> bool {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        // A change that a person makes in the tick of a run's end does not belong to the run.
        runs.iter().any(|(began, ended)| *began < modified && ended.is_none_or(|ended| modified < ended))
    }
}

/// The file as it is now. `None` if there is none, or if it does not count, by the time of its last modification.
fn content_at(known: &mut Known, path: &Path, is_left_out: impl Fn(SystemTime) -> bool) -> Option<CodeFile> {
    let data = std::fs::metadata(path).ok()?;
    let modified = data.modified().ok()?;
    if !data.is_file() || is_left_out(modified) {
        return None;
    }
    let changed = modified.max(entry_changed(&data));
    // A file may be replaced by one of the same size and time of modification.
    let settled = changed.elapsed().is_ok_and(|age| age.as_secs() >= 2);
    if settled
        && let Some((time, size, content)) = known.get(path)
        && (*time, *size) == (changed, data.len())
    {
        return Some(CodeFile { content: *content, changed });
    }
    let content: [u8; 32] = if data.len() > LARGE {
        Sha256::digest(format!("{} {modified:?}", data.len())).into()
    } else {
        Sha256::digest(std::fs::read(path).ok()?).into()
    };
    known.insert(path.to_owned(), (changed, data.len(), content));
    Some(CodeFile { content, changed })
}

/// Whether a file is a Python source or configuration; other files are data, which tests may write.
#[must_use]
pub fn is_code(path: &Path) -> bool {
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
            || is_cached_bytecode(name)
            || ["~", ".swp", ".log"].iter().any(|end| name.ends_with(end))
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

    /// Writes in a tick of its own, apart from a run's beginning and end, need this before and after.
    fn next_tick() {
        let now = SystemTime::now();
        while disk_time() <= now {
            std::hint::spin_loop();
        }
    }

    /// The files that count, with slashes.
    fn names(prints: &Fingerprints, root: &Path) -> Vec<String> {
        let code = prints.code(root, b"");
        code.files().keys().map(|path| path.to_string_lossy().replace('\\', "/")).collect()
    }

    #[test]
    fn only_what_git_knows_of_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| write(root.path(), name, text);
        let prints = Fingerprints::default();
        write("a.py", "1");
        write(".gitignore", "made.py\n");
        let first = prints.of(root.path());
        write("made.py", "x");
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

    #[test]
    fn data_does_not_count_for_the_sources() {
        let root = tempfile::tempdir().unwrap();
        let prints = Fingerprints::default();
        write(root.path(), "a.py", "1");
        let first = prints.sources(root.path());
        write(root.path(), "report.xml", "<testsuites/>");
        assert_eq!(prints.sources(root.path()), first);
        write(root.path(), "a.py", "2");
        assert_ne!(prints.sources(root.path()), first);
    }

    #[test]
    fn the_files_that_changed_are_named() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let prints = Fingerprints::default();
        for name in ["a.py", "b.py", "same.py", "data.txt", "gone.txt"] {
            write(root, name, "1");
        }
        let before = prints.code(root, b"");
        assert_eq!(before.differences(&prints.code(root, b"")), Differences::default());
        write(root, "a.py", "2");
        write(root, "same.py", "1");
        write(root, "new.py", "");
        write(root, "new.txt", "");
        write(root, "data.txt", "2");
        fs::remove_file(root.join("b.py")).unwrap();
        fs::remove_file(root.join("gone.txt")).unwrap();
        let after = prints.code(root, b"");
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let expected = Differences { code: paths(&["a.py", "b.py", "new.py"]), data: paths(&["data.txt", "gone.txt"]) };
        assert_eq!(before.differences(&after), expected);
        assert_ne!(before.name, after.name);
    }

    #[test]
    fn a_file_that_changed_at_a_moment_may_have_changed_after_it() {
        let root = tempfile::tempdir().unwrap();
        let before = disk_time();
        write(root.path(), "a.py", "1");
        let code = Fingerprints::default().code(root.path(), b"");
        let files: Vec<_> = code.files().iter().collect();
        let [(path, file)] = files[..] else { panic!("{files:?}") };
        assert_eq!(path, Path::new("a.py"));
        assert!(before <= file.changed && file.changed <= SystemTime::now());
        assert!(!code.is_unchanged_since(file.changed));
        assert!(code.is_unchanged_since(file.changed + Duration::from_nanos(1)));
    }

    #[test]
    fn a7_data_templates_and_what_the_caller_knows_of_count() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let prints = Fingerprints::default();
        write(root, ".gitignore", ".env\n");
        write(root, "a.py", "1");
        let mut last = prints.of(root);
        for name in ["data/a.txt", "tests/test_x.yaml", "templates/page.html", "sql/schema.sql", ".env", "Makefile"] {
            for text in ["1", "2"] {
                write(root, name, text);
                let now = prints.of(root);
                assert_ne!(now, last, "{name} {text}");
                last = now;
            }
        }
        assert_ne!(prints.code(root, b"M=bad").name, last);
        let began = prints.run_begins().began();
        assert!(prints.code(root, b"").is_unchanged_since(began + Duration::from_secs(1)));
        write(root, "data/a.txt", "3");
        assert!(!prints.code(root, b"").is_unchanged_since(began), "it is not what the run had");
        write(root, "data/a.txt", "2");
        assert_eq!(prints.of(root), last);
    }

    #[test]
    fn code_that_changes_during_a_run_is_not_that_of_the_run() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for name in ["a.py", "b.py", "data.txt"] {
            write(root, name, "1");
        }
        next_tick();
        let is_same_after = |change: &dyn Fn()| {
            let prints = Fingerprints::default();
            let running = prints.run_begins();
            let earlier = prints.code(root, b"");
            next_tick();
            change();
            prints.is_same(root, running.began(), &earlier, &prints.code(root, b""))
        };
        // Tests leave data behind. A source that has its content again may have had another in between.
        for (name, text, is_same) in [("new.txt", "1", true), ("data.txt", "1", true), ("data.txt", "2", false)] {
            assert_eq!(is_same_after(&|| write(root, name, text)), is_same, "{name} {text}");
        }
        assert!(!is_same_after(&|| write(root, "b.py", "1")) && !is_same_after(&|| write(root, "new.py", "1")));
        assert!(!is_same_after(&|| fs::remove_file(root.join("a.py")).unwrap()));
    }

    #[test]
    fn a7_what_tests_write_themselves_does_not_count_but_code_always_does() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let prints = Fingerprints::default();
        write(root, "a.py", "1");
        let first = prints.of(root);
        let running = prints.run_begins();
        next_tick();
        write(root, "counter", "1");
        next_tick();
        assert_eq!(prints.of(root), first);
        write(root, "a.py", "2");
        let second = prints.of(root);
        assert_ne!(second, first);
        drop(running);
        assert_eq!(prints.of(root), second);
        write(root, "counter", "by hand");
        assert_ne!(prints.of(root), second);
    }

    #[test]
    fn r17_large_data_is_told_by_its_size_and_time() {
        let root = tempfile::tempdir().unwrap();
        let prints = Fingerprints::default();
        let large = fs::File::create(root.path().join("large.bin")).unwrap();
        large.set_len(8 << 30).unwrap();
        let first = prints.of(root.path());
        large.set_len(9 << 30).unwrap();
        assert_ne!(prints.of(root.path()), first);
    }

    #[test]
    fn environments_caches_and_leftovers_do_not_count() {
        let root = tempfile::tempdir().unwrap();
        let counting = [
            ".cached/x",
            ".coverage.d/x",
            ".coveragerc",
            ".github/x.yml",
            "a.log/x",
            "a.py",
            "coverage.xml",
            "env/lib/a.py",
            "htmlcov.txt",
            "my_cache/x",
            "notes.logs",
            "pkg/node_modules",
            "pkg/~x",
        ];
        let left_out = [
            ".coverage",
            ".coverage.host.1",
            ".git/x",
            ".hypothesis/x",
            ".mypy_cache/deep/x",
            ".nox/x",
            ".pytest_cache/x",
            ".tox/x",
            "a.py~",
            "a.cpython-313.pyc",
            "htmlcov/index.html",
            "node_modules/m/x.js",
            "out.log",
            "pkg/.a.py.swp",
            "pkg/__pycache__/x",
            "venv/lib/a.py",
            "venv/pyvenv.cfg",
        ];
        for name in counting.iter().chain(&left_out) {
            write(root.path(), name, "");
        }
        assert_eq!(names(&Fingerprints::default(), root.path()), counting);
    }

    #[test]
    fn sources_and_configuration_are_code() {
        for name in ["a.py", "a.pyi", "x/__init__.py", "pytest.ini", "x/tox.ini", "pyproject.toml", "pytest-lens.toml"]
        {
            assert!(is_code(Path::new(name)), "{name}");
        }
        for name in ["a.pyx", "py", "x.py/data", "a.ini", "data.toml", ".env", "conftest.py.txt"] {
            assert!(!is_code(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn a_run_writes_between_its_beginning_and_its_end() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let prints = Fingerprints::default();
        assert!(!prints.was_written_by_a_run(at(1)));
        prints.runs.lock().unwrap().extend([(at(10), Some(at(20))), (at(30), None)]);
        let written = [9, 10, 11, 19, 20, 21, 30, 31, 99].map(|seconds| prints.was_written_by_a_run(at(seconds)));
        assert_eq!(written, [false, false, true, true, false, false, false, true, true]);
    }

    #[test]
    fn each_run_has_an_end_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let prints = Fingerprints::default();
        let (longer, shorter) = (prints.run_begins(), prints.run_begins());
        drop(shorter);
        next_tick();
        write(root.path(), "counter", "1");
        next_tick();
        assert!(names(&prints, root.path()).is_empty());
        drop(longer);
        assert!(names(&prints, root.path()).is_empty());
        write(root.path(), "counter", "by hand");
        assert_eq!(names(&prints, root.path()), ["counter"]);
    }

    #[test]
    fn the_times_of_the_last_runs_are_remembered() {
        let root = tempfile::tempdir().unwrap();
        let prints = Fingerprints::default();
        let running = prints.run_begins();
        next_tick();
        write(root.path(), "counter", "1");
        next_tick();
        drop(running);
        for _ in 1..RUNS {
            prints.run_begins();
        }
        assert!(names(&prints, root.path()).is_empty());
        prints.run_begins();
        assert_eq!(names(&prints, root.path()), ["counter"]);
    }

    /// Writes a file that has this time afterwards.
    fn write_at(root: &Path, name: &str, content: &[u8], modified: SystemTime) {
        let path = root.join(name);
        fs::write(&path, content).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }

    #[test]
    fn a_file_that_got_an_old_time_has_changed_now() {
        let root = tempfile::tempdir().unwrap();
        let before = disk_time();
        write_at(root.path(), "a.py", b"1", before - Duration::from_secs(3600));
        let code = Fingerprints::default().code(root.path(), b"");
        assert!(cfg!(not(unix)) || !code.is_unchanged_since(before));
    }

    #[test]
    fn a_file_is_another_one_also_if_its_size_and_time_are_the_same() {
        let root = tempfile::tempdir().unwrap();
        let prints = Fingerprints::default();
        let of = |content: &str, modified: SystemTime| {
            write_at(root.path(), "a.py", content.as_bytes(), modified);
            prints.of(root.path())
        };
        let old = SystemTime::now() - Duration::from_secs(60);
        let first = of("1", old);
        assert!(cfg!(not(unix)) || of("2", old) != first);
        assert_eq!(of("1", old - Duration::from_secs(1)), first);
        // A file may change twice in a tick of the disk's clock.
        let now = SystemTime::now();
        assert_ne!(of("3", now), of("4", now));
    }

    #[test]
    fn data_counts_by_its_content_up_to_a_size() {
        let root = tempfile::tempdir().unwrap();
        let prints = Fingerprints::default();
        let now = SystemTime::now();
        let of = |size: u64, byte: u8, modified: SystemTime| {
            write_at(root.path(), "data.bin", &vec![byte; usize::try_from(size).unwrap()], modified);
            prints.of(root.path())
        };
        assert_ne!(of(LARGE, 1, now), of(LARGE, 2, now));
        let larger = of(LARGE + 1, 1, now);
        assert_eq!(of(LARGE + 1, 2, now), larger);
        assert_ne!(of(LARGE + 1, 2, now + Duration::from_secs(1)), larger);
    }
}
