//! Requests over a root and its nested projects. A request is split by the projects that its ids belong to, each carries
//! out its part as any project does, and the answers are put together with ids relative to the client's root.
//!
//! A nested project may have nested projects itself, so that its part comes here again.

mod affected;
mod gather;
mod junit;
pub(crate) mod open;
mod parts;
mod run;
mod split;

use std::sync::Arc;

use pytest_lens_protocol::{Request, Response};

use super::Answered;
use super::session::Session;
use crate::engine::Shared;
use crate::model::select::own_id;
use crate::project::Project;
use crate::project::configure::names_configuration;
use crate::project::members::Member;
use crate::project::plan_run::RunRequest;
use gather::Family;

/// Carries out a request over several projects. Gives it back if it concerns one context alone.
pub(super) async fn answer(session: &Session, request: Request) -> Result<Answered, Request> {
    let Some((context_id, kind)) = concerns(&request) else { return Err(request) };
    let Ok(project) = super::find(session, context_id) else { return Err(request) };
    if !matches!(kind, Concern::Known) {
        // They say which folders are projects.
        project.renew_settings().await;
    }
    match kind {
        // A watcher may not have noticed yet that the folders have changed.
        Concern::Everything => drop(project.renew_nested().await),
        Concern::Ids(ids) => {
            let ids: Vec<String> = ids.iter().map(|id| own_id(&project.state.root, id)).collect();
            open::check_ids(&project, &ids).await;
        }
        Concern::Known => {}
    }
    if project.state.pytest.load().nested.projects.is_empty() && project.members.list().is_empty() {
        return Err(request);
    }
    let members = open::members(&session.shared, &project).await;
    if members.is_empty() {
        return Err(request);
    }
    let family = Family { session, project: &project, members };
    Box::pin(dispatch(family, request)).await
}

/// The tests that a request is about.
enum Concern<'r> {
    /// All tests of the context, as they are on disk.
    Everything,
    /// These ids.
    Ids(&'r [String]),
    /// Everything that is known by now.
    Known,
}

/// The context of a request that may concern several projects.
fn concerns(request: &Request) -> Option<(&str, Concern<'_>)> {
    use Concern::{Everything, Ids, Known};
    Some(match request {
        Request::Collect { context_id, .. } | Request::List { context_id, .. } => (context_id, Everything),
        Request::Run { context_id, node_ids, options, .. }
        | Request::RunWithRerun { context_id, node_ids, options, .. }
        | Request::RunStream { context_id, node_ids, options, .. }
        | Request::DebugRun { context_id, node_ids, options } => {
            if options.as_ref().is_some_and(|options| names_configuration(&options.arguments)) {
                return None;
            }
            (context_id, if node_ids.is_empty() { Everything } else { Ids(node_ids) })
        }
        Request::GetShard { context_id, node_ids, .. } | Request::GetShardInfo { context_id, node_ids, .. } => {
            (context_id, if node_ids.is_empty() { Everything } else { Ids(node_ids) })
        }
        Request::EnumerateCases { context_id, test_url } => (context_id, Ids(std::slice::from_ref(test_url))),
        Request::GetInventory { context_id }
        | Request::BuildRun { context_id, .. }
        | Request::GetRunProgress { context_id, .. }
        | Request::GetWorkerStatus { context_id }
        | Request::GetContextStatus { context_id }
        | Request::GetOutput { context_id, .. }
        | Request::GetEvents { context_id, .. }
        | Request::ConfigureContext { context_id, .. }
        | Request::ConfigureWorkers { context_id, .. }
        | Request::ConfigureRerun { context_id, .. }
        | Request::ConfigureFixtureReuse { context_id, .. }
        | Request::GetFlakinessReport { context_id }
        | Request::GetLastOutcomes { context_id, .. }
        | Request::ClearLastOutcomes { context_id }
        | Request::GetLastFailed { context_id }
        | Request::GetAffected { context_id, .. }
        | Request::ExplainAffected { context_id, .. }
        | Request::GetTestFlakiness { context_id, .. } => (context_id, Known),
        _ => return None,
    })
}

