//! `run_tests`: one run, from its request to its verdict. It ends with the call that requested it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use pytest_lens_protocol::{ErrorCode, EventPayload, Request, Response, RunEndStatus, RunOptions, Source};
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use tokio::time::Instant;

use super::arguments::RunTests;
use super::workplace::{Project, Workplace, unknown};
use crate::engine::client::Client;
use crate::failure::Failure;
use crate::options::{addopts, arguments, selectors};
use crate::results::code::{Changed, CodeWatch};
use crate::results::report::Report;
use crate::run::{affected, narrow};
use crate::style::Style;
use crate::terminal::agent::answer::{Remarks, answer, written};
use crate::terminal::agent::verdict::{Ending, Facts, some_of};
use crate::terminal::summary::summary;
use crate::timing::{KILL_LIMIT, PROGRESS_INTERVAL};

/// Seconds that a run may take, by default and at most.
const TIME_LIMIT: u64 = 600;
const LONGEST: u64 = 3_600;

/// A run to request.
#[derive(Clone)]
pub(super) struct Wanted {
    /// Node ids, or paths relative to the root; empty = all.
    pub ids: Vec<String>,
    pub options: RunOptions,
    pub time_limit: u64,
}

/// Runs tests and writes the answer. The report of the last run is that of this one, whatever becomes of it.
pub(super) async fn run_tests(
    workplace: &Workplace,
    given: RunTests,
    context: &RequestContext<RoleServer>,
) -> Result<String, Failure> {
    let ran = run(workplace, given, context).await;
    workplace.set_last_report(match &ran {
        Ok((text, layout)) => format!("{text}{layout}"),
        Err(Failure::Message { sentence, .. } | Failure::Help(sentence)) => format!("NO TESTS RAN: {sentence}\n"),
        Err(Failure::Pipe) => "NO TESTS RAN: the client has gone\n".to_owned(),
    });
    ran.map(|(text, _)| text)
}

/// The answer, and the rest of the report in pytest's layout.
async fn run(
    workplace: &Workplace,
    given: RunTests,
    context: &RequestContext<RoleServer>,
) -> Result<(String, String), Failure> {
    let root = &workplace.root;
    let wanted = wanted(workplace, &given)?;
    let project = workplace.project().await?;
    let deadline = Instant::now() + Duration::from_secs(wanted.time_limit);
    let mut attempts = if given.failed || given.affected { narrow::ATTEMPTS } else { 1 };
    let (selected, report, (ending, watch, changed)) = loop {
        attempts -= 1;
        // Before the tests are selected: a later change makes the answer outdated.
        let watch = watch(workplace).await?;
        let selected = tokio::select! {
            reason = interruption(workplace, context, deadline, wanted.time_limit) => {
                let facts = Facts::of(&Report::new(root, wanted.ids.clone()), reason, Vec::new());
                return Ok((answer(&Report::new(root, wanted.ids), root, &facts, &Remarks::default()), String::new()));
            }
            selected = select(&project.client, root, &given, &wanted.ids) => selected?,
        };
        let selected = match selected {
            Ok(selected) => selected,
            Err(nothing) => return Ok((format!("NO TESTS RAN: {nothing}\n"), String::new())),
        };
        let mut report = Report::new(root, selected.requested.clone());
        if given.affected {
            report.select(selected.ids.clone());
        }
        let wanted = Wanted { ids: selected.ids.clone(), ..wanted.clone() };
        match follow(workplace, &project, wanted, deadline, watch, &mut report, context).await {
            // They were deleted after they had been selected.
            Err(_) if attempts > 0 && narrow::has_gone(&project.client, root, &selected.ids).await => {}
            followed => break (selected, report, followed?),
        }
    };
    let mut remarks = Remarks { code: Some(watch.name()), ..Remarks::default() };
    remarks.notes.extend(Some(selected.left_out).filter(|note| !note.is_empty()));
    let is_filtered = given.affected || wanted.options.keyword.is_some() || wanted.options.marker.is_some();
    let requested = selected.requested;
    let mut facts = Facts::of(&report, ending, changed.code.clone());
    if !is_filtered {
        let ran = |id: &&String| report.all.iter().flatten().any(|outcome| selectors::covers(id, &outcome.id));
        facts.missing = requested.iter().filter(|id| !ran(id)).cloned().collect();
        let broken = |id: &String| report.errors.iter().any(|error| selectors::covers(&error.path, id));
        facts.missing.retain(|id| !broken(id));
    }
    remarks.notes.extend(written(&changed));
    remarks.notes.extend(unchecked(root, &requested));
    remarks.notes.extend(wanted.options.until_failure.and_then(|count| ended_with(&report, count)));
    let text = answer(&report, root, &facts, &remarks);
    let layout = summary(&report, &arguments::OutputOptions::default(), Style::PLAIN);
    Ok((text, format!("\n{layout}")))
}

