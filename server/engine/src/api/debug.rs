//! `debug_run`. If each collection may find other tests, the session under the debugger determines them: its run has an id
//! at once, and begins when the debugger has attached and the session has collected.

use std::sync::Arc;

use pytest_lens_protocol::{ErrorCode, Response};

use super::Answered;
use super::run::{enter, handle};
use super::session::Session;
use crate::api_error::{Refusal, invalid};
use crate::processes::debug_process::DebugProcess;
use crate::processes::launcher::StartError;
use crate::processes::pool::SessionOverrides;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::plan_run::{Chosen, RunRequest, choose, choose_again, plan};
use crate::runs::coverage::split;
use crate::runs::handle::RunHandle;
use crate::runs::plan::RunKind;
use crate::runs::run_ids::RunIds;
use crate::runs::stop::StopLevel;

/// `debug_run`: returns when a debugger can connect. `path`: the folder of the project, relative to the client's root.
pub(super) async fn debug(session: &Session, project: &Arc<Project>, mut request: RunRequest, path: &str) -> Answered {
    request.options.arguments = split(&request.options.arguments).0;
    let chosen = choose(project, &request, &SessionOverrides::default(), Purpose::List).await?;
    if chosen.selected.is_empty() {
        return Err(invalid("there is no test to debug: write one, or name one that exists"));
    }
    let (launcher, limit) = (&project.pool.launcher, project.debug_limit());
    let debug_process = DebugProcess::start(launcher, &chosen.collected, request.options.run_disabled, limit).await;
    let debug_process = debug_process.map_err(|failure| match failure {
        StartError::Unusable(message) => Refusal::new(ErrorCode::PythonNotFound, message),
        StartError::Exhausted(message) | StartError::Failed(message) => Refusal::new(ErrorCode::InternalError, message),
    })?;
    let (host, port) = (debug_process.host.clone(), debug_process.port);
    let run = DebugRun { project: Arc::clone(project), handle: handle(&session.shared, path), request, debug_process };
    let (run_id, run_ids) = (run.handle.suite_log.id.clone(), Arc::clone(&session.shared.run_ids));
    if run.debug_process.determines_tests {
        project.awaited_runs.insert(run_id.clone(), run.handle.clone());
        tokio::spawn(run.begin_when_collected(run_ids, chosen));
    } else {
        run.begin(&run_ids, chosen).await?;
    }
    Ok(Response::DebugStarted { run_id, host, port })
}

struct DebugRun {
    project: Arc<Project>,
    handle: RunHandle,
    request: RunRequest,
    debug_process: DebugProcess,
}

impl DebugRun {
    /// `listed`: the tests as another session has found them. Without debugger, after a stop, and where the session has
    /// not all that the request names, the run has these: each gets its outcome.
    async fn begin_when_collected(self, run_ids: Arc<RunIds>, listed: Chosen) {
        let (project, run_id) = (Arc::clone(&self.project), self.handle.suite_log.id.clone());
        let settings = project.state.pytest.load_full();
        let mut stop = self.handle.stop_tx.subscribe();
        let collected = tokio::select! {
            collected = self.debug_process.collect(&project.pool, &listed.collected.scope, &settings) => collected,
            _ = stop.wait_for(|wanted| *wanted != StopLevel::Go) => None,
        };
        let found = match collected {
            Some(collected) => choose_again(&project, &self.request, collected, &listed).await.ok(),
            None => None,
        };
        // The context may be closed.
        if project.awaited_runs.contains_key(&run_id) {
            let chosen = found.filter(|found| !found.selected.is_empty()).unwrap_or(listed);
            let begun = self.begin(&run_ids, chosen).await;
            project.awaited_runs.remove(&run_id);
            if let Err(refusal) = begun {
                tracing::warn!(%refusal, run = run_id, "a debugged run could not begin");
            }
        }
    }

    async fn begin(self, run_ids: &RunIds, chosen: Chosen) -> Result<(), Refusal> {
        let DebugRun { project, handle, request, debug_process } = self;
        let kind =
            RunKind::Debug { debug_process: Box::new(debug_process), run_disabled: request.options.run_disabled };
        let chosen = Chosen { deselected: 0, ..chosen };
        let plan = plan(&project, run_ids, &request, &handle, chosen, kind, None)?;
        let (_, lease) = enter(&project, plan).await?;
        lease.release();
        Ok(())
    }
}
