//! `get_flakiness_report`, `get_test_flakiness`, `get_last_failed`, `get_last_outcomes` and `clear_last_outcomes`: the
//! history's answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pytest_lens_analysis::FileAnalysis;
use pytest_lens_analysis::listing::read_file;
use pytest_lens_history::{FailedAt, Last, Report};
use pytest_lens_plan::flaky::Verdict;
use pytest_lens_protocol::{Event, EventPayload, FlakinessInfo, NodeId, Response, TestOutcome, TestOutcomes};

use super::Answered;
use crate::api_error::invalid;
use crate::clock::now_ms;
use crate::project::Project;
use crate::project::remembered_failure::{self, Source};
use crate::project::state::ProjectState;

pub(super) async fn report(project: &Arc<Project>) -> Response {
    project.history_loaded().await;
    let window = project.state.settings.load().flaky.window as usize;
    let Report { flaky, unstable, stable, tracked } = project.state.history.report(window);
    let infos = |tests: Vec<(Arc<str>, Verdict)>| tests.into_iter().map(info).collect();
    Response::FlakinessReport {
        flaky_tests: infos(flaky),
        unstable_tests: infos(unstable),
        stable_count: stable,
        total_tracked: tracked,
    }
}

pub(super) async fn last_failed(project: &Arc<Project>) -> Response {
    project.history_loaded().await;
    project.ended_runs_recorded().await;
    let mut failed: BTreeSet<String> = project.state.history.last_failed().iter().map(|id| id.to_string()).collect();
    failed.extend(repaired(&project.state));
    Response::TestList { node_ids: failed.into_iter().collect() }
}

/// The tests in files that could not be collected for a run, but can by now, which have not run since. As in pytest they
/// count as failed.
fn repaired(state: &ProjectState) -> Vec<String> {
    let (inventory, history) = (state.inventory.load(), &state.history);
    let broken: HashMap<Arc<str>, u64> = history.broken().into_iter().collect();
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in inventory.nodes().filter(|_| !broken.is_empty()) {
        let file = NodeId::new(&node.id).file();
        if broken.contains_key(file) && !inventory.errors.contains_key(file) {
            files.entry(file).or_default().push(&node.id);
        }
    }
    let mut found = Vec::new();
    for (file, ids) in files {
        let broken_ms = broken.get(file).copied().unwrap_or_default();
        let last: Vec<Option<u64>> = ids.iter().map(|id| history.last_started_ms(id)).collect();
        // Tests that never ran are new, if others of the file have run since.
        let has_run = last.iter().flatten().any(|ran_ms| *ran_ms > broken_ms);
        let is_left = |ran_ms: &Option<u64>| ran_ms.map_or(!has_run, |ran_ms| ran_ms <= broken_ms);
        found.extend(ids.into_iter().zip(last).filter(|(_, ran_ms)| is_left(ran_ms)).map(|(id, _)| id.to_owned()));
    }
    found
}

/// The next runs are selected and ordered by outcomes from now on.
pub(super) fn clear(project: &Arc<Project>) -> Response {
    project.state.history.clear(now_ms());
    Response::ControlAck
}

/// The message of a remembered failure if the history keeps nothing but the outcome.
const REMEMBERED: &str = "run it again to see why";

/// Outcomes in one event.
const PIECE: usize = 500;

pub(super) async fn last_outcomes(project: &Arc<Project>, since_cleared: bool) -> Response {
    project.history_loaded().await;
    if !since_cleared {
        project.show_stale_outcomes().await;
    }
    let state = Arc::clone(&project.state);
    // This reads files, which would block a thread of the runtime.
    let told = tokio::task::spawn_blocking(move || remembered(&state, since_cleared)).await.unwrap_or_default();
    let event = |piece: &[TestOutcome]| {
        let outcomes = TestOutcomes { run_id: "remembered".into(), outcomes: piece.to_vec() };
        Arc::new(Event { seq: 0, payload: EventPayload::TestOutcome(outcomes) })
    };
    Response::Events { cursor: 0, events: told.chunks(PIECE).map(event).collect() }
}

/// The last outcomes; failures are placed at their current lines.
fn remembered(state: &ProjectState, since_cleared: bool) -> Vec<TestOutcome> {
    let settings = state.pytest.load();
    let mut files: HashMap<String, Option<(String, Arc<FileAnalysis>)>> = HashMap::new();
    let mut place = |id: &str, place: &FailedAt| {
        let file = remembered_failure::file_of(id, place);
        let known = files.entry(file.to_owned()).or_insert_with(|| {
            let path = state.root.join(file);
            let text = String::from_utf8_lossy(&read_file(&path).ok()?).into_owned();
            Some((text, state.analyses.of(&path, &settings)?))
        });
        let (text, analysis) = known.as_ref()?;
        remembered_failure::place(id, place, &Source { text, analysis }, &state.root)
    };
    let since = if since_cleared { state.history.cleared_ms() } else { 0 };
    let last = state.history.last_outcomes().into_iter().filter(|last| last.started_ms >= since);
    let told = last.map(|Last { attempt, started_ms }| {
        let failure = attempt.failure.as_deref();
        let location = failure.and_then(|failure| place(&attempt.id, failure.place.as_ref()?));
        let why = || failure.map_or_else(|| REMEMBERED.to_owned(), |failure| failure.message.to_string());
        TestOutcome {
            id: attempt.id.to_string(),
            outcome: attempt.outcome.as_str().to_owned(),
            duration_ms: attempt.duration_ms,
            attempt: attempt.attempt,
            message: attempt.outcome.is_failure().then(why),
            location,
            as_of: Some(started_ms),
            stale: state.stale().contains(&*attempt.id),
            ..TestOutcome::default()
        }
    });
    told.collect()
}

fn info((id, verdict): (Arc<str>, Verdict)) -> FlakinessInfo {
    FlakinessInfo {
        node_id: id.to_string(),
        failure_rate: verdict.failure_rate,
        flaky_streak: verdict.flips,
        total_runs: verdict.total_runs,
        consecutive_failures: verdict.consecutive_failures,
        consecutive_passes: verdict.consecutive_passes,
    }
}

pub(super) async fn of_test(project: &Arc<Project>, node_id: String) -> Answered {
    project.history_loaded().await;
    let window = project.state.settings.load().flaky.window as usize;
    let verdict = project.state.history.verdict(&node_id, window);
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
