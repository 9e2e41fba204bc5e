//! Nested projects: folders below a root with pytest configuration of their own. pytest's session of the root leaves them
//! out, because their tests belong to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::glob::glob;
use super::read_text;
use super::walk::{MAX_DEPTH, Walk, files, is_environment, leads_up, normal};
use crate::config::{CONFIG_FILES, PytestSettings, holds_configuration, is_config_file, settings_from};
use crate::settings_file::FileSettings;

/// Names of folders that hold no project of the user's, whatever the configuration says.
const FOREIGN: [&str; 4] = ["node_modules", "site-packages", "dist-packages", "__pycache__"];

/// The nested projects of a root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedProjects {
    /// The projects, in the order of their paths. None lies in another: each has nested projects of its own.
    pub projects: Vec<NestedProject>,
    /// Further folders that pytest's session of the root leaves out, relative to the root: links to projects.
    pub links: Vec<String>,
    /// Their faults, a sentence each.
    pub problems: Vec<String>,
}

/// A nested project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedProject {
    /// Its folder, relative to the root, with `/` between the parts.
    pub path: String,
    /// Its part of a run of everything: paths relative to the project, empty for all of it; `None` if it has no part,
    /// because the root's `testpaths` leave it out, or it has no tests.
    pub by_default: Option<Vec<String>>,
}

impl NestedProjects {
    /// Whether the root has none, and pytest's session collects all of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.projects.is_empty() && self.links.is_empty()
    }

    /// The folders that pytest's session of the root leaves out.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.projects.iter().map(|project| &*project.path).chain(self.links.iter().map(|link| &**link))
    }

    /// The project that a path relative to the root belongs to, and the path relative to that project, empty for its
    /// folder.
    #[must_use]
    pub fn of<'p>(&self, path: &'p str) -> Option<(&NestedProject, &'p str)> {
        self.projects.iter().find_map(|project| {
            let rest = path.strip_prefix(&*project.path)?;
            if rest.is_empty() { Some((project, rest)) } else { Some((project, rest.strip_prefix('/')?)) }
        })
    }
}

/// Finds the nested projects of a root.
///
/// `projects`: globs of their folders; `None` finds them by their configuration.
pub fn nested_projects(root: &Path, settings: &PytestSettings, projects: Option<&[String]>) -> NestedProjects {
    let mut found = match projects {
        Some([]) => return NestedProjects::default(),
        Some(globs) => {
            let links = found_in(root, settings).into_iter().filter(|path| is_cycle(path));
            let links: Vec<PathBuf> = links.collect();
            let mut named = named(root, globs);
            named.extend(links);
            named
        }
        None => found_in(root, settings),
    };
    if found.iter().all(|path| is_cycle(path)) && !has_configuration(root) {
        return NestedProjects::default();
    }
    let mut nested = NestedProjects::default();
    let mut real: BTreeMap<PathBuf, String> = BTreeMap::new();
    // Real folders come before links to them.
    found.sort_by_key(|path| (path.is_symlink(), path.clone()));
    for path in found {
        let Some(relative) = relative(root, &path) else { continue };
        let target = path.canonicalize().unwrap_or_else(|_| path.clone());
        let is_link = target != root.join(&relative);
        if is_cycle(&path) {
            nested.problems.push(format!(
                "{relative} is a link to a folder that contains it, a cycle: nothing is collected in it; remove the link"
            ));
            nested.links.push(relative);
            continue;
        }
        let around = real.iter().find(|(known, _)| target.starts_with(known) || known.starts_with(&target));
        if let Some((_, known)) = around.filter(|_| is_link) {
            nested.problems.push(format!("{relative} is a link to the project {known}, whose tests run there only"));
            nested.links.push(relative);
            continue;
        }
        if let Some(problem) = two_configurations(&path, &relative) {
            nested.problems.push(problem);
        }
        real.insert(target, relative.clone());
        let by_default = if projects.is_some() { Some(Vec::new()) } else { part_of_all(root, settings, &path) };
        nested.projects.push(NestedProject { path: relative, by_default });
    }
    nested.projects.sort_by(|left, right| left.path.cmp(&right.path));
    nested
}

/// A project in the tree of a root: the root itself, or a nested project at any depth.
#[derive(Debug, Clone)]
pub struct TreeProject {
    /// Its folder, relative to the root of the tree; empty for that root.
    pub path: String,
    /// Its own root.
    pub root: PathBuf,
    /// Its configuration, with its nested projects.
    pub settings: PytestSettings,
}

/// The projects that a run of everything in a root includes, beginning with the root itself.
///
/// `settings` are the root's, and `projects` is its setting of that name.
pub fn tree(root: &Path, settings: PytestSettings, projects: Option<&[String]>) -> Vec<TreeProject> {
    let mut settings = settings;
    settings.nested = nested_projects(root, &settings, projects);
    let inner: Vec<TreeProject> = settings
        .nested
        .projects
        .par_iter()
        .filter(|nested| nested.by_default.is_some())
        .flat_map(|nested| {
            let folder = root.join(&nested.path);
            // pytest says what is wrong with its configuration.
            let own = settings_from(&folder, &|path| read_text(path).ok());
            let own = own.unwrap_or_else(|_| PytestSettings { rootdir: folder.clone(), ..PytestSettings::default() });
            let given = FileSettings::of_root(&folder).given.complete();
            let mut below = tree(&folder, own, given.projects.as_deref());
            for project in &mut below {
                let inside = if project.path.is_empty() { String::new() } else { format!("/{}", project.path) };
                project.path = format!("{}{inside}", nested.path);
            }
            below
        })
        .collect();
    let own = TreeProject { path: String::new(), root: root.to_owned(), settings };
    std::iter::once(own).chain(inner).collect()
}

