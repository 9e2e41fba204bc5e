//! `run`, `run_stream`, `run_with_rerun`, `get_run_progress`, `stop_run`, `kill_run`.

use std::sync::Arc;
use std::time::Instant;

use pytest_lens_history::Source;
use pytest_lens_protocol::{ErrorCode, LogsIteratorOption, Response, RunEnd, TestResultInfo, WorkerCount};

use super::Answered;
use super::session::Session;
use crate::api_error::{Refusal, invalid};
use crate::engine::Shared;
use crate::processes::pool::SessionOverrides;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::executor::has_present_code;
use crate::project::plan_run::{self, RunRequest, choose, plan, source_of};
use crate::runs::coverage::{Coverage, split};
use crate::runs::handle::RunHandle;
use crate::runs::plan::{ConflictPolicy, RunPlan};
use crate::runs::record::RunLease;
use crate::runs::stop::StopLevel;

/// The most results in one `run_progress`.
const PAGE: usize = 10_000;

/// The approximate limit of one answer in bytes. A frame holds several times as many.
const PAGE_WEIGHT: usize = 16 * 1024 * 1024;

/// `run` and `run_with_rerun`: waits for the end of the run. If the call is dropped because the client has gone, the
/// run is killed, since nobody else knows of it.
pub(super) async fn and_wait(session: &Session, project: &Arc<Project>, request: RunRequest) -> Answered {
    let (_, lease) = begin(session, project, request).await?;
    let Some(end) = lease.wait().await else { return Err(shut_down()) };
    Ok(complete(&end))
}

/// The context ended before a run did.
pub(super) fn shut_down() -> Refusal {
    Refusal::new(ErrorCode::InternalError, "the context was shut down while the run went on")
}

/// The answer at the end of a run.
pub(super) fn complete(end: &RunEnd) -> Response {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration is positive and short")]
    Response::RunComplete {
        total: end.counts.total,
        passed: end.counts.passed,
        failed: end.counts.failed,
        skipped: end.counts.skipped,
        errors: end.counts.errors,
        duration_ms: end.duration_ms.round() as u64,
    }
}

/// `run_stream`: returns when the run is recorded. From then on no client owns it, unless the request says so.
pub(super) async fn stream(session: &Session, project: &Arc<Project>, request: RunRequest) -> Answered {
    let request = RunRequest { reads_events: true, ..request };
    let ends_with_session = request.options.ends_with_session;
    let (run_id, lease) = begin(session, project, request).await?;
    let total_tests = lease.record().map_or(0, |record| record.total);
    if ends_with_session {
        session.own(|owned| owned.leases.push(lease));
    } else {
        lease.release();
    }
    Ok(Response::RunStarted { run_id, total_tests })
}

async fn begin(session: &Session, project: &Arc<Project>, request: RunRequest) -> Result<(String, RunLease), Refusal> {
    enter(project, prepare(&session.shared, project, request, "").await?).await
}

