//! The records of what tests depend on: made when a run has ended, compared with the disk when a change is judged.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pytest_lens_analysis::functions::{Fingerprint, Functions, fingerprint};
use pytest_lens_analysis::{CONFIG_FILES, is_cached_bytecode};
use pytest_lens_history::{InputKind, TestInputs};
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_platform::files::entry_changed_ns;

use crate::model::import_graph::{Affected, ImportGraph};
use crate::model::recording::{NAMES_END, Recorded};
use crate::model::test_inputs::{self, Asks, GroundChanges, Present, UNSURE, Why};
use crate::processes::disk_snapshot::Snapshot;
use crate::processes::launcher::Base;
use crate::processes::project_files;
use crate::project::Project;
use crate::project::state::ProjectState;

/// Larger files are compared by size and time.
const CONTENT_LIMIT: u64 = 8 << 20;

/// The clock of the file system lags behind by up to a tick, in nanoseconds.
pub(super) const TICK_NS: i64 = 20_000_000;

/// Stands for the names of all variables.
const ALL_VARIABLES: &str = "*";

/// The beginnings of variables that Python or C code reads without `os.environ`, or once for all tests.
/// The worker does not record those that begin so: `_UNWATCHED` of `worker/inputs/variables.py`.
const READ_BY_C: [&str; 7] = ["PYTHON", "PYTEST_", "LC_", "LANG", "TZ", "TMP", "TEMP"];

/// Those that say nothing of how tests run: our own, and the mark of a test that started this process.
const OURS: [&str; 2] = ["PYTEST_LENS_", "PYTEST_CURRENT_TEST"];

/// The parts of a project's state that are not on disk.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    /// Of the settings; the rest is the engine's own environment.
    variables: BTreeMap<String, String>,
    environment: Fingerprint,
}

impl Surroundings {
    /// The present ones, with this interpreter. Blocks.
    pub(crate) fn of(project: &Project, base: &Base) -> Self {
        let libraries = base.libraries();
        let variables = project.pool.launcher.env.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let python = project.pool.launcher.python();
        let arguments = &project.state.settings.load().arguments;
        let mut read_by_c: BTreeMap<String, String> = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        read_by_c.extend(variables.clone());
        let begins = |name: &str, starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        read_by_c.retain(|name, _| begins(name, &READ_BY_C) && !begins(name, &OURS));
        let environment = fingerprint(format!("{libraries}\n{python:?}\n{arguments:?}\n{read_by_c:?}").as_bytes());
        Surroundings { variables, environment }
    }

    fn names_of_variables(&self) -> Fingerprint {
        let own = self.variables.keys().map(String::as_bytes);
        let all: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
        let names: BTreeSet<&[u8]> = all.iter().map(|name| name.as_encoded_bytes()).chain(own).collect();
        fingerprint(&names.into_iter().collect::<Vec<_>>().join(&0))
    }
}

/// A run whose code and data are to be found on disk unchanged.
pub(crate) struct During {
    /// The files that its session read.
    pub read: RefCell<Snapshot>,
    /// Its beginning, in milliseconds since 1970.
    pub began_ms: u64,
}

/// The project on disk. With `during`, a file that may have changed in that run has no fingerprint that equals another.
struct OnDisk<'a> {
    state: &'a ProjectState,
    surroundings: Surroundings,
    sources: BTreeSet<String>,
    configuration: BTreeMap<String, Fingerprint>,
    during: Option<During>,
    data: RefCell<HashMap<(InputKind, String), Fingerprint>>,
    /// The sources that were read, each once: one that changed a moment ago has to be read to be known, and thousands of
    /// inputs may be its functions.
    functions: RefCell<HashMap<String, Option<Arc<Functions>>>>,
}