/// The sentence on a repetition that ended before its last round.
fn ended_with(report: &Report, rounds: u32) -> Option<String> {
    let round = report.failures.iter().map(|failure| failure.attempt).max()?;
    (round < rounds).then(|| format!("the repetition ended with round {round} of {rounds}, in which a test failed"))
}

/// The tests of a request, as the engine knows them now.
struct Selected {
    /// The ids that the request names, or its failed tests.
    requested: Vec<String>,
    /// Those to run.
    ids: Vec<String>,
    /// A sentence on those that are not affected; empty if there are none.
    left_out: String,
}

/// Selects the tests of a request; the inner error says why there are none.
async fn select(
    client: &Client,
    root: &Path,
    given: &RunTests,
    ids: &[String],
) -> Result<Result<Selected, String>, Failure> {
    let mut requested = ids.to_vec();
    if (given.failed || given.affected)
        && let Some(failure) = unknown(client, root, ids).await
    {
        return Err(failure);
    }
    if given.failed {
        requested = narrow::previously_failed(client, root, ids, &[], true).await?;
        if requested.is_empty() {
            let gone = narrow::cases_that_are_gone(client, ids).await?;
            let except = match some_of(&gone) {
                names if names.is_empty() => names,
                names => format!(", except for cases that are gone since: {names}"),
            };
            return Ok(Err(format!("no selected test failed when it last ran{except}")));
        }
    }
    if !given.affected {
        return Ok(Ok(Selected { ids: requested.clone(), requested, left_out: String::new() }));
    }
    let base = given.base.as_deref().unwrap_or_default();
    let narrowed = affected::narrow(client, root, requested.clone(), base, &[]).await?;
    if narrowed.is_nothing {
        return Ok(Err(narrowed.left_out));
    }
    Ok(Ok(Selected { requested, ids: narrowed.node_ids, left_out: narrowed.left_out }))
}

/// The code as it is now.
pub(super) async fn watch(workplace: &Workplace) -> Result<CodeWatch, Failure> {
    let (prints, root) = (std::sync::Arc::clone(&workplace.prints), workplace.root.clone());
    blocking(move || CodeWatch::begin(&prints, &root)).await
}

/// The request in the engine's terms.
fn wanted(workplace: &Workplace, given: &RunTests) -> Result<Wanted, Failure> {
    let time_limit = match given.time_limit.map(u64::try_from) {
        None => TIME_LIMIT,
        Some(Ok(limit)) if (1..=LONGEST).contains(&limit) => limit,
        Some(_) => return Err(Failure::usage(format!("`time_limit` must be 1 to {LONGEST} seconds"))),
    };
    let repeat = match given.repeat.map(u32::try_from) {
        None => None,
        Some(Ok(count)) if (1..=1_000).contains(&count) => Some(count),
        Some(_) => return Err(Failure::usage("`repeat` must be 1 to 1000")),
    };
    if given.base.is_some() && !given.affected {
        return Err(Failure::usage("`base` needs `affected: true`"));
    }
    if given.ids.iter().chain(&given.paths).any(|id| id.trim().is_empty()) {
        return Err(Failure::usage("an id or a path is empty: leave out `ids` and `paths` to run all tests"));
    }
    let ids = selectors::node_ids(&workplace.root, &[given.ids.as_slice(), &given.paths].concat())?;
    let expression = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let options = RunOptions {
        keyword: expression(&given.keyword),
        marker: expression(&given.marks),
        until_failure: repeat.filter(|count| *count > 1),
        ..RunOptions::default()
    };
    Ok(Wanted { ids, options, time_limit })
}

