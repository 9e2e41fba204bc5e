//! What answers each request. One file for each family of requests; here they are told apart.

mod affected;
mod collect;
mod events;
mod flakiness;
mod init;
mod run;
mod session;
mod settings;
mod shards;
mod status;
mod suites;

use std::sync::Arc;

use pytest_lens_protocol::{ErrorCode, Request, Response};

use session::Session;

use crate::api_error::Refusal;
use crate::project::Context;
use crate::project::plan_run::RunRequest;
use crate::runs::driver::Control;

/// An answer, or why there is none.
pub(crate) type Answered = Result<Response, Refusal>;

/// Carries out one request.
pub(crate) async fn answer(session: &Session, request: Request) -> Answered {
    let context = |id: &str| find(session, id);
    match request {
        Request::Ping => Ok(Response::Pong),
        Request::InitContext { protocol_version, repo_path, python_path, execution_mode } => {
            init::init(&session.shared, protocol_version, &repo_path, python_path, execution_mode).await
        }
        Request::Shutdown { context_id } => {
            if let Some(id) = &context_id {
                context(id)?;
            }
            session.shared.close(context_id.as_deref()).await;
            Ok(Response::ShutdownAck)
        }
        Request::Collect { context_id, force } => collect::collect(&context(&context_id)?, force).await,
        Request::List { context_id, keyword, marker } => {
            collect::list(&context(&context_id)?, keyword.as_deref(), marker.as_deref()).await
        }
        Request::GetInventory { context_id } => collect::inventory(&context(&context_id)?).await,
        Request::Run { context_id, node_ids, workers, maxfail, options } => {
            let request =
                RunRequest { node_ids, workers, maxfail, options: options.unwrap_or_default(), repeat: false };
            run::and_wait(session, &context(&context_id)?, request).await
        }
        Request::RunWithRerun { context_id, node_ids, workers, maxfail, options } => {
            let request = RunRequest { node_ids, workers, maxfail, options: options.unwrap_or_default(), repeat: true };
            run::and_wait(session, &context(&context_id)?, request).await
        }
        Request::RunStream { context_id, node_ids, workers, maxfail, options } => {
            let request =
                RunRequest { node_ids, workers, maxfail, options: options.unwrap_or_default(), repeat: false };
            run::stream(session, &context(&context_id)?, request).await
        }
        Request::EnumerateCases { context_id, test_url } => {
            suites::enumerate(session, &context(&context_id)?, &test_url).await
        }
        Request::NextCases { iterator_id } => suites::next_cases(session, &iterator_id),
        Request::BuildRun { context_id, suites, scheduling_options } => {
            suites::build_run(session, &context(&context_id)?, suites, scheduling_options)
        }
        Request::GetRunEvents { run_id } => suites::run_events(session, &run_id).await,
        Request::GetSuiteEvents { suite_id } => suites::suite_events(session, &suite_id).await,
        Request::StopSuite { suite_id } => suites::control_suite(session, &suite_id, Control::Stop),
        Request::KillSuite { suite_id } => suites::control_suite(session, &suite_id, Control::Kill),
        Request::ReadArtifact { artifact_id } => suites::read_artifact(session, &artifact_id).await,
        Request::NextDebugData { iterator_id } => suites::next_debug_data(session, &iterator_id).await,
        Request::ReleaseDirectory { token } => suites::release_directory(session, &token).await,
        Request::GetRunProgress { context_id, run_id } => run::progress(session, &context(&context_id)?, run_id),
        Request::StopRun { run_id } => run::control(session, &run_id, Control::Stop),
        Request::KillRun { run_id } => run::control(session, &run_id, Control::Kill),
        Request::GetWorkerStatus { context_id } => Ok(status::workers(&context(&context_id)?)),
        Request::DebugRun { context_id, node_ids, options } => {
            let options = options.unwrap_or_default();
            let request = RunRequest { node_ids, workers: None, maxfail: None, options, repeat: false };
            run::debug(session, &context(&context_id)?, request).await
        }
        Request::GetContextStatus { context_id } => Ok(status::status(&context(&context_id)?)),
        Request::GetOutput { context_id, node_id } => status::output(&context(&context_id)?, node_id),
        Request::GetEvents { context_id, cursor, wait_ms } => {
            Ok(events::read(session, &context(&context_id)?, cursor, wait_ms).await)
        }
        Request::ConfigureContext { context_id, settings } => {
            settings::context(&context(&context_id)?, &settings).await
        }
        Request::ConfigureWorkers { context_id, num_workers } => {
            settings::workers(&context(&context_id)?, num_workers).await
        }
        Request::ConfigureRerun { context_id, enabled, max_reruns, only_flaky, delay_ms } => {
            settings::rerun(&context(&context_id)?, enabled, max_reruns, only_flaky, delay_ms).await
        }
        Request::GetRerunConfig { context_id } => Ok(settings::rerun_now(&context(&context_id)?)),
        Request::ConfigureFixtureReuse { context_id, enabled, max_age_seconds, teardown_on_conftest_change } => {
            let context = context(&context_id)?;
            settings::fixtures(&context, enabled, max_age_seconds, teardown_on_conftest_change).await
        }
        Request::GetFixtureConfig { context_id } => Ok(settings::fixtures_now(&context(&context_id)?)),
        Request::GetSessionStatus { context_id } => Ok(status::session(&context(&context_id)?)),
        Request::GetFlakinessReport { context_id } => Ok(flakiness::report(&context(&context_id)?).await),
        Request::GetLastOutcomes { context_id } => Ok(flakiness::last_outcomes(&context(&context_id)?).await),
        Request::GetLastFailed { context_id } => Ok(flakiness::last_failed(&context(&context_id)?).await),
        Request::GetAffected { context_id, paths } => Ok(affected::of_paths(&context(&context_id)?, &paths).await),
        Request::GetTestFlakiness { context_id, node_id } => flakiness::of_test(&context(&context_id)?, node_id).await,
        Request::GetShard { context_id, node_ids, shard_index, total_shards, strategy } => {
            shards::tests(&context(&context_id)?, &node_ids, shard_index, total_shards, &strategy).await
        }
        Request::GetShardInfo { context_id, node_ids, total_shards, strategy } => {
            shards::info(&context(&context_id)?, &node_ids, total_shards, &strategy).await
        }
    }
}

fn find(session: &Session, id: &str) -> Result<Arc<Context>, Refusal> {
    session.shared.contexts.get(id).map(|context| Arc::clone(context.value())).ok_or_else(|| {
        let message = format!("no context {id:?}; open one with init_context");
        Refusal::new(ErrorCode::ContextNotFound, message)
    })
}
