//! Commands that stop or kill runs, and that collect tests.

use std::collections::BTreeSet;
use std::sync::Arc;

use pytest_lens_protocol::{Request, Response};
use serde_json::{Value, json};

use crate::commands::args::{CollectArgs, StopArgs};
use crate::engine::{collect, connection};
use crate::error::{CommandError, CommandResult};
use crate::session::state::Shared;

/// `pytestLens.stop`, and `pytestLens.kill` with `kill`.
pub(crate) async fn stop(shared: &Arc<Shared>, args: StopArgs, kill: bool) -> CommandResult<Value> {
    let request = |run_id| if kill { Request::KillRun { run_id } } else { Request::StopRun { run_id } };
    let mut stopped = Vec::new();
    if let Some(run_id) = args.run_id {
        shared.call(request(run_id.clone())).await?;
        stopped.push(run_id);
    } else {
        for run_id in active(shared).await {
            // A run that has ended in the meantime needs no stop.
            if shared.call(request(run_id.clone())).await.is_ok() {
                stopped.push(run_id);
            }
        }
    }
    Ok(json!({ "stopped": stopped }))
}

/// Every run in progress, including those that the engine accepted a moment ago.
async fn active(shared: &Arc<Shared>) -> BTreeSet<String> {
    let (mut runs, contexts) = {
        let state = shared.state();
        let runs: BTreeSet<String> =
            state.workspaces.iter().flat_map(|workspace| workspace.view.runs().keys().cloned()).collect();
        let contexts: Vec<String> = state.workspaces.iter().filter_map(|workspace| workspace.link.context()).collect();
        (runs, contexts)
    };
    for context_id in contexts {
        if let Ok(Response::ContextStatus { active_runs, .. }) =
            shared.call(Request::GetContextStatus { context_id }).await
        {
            runs.extend(active_runs);
        }
    }
    runs
}

/// `pytestLens.collect`.
pub(crate) async fn collect(shared: &Arc<Shared>, args: CollectArgs) -> CommandResult<Value> {
    let folders = folders(shared, args.workspace.as_deref())?;
    let mut count = 0;
    for folder in folders {
        let context_id = connection::context(shared, &folder).await?;
        count += collect::collect(shared, &folder, context_id, args.force.unwrap_or_default(), true).await?;
    }
    Ok(json!({ "nodeCount": count }))
}

/// The named folder, or all of them.
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
