//! `get_flakiness_report` and `get_test_flakiness`: what the history says.

use std::sync::Arc;

use pytest_lens_protocol::{FlakinessInfo, Response};

use super::{Answered, invalid};
use crate::context::Context;

pub(super) fn report(context: &Arc<Context>) -> Response {
    let window = context.settings.load().flaky.window as usize;
    let history = context.history();
    let (mut flaky_tests, mut unstable_tests, mut stable_count, mut total_tracked) = (Vec::new(), Vec::new(), 0, 0);
    for id in history.ids() {
        let Some(verdict) = history.verdict(id, window) else { continue };
        total_tracked += 1;
        let info = FlakinessInfo {
            node_id: id.to_string(),
            failure_rate: verdict.failure_rate,
            flaky_streak: verdict.flips,
            total_runs: verdict.total_runs,
            consecutive_failures: verdict.consecutive_failures,
            consecutive_passes: verdict.consecutive_passes,
        };
        match (verdict.is_flaky, verdict.unstable) {
            (true, _) => flaky_tests.push(info),
            (false, true) => unstable_tests.push(info),
            (false, false) => stable_count += 1,
        }
    }
    for list in [&mut flaky_tests, &mut unstable_tests] {
        list.sort_by(|a, b| b.failure_rate.total_cmp(&a.failure_rate).then_with(|| a.node_id.cmp(&b.node_id)));
    }
    Response::FlakinessReport { flaky_tests, unstable_tests, stable_count, total_tracked }
}

pub(super) fn of_test(context: &Arc<Context>, node_id: String) -> Answered {
    let window = context.settings.load().flaky.window as usize;
    let verdict = context.history().verdict(&node_id, window);
    let Some(verdict) = verdict else {
        return Err(invalid(format!("no outcome of {node_id:?} is recorded: check its id, or run it first")));
    };
    Ok(Response::TestFlakiness {
        node_id,
        failure_rate: verdict.failure_rate,
        is_flaky: verdict.is_flaky,
        flaky_streak: verdict.flips,
        consecutive_failures: verdict.consecutive_failures,
        consecutive_passes: verdict.consecutive_passes,
        total_runs: verdict.total_runs,
        recent_outcomes: verdict.recent_outcomes.iter().map(|outcome| outcome.as_str().to_owned()).collect(),
    })
}