/// Gates of the requested ids' projects that runs for agents leave out, as runs in editors do.
fn unchecked(root: &Path, ids: &[String]) -> Vec<String> {
    let projects = addopts::of_each_project(root, ids).into_iter();
    let gates = projects.filter_map(|(path, words)| {
        let gate = words.into_iter().rfind(|word| word.starts_with("--cov-fail-under"))?;
        let place = if path.is_empty() { String::new() } else { format!(" in {path}") };
        Some(format!("not checked here: `{gate}` of addopts{place}; `pytest-lens run` checks it"))
    });
    gates.collect()
}

/// Runs the tests and folds their events into the report, to the end, a kill, or the loss of the engine. `watch`: made
/// before the call, since the engine may compare its session with the disk at any moment after it.
pub(super) async fn follow(
    workplace: &Workplace,
    project: &Project,
    wanted: Wanted,
    deadline: Instant,
    watch: CodeWatch,
    report: &mut Report,
    context: &RequestContext<RoleServer>,
) -> Result<(Ending, CodeWatch, Changed), Failure> {
    report.all = Some(Vec::new());
    let ids = wanted.ids.clone();
    let (limit, mut ending) = (wanted.time_limit, None);
    let mut running = Running::default();
    let mut events = project.follower.events();
    let request = Request::RunStream {
        context_id: project.client.context_id.clone(),
        node_ids: wanted.ids,
        workers: None,
        maxfail: None,
        options: Some(RunOptions {
            source: Some(Source::Agent.to_string()),
            ends_with_session: true,
            ..wanted.options
        }),
    };
    let started = tokio::select! {
        // Dropping the call closes the session, and the engine ends what only it needs.
        reason = interruption(workplace, context, deadline, limit) => Err(reason),
        response = project.client.session.call(request) => Ok(response),
    };
    let run_id = match started {
        Err(reason) => return Ok((reason, watch, Changed::default())),
        Ok(Response::RunStarted { run_id, .. }) => run_id,
        Ok(Response::Error { code: ErrorCode::CollectionFailed | ErrorCode::InvalidRequest, message, .. }) => {
            report.refuse(&project.follower.errors());
            if message.starts_with("no test ") {
                return Err(unknown(&project.client, &workplace.root, &ids).await.unwrap_or(Failure::usage(message)));
            }
            if !report.errors.iter().any(|error| !error.path.is_empty() && message.starts_with(&error.path)) {
                return Err(Failure::usage(message));
            }
            return Ok((Ending::Of(RunEndStatus::Failed), watch, Changed::default()));
        }
        Ok(Response::Error { code: ErrorCode::Timeout, message, .. }) => {
            return Err(Failure::usage(message));
        }
        Ok(other) => return Err(Failure::of_response(other)),
    };
    let mut interrupting = std::pin::pin!(interruption(workplace, context, deadline, limit));
    let mut progress = Progress::new(context);
    let mut give_up = deadline + KILL_LIMIT;
    let ending = loop {
        tokio::select! {
            event = events.recv() => match event {
                None => break Ending::Lost("its results are lost; run the tests again".into()),
                Some(event) => {
                    report.apply(&event.payload, &run_id);
                    running.apply(&event.payload, &run_id);
                    if let EventPayload::RunFinished(end) = &event.payload && end.run_id == run_id {
                        break ending.unwrap_or(Ending::Of(end.status));
                    }
                    progress.send(report).await;
                }
            },
            reason = &mut interrupting, if ending.is_none() => {
                running.stop();
                ending = Some(reason);
                give_up = Instant::now() + KILL_LIMIT;
                project.client.session.call(Request::KillRun { run_id: run_id.clone() }).await;
            }
            () = tokio::time::sleep_until(give_up) => {
                break ending.unwrap_or(Ending::Lost("the run did not end".into()));
            }
        }
    };
    running.explain(report);
    let (watch, changed) = blocking(move || {
        let changed = watch.changed();
        (watch, changed)
    })
    .await?;
    Ok((ending, watch, changed))
}

/// The tests that run, each with its start; after an interruption, those that ran then.
#[derive(Default)]
struct Running {
    begun: HashMap<String, Instant>,
    stopped: Option<Instant>,
}

impl Running {
    fn apply(&mut self, payload: &EventPayload, run_id: &str) {
        match payload {
            _ if self.stopped.is_some() => {}
            EventPayload::TestStarted(tests) if tests.run_id == run_id => {
                self.begun.extend(tests.ids.iter().map(|id| (id.clone(), Instant::now())));
            }
            EventPayload::TestOutcome(tests) if tests.run_id == run_id => {
                tests.outcomes.iter().for_each(|outcome| {
                    self.begun.remove(&outcome.id);
                });
            }
            _ => {}
        }
    }

