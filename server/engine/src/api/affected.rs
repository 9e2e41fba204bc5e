//! `get_affected` and `explain_affected`: the test files that changed files can affect.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pytest_lens_history::{Input, InputKind};
use pytest_lens_protocol::{ImpactReason, NodeId, ReachedFile, Response, TestImpact};

use crate::model::impact::{Impact, Kind, kind};
use crate::model::import_graph::relative;
use crate::model::scope::is_within;
use crate::model::test_inputs::{Causes, Why, is_own};
use crate::project::Project;
use crate::project::reach::Reach;
use crate::project::test_records::{Judged, Reason};

pub(super) async fn of_paths(project: &Arc<Project>, paths: &[String]) -> Response {
    project.asks_for_affected.store(true, Ordering::Relaxed);
    project.ended_runs_recorded().await;
    let changed: Vec<String> = inside(project, paths).collect();
    let outside = outside(project, paths);
    let inner = Arc::clone(project);
    let find = move || {
        let changed = with_gone(&inner, changed);
        let reach = Reach::new(&inner, changed.iter().chain(&outside));
        let all = reach.by_all_names(changed.into_iter().chain(outside));
        let changed: Vec<String> = all.iter().filter(|path| is_inside(path)).cloned().collect();
        reach.narrowed(reach.of_change(&changed), &reach.trusted(reach.judged(), &all), &all)
    };
    let found = tokio::task::spawn_blocking(find).await.unwrap_or_default();
    Response::TestList { node_ids: found.into_iter().collect() }
}

pub(super) async fn explained(project: &Arc<Project>, paths: &[String]) -> Response {
    project.asks_for_affected.store(true, Ordering::Relaxed);
    // Without its record, a pass of a moment ago says that nobody but importers is affected.
    project.ended_runs_recorded().await;
    let root = &project.state.root;
    let changed: BTreeSet<String> = inside(project, paths).filter(|path| !is_in_environment(root, path)).collect();
    let outside = outside(project, paths);
    let inner = Arc::clone(project);
    let find = move || {
        let reach = Reach::new(&inner, changed.iter().chain(&outside));
        let all = reach.by_all_names(changed.into_iter().chain(outside));
        let asked = reach.trusted(reach.judged(), &all).into_iter().filter_map(asked);
        let from_outside = reach.reached_from_outside();
        let is_known = |test: &Judged| !test.why.is_empty() || !from_outside.has(NodeId::new(&test.id).file());
        let judged: Vec<Judged> = asked.filter(is_known).collect();
        (reach.of_past_change(&all.into_iter().filter(|path| reach.is_known(path)).collect()), judged)
    };
    let (Impact { everything, files }, tests) = tokio::task::spawn_blocking(find).await.unwrap_or_default();
    let files = files.into_iter().map(|(path, through)| ReachedFile { path, through }).collect();
    Response::Affected { everything, files, tests: tests.into_iter().map(told).collect() }
}

fn told(Judged { id, why, inputs, at_ms, .. }: Judged) -> TestImpact {
    let place = |input: &Input| match input.kind {
        InputKind::Function => format!("{}::{}", input.path, input.name),
        InputKind::Variable => input.name.clone(),
        _ => input.path.clone(),
    };
    let (kind, name) = match why.first() {
        None => return TestImpact { node_id: id, reason: None, inputs, passed_ms: at_ms },
        Some(Reason::NotPassed(outcome)) => ("not_passed", outcome.as_str().to_owned()),
        Some(Reason::Input(why)) => match why {
            Why::Environment => ("environment", String::new()),
            Why::Configuration(path) => ("configuration", path.clone()),
            Why::Imports(causes) => ("imports", causes.files.first().cloned().unwrap_or_default()),
            Why::Lines(path) => ("lines", path.clone()),
            Why::Stat(files) => ("stat", files.first().cloned().unwrap_or_default()),
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
        InputKind::Tracing => "tracing",
        InputKind::Stat => "stat",
        InputKind::Exists => "exists",
        InputKind::Library => "library",
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

/// Whether a path of a change is relative to the root.
fn is_inside(path: &str) -> bool {
    Path::new(path).is_relative()
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
    let changed: Vec<String> = inside(project, paths).collect();
    let inner = Arc::clone(project);
    let find = move || {
        let changed = with_gone(&inner, changed).into_iter().filter(|path| kind(path) == Kind::Source).collect();
        let files = nested.iter().flat_map(|nested| &nested.files);
        let reach = Reach::new(&inner, BTreeSet::iter(&changed)).with_tests(files);
        let folders: Vec<&str> = nested.iter().map(|nested| &*nested.folder).collect();
        reach.across(&folders, &changed, is_past)
    };
    tokio::task::spawn_blocking(find).await.unwrap_or_default()
}

/// The judgment of a test without reasons that are none for a run on demand: files that tests write themselves. `None`: if
/// nothing else is known of the test, the imports decide.
fn asked(mut test: Judged) -> Option<Judged> {
    if test.why.is_empty() {
        return Some(test);
    }
    test.why.retain(|reason| match reason {
        Reason::Input(Why::Changed(input)) => !is_own(input.kind, input.fingerprint),
        // Otherwise the files say how a change of a module reaches a test.
        Reason::Input(Why::Imports(causes)) => **causes != Causes::default(),
        Reason::Input(Why::Unreadable) => false,
        _ => true,
    });
    (!test.why.is_empty()).then_some(test)
}