impl<'a> OnDisk<'a> {
    fn new(state: &'a ProjectState, surroundings: Surroundings, during: Option<During>) -> Self {
        let root = &state.root;
        let mut present = OnDisk {
            state,
            surroundings,
            sources: project_files::sources(root, root).collect(),
            configuration: BTreeMap::new(),
            during,
            data: RefCell::default(),
            functions: RefCell::default(),
        };
        let folders = root.ancestors().take_while(|folder| folder.starts_with(&state.pytest.load().rootdir));
        let files = folders.chain([root.as_path()]).flat_map(|folder| CONFIG_FILES.map(|name| folder.join(name)));
        let files: BTreeSet<PathBuf> = files.filter(|path| path.is_file()).collect();
        let prints = files.into_iter().map(|path| (path.display().to_string(), present.content(&path))).collect();
        present.configuration = prints;
        if present.during.is_some() {
            let sure =
                std::mem::take(&mut present.sources).into_iter().filter(|path| present.sure(path).is_some()).collect();
            present.sources = sure;
        }
        present
    }

    /// A source's fingerprints, if it is the one that was executed.
    fn sure(&self, source: &str) -> Option<Arc<Functions>> {
        let path = self.state.root.join(source);
        let functions = self.state.analyses.functions(&path)?;
        let is_sure = self.during.as_ref().is_none_or(|during| {
            let holds = during.read.borrow_mut().still_holds(&path);
            holds.unwrap_or_else(|| is_older(&path, during.began_ms))
        });
        is_sure.then_some(functions)
    }

    fn content(&self, path: &Path) -> Fingerprint {
        let Ok(data) = std::fs::metadata(path) else { return 0 };
        let content = if data.is_dir() || data.len() > CONTENT_LIMIT {
            fingerprint(format!("{} {:?}", data.len(), data.modified().ok()).as_bytes())
        } else {
            self.state.analyses.content(path).unwrap_or_default()
        };
        // The last look: it may change at any time.
        if self.is_sure(path) { content } else { UNSURE }
    }

    /// The kind and mode of a file or folder, and the place to which links lead, but not its content.
    fn existence(&self, path: &Path) -> Fingerprint {
        let Ok(data) = std::fs::metadata(path) else { return 0 };
        // A folder changes with its entries; one that was born before may only have had another mode.
        let is_sure = self.during.as_ref().is_none_or(|during| {
            born(&data).is_some_and(|at| at.as_millis() < u128::from(during.began_ms))
                || is_older(path, during.began_ms)
        });
        if is_sure {
            let mut kept = format!("{:?} {:?}", data.file_type(), data.permissions()).into_bytes();
            // Links may lead to another file of the same kind.
            if let Some(real) = path.canonicalize().ok().filter(|real| real != path) {
                kept.extend_from_slice(real.as_os_str().as_encoded_bytes());
            }
            fingerprint(&kept)
        } else {
            UNSURE
        }
    }

    /// Whether a file or folder is as it was when the run began.
    fn is_sure(&self, path: &Path) -> bool {
        self.during.as_ref().is_none_or(|during| is_older(path, during.began_ms))
    }

    /// Whether a folder of libraries had these modules when the run began. Python's first import of one changes the folder.
    fn is_sure_folder(&self, folder: &Path, modules: &BTreeMap<String, String>) -> bool {
        let is_sure = |path: &Path| self.is_sure(path) || was_changed_by_caching(path);
        self.is_sure(folder)
            || (was_changed_by_caching(folder) && modules.keys().all(|name| is_sure(&folder.join(name))))
    }
}

/// Whether the last change of a folder is that Python made its `__pycache__`.
fn was_changed_by_caching(folder: &Path) -> bool {
    let (Ok(data), Ok(cache)) = (std::fs::metadata(folder), std::fs::metadata(folder.join("__pycache__"))) else {
        return false;
    };
    let made = born(&cache).and_then(|time| i64::try_from(time.as_nanos()).ok());
    made.is_some_and(|made| entry_changed_ns(&data).abs_diff(made) < TICK_NS.unsigned_abs())
}

/// The time since 1970 at which a file or folder was made, where the file system knows it.
fn born(data: &Metadata) -> Option<Duration> {
    data.created().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()
}