    fn stop(&mut self) {
        self.stopped = Some(Instant::now());
    }

    /// Gives the tests that were interrupted another message than those that did not begin.
    fn explain(&self, report: &mut Report) {
        let Some(stopped) = self.stopped else { return };
        for outcome in report.all.iter_mut().flatten().filter(|outcome| outcome.outcome == "not_run") {
            if let Some(begun) = self.begun.get(&outcome.id) {
                let ran = stopped.duration_since(*begun).as_secs_f64();
                outcome.message = Some(format!("it had run for {ran:.1} s when the run was killed"));
            }
        }
    }
}

/// Waits until the client cancels the call or leaves, or until the time is over.
async fn interruption(
    workplace: &Workplace,
    context: &RequestContext<RoleServer>,
    deadline: Instant,
    limit: u64,
) -> Ending {
    tokio::select! {
        () = context.ct.cancelled() => Ending::Canceled,
        () = workplace.client_leaves() => Ending::Canceled,
        () = tokio::time::sleep_until(deadline) => Ending::OutOfTime(limit),
    }
}

/// Answers a call that runs nothing, unless the client cancels it, leaves, or has waited for long: then the call's
/// session is closed, and the engine ends what only it needs.
pub(super) async fn answered(
    workplace: &Workplace,
    context: &RequestContext<RoleServer>,
    answer: impl Future<Output = Result<String, Failure>>,
) -> Result<String, Failure> {
    let deadline = Instant::now() + Duration::from_secs(TIME_LIMIT);
    tokio::select! {
        reason = interruption(workplace, context, deadline, TIME_LIMIT) => Err(Failure::usage(match reason {
            Ending::OutOfTime(limit) => format!("no answer within {limit} s: the tests are still being collected"),
            _ => "the call was canceled".to_owned(),
        })),
        answer = answer => answer,
    }
}

/// Reads files without holding up other calls.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::internal("reading the project's files failed"))
}

/// Reports the progress of a run to a client that asked for it.
struct Progress<'a> {
    context: &'a RequestContext<RoleServer>,
    token: Option<ProgressToken>,
    next: Instant,
    sent: usize,
}

impl<'a> Progress<'a> {
    fn new(context: &'a RequestContext<RoleServer>) -> Self {
        Progress { context, token: context.meta.get_progress_token(), next: Instant::now(), sent: 0 }
    }

    async fn send(&mut self, report: &Report) {
        let done = report.done();
        let Some(token) = self.token.clone().filter(|_| done > self.sent && Instant::now() >= self.next) else {
            return;
        };
        self.next = Instant::now() + PROGRESS_INTERVAL;
        self.sent = done;
        #[expect(clippy::cast_precision_loss, reason = "no project has 2^52 tests")]
        let (done, total) = (done as f64, report.total as f64);
        let failed = report.failures.len();
        let progress = ProgressNotificationParam::new(token, done).with_total(total);
        // A client that has gone needs no progress.
        let _ = self.context.peer.notify_progress(progress.with_message(format!("{failed} failed"))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_of_a_nested_project_is_named_if_its_tests_are_requested() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), text).unwrap();
        };
        write("pytest.ini", "[pytest]\naddopts = -q\n");
        write("pkg/api/pytest.ini", "[pytest]\naddopts = --cov=src --cov-fail-under=80\n");
        write("pkg/web/pytest.ini", "");
        write("pkg/api/test_a.py", "def test(): pass\n");
        let of = |ids: &[&str]| unchecked(&root, &ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>());
        let note = ["not checked here: `--cov-fail-under=80` of addopts in pkg/api; `pytest-lens run` checks it"];
        assert_eq!(of(&["pkg/api/test_a.py::test"]), note);
        assert_eq!(of(&[]), note);
        assert_eq!(of(&["pkg/web", "test_top.py"]), [""; 0]);
        write("pytest.ini", "[pytest]\naddopts = --cov-fail-under=1\n");
        assert_eq!(of(&["test_top.py"]), [note[0].replace("80", "1").replace(" in pkg/api", "")]);
    }
}
