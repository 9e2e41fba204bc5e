//! `get_affected`: the test files that changed files can reach.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use pytest_lens_history::is_config_file;
use pytest_lens_protocol::Response;

use crate::model::import_graph::{Affected, Sources, relative};
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
    let files: HashMap<_, _> = sources_below(root)
        .into_iter()
        .filter_map(|path| project.state.analyses.of(&root.join(&path), &pytest).map(|analysis| (path, analysis)))
        .collect();
    let collected: BTreeSet<String> =
        project.state.inventory.load().files.iter().map(|file| file.path.to_string()).collect();
    let is_test = |path: &str| collected.contains(path) || pytest.is_test_file(Path::new(path));
    let tests: BTreeSet<String> = files.keys().filter(|path| is_test(path)).chain(&collected).cloned().collect();
    let sources = Sources { files };
    let affected = if changed.iter().any(|path| is_config(path)) {
        Affected::All
    } else {
        sources.reached_by(&project.state.reads(), &changed, &tests)
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

/// The Python files of a project, those of environments and hidden folders left out.
fn sources_below(root: &Path) -> Vec<String> {
    let walk = ignore::WalkBuilder::new(root)
        .standard_filters(false)
        .hidden(true)
        .filter_entry(|entry| {
            let name = entry.file_name();
            name != "__pycache__" && name != "node_modules" && !entry.path().join("pyvenv.cfg").is_file()
        })
        .build();
    let sources = walk.flatten().map(ignore::DirEntry::into_path);
    let sources = sources.filter(|path| path.extension().is_some_and(|extension| extension == "py"));
    sources.filter_map(|path| relative(root, &path)).collect()
}