/// Whether a file last changed before this time.
fn is_older(path: &Path, ms: u64) -> bool {
    let changed = |data: Metadata| i128::from(entry_changed_ns(&data));
    std::fs::metadata(path).is_ok_and(|data| changed(data) + i128::from(TICK_NS) < i128::from(ms) * 1_000_000)
}

/// The names in a folder, and which of them are folders.
fn names_in(folder: &Path) -> Fingerprint {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let is_shown = |name: &OsString| name != "__pycache__" && !name.to_str().is_some_and(is_cached_bytecode);
    let shown = entries.flatten().map(|entry| (entry.file_name(), entry)).filter(|(name, _)| is_shown(name));
    let mut names: Vec<OsString> = shown
        .map(|(mut name, entry)| {
            // The listing itself says the kind of all but links.
            let kind = entry.file_type();
            if kind.is_ok_and(|kind| kind.is_dir() || (kind.is_symlink() && entry.path().is_dir())) {
                name.push("/");
            }
            name
        })
        .collect();
    names.sort_unstable();
    fingerprint(names.join(OsStr::new("\0")).as_encoded_bytes())
}

/// The entries of a folder that decide which module an import finds there: modules, packages, and in a folder of installed
/// packages the files of paths, and the names of packages with their entry points.
fn modules_in(folder: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeMap::new() };
    let decisive = |entry: std::fs::DirEntry| {
        let (path, name) = (entry.path(), entry.file_name().into_string().ok()?);
        let end = name.rsplit_once('.').map_or("", |(_, end)| end);
        let text = match end {
            "py" | "so" | "pyd" | "pyc" if is_cached_bytecode(&name) => return None,
            "py" | "so" | "pyd" | "pyc" | "pth" => String::new(),
            "dist-info" | "egg-info" => std::fs::read_to_string(path.join("entry_points.txt")).unwrap_or_default(),
            _ if is_importable(&name) && path.is_dir() => String::new(),
            _ => return None,
        };
        Some((name, text))
    };
    entries.flatten().filter_map(decisive).collect()
}

/// Whether a folder may be a package by its name.
fn is_importable(name: &str) -> bool {
    name != "__pycache__" && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

impl Present for OnDisk<'_> {
    fn source(&self, path: &str) -> Option<Arc<Functions>> {
        if !self.sources.contains(path) {
            return None;
        }
        if let Some(known) = self.functions.borrow().get(path) {
            return known.clone();
        }
        let functions = self.sure(path);
        self.functions.borrow_mut().insert(path.to_owned(), functions.clone());
        functions
    }

    fn sources(&self) -> &BTreeSet<String> {
        &self.sources
    }

    fn data(&self, kind: InputKind, name: &str) -> Fingerprint {
        let key = (kind, name.to_owned());
        if let Some(known) = self.data.borrow().get(&key) {
            return *known;
        }
        let path = self.state.root.join(name);
        let print = match kind {
            InputKind::Folder if !path.is_dir() => 0,
            InputKind::Folder if self.is_sure(&path) => names_in(&path),
            InputKind::Folder => UNSURE,
            InputKind::Exists => self.existence(&path),
            InputKind::Variable if name == ALL_VARIABLES => self.surroundings.names_of_variables(),
            InputKind::Variable => {
                let own = self.surroundings.variables.get(name).map(Into::into);
                let value = own.or_else(|| std::env::var_os(name));
                value.map_or(0, |value| fingerprint(value.as_encoded_bytes()))
            }
            _ => self.content(&path),
        };
        self.data.borrow_mut().insert(key, print);
        print
    }

    fn library(&self, folder: &str, names: &str) -> Fingerprint {
        let key = (InputKind::Library, format!("{folder}{NAMES_END}{names}"));
        if let Some(known) = self.data.borrow().get(&key) {
            return *known;
        }
        let folder = Path::new(folder);
        let modules = modules_in(folder);
        let path_files = modules.keys().map(String::as_str).filter(|name| name.ends_with(".pth"));
        let names = names.split(NAMES_END).filter(|name| !name.is_empty()).chain(path_files);
        let files: Vec<Fingerprint> = names.map(|name| self.content(&folder.join(name))).collect();
        let is_unsure = files.contains(&UNSURE) || (folder.is_dir() && !self.is_sure_folder(folder, &modules));
        let print = if is_unsure { UNSURE } else { fingerprint(format!("{files:?} {modules:?}").as_bytes()) };
        self.data.borrow_mut().insert(key, print);
        print
    }

    fn environment(&self) -> Fingerprint {
        self.surroundings.environment
    }

    fn configuration(&self) -> &BTreeMap<String, Fingerprint> {
        &self.configuration
    }
}