/// Selects the tests of a run, and plans it. `path`: the folder of the project, relative to the client's root.
pub(super) async fn prepare(
    shared: &Shared,
    project: &Arc<Project>,
    mut request: RunRequest,
    path: &str,
) -> Result<RunPlan, Refusal> {
    if let Some(Err(problem)) = request.workers.map(|count| WorkerCount::fixed(count.into())) {
        return Err(invalid(format!("field `workers`: {problem}, or leave it out")));
    }
    let source = source_of(&request.options)?;
    // A command at a terminal, or of a CI service, makes the reports of pytest-cov and enforces its gates. Editors and
    // agents run a few tests, which nobody wants gates to judge, and expect no new files in the repository.
    let wants_reports = matches!(source, Source::Cli | Source::Ci);
    let mut coverage = None;
    if !wants_reports || request.options.source.is_none() {
        (request.options.arguments, coverage) = split(&request.options.arguments);
    }
    let coverage = coverage.or_else(|| request.options.coverage.then(Coverage::for_editors));
    if let Some(coverage) = &coverage {
        project.check_coverage(coverage).await.map_err(invalid)?;
    }
    let cluster = project.wanted_cluster(&request)?;
    let purpose = project.purpose_of(request.options.run_disabled || coverage.is_some() || cluster.is_some());
    // The session that collects for a command's only run makes its reports, too. Those of several projects would do that
    // at the same time, perhaps in the same files.
    let reports = wants_reports
        && !request.is_part
        && !project.pool.is_resident()
        && purpose == Purpose::Run
        && !request.options.full_reports
        && project.expects_reports(&request.options.arguments);
    let is_exact = coverage.is_some() || reports;
    let usual = SessionOverrides { is_exact, reports, ..SessionOverrides::default() };
    let mut chosen = choose(project, &request, &usual, purpose).await?;
    let kind = plan_run::kind(project, &request, &chosen.collected, coverage, wants_reports, cluster.is_some());
    let (run_ids, handle) = (&shared.run_ids, handle(shared, path));
    // Reports list what can't be collected, and pytest-cov measures imports.
    if kind.makes_reports() && chosen.collected.is_shared() && chosen.collected.scope != request.scope(project) {
        chosen = choose(project, &request, &SessionOverrides { is_exact: true, ..usual.clone() }, purpose).await?;
    }
    if !kind.suits(&chosen.collected.options) {
        // The session that runs the tests prints all again.
        project.pool.launcher.relays.flush().await;
        request.prints_since = Instant::now();
    }
    if !kind.suits(&chosen.collected.options) && !chosen.collected.is_shared() {
        // Each session may find other tests: the first that runs them determines which there are.
        drop(chosen);
        handle.suite_log.make_folder(&project.pool.launcher.tmp_dir, run_ids.next().1);
        let overrides = kind.overrides(handle.suite_log.folder());
        chosen = choose(project, &request, &overrides, Purpose::Run).await?;
    }
    let mut remote = project.remote_run(cluster.clone(), &request, &kind, &chosen.collected).await?;
    if remote.is_some() && !has_present_code(&chosen.collected).await {
        // The snapshot is newer than the collection in which the tests were selected.
        chosen = choose(project, &request, &usual, purpose).await?;
        remote = project.remote_run(cluster, &request, &kind, &chosen.collected).await?;
    }
    let plan = plan(project, run_ids, &request, &handle, chosen, kind, remote)?;
    let conflicts = if source == Source::Editor { ConflictPolicy::Replaceable } else { ConflictPolicy::Waits };
    Ok(RunPlan { asked: request.asked(project), conflicts, ..plan })
}

/// The handle of a run that is not part of a built one. `path`: the folder of its project, relative to the client's root.
pub(super) fn handle(shared: &Shared, path: &str) -> RunHandle {
    RunHandle::new(shared.run_ids.next().0, LogsIteratorOption::default(), path)
}

/// Records a run and starts it.
pub(super) async fn enter(project: &Arc<Project>, plan: RunPlan) -> Result<(String, RunLease), Refusal> {
    let run_id = plan.run_id.clone();
    let lease = project.begin(plan).await;
    Ok((run_id, lease.ok_or_else(gone)?))
}

/// The context ended before a run began.
pub(super) fn gone() -> Refusal {
    Refusal::new(ErrorCode::ContextNotFound, "the context was shut down")
}

pub(super) fn progress(session: &Session, project: &Arc<Project>, run_id: String) -> Answered {
    if project.awaited_runs.contains_key(&run_id) {
        return Ok(Response::RunProgress {
            run_id,
            total: 0,
            completed: 0,
            running: 0,
            done: false,
            results: Vec::new(),
        });
    }
    let record = project.state.runs.get(&run_id).map(|run| Arc::clone(run.value()));
    let Some(record) = record.filter(|run| !run.is_past()) else { return Err(unknown_run(&run_id)) };
    let mut state = record.state();
    Ok(session.told(&run_id, |told| {
        let mut weight = 0;
        let mut count = 0;
        let light = |result: &TestResultInfo| {
            count += 1;
            let before = weight;
            weight += 64 + result.node_id.len() + result.message.as_ref().map_or(0, String::len);
            count <= PAGE && (before == 0 || weight <= PAGE_WEIGHT)
        };
        let results = record.results(&mut state, *told, light);
        *told += results.len();
        Response::RunProgress {
            total: record.total,
            completed: state.completed,
            running: state.running.len(),
            done: state.end.is_some() && *told == state.completed,
            results,
            run_id: run_id.clone(),
        }
    }))
}

pub(super) fn stop(session: &Session, run_id: &str, wanted: StopLevel) -> Answered {
    let known = session.shared.find_run(run_id).ok_or_else(|| unknown_run(run_id))?;
    session.shared.registry.request_stop(&known, wanted);
    Ok(Response::ControlAck)
}

pub(super) fn unknown_run(run_id: &str) -> Refusal {
    invalid(format!("no run {run_id:?}: it never was, or ended more than ten minutes ago"))
}
