//! `get_history` and `record_run`: the history of a repo, without a context and without Python.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_analysis::FileSettings;
use pytest_lens_history::{Attempt, History, Location, Report, Run, Source, Uid};
use pytest_lens_plan::flaky::Verdict;
use pytest_lens_protocol::{ErrorCode, PastOutcome, Response};

use super::Answered;
use super::init::repo_root;
use crate::api_error::{Refusal, invalid};
use crate::engine::Shared;
use crate::model::prefix::Prefix;
use crate::project::pytest_config::read_whole;
use crate::timing::{HISTORY_LOAD_LIMIT, HISTORY_WRITE_LIMIT};

pub(super) async fn summary(shared: &Arc<Shared>, repo_path: &str) -> Answered {
    let root = repo_root(repo_path)?;
    let nested = nested(&root).await;
    let inner: Vec<_> =
        nested.into_iter().filter_map(|(path, root)| Some((path, shared.histories.existing(&root).ok()?))).collect();
    let history = match shared.histories.existing(&root) {
        Ok(history) => history,
        Err(location) if inner.is_empty() => return Ok(described(&location, false, 0, Report::default(), None)),
        Err(_) => shared.histories.of(&root),
    };
    let window = window(shared, &root);
    let reading = move || {
        let is_read = history.wait_loaded(HISTORY_LOAD_LIMIT);
        let trouble = history.trouble();
        if !is_read && trouble.is_none() {
            return Err(locked(&history));
        }
        let (mut outcomes, mut report) = (history.len(), history.report(window));
        for (path, history) in inner {
            history.wait_loaded(HISTORY_LOAD_LIMIT);
            outcomes += history.len();
            add(&mut report, &path, history.report(window));
        }
        Ok(described(history.location(), true, outcomes, report, trouble))
    };
    blocking(reading).await
}

/// The nested projects of a root, at any depth: their folders relative to it, and their own roots.
async fn nested(root: &Path) -> Vec<(String, PathBuf)> {
    fn below(root: &Path) -> Vec<(String, PathBuf)> {
        let projects = FileSettings::of_root(root).given.complete().projects;
        let mut found = Vec::new();
        for project in read_whole(root, None, projects.as_deref()).nested.projects {
            let folder = root.join(&project.path);
            let inner = folder.canonicalize().unwrap_or(folder);
            let deeper = below(&inner).into_iter().map(|(path, root)| (Prefix(&project.path).id(&path), root));
            let deeper: Vec<_> = deeper.collect();
            found.push((project.path, inner));
            found.extend(deeper);
        }
        found
    }
    let root = root.to_owned();
    tokio::task::spawn_blocking(move || below(&root)).await.unwrap_or_default()
}

/// Adds the tests of a nested project to a report.
fn add(report: &mut Report, path: &str, inner: Report) {
    let named = |(id, verdict): (Arc<str>, Verdict)| (Arc::from(Prefix(path).id(&id)), verdict);
    report.flaky.extend(inner.flaky.into_iter().map(named));
    report.unstable.extend(inner.unstable.into_iter().map(named));
    report.stable += inner.stable;
    report.tracked += inner.tracked;
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
    code: Option<String>,
) -> Result<Run, Refusal> {
    let source: Source = source.parse().map_err(|error| invalid(format!("{error}")))?;
    let no_hash = || invalid(format!("report_hash {report_hash:?} is not SHA-256 in hexadecimal digits"));
    let mut run = Run::new(source, code.map(Arc::from));
    // A report of a service's own machine names the code, if that is certain.
    run.is_imported = run.source == Source::Ci && run.code.is_none();
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
    let parts = split(run, nested(&root).await);
    let histories: Vec<_> =
        parts.into_iter().map(|(inner, run)| (shared.histories.of(inner.as_deref().unwrap_or(&root)), run)).collect();
    let recording = move || {
        let mut already_recorded = true;
        for (history, run) in histories {
            if !history.wait_loaded(HISTORY_LOAD_LIMIT) {
                return Err(locked(&history));
            }
            let is_known = history.holds(run.uid);
            if !is_known {
                history.record(run);
            }
            already_recorded &= is_known;
            if !history.flush(HISTORY_WRITE_LIMIT) {
                let trouble = history.trouble().unwrap_or_else(|| "the history can't be written".into());
                return Err(Refusal::new(ErrorCode::InternalError, trouble));
            }
        }
        Ok(Response::RunRecorded { already_recorded })
    };
    blocking(recording).await
}

/// The parts of a run by the projects of its tests; `None` is the root's own.
fn split(mut run: Run, nested: Vec<(String, PathBuf)>) -> Vec<(Option<PathBuf>, Run)> {
    let mut parts = Vec::new();
    // A project within another one takes its tests first.
    for (path, root) in nested.into_iter().rev() {
        let is_inner = |attempt: &Attempt| attempt.id.strip_prefix(&*path).is_some_and(|rest| rest.starts_with('/'));
        let (inner, outer): (Vec<_>, Vec<_>) = run.attempts.into_iter().partition(is_inner);
        run.attempts = outer;
        if inner.is_empty() {
            continue;
        }
        let mut part = run.clone();
        (part.attempts, part.code) = (inner, None);
        for attempt in &mut part.attempts {
            attempt.id = attempt.id[path.len() + 1..].into();
        }
        parts.push((Some(root), part));
    }
    if !run.attempts.is_empty() || parts.is_empty() {
        parts.push((None, run));
    }
    parts
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