/// Whether a folder holds pytest configuration of its own.
#[must_use]
pub fn has_configuration(folder: &Path) -> bool {
    CONFIG_FILES.iter().any(|name| is_configuration(folder, name))
}

fn is_configuration(folder: &Path, name: &str) -> bool {
    let path = folder.join(name);
    path.is_file() && read_text(&path).is_ok_and(|text| holds_configuration(&path, name, &text))
}

/// A sentence on a folder in which several files configure pytest.
fn two_configurations(folder: &Path, relative: &str) -> Option<String> {
    let mut files = CONFIG_FILES.iter().filter(|name| is_configuration(folder, name));
    let (first, second) = (files.next()?, files.next()?);
    Some(format!("{relative}: pytest reads {first}, so its configuration in {second} does not count; keep one of them"))
}

/// The part of a run of everything: all, unless the root's configuration names the paths to collect. A project without
/// tests has none: many configurations are data for tests, or examples.
fn part_of_all(root: &Path, settings: &PytestSettings, project: &Path) -> Option<Vec<String>> {
    if !has_tests(project) {
        return None;
    }
    let walk = Walk::new(root, settings);
    let mut parts = BTreeSet::new();
    for path in &walk.initial {
        if project.starts_with(path) {
            return Some(Vec::new());
        }
        parts.extend(relative(project, path));
    }
    (!parts.is_empty()).then(|| parts.into_iter().collect())
}

/// Whether a project may have tests: a file named like one, or a conftest that may collect others.
fn has_tests(project: &Path) -> bool {
    let own = settings_from(project, &|path| read_text(path).ok());
    // pytest says what is wrong with its configuration.
    own.map_or(true, |own| project.join("conftest.py").is_file() || !files(project, &own).is_empty())
}

/// The folders with configuration of their own, and links to folders around them.
fn found_in(root: &Path, settings: &PytestSettings) -> Vec<PathBuf> {
    let mut found = Search { root, walk: Walk::new(root, settings) }.below(root, 0);
    found.sort();
    found
}

/// A link to a folder around it is a way to every project once more.
fn is_cycle(path: &Path) -> bool {
    path.is_symlink() && leads_up(path)
}

/// A sentence on each glob of the setting `projects` that matches no folder. Looks through the folders, and blocks.
#[must_use]
pub fn unmatched_projects(root: &Path, globs: &[String]) -> Vec<String> {
    let unmatched = globs.iter().filter(|pattern| folders(root, pattern).next().is_none());
    unmatched
        .map(|pattern| format!("no folder below the root matches `{pattern}`; correct it, or leave it out"))
        .collect()
}

/// The folders that a glob matches.
fn folders(root: &Path, pattern: &str) -> impl Iterator<Item = PathBuf> {
    let paths = glob(root, pattern).into_iter().map(|path| normal(&path));
    paths.filter(move |path| path != root && path.starts_with(root) && path.is_dir() && !is_environment(path))
}

/// The outermost folders that the globs name.
fn named(root: &Path, globs: &[String]) -> Vec<PathBuf> {
    let all: BTreeSet<PathBuf> = globs.iter().flat_map(|pattern| folders(root, pattern)).collect();
    let is_outermost = |path: &&PathBuf| !path.ancestors().skip(1).any(|above| all.contains(above));
    all.iter().filter(is_outermost).cloned().collect()
}

struct Search<'s> {
    root: &'s Path,
    walk: Walk<'s>,
}

impl Search<'_> {
    /// The projects below a folder, except those within others.
    fn below(&self, folder: &Path, depth: usize) -> Vec<PathBuf> {
        let entries: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
        let is_named = entries.iter().any(|entry| is_config_file(entry.file_name()));
        if is_named && folder != self.root && has_configuration(folder) {
            return vec![folder.to_owned()];
        }
        if depth >= MAX_DEPTH {
            return Vec::new();
        }
        let found: Vec<Vec<PathBuf>> = entries
            .par_iter()
            .map(|entry| {
                let Ok(kind) = entry.file_type() else { return Vec::new() };
                let path = entry.path();
                if kind.is_dir() && self.enters(&path) {
                    self.below(&path, depth + 1)
                } else if kind.is_symlink() && path.is_dir() && self.enters(&path) {
                    // A link is no way to projects below it, but may be one itself.
                    if leads_up(&path) || has_configuration(&path) { vec![path] } else { Vec::new() }
                } else {
                    Vec::new()
                }
            })
            .collect();
        found.into_iter().flatten().collect()
    }

    fn enters(&self, folder: &Path) -> bool {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !name.starts_with('.') && !FOREIGN.contains(&name) && !is_environment(folder) && self.walk.enters(folder)
    }
}

/// A path relative to a folder, with `/` between the parts; `None` if it is not below it.
fn relative(folder: &Path, path: &Path) -> Option<String> {
    let inside = path.strip_prefix(folder).ok()?;
    let parts: Vec<_> = inside.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
    (!parts.is_empty()).then(|| parts.join("/"))
}
