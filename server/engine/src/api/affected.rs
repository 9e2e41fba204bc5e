//! `get_affected`: the test files that changed files can affect.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::is_config_file;
use pytest_lens_protocol::Response;

use crate::model::import_graph::{Affected, relative};
use crate::processes::project_files;
use crate::project::Project;

pub(super) async fn of_paths(project: &Arc<Project>, paths: &[String]) -> Response {
    let changed =
        paths.iter().filter_map(|path| relative(&project.state.root, &project.state.root.join(path))).collect();
    let inner = Arc::clone(project);
    let found = tokio::task::spawn_blocking(move || reached(&inner, changed)).await;
    Response::TestList { node_ids: found.unwrap_or_default().into_iter().collect() }
}

fn reached(project: &Project, changed: Vec<String>) -> BTreeSet<String> {
    let (root, pytest) = (&project.state.root, project.state.pytest.load_full());
    let files: HashMap<_, _> = project_files::sources(root, root)
        .filter_map(|path| project.state.analyses.of(&root.join(&path), &pytest).map(|analysis| (path, analysis)))
        .collect();
    let collected: BTreeSet<String> =
        project.state.inventory.load().files.iter().map(|file| file.path.to_string()).collect();
    let is_test = |path: &str| collected.contains(path) || pytest.is_test_file(Path::new(path));
    let tests: BTreeSet<String> = files.keys().filter(|path| is_test(path)).chain(&collected).cloned().collect();
    let graph = project.state.analyses.import_graph(files);
    let affected = if changed.iter().any(|path| is_config(path)) {
        Affected::All
    } else {
        graph.reached_by(&project.state.reads(), &changed, &tests)
    };
    let mut reached = match affected {
        Affected::All => tests,
        Affected::Files(files) => files,
    };
    reached.retain(|path| root.join(path).exists());
    reached
}

fn is_config(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    is_config_file(name) && !path.contains('/')
}
