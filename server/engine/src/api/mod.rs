//! Dispatches requests to handlers. Each family of requests has a file.

mod affected;
mod changes;
mod collect;
mod debug;
mod events;
pub(crate) mod family;
mod flakiness;
mod history;
mod init;
mod run;
mod session;
mod settings;
mod shards;
mod status;
mod suites;
mod trust;

use std::sync::Arc;

use pytest_lens_protocol::{ErrorCode, Request, Response};

use session::Session;

use crate::api_error::Refusal;
use crate::idle_runs;
use crate::processes::activation::Activation;
use crate::project::Project;
use crate::project::plan_run::RunRequest;
use crate::runs::stop::StopLevel;

/// The answer to a request, or the reason why there is none.
pub(crate) type Answered = Result<Response, Refusal>;

/// Carries out one request: over all projects of its context, if there are several.
pub(crate) async fn answer(session: &Session, request: Request) -> Answered {
    let _in_use = match idle_runs::makes_way_for(&request) {
        true => Some(session.shared.idle_runs.make_way().await),
        false => None,
    };
    // In the compact shape a client of the base protocol can't read a longer answer.
    let knows_additions = matches!(&request, Request::RunStream { options: Some(_), .. });
    let answered = match family::answer(session, request).await {
        Ok(answered) => answered,
        Err(request) => alone(session, request).await,
    };
    match answered {
        Err(refusal) if knows_additions => Ok(refusal.with_additions()),
        answered => answered,
    }
}