/// Whether the record of a test with this outcome is kept: the test does the same again if nothing changes.
pub(crate) fn is_kept(outcome: &Outcome) -> bool {
    !outcome.is_failure() && *outcome != Outcome::NotRun
}

/// Writes the records of the tests that did not fail in a run. Blocks.
pub(crate) fn write(
    state: &ProjectState,
    surroundings: Surroundings,
    during: During,
    mut recorded: Recorded,
    passed: &HashMap<usize, Arc<str>>,
) {
    recorded.tests.retain(|index, _| passed.contains_key(index));
    if recorded.tests.is_empty() {
        return;
    }
    // Imports say whom a change of other code in the repository reaches.
    let top = project_files::repository_around(&state.root).unwrap_or(&state.root);
    let is_of_library = |path: &Path| project_files::is_installed(path) || !path.starts_with(top);
    recorded.outside.retain(|used, _| used.kind != InputKind::Library || is_of_library(Path::new(&used.path)));
    let at_ms = during.began_ms;
    let present = OnDisk::new(state, surroundings, Some(during));
    let ground = test_inputs::ground(&present, &recorded);
    let inputs = test_inputs::with_fingerprints(&present, recorded.inputs);
    let tests = recorded.tests.into_iter().filter_map(|(index, used)| Some((passed.get(&index)?.to_string(), used)));
    let tests: Vec<_> = tests.collect();
    let written = serde_json::to_string(&ground)
        .map_err(|error| error.to_string())
        .and_then(|ground| state.history.inputs().write(&ground, at_ms, &inputs, &tests));
    if let Err(error) = written {
        tracing::warn!("{error}");
    }
}

/// The judgment of one test by its record and its last outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub id: String,
    /// Why it is affected; empty: nothing that it depends on has changed.
    pub why: Vec<Reason>,
    /// The number of its recorded inputs.
    pub inputs: usize,
    /// The time of the pass, in milliseconds since 1970; 0 without a record.
    pub at_ms: u64,
    /// Whether it, or a source that it imports, asks for the existence, size or time of files.
    pub asks: Asks,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    Input(Why),
    /// Its last outcome is no pass.
    NotPassed(Outcome),
}

/// The test files that changed sources reach.
struct Reached {
    /// By their imports.
    files: Affected,
    /// Whether there are such sources.
    is_anything: bool,
}

impl Reached {
    fn has(&self, file: &str) -> bool {
        // Nobody knows the imports of a text file of doctests, or of what a plugin collects.
        self.files.has(file) || (self.is_anything && !file.ends_with(".py"))
    }
}

