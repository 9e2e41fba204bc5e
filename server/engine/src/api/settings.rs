//! Requests that set something for a context, and those that ask what is set.

use std::sync::Arc;

use pytest_lens_protocol::{FixtureReuseSettings, RerunSettings, Response, Settings, WorkerCount};

use super::Answered;
use crate::api_error::invalid;
use crate::processes::worker_protocol::Purpose;
use crate::project::Context;
use crate::project::refresh::refresh;

pub(super) async fn context(context: &Arc<Context>, settings: &serde_json::Value) -> Answered {
    let (settings, problems) = Settings::from_json(settings);
    if !problems.is_empty() {
        return Err(invalid(problems.join("; ")));
    }
    let arguments_changed = context.state.settings.load().arguments != settings.arguments;
    context.configure(settings.clone()).await;
    let (env_changed, problem) = context.renew_env();
    if env_changed || arguments_changed {
        context.refresher.forget();
        if context.state.inventory.load().complete {
            let context = Arc::clone(context);
            tokio::spawn(async move { refresh(&context, false, Purpose::Unasked).await });
        }
    }
    let mut config = serde_json::to_value(settings).unwrap_or_default();
    if let Some(problem) = problem {
        config["problems"] = vec![problem].into();
    }
    Ok(Response::ConfigAck { config_type: "settings".into(), config })
}

pub(super) async fn workers(context: &Arc<Context>, num_workers: u32) -> Answered {
    if num_workers == 0 {
        return Err(invalid("field `num_workers`: 0 runners can't run anything; give at least 1"));
    }
    let settings =
        Settings { workers: Some(WorkerCount::Fixed(num_workers)), ..(**context.state.settings.load()).clone() };
    context.configure(settings).await;
    Ok(Response::WorkerConfigAck { num_workers })
}

pub(super) async fn rerun(
    context: &Arc<Context>,
    enabled: bool,
    max_reruns: u32,
    only_flaky: bool,
    delay_ms: u32,
) -> Answered {
    let rerun = RerunSettings { enabled, max_reruns, only_flaky, delay_ms };
    context.configure(Settings { rerun, ..(**context.state.settings.load()).clone() }).await;
    let config = serde_json::json!({
        "enabled": enabled, "max_reruns": max_reruns, "only_flaky": only_flaky, "delay_ms": delay_ms,
    });
    Ok(Response::ConfigAck { config_type: "rerun".into(), config })
}

pub(super) fn rerun_now(context: &Arc<Context>) -> Response {
    let RerunSettings { enabled, max_reruns, only_flaky, delay_ms } = context.state.settings.load().rerun;
    Response::RerunConfig { enabled, max_reruns, only_flaky, delay_ms }
}

pub(super) async fn fixtures(
    context: &Arc<Context>,
    enabled: bool,
    max_age_seconds: f64,
    teardown_on_conftest_change: bool,
) -> Answered {
    FixtureReuseSettings::check_age(max_age_seconds)
        .map_err(|problem| invalid(format!("field `max_age_seconds`: {problem}")))?;
    let settings = (**context.state.settings.load()).clone();
    let reuse = FixtureReuseSettings {
        enabled,
        max_age_seconds,
        teardown_on_conftest_change,
        ..settings.fixture_reuse.clone()
    };
    context.configure(Settings { fixture_reuse: reuse, ..settings }).await;
    let config = serde_json::json!({
        "enabled": enabled,
        "max_age_seconds": max_age_seconds,
        "teardown_on_conftest_change": teardown_on_conftest_change,
    });
    Ok(Response::ConfigAck { config_type: "fixture_reuse".into(), config })
}

pub(super) fn fixtures_now(context: &Arc<Context>) -> Response {
    let settings = context.state.settings.load();
    let reuse = &settings.fixture_reuse;
    Response::FixtureConfig {
        enabled: reuse.enabled,
        max_fixture_age_seconds: reuse.max_age_seconds,
        teardown_on_conftest_change: reuse.teardown_on_conftest_change,
        teardown_on_test_file_change: reuse.teardown_on_test_file_change,
        scopes_to_reuse: reuse.scopes.clone(),
    }
}