/// Carries out one request for the project of its context alone, without nested ones.
async fn alone(session: &Session, request: Request) -> Answered {
    let project = |id: &str| find(session, id);
    match request {
        Request::Ping => Ok(Response::Pong),
        Request::InitContext { protocol_version, repo_path, python_path, execution_mode, activated } => {
            let activation = Activation(activated);
            init::init(session, protocol_version, &repo_path, python_path, execution_mode, activation).await
        }
        Request::Shutdown { context_id } => {
            if let Some(id) = &context_id {
                known(session, id)?;
            }
            family::close(&session.shared, context_id.as_deref()).await;
            Ok(Response::ShutdownAck)
        }
        Request::Collect { context_id, force } => collect::collect(&project(&context_id)?, force).await,
        Request::List { context_id, keyword, marker } => {
            collect::list(&project(&context_id)?, keyword.as_deref(), marker.as_deref()).await
        }
        Request::GetInventory { context_id } => collect::inventory(&project(&context_id)?).await,
        Request::Run { context_id, node_ids, workers, maxfail, options } => {
            let request = RunRequest::new(node_ids, workers, maxfail, options, false);
            run::and_wait(session, &project(&context_id)?, request).await
        }
        Request::RunWithRerun { context_id, node_ids, workers, maxfail, options } => {
            let request = RunRequest::new(node_ids, workers, maxfail, options, true);
            run::and_wait(session, &project(&context_id)?, request).await
        }
        Request::RunStream { context_id, node_ids, workers, maxfail, options } => {
            let request = RunRequest::new(node_ids, workers, maxfail, options, false);
            run::stream(session, &project(&context_id)?, request).await
        }
        Request::EnumerateCases { context_id, test_url } => {
            suites::enumerate(session, &project(&context_id)?, &test_url, "").await
        }
        Request::NextCases { iterator_id } => suites::next_cases(session, &iterator_id),
        Request::BuildRun { context_id, suites, scheduling_options } => {
            suites::build_run(session, &project(&context_id)?, suites, scheduling_options)
        }
        Request::GetRunEvents { run_id } => suites::run_events(session, &run_id).await,
        Request::GetSuiteEvents { suite_id } => suites::suite_events(session, &suite_id).await,
        Request::StopSuite { suite_id } => suites::stop_suite(session, &suite_id, StopLevel::Stop),
        Request::KillSuite { suite_id } => suites::stop_suite(session, &suite_id, StopLevel::Kill),
        Request::ReadArtifact { artifact_id } => suites::read_artifact(session, &artifact_id).await,
        Request::NextDebugData { iterator_id } => suites::next_debug_data(session, &iterator_id).await,
        Request::ReleaseDirectory { token } => suites::release_directory(session, &token).await,
        Request::GetRunProgress { context_id, run_id } => run::progress(session, &project(&context_id)?, run_id),
        Request::StopRun { run_id } => run::stop(session, &run_id, StopLevel::Stop),
        Request::KillRun { run_id } => run::stop(session, &run_id, StopLevel::Kill),
        Request::GetWorkerStatus { context_id } => Ok(status::workers(&project(&context_id)?)),
        Request::DebugRun { context_id, node_ids, options } => {
            let request = RunRequest::new(node_ids, None, None, options, false);
            debug::debug(session, &project(&context_id)?, request, "").await
        }
        Request::GetContextStatus { context_id } => Ok(status::status(&project(&context_id)?)),
        Request::GetOutput { context_id, node_id } => status::output(&project(&context_id)?, node_id),
        Request::GetEvents { context_id, cursor, wait_ms } => {
            Ok(events::read(session, &project(&context_id)?, cursor, wait_ms).await)
        }
        Request::ConfigureContext { context_id, settings } => {
            settings::project(&project(&context_id)?, &settings).await
        }
        Request::ConfigureWorkers { context_id, num_workers } => {
            settings::workers(&project(&context_id)?, num_workers).await
        }
        Request::ConfigureRerun { context_id, enabled, max_reruns, only_flaky, delay_ms } => {
            settings::rerun(&project(&context_id)?, enabled, max_reruns, only_flaky, delay_ms).await
        }
        Request::GetRerunConfig { context_id } => Ok(settings::rerun_now(&project(&context_id)?)),
        Request::ConfigureFixtureReuse { context_id, enabled, max_age_seconds, teardown_on_conftest_change } => {
            let project = project(&context_id)?;
            settings::fixtures(&project, enabled, max_age_seconds, teardown_on_conftest_change).await
        }
        Request::GetFixtureConfig { context_id } => Ok(settings::fixtures_now(&project(&context_id)?)),
        Request::GetSessionStatus { context_id } => Ok(status::session(&project(&context_id)?)),
        Request::GetFlakinessReport { context_id } => Ok(flakiness::report(&project(&context_id)?).await),
        Request::GetLastOutcomes { context_id, since_cleared } => {
            Ok(flakiness::last_outcomes(&project(&context_id)?, since_cleared.unwrap_or_default()).await)
        }
        Request::ClearLastOutcomes { context_id } => Ok(flakiness::clear(&project(&context_id)?)),
        Request::GetLastFailed { context_id } => Ok(flakiness::last_failed(&project(&context_id)?).await),
        Request::GetAffected { context_id, paths } => Ok(affected::of_paths(&project(&context_id)?, &paths).await),
        Request::ExplainAffected { context_id, paths } => Ok(affected::explained(&project(&context_id)?, &paths).await),
        Request::GetChanges { context_id, cursor, wait_ms } => {
            changes::read(&project(&context_id)?, cursor, wait_ms).await
        }
        Request::GetHistory { repo_path } => history::summary(&session.shared, &repo_path).await,
        Request::RecordRun { repo_path, report_hash, source, started_ms, outcomes, code } => {
            let run = history::past_run(&report_hash, &source, started_ms, outcomes, code)?;
            history::record(&session.shared, &repo_path, run).await
        }
        Request::Trust { repo_path, trusted } => trust::trust(&session.shared.config.state_dir, &repo_path, trusted),
        Request::GetTestFlakiness { context_id, node_id } => flakiness::of_test(&project(&context_id)?, node_id).await,
        Request::GetShard { context_id, node_ids, shard_index, total_shards, strategy } => {
            shards::tests(&project(&context_id)?, &node_ids, shard_index, total_shards, &strategy).await
        }
        Request::GetShardInfo { context_id, node_ids, total_shards, strategy } => {
            shards::info(&project(&context_id)?, &node_ids, total_shards, &strategy).await
        }
    }
}

/// Finds the context of a request. Reports it as gone if the client's name for its root now leads to another folder, or if
/// clients with different environments can't share it any more.
fn find(session: &Session, id: &str) -> Result<Arc<Project>, Refusal> {
    let project = known(session, id)?;
    let name = session.name_of(&project);
    let is_still = project.is_still(name.as_deref());
    if is_still && project.suits_all_clients() {
        return Ok(project);
    }
    let name = name.unwrap_or_else(|| project.state.root.clone());
    let name = name.display();
    let message = match is_still {
        false => format!("{name} leads to another folder than before; open it again with init_context"),
        true => format!(
            "the environment in {name} is gone, and its clients have activated different ones; open it again with init_context"
        ),
    };
    Err(Refusal::new(ErrorCode::ContextNotFound, message))
}

fn known(session: &Session, id: &str) -> Result<Arc<Project>, Refusal> {
    session.shared.projects.get(id).map(|project| Arc::clone(project.value())).ok_or_else(|| {
        let message = format!("no context {id:?}; open one with init_context");
        Refusal::new(ErrorCode::ContextNotFound, message)
    })
}
