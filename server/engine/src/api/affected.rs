//! `get_affected` and `explain_affected`: the test files that changed files can affect.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use pytest_lens_analysis::listing::read_text;
use pytest_lens_analysis::{FileAnalysis, is_config_file, is_settings_file};
use pytest_lens_history::{Input, InputKind};
use pytest_lens_protocol::{ImpactReason, ReachedFile, Response, TestImpact};

use crate::model::file_readers::FileReaders;
use crate::model::impact::{Impact, Kind, Known, kind};
use crate::model::import_graph::{Affected, ImportGraph, relative};
use crate::model::scope::is_within;
use crate::model::test_inputs::Why;
use crate::processes::project_files;
use crate::project::Project;
use crate::project::test_records::{self, Judged, Reason};

pub(super) async fn of_paths(project: &Arc<Project>, paths: &[String]) -> Response {
    project.asks_for_affected.store(true, Ordering::Relaxed);
    let changed: Vec<String> = inside(project, paths).collect();
    let inner = Arc::clone(project);
    let outside = outside(project, paths);
    let found = tokio::task::spawn_blocking(move || reached(&inner, with_gone(&inner, changed), &outside)).await;
    Response::TestList { node_ids: found.unwrap_or_default().into_iter().collect() }
}

pub(super) async fn explained(project: &Arc<Project>, paths: &[String]) -> Response {
    project.asks_for_affected.store(true, Ordering::Relaxed);
    let root = &project.state.root;
    let changed = inside(project, paths).filter(|path| !is_in_environment(root, path)).collect();
    let inner = Arc::clone(project);
    let outside = outside(project, paths);
    let found = tokio::task::spawn_blocking(move || impact(&inner, &changed, &outside)).await;
    let (Impact { everything, files }, tests) = found.unwrap_or_default();
    let files = files.into_iter().map(|(path, through)| ReachedFile { path, through }).collect();
    Response::Affected { everything, files, tests: tests.into_iter().map(told).collect() }
}

fn told(Judged { id, why, inputs, at_ms, .. }: Judged) -> TestImpact {
    let place = |input: &Input| match input.kind {
        InputKind::Function => format!("{}::{}", input.path, input.name),
        InputKind::Variable => input.name.clone(),
        _ => input.path.clone(),
    };
    let (kind, name) = match &why {
        None => return TestImpact { node_id: id, reason: None, inputs, passed_ms: at_ms },
        Some(Reason::NotPassed(outcome)) => ("not_passed", outcome.as_str().to_owned()),
        Some(Reason::Input(why)) => match why {
            Why::Environment => ("environment", String::new()),
            Why::Configuration(path) => ("configuration", path.clone()),
            Why::Imports => ("imports", String::new()),
            Why::Lines(path) => ("lines", path.clone()),
            Why::Unreadable => ("unknown", String::new()),
            Why::Unknown(kind) => (name_of(*kind), String::new()),
            Why::Changed(input) => (name_of(input.kind), place(input)),
        },
    };
    TestImpact { node_id: id, reason: Some(ImpactReason { kind: kind.to_owned(), name }), inputs, passed_ms: at_ms }
}

fn name_of(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Function => "function",
        InputKind::File => "file",
        InputKind::Folder => "folder",
        InputKind::Variable => "variable",
        InputKind::Lines => "lines",
        InputKind::Process => "process",
        InputKind::Network => "network",
        InputKind::Extension => "extension",
        InputKind::Stat => "stat",
    }
}

/// The paths, relative to the root; without those that are outside of it.
fn inside<'a>(project: &'a Project, paths: &'a [String]) -> impl Iterator<Item = String> + 'a {
    let root = &project.state.root;
    paths.iter().filter_map(|path| relative(root, &root.join(path)))
}

