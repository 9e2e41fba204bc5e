//! `get_affected` and `explain_affected`: the test files that changed files can affect.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::listing::read_text;
use pytest_lens_analysis::{FileAnalysis, is_config_file, is_settings_file};
use pytest_lens_protocol::{ReachedFile, Response};

use crate::model::impact::{Impact, Known};
use crate::model::import_graph::{Affected, ImportGraph, relative};
use crate::model::scope::is_within;
use crate::processes::project_files;
use crate::project::Project;

pub(super) async fn of_paths(project: &Arc<Project>, paths: &[String]) -> Response {
    let changed: Vec<String> = inside(project, paths).collect();
    let inner = Arc::clone(project);
    let found = tokio::task::spawn_blocking(move || reached(&inner, with_gone(&inner, changed))).await;
    Response::TestList { node_ids: found.unwrap_or_default().into_iter().collect() }
}

pub(super) async fn explained(project: &Arc<Project>, paths: &[String]) -> Response {
    let root = &project.state.root;
    let changed = inside(project, paths).filter(|path| !is_in_environment(root, path)).collect();
    let inner = Arc::clone(project);
    let found = tokio::task::spawn_blocking(move || impact(&inner, &changed)).await;
    let Impact { everything, files } = found.unwrap_or_default();
    let files = files.into_iter().map(|(path, through)| ReachedFile { path, through }).collect();
    Response::Affected { everything, files }
}

/// The paths, relative to the root; without those that are outside of it.
fn inside<'a>(project: &'a Project, paths: &'a [String]) -> impl Iterator<Item = String> + 'a {
    let root = &project.state.root;
    paths.iter().filter_map(|path| relative(root, &root.join(path)))
}

/// Adds the sources that were below deleted folders.
fn with_gone(project: &Project, mut changed: Vec<String>) -> Vec<String> {
    let is_gone = |path: &&String| !path.ends_with(".py") && !project.state.root.join(path).exists();
    let gone: Vec<String> = changed.iter().filter(is_gone).cloned().collect();
    if !gone.is_empty() {
        let known = project.state.analyses.known_sources();
        changed.extend(known.into_iter().filter(|source| gone.iter().any(|folder| is_within(source, folder))));
    }
    changed
}

/// Whether a file belongs to a virtual environment below the root.
fn is_in_environment(root: &Path, path: &str) -> bool {
    let folders = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    folders.into_iter().any(|folder| root.join(folder).join("pyvenv.cfg").is_file())
}

/// The sources of a project, who imports whom among them, and the test files.
struct Sources {
    graph: Arc<ImportGraph>,
    paths: Vec<String>,
    tests: BTreeSet<String>,
}

/// The sources now; of those that are deleted, it is still known who imports them.
fn sources<'a>(project: &Project, changed: impl Iterator<Item = &'a String>) -> Sources {
    let (root, pytest) = (&project.state.root, project.state.pytest.load_full());
    let mut files: HashMap<_, _> = project_files::sources(root, root)
        .filter_map(|path| project.state.analyses.of(&root.join(&path), &pytest).map(|analysis| (path, analysis)))
        .collect();
    let paths = files.keys().cloned().collect();
    let collected: BTreeSet<String> =
        project.state.inventory.load().files.iter().map(|file| file.path.to_string()).collect();
    let is_test = |path: &str| collected.contains(path) || pytest.is_test_file(Path::new(path));
    let mut tests: BTreeSet<String> = files.keys().filter(|path| is_test(path)).chain(&collected).cloned().collect();
    for deleted in changed.filter(|path| path.ends_with(".py")) {
        if is_test(deleted) {
            tests.insert(deleted.clone());
        }
        files.entry(deleted.clone()).or_insert_with(|| Arc::new(FileAnalysis::default()));
    }
    Sources { graph: project.state.analyses.import_graph(files), paths, tests }
}

fn reached(project: &Project, changed: Vec<String>) -> BTreeSet<String> {
    let Sources { graph, tests, .. } = sources(project, changed.iter());
    let affected = if changed.iter().any(|path| is_config(path) || is_env_file(project, path)) {
        Affected::All
    } else {
        graph.reached_by(&project.state.reads(), &changed, &tests)
    };
    let mut reached = match affected {
        Affected::All => tests,
        Affected::Files(files) => files,
    };
    reached.retain(|path| project.state.root.join(path).exists());
    reached
}

fn impact(project: &Project, changed: &BTreeSet<String>) -> Impact {
    let root = &project.state.root;
    let Sources { graph, paths, tests } = sources(project, changed.iter());
    let reads = project.state.reads().clone();
    let mut known = Known { graph: &graph, reads: &reads, naming: HashMap::new(), tests: &tests };
    let unnamed: Vec<&String> = changed.iter().filter(|path| known.needs_naming(path)).collect();
    if !unnamed.is_empty() {
        known.naming = named_in(root, &paths, &unnamed);
    }
    let mut impact = known.impact(changed);
    impact.files.retain(|path, _| root.join(path).exists());
    impact
}

/// The sources in whose text the name of each of these files is.
fn named_in(root: &Path, sources: &[String], wanted: &[&String]) -> HashMap<String, BTreeSet<String>> {
    let mut found: HashMap<String, BTreeSet<String>> = HashMap::new();
    for source in sources {
        let Ok(text) = read_text(&root.join(source)) else { continue };
        for path in wanted.iter().filter(|path| *path != &source) {
            let name = path.rsplit('/').next().unwrap_or(path);
            if name != "__init__.py" && text.contains(name) {
                found.entry((*path).clone()).or_default().insert(source.clone());
            }
        }
    }
    found
}

/// Whether every run takes its variables from this file.
fn is_env_file(project: &Project, path: &str) -> bool {
    let root = &project.state.root;
    project.state.settings.load().env_file.as_ref().is_some_and(|file| root.join(file) == root.join(path))
}

fn is_config(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    (is_config_file(name) || is_settings_file(name)) && !path.contains('/')
}
