//! Requests that change or report the settings of a project.

use std::sync::Arc;

use pytest_lens_protocol::{FixtureReuseSettings, RerunSettings, Response, Settings, WorkerCount};

use super::Answered;
use crate::api_error::invalid;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::refresh::refresh;

pub(super) async fn project(project: &Arc<Project>, settings: &serde_json::Value) -> Answered {
    let (settings, problems) = Settings::from_json(settings);
    if !problems.is_empty() {
        return Err(invalid(problems.join("; ")));
    }
    let old = project.configure(|present| *present = settings.clone()).await;
    let (env_changed, problem) = project.renew_env();
    if env_changed || old.arguments != settings.arguments {
        project.refresher.known().forget();
        if project.state.inventory.load().complete {
            let project = Arc::clone(project);
            tokio::spawn(async move { refresh(&project, false, Purpose::Unasked).await });
        }
    }
    let mut config = serde_json::to_value(settings).unwrap_or_default();
    if let Some(problem) = problem {
        config["problems"] = vec![problem].into();
    }
    Ok(Response::ConfigAck { config_type: "settings".into(), config })
}

pub(super) async fn workers(project: &Arc<Project>, num_workers: u32) -> Answered {
    if num_workers == 0 {
        return Err(invalid("field `num_workers`: 0 runners can't run anything; give at least 1"));
    }
    project.configure(|settings| settings.workers = Some(WorkerCount::Fixed(num_workers))).await;
    Ok(Response::WorkerConfigAck { num_workers })
}

pub(super) async fn rerun(
    project: &Arc<Project>,
    enabled: bool,
    max_reruns: u32,
    only_flaky: bool,
    delay_ms: u32,
) -> Answered {
    let rerun = RerunSettings { enabled, max_reruns, only_flaky, delay_ms };
    project.configure(|settings| settings.rerun = rerun).await;
    let config = serde_json::json!({
        "enabled": enabled, "max_reruns": max_reruns, "only_flaky": only_flaky, "delay_ms": delay_ms,
    });
    Ok(Response::ConfigAck { config_type: "rerun".into(), config })
}

pub(super) fn rerun_now(project: &Arc<Project>) -> Response {
    let RerunSettings { enabled, max_reruns, only_flaky, delay_ms } = project.state.settings.load().rerun;
    Response::RerunConfig { enabled, max_reruns, only_flaky, delay_ms }
}

pub(super) async fn fixtures(
    project: &Arc<Project>,
    enabled: bool,
    max_age_seconds: f64,
    teardown_on_conftest_change: bool,
) -> Answered {
    FixtureReuseSettings::check_age(max_age_seconds)
        .map_err(|problem| invalid(format!("field `max_age_seconds`: {problem}")))?;
    let change = |settings: &mut Settings| {
        let reuse = &mut settings.fixture_reuse;
        reuse.enabled = enabled;
        reuse.max_age_seconds = max_age_seconds;
        reuse.teardown_on_conftest_change = teardown_on_conftest_change;
    };
    project.configure(change).await;
    let config = serde_json::json!({
        "enabled": enabled,
        "max_age_seconds": max_age_seconds,
        "teardown_on_conftest_change": teardown_on_conftest_change,
    });
    Ok(Response::ConfigAck { config_type: "fixture_reuse".into(), config })
}

pub(super) fn fixtures_now(project: &Arc<Project>) -> Response {
    let settings = project.state.settings.load();
    let reuse = &settings.fixture_reuse;
    Response::FixtureConfig {
        enabled: reuse.enabled,
        max_fixture_age_seconds: reuse.max_age_seconds,
        teardown_on_conftest_change: reuse.teardown_on_conftest_change,
        teardown_on_test_file_change: reuse.teardown_on_test_file_change,
        scopes_to_reuse: reuse.scopes.clone(),
    }
}
