//! Requests that report status, output, runners and sessions, and change nothing.

use std::sync::Arc;

use pytest_lens_protocol::{NestedStatus, Response};

use super::Answered;
use crate::api_error::invalid;
use crate::processes::pool::ProcessFacts;
use crate::project::Project;

pub(super) fn output(project: &Arc<Project>, node_id: String) -> Answered {
    let last = project.state.results.get(&node_id).map(|outcome| Arc::clone(outcome.value()));
    if last.is_none() && !project.state.inventory.load().nodes().any(|node| *node.id == *node_id) {
        return Err(invalid(format!("no test {node_id:?}: check its id, or collect first")));
    }
    let text = |part: fn(&pytest_lens_protocol::TestOutcome) -> &Option<String>| {
        last.as_deref().and_then(|outcome| part(outcome).clone())
    };
    Ok(Response::TestOutput {
        outcome: last.as_deref().map(|outcome| outcome.outcome.clone()),
        message: text(|outcome| &outcome.message),
        longrepr: text(|outcome| &outcome.longrepr),
        stdout: text(|outcome| &outcome.stdout).unwrap_or_default(),
        stderr: text(|outcome| &outcome.stderr).unwrap_or_default(),
        log: text(|outcome| &outcome.log).unwrap_or_default(),
        node_id,
    })
}

pub(super) fn workers(project: &Arc<Project>) -> Response {
    let (active, idle) = project.pool.runners();
    let executed = project.state.executed();
    #[expect(clippy::cast_precision_loss, reason = "a count of executed tests is far below 2^52")]
    let mean = if executed.attempts == 0 { 0.0 } else { executed.total_ms / executed.attempts as f64 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration is positive and short")]
    Response::WorkerStatus {
        active_workers: u32::try_from(active).unwrap_or(u32::MAX),
        idle_workers: u32::try_from(idle).unwrap_or(u32::MAX),
        tests_executed: executed.attempts,
        avg_test_duration_ms: mean.round() as u64,
    }
}

pub(super) fn status(project: &Arc<Project>) -> Response {
    let mode = project.pool.mode();
    let ProcessFacts { ready: base, reasons, inifile } = project.pool.known();
    let only_when_asked =
        project.pool.on_demand_reason().map(|reason| format!("tests are collected only when asked: {reason}"));
    let hazards: Vec<String> = only_when_asked.into_iter().chain(reasons).collect();
    let reason = mode.as_ref().map(|mode| mode.reason.clone()).unwrap_or_default();
    let embedded = mode.is_none_or(|mode| mode.embedded);
    let mode_reason = match (embedded, hazards.first()) {
        (true, Some(hazard)) => format!("{reason}; each run collects for itself: {hazard}"),
        _ => reason,
    };
    let interpreter = project.interpreter.load();
    Response::ContextStatus {
        context_id: project.id.clone(),
        repo_path: project.state.root.to_string_lossy().into(),
        python_path: interpreter.path.to_string_lossy().into(),
        python_source: interpreter.source.clone(),
        python_version: base.as_ref().map(|ready| ready.python.clone()).unwrap_or_default(),
        pytest_version: base.as_ref().map(|ready| ready.pytest.clone()).unwrap_or_default(),
        plugins: base.iter().flat_map(|ready| &ready.plugins).map(plugin_name).collect(),
        config_file: inifile
            .or_else(|| project.state.pytest.load().inifile.as_ref().map(|path| path.to_string_lossy().into())),
        execution_mode: if embedded { "embedded" } else { "subprocess" }.into(),
        mode_reason,
        hazards,
        nested: nested_problems(project),
        active_runs: project.state.runs.iter().filter(|run| !run.is_over()).map(|run| run.key().clone()).collect(),
    }
}

/// The faults of nested projects. Which of them are open, only a request over all of them knows.
fn nested_problems(project: &Project) -> Option<NestedStatus> {
    let problems = project.state.pytest.load().nested.problems.clone();
    (!problems.is_empty()).then(|| NestedStatus { projects: Vec::new(), problems })
}

fn plugin_name(plugin: &crate::processes::worker_protocol::WirePlugin) -> String {
    match &plugin.version {
        Some(version) => format!("{} {version}", plugin.name),
        None => plugin.name.clone(),
    }
}

pub(super) fn session(project: &Arc<Project>) -> Response {
    let reuse_session = project.pool.residents.reuse_session();
    let enabled = reuse_session.is_some() && project.state.settings.load().fixture_reuse.enabled;
    let reuse_session = reuse_session.unwrap_or_default();
    Response::SessionStatus {
        session_id: reuse_session.id,
        repo_path: project.state.root.to_string_lossy().into(),
        created_at: reuse_session.created_at,
        last_run_at: reuse_session.last_run_at,
        total_runs: reuse_session.total_runs,
        enabled,
    }
}
