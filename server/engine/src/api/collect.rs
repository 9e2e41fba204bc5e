//! `collect`, `list`, `get_inventory`: the project's tests.

use std::sync::Arc;
use std::time::Instant;

use pytest_lens_protocol::{ErrorCode, Response};

use super::Answered;
use crate::api_error::{Refusal, invalid};
use crate::model::select::Filter;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::refresh::refresh;

pub(super) async fn collect(project: &Arc<Project>, force: bool) -> Answered {
    let begun = Instant::now();
    // A client forces a collection only at a person's request.
    let purpose = if force { Purpose::List } else { Purpose::Unasked };
    let timed_out_before = project.pool.timed_out_imports();
    refresh(project, force, purpose).await.map_err(|failure| Refusal::from(&failure))?;
    if project.state.changes.has_failed() {
        // Nobody else notices what made outcomes stale.
        let project = Arc::clone(project);
        tokio::spawn(async move { project.review_outcomes().await });
    }
    let timed_out = project.pool.timed_out_imports();
    if timed_out != timed_out_before {
        // The tests of all other files are collected.
        return Err(Refusal::new(ErrorCode::Timeout, timed_out.1));
    }
    let inventory = project.state.inventory.load();
    let is_empty = inventory.nodes().next().is_none();
    if let Some((path, error)) = inventory.errors.iter().next().filter(|_| is_empty) {
        let line = error.reported.line.map_or_else(String::new, |line| format!(", line {line}"));
        let message =
            format!("nothing could be collected: {path}{line}: {}; mend it and collect again", error.reported.message);
        return Err(Refusal::new(ErrorCode::CollectionFailed, message));
    }
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Response::CollectionComplete { node_count: inventory.count(), duration_ms })
}

pub(super) async fn list(project: &Arc<Project>, keyword: Option<&str>, marker: Option<&str>) -> Answered {
    let filter = Filter::parse(keyword, marker).map_err(invalid)?;
    refresh(project, false, Purpose::List).await.map_err(|failure| Refusal::from(&failure))?;
    let inventory = project.state.inventory.load();
    let node_ids = inventory.nodes().filter(|node| filter.takes(node)).map(|node| node.id.to_string()).collect();
    Ok(Response::TestList { node_ids })
}

pub(super) async fn inventory(project: &Arc<Project>) -> Answered {
    if !project.state.inventory.load().complete {
        refresh(project, false, Purpose::Unasked).await.map_err(|failure| Refusal::from(&failure))?;
    }
    let inventory = project.state.inventory.load();
    Ok(Response::InventoryData {
        hash: inventory.hash(),
        collected_at: inventory.collected_at,
        nodes: inventory.infos(),
    })
}
