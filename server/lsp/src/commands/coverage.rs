//! `pytestLens.coverage`: reads coverage.py's report from the engine, and answers with the coverage of each file in the
//! folder.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use pytest_lens_protocol::{Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::commands::args::CoverageArgs;
use crate::commands::control::folders;
use crate::engine::connection;
use crate::error::{CommandError, CommandResult};
use crate::paths::uri_text;
use crate::session::state::{Shared, call_on};

/// The file of the debug data that holds the report.
const REPORT: &str = "coverage.json";

/// The parts of coverage.py's report that the server reads.
#[derive(Deserialize)]
struct Report {
    files: BTreeMap<String, Measured>,
}

/// A file in the report; lines from 1.
#[derive(Deserialize)]
struct Measured {
    executed_lines: Vec<u32>,
    missing_lines: Vec<u32>,
    executed_branches: Option<Vec<[i64; 2]>>,
    missing_branches: Option<Vec<[i64; 2]>>,
    contexts: Option<BTreeMap<u32, Vec<String>>>,
}

/// A file in the answer; lines from 1, a negative one leaves the function.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileLines {
    uri: String,
    executed: Vec<u32>,
    missing: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed_branches: Option<Vec<[i64; 2]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_branches: Option<Vec<[i64; 2]>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contexts: Option<BTreeMap<u32, Vec<String>>>,
}

/// `pytestLens.coverage`.
pub(crate) async fn coverage(shared: &Arc<Shared>, args: CoverageArgs) -> CommandResult<Value> {
    let (folder, iterator_id) = find(shared, &args).await?;
    let text = read(shared, &args.run_id, iterator_id).await?;
    let root = shared.state().workspace(&folder).map(|workspace| workspace.root.clone()).unwrap_or_default();
    let told = tokio::task::spawn_blocking(move || files(&root, &text)).await;
    let told = told.map_err(|error| error.to_string()).and_then(|files| files.map_err(|error| error.to_string()));
    told.map_err(|error| CommandError::failed(format!("the coverage of {} can't be read: {error}", args.run_id)))
}

/// The folder of a run, and the iterator over its data.
async fn find(shared: &Arc<Shared>, args: &CoverageArgs) -> CommandResult<(String, String)> {
    let run_id = &args.run_id;
    let mut goes_on = false;
    for folder in folders(shared, args.workspace.as_deref())? {
        connection::context(shared, &folder).await?;
        let state = shared.state();
        let Some(workspace) = state.workspace(&folder) else { continue };
        if let Some((_, iterator)) = workspace.measured.iter().find(|(run, _)| run == run_id) {
            return Ok((folder, iterator.clone()));
        }
        goes_on |= workspace.view.runs().contains_key(run_id);
    }
    Err(CommandError::failed(if goes_on {
        format!("{run_id} is still running: request its coverage when it has finished")
    } else {
        format!("there is no coverage of {run_id}: run tests with `coverage: true`, and ask within ten minutes")
    }))
}

/// The whole report of a run.
async fn read(shared: &Arc<Shared>, run_id: &str, iterator_id: String) -> CommandResult<Vec<u8>> {
    let session = shared.session();
    let artifact_id = loop {
        match call_on(&*session, Request::NextDebugData { iterator_id: iterator_id.clone() }).await? {
            Response::DebugData { data } if data.is_empty() => {
                return Err(CommandError::failed(format!(
                    "coverage made no report of {run_id}: the server's log says why; run the tests again"
                )));
            }
            Response::DebugData { data } => {
                if let Some(file) = data.into_iter().find(|file| file.name == REPORT) {
                    break file.artifact_id;
                }
            }
            other => return Err(CommandError::unexpected("next_debug_data", &other)),
        }
    };
    let mut text = Vec::new();
    loop {
        match call_on(&*session, Request::ReadArtifact { artifact_id: artifact_id.clone() }).await? {
            Response::ArtifactData { data, done } => {
                text.extend(data.0);
                if done {
                    return Ok(text);
                }
            }
            other => return Err(CommandError::unexpected("read_artifact", &other)),
        }
    }
}

/// Only the folder's own files: installed files, and others outside of the folder, are left out.
fn files(root: &Path, report: &[u8]) -> serde_json::Result<Value> {
    let report: Report = serde_json::from_slice(report)?;
    let own = |path: &str| {
        let inner = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path)).to_owned();
        let is_below = inner.components().all(|part| matches!(part, Component::Normal(_)));
        let is_installed = inner.components().any(|part| part.as_os_str() == "site-packages");
        (is_below && !is_installed).then_some(inner)
    };
    let told = report.files.into_iter().filter_map(|(path, measured)| {
        let contexts = measured.contexts.map(|contexts| {
            let of_tests = |(line, tests): (u32, Vec<String>)| {
                let tests: Vec<String> = tests.into_iter().filter(|test| !test.is_empty()).collect();
                (!tests.is_empty()).then_some((line, tests))
            };
            contexts.into_iter().filter_map(of_tests).collect()
        });
        Some(FileLines {
            uri: uri_text(&root.join(own(&path)?)),
            executed: measured.executed_lines,
            missing: measured.missing_lines,
            executed_branches: measured.executed_branches,
            missing_branches: measured.missing_branches,
            contexts,
        })
    });
    Ok(json!({ "files": told.collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folders_own_files_are_told() {
        let lines = json!({ "executed_lines": [1, 2], "missing_lines": [4] });
        let all = json!({
            "executed_lines": [1], "missing_lines": [], "executed_branches": [[1, 2]], "missing_branches": [[1, -1]],
            "contexts": { "1": ["", "test_a.py::test_a"], "2": [""] },
        });
        let report = json!({ "files": {
            "a b.py": all, "/repo/sub/b.py": lines, "/elsewhere/c.py": lines, "../d.py": lines,
            "env/lib/site-packages/e.py": lines,
        } });
        let told = files(Path::new("/repo"), report.to_string().as_bytes()).unwrap();
        let branches = json!({
            "uri": "file:///repo/a%20b.py", "executed": [1], "missing": [], "executedBranches": [[1, 2]],
            "missingBranches": [[1, -1]], "contexts": { "1": ["test_a.py::test_a"] },
        });
        let plain = json!({ "uri": "file:///repo/sub/b.py", "executed": [1, 2], "missing": [4] });
        assert_eq!(told, json!({ "files": [plain, branches] }));
    }
}