/// The paths outside of the root, which tests may read.
fn outside(project: &Project, paths: &[String]) -> Vec<String> {
    let root = &project.state.root;
    paths.iter().filter(|path| relative(root, &root.join(path)).is_none()).cloned().collect()
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

fn reached(project: &Project, changed: Vec<String>, outside: &[String]) -> BTreeSet<String> {
    let Sources { graph, tests, .. } = sources(project, changed.iter());
    let affected = if changed.iter().any(|path| is_config(path) || is_env_file(project, path)) {
        Affected::All
    } else {
        graph.reached_by(&project.state.reads(), &changed, &tests)
    };
    let mut reached = match affected {
        Affected::All => tests.clone(),
        Affected::Files(files) => files,
    };
    reached.retain(|path| project.state.root.join(path).exists());
    let all: BTreeSet<&String> = changed.iter().chain(outside).collect();
    let judged = trusted(project, &graph, &tests, &all);
    narrowed(project, reached, &judged, &all)
}

/// The judgments by records that hold for a change of these files.
fn trusted(
    project: &Project,
    graph: &ImportGraph,
    tests: &BTreeSet<String>,
    changed: &BTreeSet<&String>,
) -> Vec<Judged> {
    // Plugins, and modules that are imported by name, are known after a collection.
    if !project.state.inventory.load().complete {
        return Vec::new();
    }
    // A test may ask whether a file exists, which is not recorded.
    let came_or_went = |path: &String| {
        let created = std::fs::metadata(project.state.root.join(path)).and_then(|data| data.created());
        let since = created.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        since.map_or(u64::MAX, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    };
    let data = || changed.iter().copied().filter(|path| kind(path) == Kind::Data);
    let newest = data().map(came_or_went).max().unwrap_or_default();
    let has_data = data().next().is_some();
    let mut judged = test_records::judge(project, graph, tests);
    judged.retain(|test| test.why.is_some() || (test.at_ms > newest && !(has_data && test.stats)));
    judged
}

/// The ids of reached test files without those of their tests that nothing affects, and further tests that use one of
/// the changed files themselves.
fn narrowed(
    project: &Project,
    reached: BTreeSet<String>,
    judged: &[Judged],
    changed: &BTreeSet<&String>,
) -> BTreeSet<String> {
    let unaffected: HashSet<&str> =
        judged.iter().filter(|test| test.why.is_none()).map(|test| test.id.as_str()).collect();
    let uses =
        |test: &&Judged| matches!(&test.why, Some(Reason::Input(Why::Changed(input))) if changed.contains(&input.path));
    let file_of = |id: &str| id.split("::").next().unwrap_or_default().to_owned();
    let further = judged.iter().filter(uses).filter(|test| !reached.contains(&file_of(&test.id)));
    let mut ids: BTreeSet<String> = further.map(|test| test.id.clone()).collect();
    let inventory = project.state.inventory.load();
    for path in &reached {
        let nodes = inventory.files.iter().find(|file| *file.path == **path).map_or(&[][..], |file| &file.nodes);
        if nodes.iter().any(|node| unaffected.contains(&*node.id)) {
            let left = nodes.iter().filter(|node| !unaffected.contains(&*node.id));
            ids.extend(left.map(|node| node.id.to_string()));
        } else {
            ids.insert(path.clone());
        }
    }
    ids
}

fn impact(project: &Project, changed: &BTreeSet<String>, outside: &[String]) -> (Impact, Vec<Judged>) {
    let root = &project.state.root;
    let sources = sources(project, changed.iter());
    let reads = project.state.reads().clone();
    let mut impact = known(root, &sources, &reads, changed).impact(changed);
    impact.files.retain(|path, _| root.join(path).exists());
    let all: BTreeSet<&String> = changed.iter().chain(outside).collect();
    let mut judged = trusted(project, &sources.graph, &sources.tests, &all);
    // The files say how a change of a module reaches a test.
    judged.retain(|test| test.why != Some(Reason::Input(Why::Imports)) && is_asked(test, &all));
    (impact, judged)
}

fn known<'a>(root: &Path, sources: &'a Sources, reads: &'a FileReaders, changed: &BTreeSet<String>) -> Known<'a> {
    let Sources { graph, paths, tests } = sources;
    let mut known = Known { graph, reads, naming: HashMap::new(), tests };
    let unnamed: Vec<&String> = changed.iter().filter(|path| known.needs_naming(path)).collect();
    if !unnamed.is_empty() {
        known.naming = named_in(root, paths, &unnamed);
    }
    known
}

/// The tests of a nested project as the project around it knows them.
pub(super) struct NestedTests {
    /// The folder of the nested project.
    pub folder: String,
    pub files: Vec<String>,
}

/// For each nested project, its test files that the imports in the whole root reach, from a changed source outside of
/// the nested project, or from one that imports a changed source; with the way. Its own records know nothing of these
/// sources; they have all that its tests read. `is_past`: as for `explain_affected`.
pub(super) async fn from_outside(
    project: &Arc<Project>,
    paths: &[String],
    nested: Vec<NestedTests>,
    is_past: bool,
) -> Vec<BTreeMap<String, Vec<String>>> {
    let changed: BTreeSet<String> = inside(project, paths).collect();
    let inner = Arc::clone(project);
    let find = move || {
        let mut sources = sources(&inner, changed.iter());
        sources.tests.extend(nested.iter().flat_map(|nested| nested.files.iter().cloned()));
        let changed = with_gone(&inner, changed.into_iter().collect()).into_iter();
        let changed: BTreeSet<String> = changed.filter(|path| kind(path) == Kind::Source).collect();
        let importing = sources.graph.reach(&changed.iter().cloned().collect::<Vec<_>>());
        let reads = inner.state.reads().clone();
        let known = known(&inner.state.root, &sources, &reads, &changed);
        let of = |nested: &NestedTests| {
            let all = || nested.files.iter().map(|file| (file.clone(), Vec::new()));
            let outside = changed.union(&importing).filter(|path| !is_within(path, &nested.folder)).cloned();
            let reached: BTreeMap<_, _> = if is_past {
                let Impact { everything, files } = known.impact(&outside.collect());
                let through = |(file, _)| (file, everything.clone());
                if everything.is_empty() { files } else { all().map(through).collect() }
            } else {
                let outside: Vec<String> = outside.collect();
                match sources.graph.reached_by(&reads, &outside, &sources.tests) {
                    Affected::All => all().collect(),
                    Affected::Files(files) => files.into_iter().map(|file| (file, Vec::new())).collect(),
                }
            };
            reached.into_iter().filter(|(file, _)| is_within(file, &nested.folder)).collect()
        };
        nested.iter().map(of).collect()
    };
    tokio::task::spawn_blocking(find).await.unwrap_or_default()
}

/// Whether a judgment counts for a change against a base: an input that changed before it does not.
fn is_asked(test: &Judged, changed: &BTreeSet<&String>) -> bool {
    match &test.why {
        Some(Reason::Input(Why::Changed(input))) => {
            input.kind == InputKind::Variable || input.kind == InputKind::Folder || changed.contains(&input.path)
        }
        Some(Reason::Input(Why::Lines(path))) => changed.contains(path),
        Some(Reason::Input(Why::Environment | Why::Configuration(_) | Why::Unreadable)) => false,
        _ => true,
    }
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
