//! Requests that change or report the settings of a project.

use std::sync::Arc;

use pytest_lens_analysis::listing::unmatched_projects;
use pytest_lens_protocol::{
    ClientSettings, FixtureReuseSettings, PartialSettings, RerunSettings, Response, WorkerCount,
};

use super::Answered;
use crate::api_error::invalid;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::refresh::refresh;

pub(super) async fn project(project: &Arc<Project>, settings: &serde_json::Value) -> Answered {
    let (given, mistakes) = ClientSettings::read(settings);
    if !mistakes.is_empty() {
        let sentences: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        return Err(invalid(sentences.join("; ")));
    }
    let globs = given.given.complete().projects.unwrap_or_default();
    let (old, settings, file_problems) = project.configure(|_| given).await;
    let (env_changed, problem) = project.renew_env();
    let mut problems = unmatched(project, globs).await;
    problems.extend(problem);
    if env_changed || old.arguments != settings.arguments {
        project.refresher.known().forget();
        if project.state.inventory.load().complete {
            let project = Arc::clone(project);
            tokio::spawn(async move { refresh(&project, false, Purpose::Unasked).await });
        }
    }
    let mut config = serde_json::to_value(&*settings).unwrap_or_default();
    if !problems.is_empty() {
        config["problems"] = problems.into();
    }
    if !file_problems.is_empty() {
        config["fileProblems"] = file_problems.into();
    }
    Ok(Response::ConfigAck { config_type: "settings".into(), config })
}

/// A sentence on each glob of a client's `projects` that matches no folder.
async fn unmatched(project: &Project, globs: Vec<String>) -> Vec<String> {
    let root = project.state.root.clone();
    let looking = tokio::task::spawn_blocking(move || unmatched_projects(&root, &globs));
    let problems = looking.await.unwrap_or_default().into_iter();
    problems.map(|problem| format!("setting `pytestLens.projects`: {problem}")).collect()
}

/// Changes some of the client's settings.
async fn change(project: &Arc<Project>, some: serde_json::Value) {
    let given = PartialSettings::read(&some).0;
    project
        .configure(|present| ClientSettings { given: given.over(&present.given), defaults: present.defaults.clone() })
        .await;
}

pub(super) async fn workers(project: &Arc<Project>, num_workers: u32) -> Answered {
    WorkerCount::fixed(num_workers.into()).map_err(|problem| invalid(format!("field `num_workers`: {problem}")))?;
    change(project, serde_json::json!({ "workers": num_workers })).await;
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
    change(project, serde_json::json!({ "rerun": rerun })).await;
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
    let reuse = serde_json::json!({
        "enabled": enabled,
        "maxAgeSeconds": max_age_seconds,
        "teardownOnConftestChange": teardown_on_conftest_change,
    });
    change(project, serde_json::json!({ "fixtureReuse": reuse })).await;
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
