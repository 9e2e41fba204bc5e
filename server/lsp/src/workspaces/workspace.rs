//! One open folder: its settings, its view, its findings, and its link to the engine.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_analysis::{FileProblem, FileSettings, PytestSettings};
use pytest_lens_protocol::{ClientSettings, NodeId, Range, RunOptions, Settings, TestOutcome};

use crate::documents::text::{Reader, Text};
use crate::paths::{path_of, relative};
use crate::workspaces::findings::Findings;
use crate::workspaces::lazy_outline::LazyOutline;
use crate::workspaces::link::Link;
use crate::workspaces::projects::{Projects, SourceProject};
use crate::workspaces::view::View;

/// The parameters of a run, for repeating it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct RunRequest {
    /// Node ids; empty = all.
    pub(crate) ids: Vec<String>,
    /// Number of runners.
    pub(crate) workers: Option<u32>,
    /// Stop after this many failures.
    pub(crate) maxfail: Option<u32>,
    /// All other options.
    pub(crate) options: RunOptions,
}

/// The most runs whose coverage is available; the engine drops it after ten minutes.
const MEASURED: usize = 50;

/// One workspace folder.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder's URI in the client's spelling: the client's name for it.
    pub(crate) uri: String,
    /// Path of the folder.
    pub(crate) root: PathBuf,
    /// The folder without symlinks, as Python may name it.
    pub(crate) canonical: PathBuf,
    /// The client's settings.
    pub(crate) client_settings: ClientSettings,
    /// Those of the folder's files.
    pub(crate) file_settings: FileSettings,
    /// Settings in force.
    pub(crate) settings: Settings,
    /// pytest's configuration, for reading sources.
    pub(crate) pytest: PytestSettings,
    /// The projects of sources, by the folders in which these are.
    pub(crate) projects: Projects,
    /// The fold of all events.
    pub(crate) view: View,
    /// pytest has collected the whole folder: its sources are no longer listed.
    pub(crate) is_collected: bool,
    /// The part of the tree that a client with `lazyTests` knows.
    pub(crate) outline: LazyOutline,
    /// Failures and errors at lines of files.
    pub(crate) findings: Findings,
    /// The last run that was requested here.
    pub(crate) last_request: Option<RunRequest>,
    /// For each run, the texts of its files, if it has reported them, or something is shown in them.
    pub(crate) run_texts: HashMap<String, HashMap<PathBuf, Arc<Text>>>,
    /// The ranges of items as the client last received them, if they differ from those that pytest reported.
    pub(crate) sent_ranges: HashMap<String, Option<Range>>,
    /// Files whose items the client may have moved.
    pub(crate) maybe_moved: HashSet<PathBuf>,
    /// Outcomes from the history of tests that are not in the tree, or not yet.
    pub(crate) last_outcomes: Vec<TestOutcome>,
    /// Iterators over the debug data of runs that measured coverage, by run, oldest first.
    pub(crate) measured: VecDeque<(String, String)>,
    /// The connection to the engine.
    pub(crate) link: Arc<Link>,
}

impl Workspace {
    /// Creates a folder that was just opened.
    pub(crate) fn new(uri: String, root: PathBuf) -> Self {
        let canonical = root.canonicalize().unwrap_or_else(|_| root.clone());
        Workspace {
            uri,
            root,
            canonical,
            client_settings: ClientSettings::default(),
            file_settings: FileSettings::default(),
            settings: Settings::default(),
            pytest: PytestSettings::default(),
            projects: Projects::default(),
            view: View::default(),
            is_collected: false,
            outline: LazyOutline::default(),
            findings: Findings::default(),
            last_request: None,
            run_texts: HashMap::new(),
            sent_ranges: HashMap::new(),
            maybe_moved: HashSet::new(),
            last_outcomes: Vec::new(),
            measured: VecDeque::new(),
            link: Arc::new(Link::default()),
        }
    }