/// Judges every test that has a record, or failed when it ran last; and of the others those that the changes of all that
/// tests share affect, since the newest record, or, of those that have never run, since any. `by_all_names`: adds the
/// names by which links lead to these files. Blocks.
pub(crate) fn judge(
    project: &Project,
    graph: &ImportGraph,
    tests: &BTreeSet<String>,
    by_all_names: &dyn Fn(BTreeSet<String>) -> BTreeSet<String>,
) -> Vec<Judged> {
    let state = &project.state;
    let all = state.history.inputs().read().unwrap_or_else(|error| {
        tracing::warn!("{error}");
        Arc::default()
    });
    let outcomes: HashMap<Arc<str>, Outcome> =
        state.history.last_outcomes().into_iter().map(|last| (last.attempt.id, last.attempt.outcome)).collect();
    let mut judged: Vec<Judged> = Vec::new();
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.is_failure());
    judged.extend(failed.map(|(id, outcome)| Judged {
        id: id.to_string(),
        why: vec![Reason::NotPassed(*outcome)],
        inputs: 0,
        at_ms: 0,
        asks: Asks::default(),
    }));
    let Some(session) = project.pool.newest_session().filter(|_| !all.tests.is_empty()) else { return judged };
    let present = OnDisk::new(state, Surroundings::of(project, &session.base), None);
    let grounds = test_inputs::grounds(&all);
    let mut changes: BTreeMap<i64, (GroundChanges, Reached, Affected)> = BTreeMap::new();
    let mut known: HashSet<String> = judged.iter().map(|test| test.id.clone()).collect();
    let reads = state.reads().clone();
    for test in &all.tests {
        let TestInputs { id, at_ms, ground, inputs } = test;
        if !outcomes.get(id.as_str()).is_some_and(is_kept) {
            continue;
        }
        let Some(then) = grounds.get(ground) else { continue };
        let (changes, reached, asking) = changes.entry(*ground).or_insert_with(|| {
            let mut changes = test_inputs::compare(then, &present);
            changes.imported = by_all_names(std::mem::take(&mut changes.imported));
            let reached = Reached {
                files: graph.importing(&reads, &changes.imported, tests),
                is_anything: !changes.imported.is_empty(),
            };
            // A test may have executed a source that imports one of these, and that nobody is seen to import.
            changes.importing = graph.reach(&changes.imported.iter().cloned().collect::<Vec<_>>());
            let asking = test_inputs::asking(then);
            let asking = asking.map_or(Affected::All, |files| graph.importing(&reads, &files, tests));
            (changes, reached, asking)
        });
        let file = id.split("::").next().unwrap_or_default();
        let asks = Asks { own: test_inputs::asks(test, &all.inputs), imported: asking.has(file) };
        let why = test_inputs::reasons(test, &all.inputs, changes, reached.has(file), asks, &present);
        let why = why.into_iter().map(Reason::Input).collect();
        known.insert(id.clone());
        judged.push(Judged { id: id.clone(), why, inputs: inputs.len(), at_ms: *at_ms, asks });
    }
    let newest = all.tests.iter().max_by_key(|test| test.at_ms).and_then(|test| changes.get(&test.ground));
    let inventory = state.inventory.load();
    for node in inventory.nodes().filter(|node| !known.contains(&*node.id)) {
        let file = node.id.split("::").next().unwrap_or_default();
        let since = |(changes, reached, _): &(GroundChanges, Reached, Affected)| {
            Some(test_inputs::reasons_without_record(changes, reached.has(file))).filter(|why| !why.is_empty())
        };
        // Others may be there, or no longer be skipped, by such a change. No run was of one that has never run, so for it
        // each counts that had other code.
        let further = changes.values().filter(|_| !outcomes.contains_key(&*node.id));
        if let Some(why) = newest.into_iter().chain(further).find_map(since) {
            let why = why.into_iter().map(Reason::Input).collect();
            judged.push(Judged { id: node.id.to_string(), why, inputs: 0, at_ms: 0, asks: Asks::default() });
        }
    }
    judged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_that_the_worker_does_not_record_affects_all_tests() {
        let source = include_str!("../../../../python/pytest_lens/worker/inputs/variables.py");
        let unwatched = source.lines().find_map(|line| line.strip_prefix("_UNWATCHED = ")).unwrap();
        let prefixes: Vec<&str> = unwatched.split('"').skip(1).step_by(2).collect();
        assert!(prefixes.contains(&"PYTHON"), "{prefixes:?}");
        for prefix in prefixes {
            assert!(READ_BY_C.contains(&prefix), "{prefix} is in one list only");
        }
    }
}