async fn dispatch(family: Family<'_>, request: Request) -> Result<Answered, Request> {
    let Family { session, project, .. } = family;
    Ok(match request {
        Request::Collect { force, .. } => family.collect(force).await,
        Request::List { keyword, marker, .. } => family.list(keyword.as_deref(), marker.as_deref()).await,
        Request::GetInventory { .. } => family.inventory().await,
        Request::Run { node_ids, workers, maxfail, options, .. } => {
            run::and_wait(session, project, RunRequest::new(node_ids, workers, maxfail, options, false)).await
        }
        Request::RunWithRerun { node_ids, workers, maxfail, options, .. } => {
            run::and_wait(session, project, RunRequest::new(node_ids, workers, maxfail, options, true)).await
        }
        Request::RunStream { node_ids, workers, maxfail, options, .. } => {
            run::stream(session, project, RunRequest::new(node_ids, workers, maxfail, options, false)).await
        }
        Request::DebugRun { node_ids, options, .. } => {
            run::debug_one(session, project, RunRequest::new(node_ids, None, None, options, false)).await
        }
        Request::EnumerateCases { test_url, .. } => family.enumerate(&test_url).await,
        Request::BuildRun { suites, scheduling_options, .. } => family.build_run(suites, scheduling_options).await,
        Request::GetRunProgress { run_id, .. } => family.progress(run_id).await,
        Request::GetWorkerStatus { .. } => family.worker_status().await,
        Request::GetContextStatus { .. } => Ok(family.context_status()),
        Request::GetOutput { context_id, node_id } => {
            family.of_id(node_id, |context_id, node_id| Request::GetOutput { context_id, node_id }, context_id).await
        }
        Request::GetTestFlakiness { context_id, node_id } => {
            let request = |context_id, node_id| Request::GetTestFlakiness { context_id, node_id };
            family.of_id(node_id, request, context_id).await
        }
        // Opening the nested projects is all that is needed: their events are in the log of the root.
        request @ Request::GetEvents { .. } => return Err(request),
        Request::ConfigureContext { settings, .. } => family.configure(settings).await,
        request @ (Request::ConfigureWorkers { .. }
        | Request::ConfigureRerun { .. }
        | Request::ConfigureFixtureReuse { .. }) => family.each(request).await,
        Request::GetFlakinessReport { .. } => family.flakiness_report().await,
        Request::GetLastOutcomes { since_cleared, .. } => family.last_outcomes(since_cleared.unwrap_or_default()).await,
        Request::ClearLastOutcomes { .. } => family.clear_last_outcomes().await,
        Request::GetLastFailed { .. } => family.last_failed().await,
        Request::GetShard { node_ids, shard_index, total_shards, strategy, .. } => {
            family.shard(&node_ids, shard_index, total_shards, &strategy).await
        }
        Request::GetShardInfo { node_ids, total_shards, strategy, .. } => {
            family.shard_info(&node_ids, total_shards, &strategy).await
        }
        Request::GetAffected { paths, .. } => affected::of_paths(&family, &paths).await,
        Request::ExplainAffected { paths, .. } => affected::explained(&family, &paths).await,
        other => return Err(other),
    })
}

/// Ends a context and its nested projects, or all.
pub(super) async fn close(shared: &Arc<Shared>, context_id: Option<&str>) {
    let project = context_id.and_then(|id| shared.projects.get(id).map(|project| Arc::clone(project.value())));
    shared.close(context_id).await;
    let members: Vec<Arc<Member>> =
        project.iter().flat_map(|project: &Arc<Project>| project.members.list().to_vec()).collect();
    for member in members {
        Box::pin(async {
            if open::is_unnamed(&member.project) {
                close(shared, Some(&member.project.id)).await;
            }
        })
        .await;
    }
}

/// The answer to a request of a nested project, or its refusal in words that name it.
fn checked(path: &str, answered: Answered) -> Answered {
    answered.map_err(|refusal| run::in_words_of(path, refusal)).and_then(|response| match response {
        Response::Error { code, message, .. } => Err(crate::api_error::Refusal::new(code, message).within(path)),
        other => Ok(other),
    })
}
