//! The folders that pytest enters, and the files that it selects in them.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use rayon::prelude::*;

use super::glob::glob;
use crate::config::PytestSettings;
use crate::pattern::{fnmatch, fnmatch_path};

/// The deepest level that is entered. No real tree is deeper; a tree of links may be.
pub(super) const MAX_DEPTH: usize = 256;

/// A file to be read.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// The user named it, so `python_files` does not apply.
    pub(super) named: bool,
}

/// The files that pytest would collect in `root`, in its order.
pub(super) fn files(root: &Path, settings: &PytestSettings) -> Vec<Found> {
    let walk = Walk::new(root, settings);
    let mut found = Vec::new();
    for path in walk.initial.iter().filter(|path| !walk.is_nested(path)) {
        if path.is_dir() {
            found.extend(walk.folder(path, 0));
        } else if path.extension().is_some_and(|extension| extension == "py") {
            found.push(Found { path: path.clone(), named: true });
        }
    }
    let mut seen = HashSet::new();
    found.retain(|file| seen.insert(file.path.clone()));
    found
}

pub(super) struct Walk<'s> {
    settings: &'s PytestSettings,
    /// The paths from which collection starts. These, and the folders on the way to them, are entered whatever their
    /// names.
    pub(super) initial: Vec<PathBuf>,
    /// The folders of nested projects.
    nested: Vec<PathBuf>,
    ignored: Vec<PathBuf>,
    ignored_globs: Vec<String>,
}

/// The paths from which a collection without arguments starts, without those below others: the root, if the
/// configuration names none.
pub(super) fn starts(root: &Path, settings: &PytestSettings) -> Vec<PathBuf> {
    let paths = &settings.options.paths;
    let mut starts: Vec<PathBuf> = if !paths.is_empty() {
        let paths = paths.iter().map(|path| normal(&root.join(path.split("::").next().unwrap_or(path))));
        paths.filter(|path| path.exists()).collect()
    } else if settings.rootdir == root {
        let patterns = settings.testpaths.iter();
        patterns.flat_map(|pattern| glob(root, pattern)).map(|path| normal(&path)).collect()
    } else {
        // `testpaths` counts only for a run in the rootdir.
        Vec::new()
    };
    if starts.is_empty() {
        starts.push(root.to_owned());
    }
    without_overlaps(starts)
}

impl<'s> Walk<'s> {
    pub(super) fn new(root: &Path, settings: &'s PytestSettings) -> Self {
        let options = &settings.options;
        let absolute =
            |paths: &[String]| -> Vec<PathBuf> { paths.iter().map(|path| normal(&root.join(path))).collect() };
        Self {
            settings,
            nested: settings.nested.left_out().map(|path| root.join(path)).collect(),
            initial: starts(root, settings),
            ignored: absolute(&options.ignore),
            ignored_globs: absolute(&options.ignore_glob)
                .into_iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect(),
        }
    }

    fn folder(&self, folder: &Path, depth: usize) -> Vec<Found> {
        let Ok(entries) = std::fs::read_dir(folder) else {
            return Vec::new();
        };
        let mut names: Vec<_> = entries.flatten().map(|entry| (entry.file_name(), entry)).collect();
        // A package's `__init__.py` comes first; all other files and folders follow by name.
        names.sort_by(|(left, _), (right, _)| (left != "__init__.py", left).cmp(&(right != "__init__.py", right)));
        let found: Vec<Vec<Found>> = names
            .par_iter()
            .map(|(_, entry)| {
                let path = entry.path();
                let Ok(kind) = entry.file_type() else {
                    return Vec::new();
                };
                let is_link = kind.is_symlink();
                let is_dir = kind.is_dir() || (is_link && path.is_dir());
                let is_file = kind.is_file() || (is_link && path.is_file());
                if is_dir && depth < MAX_DEPTH && self.enters(&path) && !(is_link && leads_up(&path)) {
                    self.folder(&path, depth + 1)
                } else if is_file && self.takes(&path) {
                    vec![Found { path, named: false }]
                } else {
                    Vec::new()
                }
            })
            .collect();
        found.into_iter().flatten().collect()
    }

    pub(super) fn enters(&self, folder: &Path) -> bool {
        if self.is_nested(folder) {
            return false;
        }
        if self.initial.iter().any(|path| path.starts_with(folder)) {
            return true;
        }
        let settings = self.settings;
        let named = |pattern: &String| fnmatch_path(folder, pattern);
        folder.file_name().is_none_or(|name| name != "__pycache__")
            && !self.is_ignored(folder)
            && !settings.norecursedirs.iter().any(named)
            && (settings.options.collect_in_virtualenv || !is_environment(folder))
    }

    /// Whether a path is in a nested project, which has a listing of its own.
    fn is_nested(&self, path: &Path) -> bool {
        self.nested.iter().any(|folder| path.starts_with(folder))
    }

    fn takes(&self, file: &Path) -> bool {
        if file.extension().is_none_or(|extension| extension != "py") {
            return false;
        }
        let wanted = self.settings.doctest_modules || self.settings.is_test_file(file);
        wanted && !self.is_ignored(file)
    }

    fn is_ignored(&self, path: &Path) -> bool {
        self.ignored.iter().any(|ignored| ignored == path)
            || (!self.ignored_globs.is_empty() && {
                let text = path.to_string_lossy();
                self.ignored_globs.iter().any(|glob| fnmatch(&text, glob))
            })
    }
}

/// Drops paths within another starting point, as pytest does; the order stays.
fn without_overlaps(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for (index, path) in paths.iter().enumerate() {
        let inside = paths
            .iter()
            .enumerate()
            .any(|(other, around)| (path != around && path.starts_with(around)) || (path == around && other < index));
        if !inside {
            kept.push(path.clone());
        }
    }
    kept
}

/// A virtual environment, or conda's.
pub(super) fn is_environment(folder: &Path) -> bool {
    folder.join("pyvenv.cfg").is_file() || folder.join("conda-meta/history").is_file()
}

/// A link to a folder that contains it: pytest would follow it until the system stops it.
pub(super) fn leads_up(link: &Path) -> bool {
    let around = link.parent().and_then(|folder| folder.canonicalize().ok());
    match (around, link.canonicalize()) {
        (Some(around), Ok(target)) => around.starts_with(target),
        _ => true,
    }
}

/// A path without `.` and `..`, by its text alone.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}
