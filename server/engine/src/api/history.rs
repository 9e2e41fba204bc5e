//! `get_history` and `record_run`: the history of a repo, without a context and without Python.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_analysis::FileSettings;
use pytest_lens_history::{Attempt, History, Location, Report, Run, Source, Uid};
use pytest_lens_plan::flaky::Verdict;
use pytest_lens_protocol::{ErrorCode, PastOutcome, Response};

use super::Answered;
use super::init::repo_root;
use crate::api_error::{Refusal, invalid};
use crate::engine::Shared;
use crate::timing::{HISTORY_LOAD_LIMIT, HISTORY_WRITE_LIMIT};

pub(super) async fn summary(shared: &Arc<Shared>, repo_path: &str) -> Answered {
    let root = repo_root(repo_path)?;
    let history = match shared.histories.existing(&root) {
        Ok(history) => history,
        Err(location) => return Ok(described(&location, false, 0, Report::default(), None)),
    };
    let window = window(shared, &root);
    let reading = move || {
        let is_read = history.wait_loaded(HISTORY_LOAD_LIMIT);
        let trouble = history.trouble();
        if !is_read && trouble.is_none() {
            return Err(locked(&history));
        }
        Ok(described(history.location(), true, history.len(), history.report(window), trouble))
    };
    blocking(reading).await
}

fn described(location: &Location, exists: bool, outcomes: usize, report: Report, trouble: Option<String>) -> Response {
    let hints = |tests: &[(Arc<str>, Verdict)]| tests.iter().map(|(id, verdict)| verdict.hint(id)).collect();
    Response::History {
        file: location.file.display().to_string(),
        exists,
        outcomes,
        tracked: report.tracked,
        stable: report.stable,
        flaky: hints(&report.flaky),
        unstable: hints(&report.unstable),
        trouble,
        set_aside: location.set_aside().iter().map(|path| path.display().to_string()).collect(),
    }
}

/// The run that a client describes.
pub(super) fn past_run(
    report_hash: &str,
    source: &str,
    started_ms: Option<u64>,
    outcomes: Vec<PastOutcome>,
) -> Result<Run, Refusal> {
    let source: Source = source.parse().map_err(|error| invalid(format!("{error}")))?;
    let no_hash = || invalid(format!("report_hash {report_hash:?} is not SHA-256 in hexadecimal digits"));
    let mut run = Run::new(source, None);
    run.uid = Uid::of_hash(report_hash).ok_or_else(no_hash)?;
    // A clock that is ahead must not make a run the last one for ever.
    run.started_ms = started_ms.unwrap_or(u64::MAX).min(run.started_ms);
    let mut seen = HashSet::with_capacity(outcomes.len());
    for PastOutcome { id, outcome, attempt, duration_ms } in outcomes {
        let id: Arc<str> = id.into();
        let outcome = outcome.parse().map_err(|error| invalid(format!("{error}")))?;
        if attempt == 0 || !seen.insert((Arc::clone(&id), attempt)) {
            return Err(invalid(format!(
                "attempt {attempt} at {id:?} can't be recorded: count them from 1, each once"
            )));
        }
        run.attempts.push(Attempt { id, outcome, attempt, duration_ms, failure: None });
    }
    Ok(run)
}

pub(super) async fn record(shared: &Arc<Shared>, repo_path: &str, run: Run) -> Answered {
    let root = repo_root(repo_path)?;
    let history = shared.histories.of(&root);
    let recording = move || {
        if !history.wait_loaded(HISTORY_LOAD_LIMIT) {
            return Err(locked(&history));
        }
        let already_recorded = history.holds(run.uid);
        if !already_recorded {
            history.record(run);
        }
        if !history.flush(HISTORY_WRITE_LIMIT) {
            let trouble = history.trouble().unwrap_or_else(|| "the history can't be written".into());
            return Err(Refusal::new(ErrorCode::InternalError, trouble));
        }
        Ok(Response::RunRecorded { already_recorded })
    };
    blocking(recording).await
}

/// The number of outcomes by which flakiness is judged: that of the repo's context, if one is open, otherwise that of
/// its files.
fn window(shared: &Shared, root: &Path) -> usize {
    let project = shared.projects.iter().find(|project| project.state.root == root);
    let window = project.map(|project| project.state.settings.load().flaky.window);
    window.unwrap_or_else(|| FileSettings::of_root(root).given.complete().flaky.window) as usize
}

fn locked(history: &History) -> Refusal {
    let file = history.location().file.display();
    let message = format!("the history {file} is locked by another program; try again later");
    Refusal::new(ErrorCode::InternalError, message)
}

/// Waits for a file without holding up the runtime.
async fn blocking(work: impl FnOnce() -> Answered + Send + 'static) -> Answered {
    let ended = |_| Err(Refusal::new(ErrorCode::InternalError, "the engine is ending"));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(ended)
}