    /// Reads pytest's configuration again. The error is a sentence for the user.
    pub(crate) fn read_pytest_config(&mut self) -> Result<(), String> {
        self.projects = Projects::default();
        let read = |path: &Path| pytest_lens_analysis::listing::read_text(path).ok();
        match pytest_lens_analysis::settings_from(&self.root, &read) {
            Ok(settings) => {
                self.pytest = settings;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads the settings in the folder's files again; returns the problems that are gone, and whether anything changed.
    pub(crate) fn read_settings_files(&mut self) -> (Vec<FileProblem>, bool) {
        let present = FileSettings::checked(&self.root);
        let changed = present != self.file_settings;
        let mut old = std::mem::replace(&mut self.file_settings, present).problems;
        old.retain(|problem| !self.file_settings.problems.contains(problem));
        (old, changed)
    }

    /// The files that have a diagnostic because of what is on disk or was run.
    pub(crate) fn files_with_problems(&self) -> BTreeSet<PathBuf> {
        let settings = self.file_settings.problems.iter().map(|problem| self.root.join(problem.file));
        self.findings.files().cloned().chain(settings).collect()
    }

    /// The mistakes in a file of settings.
    pub(crate) fn settings_problems(&self, path: &Path) -> impl Iterator<Item = &FileProblem> {
        self.file_settings.problems.iter().filter(move |problem| self.root.join(problem.file) == path)
    }

    /// The rules for reading the tests of a file.
    pub(crate) fn reader(&self, path: &Path) -> Reader {
        let settings = Arc::clone(&self.project_of(path).settings);
        Reader { file: Some((path.to_owned(), settings)), is_known: self.holds_tests(path) }
    }

    /// The project of a source: the root, or a nested one.
    pub(crate) fn project_of(&self, path: &Path) -> Arc<SourceProject> {
        let named = path.parent().filter(|folder| folder.starts_with(&self.root)).unwrap_or(&self.root);
        self.projects.of(named, &self.root, &self.pytest, self.settings.projects.as_deref())
    }

    /// Keeps the iterator over a run's coverage.
    pub(crate) fn keep_measured(&mut self, run_id: &str, iterator_id: &str) {
        self.measured.push_back((run_id.to_owned(), iterator_id.to_owned()));
        if self.measured.len() > MEASURED {
            self.measured.pop_front();
        }
    }

    /// A path below the root, as in node ids, for any of the names that links give it.
    pub(crate) fn relative(&self, path: &Path) -> Option<String> {
        let named = relative(path, &self.root).or_else(|| relative(path, &self.canonical));
        let inside = named.or_else(|| relative(&real_name(path)?, &self.canonical));
        inside.filter(|path| !path.is_empty())
    }

    /// Updates the target of the root; returns whether it is a link that now leads to another folder.
    pub(crate) fn has_moved(&mut self) -> bool {
        match self.root.canonicalize() {
            Ok(canonical) if canonical != self.canonical => {
                self.canonical = canonical;
                true
            }
            _ => false,
        }
    }

    /// The file of a node id.
    pub(crate) fn file_of(&self, id: &str) -> PathBuf {
        self.root.join(NodeId::new(id).file())
    }

    /// The path of the engine's URI, as the client names it.
    pub(crate) fn local_path(&self, uri: &str) -> Option<PathBuf> {
        let path = path_of(uri)?;
        match path.strip_prefix(&self.canonical) {
            Ok(inner) => Some(self.root.join(inner)),
            Err(_) => Some(path),
        }
    }

    /// Whether a file's source is read for tests: by pytest's patterns, or because pytest has collected it.
    pub(crate) fn holds_tests(&self, path: &Path) -> bool {
        self.project_of(path).settings.is_test_file(path)
            || self.relative(path).is_some_and(|file| self.view.is_confirmed(&file))
    }
}

/// A path without links; its file need not exist yet.
fn real_name(path: &Path) -> Option<PathBuf> {
    let whole = path.canonicalize().ok();
    whole.or_else(|| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b9_a_file_is_found_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir_all(real.join("sub")).unwrap();
        std::fs::write(real.join("sub/test_a.py"), "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for root in [&link, &real] {
            let workspace = Workspace::new("file:///w".into(), root.clone());
            for file in [&link, &real] {
                let relative = workspace.relative(&file.join("sub/test_a.py"));
                assert_eq!(relative.as_deref(), Some("sub/test_a.py"), "{} in {}", file.display(), root.display());
            }
            assert_eq!(workspace.relative(folder.path()), None);
        }
    }

    #[test]
    fn r10_a_root_that_leads_elsewhere_is_noticed_once() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two, link) = (folder.path().join("one"), folder.path().join("two"), folder.path().join("link"));
        std::fs::create_dir(&one).unwrap();
        std::fs::create_dir(&two).unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        let mut workspace = Workspace::new("file:///w".into(), link.clone());
        assert!(!workspace.has_moved());
        std::fs::remove_file(&link).unwrap();
        assert!(!workspace.has_moved(), "it is gone, which the engine tells");
        std::os::unix::fs::symlink(&two, &link).unwrap();
        assert!(workspace.has_moved());
        assert!(!workspace.has_moved());
    }
}
