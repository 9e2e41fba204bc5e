//! Stopping and killing runs, and collecting.

use std::sync::Arc;

use pytest_lens_protocol::Request;
use serde_json::{Value, json};

use crate::commands::args::{CollectArgs, StopArgs};
use crate::connection;
use crate::error::{CommandError, CommandResult};
use crate::state::Shared;

/// `pytestLens.stop`, and with `kill` `pytestLens.kill`.
pub(crate) async fn stop(shared: &Arc<Shared>, args: StopArgs, kill: bool) -> CommandResult<Value> {
    let wanted: Vec<String> = {
        let state = shared.state();
        let mut active = state.workspaces.iter().flat_map(|workspace| workspace.view.runs().keys());
        match args.run_id {
            // A run that was accepted a moment ago may not have been heard of: the engine knows.
            Some(run_id) => vec![run_id],
            None => active.by_ref().cloned().collect(),
        }
    };
    let mut stopped = Vec::new();
    for run_id in wanted {
        let id = run_id.clone();
        let request = if kill { Request::KillRun { run_id } } else { Request::StopRun { run_id } };
        shared.call(request).await?;
        stopped.push(id);
    }
    Ok(json!({ "stopped": stopped }))
}

/// `pytestLens.collect`.
pub(crate) async fn collect(shared: &Arc<Shared>, args: CollectArgs) -> CommandResult<Value> {
    let folders = folders(shared, args.workspace.as_deref())?;
    let mut count = 0;
    for folder in folders {
        count += connection::collect(shared, &folder, args.force.unwrap_or_default(), true).await?;
    }
    Ok(json!({ "nodeCount": count }))
}

/// The folder that was named, or all of them.
pub(crate) fn folders(shared: &Arc<Shared>, named: Option<&str>) -> CommandResult<Vec<String>> {
    let state = shared.state();
    if state.workspaces.is_empty() {
        return Err(CommandError::failed("no folder is open: open the folder that holds your tests, then try again"));
    }
    let Some(named) = named else {
        return Ok(state.workspaces.iter().map(|workspace| workspace.uri.clone()).collect());
    };
    let path = crate::paths::path_of(named);
    let same = |root: &std::path::Path| path.as_deref() == Some(root);
    match state.workspaces.iter().find(|workspace| workspace.uri == named || same(&workspace.root)) {
        Some(workspace) => Ok(vec![workspace.uri.clone()]),
        None => {
            let open: Vec<&str> = state.workspaces.iter().map(|workspace| workspace.uri.as_str()).collect();
            Err(CommandError::arguments(format!(
                "`workspace` {named} is not an open folder: those open are {}",
                open.join(", ")
            )))
        }
    }
}
