//! The requests of run control: cases, runs of suites, their events and artifacts.

use std::sync::Arc;

use pytest_lens_plan::case_filter::CaseFilters;
use pytest_lens_protocol::{Bytes, DebugFile, Response, RunEvent, RunEventPayload, SchedulingOptions, SuiteEvent};
use pytest_lens_protocol::{LogsIteratorOption, OutputStream, SuiteEventPayload, SuiteSpec};

use super::Answered;
use super::session::Session;
use crate::api_error::{Refusal, invalid};
use crate::model::prefix::Prefix;
use crate::processes::pool::SessionOverrides;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::runs::artifacts::Item;
use crate::runs::handle::RunHandle;
use crate::runs::joint::JointRun;
use crate::runs::log_render;
use crate::runs::stop::StopLevel;
use crate::runs::suite_log::SuiteLog;
use crate::runs::suite_log::{LaunchFailure, Read, artifact_id};
use crate::suites::{self, Cases, KnownRun, RunRead, Scheduling, Target, prepare};

/// `path`: the folder of the project, relative to the client's root.
pub(super) async fn enumerate(session: &Session, project: &Arc<Project>, test_url: &str, path: &str) -> Answered {
    let name = |id: &Arc<str>| if path.is_empty() { Arc::clone(id) } else { Prefix(path).id(id).into() };
    match prepare(project, test_url, &[], &CaseFilters::default(), &SessionOverrides::default(), Purpose::List).await {
        Ok(prepared) => {
            let names =
                prepared.selected.iter().map(|&index| name(&prepared.collected.tests.nodes[index].id)).collect();
            let (id, _) = session.shared.run_ids.next();
            let iterator_id = format!("cases-{id}");
            session.shared.registry.iterators.insert(iterator_id.clone(), Arc::new(Cases::new(names)));
            session.own(|owned| owned.iterators.push(iterator_id.clone()));
            Ok(Response::CaseIterator { iterator_id })
        }
        Err(failure) => Ok(launch_error(failure)),
    }
}

fn launch_error(LaunchFailure { code, message }: LaunchFailure) -> Response {
    Response::LaunchError { code, message }
}

pub(super) fn next_cases(session: &Session, iterator_id: &str) -> Answered {
    let cases = session.shared.registry.iterators.get(iterator_id).map(|cases| Arc::clone(cases.value()));
    let cases = cases.ok_or_else(|| {
        invalid(format!("no iterator {iterator_id:?}: it never was, or its client has gone; call enumerate_cases"))
    })?;
    Ok(Response::Cases { cases: cases.next() })
}

pub(super) fn build_run(
    session: &Session,
    project: &Arc<Project>,
    suites: Vec<SuiteSpec>,
    scheduling: Option<SchedulingOptions>,
) -> Answered {
    let target = |spec| Target { project: Arc::clone(project), path: String::new(), spec };
    build(session, suites.into_iter().map(target).collect(), scheduling)
}

/// Builds a run of suites, whose projects are known.
pub(super) fn build(session: &Session, targets: Vec<Target>, scheduling: Option<SchedulingOptions>) -> Answered {
    for (number, target) in targets.iter().enumerate() {
        let options = target.spec.options.clone().unwrap_or_default();
        let field = |name: &str| format!("field `suites[{number}].options.{name}`");
        if options.parallel == Some(0) {
            return Err(invalid(format!("{}: 0 cases at a time run nothing; give at least 1", field("parallel"))));
        }
        if let Some(limit) = options.timeout.filter(|limit| !(limit.is_finite() && *limit > 0.0)) {
            return Err(invalid(format!("{}: {limit} s is no limit; give more than 0", field("timeout"))));
        }
    }
    let most = scheduling.unwrap_or_default().max_parallel_suites.unwrap_or(1);
    if most == 0 {
        let field = "field `scheduling_options.max_parallel_suites`";
        return Err(invalid(format!("{field}: 0 suites at a time run nothing; give at least 1")));
    }
    let run =
        suites::build(&session.shared.registry, &session.shared.run_ids, targets, Scheduling { most: most.into() });
    let suite_ids = run.suites.iter().map(|suite| suite.suite_log.id.clone()).collect();
    let run_id = run.id.clone();
    session.own(|owned| owned.runs.push(Arc::downgrade(&run)));
    Ok(Response::RunBuilt { run_id, suite_ids })
}

/// A suite of a built run, or a run that is a suite by itself.
fn suite(session: &Session, id: &str) -> Result<RunHandle, Refusal> {
    match session.shared.find_run(id) {
        Some(KnownRun::Suite(suite)) => Ok(suite),
        Some(KnownRun::Joint(_)) => Err(invalid(format!(
            "{id:?} is a run over several projects, and no suite; build a run with a suite for each of them"
        ))),
        Some(KnownRun::Built(_)) | None => Err(no_suite(id)),
    }
}

fn no_suite(id: &str) -> Refusal {
    invalid(format!("no suite {id:?}: it never was, ended more than ten minutes ago, or its client has gone"))
}

/// Calls `read` with this session's position, and moves the position to the one that `read` returns.
async fn from_cursor<T>(session: &Session, key: String, read: impl AsyncFnOnce(usize) -> (usize, T)) -> T {
    let cursor = session.told(&key, |cursor| *cursor);
    let (next, found) = read(cursor).await;
    session.told(&key, |cursor| *cursor = next);
    found
}

pub(super) async fn suite_events(session: &Session, suite_id: &str) -> Answered {
    let suite_log = suite(session, suite_id)?.suite_log;
    from_cursor(session, format!("suite {suite_id}"), async |cursor| match suite_log.read(cursor).await {
        Read::Events(next, events) => (next, Ok(Response::SuiteEvents { events })),
        Read::NotLaunched(failure) => (cursor, Ok(launch_error(failure))),
        Read::Gone => (cursor, Err(no_suite(suite_id))),
    })
    .await
}

pub(super) async fn run_events(session: &Session, run_id: &str) -> Answered {
    let key = format!("run {run_id}");
    match session.shared.find_run(run_id).ok_or_else(|| super::run::unknown_run(run_id))? {
        KnownRun::Built(run) => {
            from_cursor(session, key, async |cursor| match run.read(cursor).await {
                RunRead::Events(next, events) => (next, Ok(Response::RunEvents { events })),
                RunRead::Gone => (cursor, Err(super::run::unknown_run(run_id))),
            })
            .await
        }
        KnownRun::Joint(run) => from_cursor(session, key, async |cursor| of_joint_run(&run, cursor).await).await,
        KnownRun::Suite(suite) => {
            from_cursor(session, key, async |cursor| of_plain_run(&suite.suite_log, cursor).await).await
        }
    }
}

/// The events of a run over several projects: its start and its end.
async fn of_joint_run(run: &JointRun, cursor: usize) -> (usize, Answered) {
    let event = |timestamp, payload| Ok(Response::RunEvents { events: vec![RunEvent { timestamp, payload }] });
    match cursor {
        0 => (1, event(run.begun_ns, RunEventPayload::RunStarted)),
        1 => {
            run.wait().await;
            (2, event(run.ended_ns().unwrap_or(run.begun_ns), RunEventPayload::RunStopped))
        }
        _ => (cursor, Ok(Response::RunEvents { events: Vec::new() })),
    }
}

/// The events of a run that was not built from suites.
async fn of_plain_run(suite_log: &SuiteLog, mut cursor: usize) -> (usize, Answered) {
    loop {
        match suite_log.read(cursor).await {
            Read::Events(next, events) => {
                let is_over = events.is_empty();
                let told: Vec<RunEvent> = events.into_iter().filter_map(of_run).collect();
                if is_over || !told.is_empty() {
                    return (next, Ok(Response::RunEvents { events: told }));
                }
                cursor = next;
            }
            Read::NotLaunched(failure) => return (cursor, Ok(launch_error(failure))),
            Read::Gone => return (cursor, Err(super::run::unknown_run(&suite_log.id))),
        }
    }
}

fn of_run(SuiteEvent { timestamp, payload }: SuiteEvent) -> Option<RunEvent> {
    let payload = match payload {
        SuiteEventPayload::SuiteStarted => RunEventPayload::RunStarted,
        SuiteEventPayload::SuiteStopped { .. } => RunEventPayload::RunStopped,
        SuiteEventPayload::SuiteArtifact { artifact } => RunEventPayload::Artifact { artifact },
        _ => return None,
    };
    Some(RunEvent { timestamp, payload })
}

pub(super) fn stop_suite(session: &Session, suite_id: &str, wanted: StopLevel) -> Answered {
    let suite = KnownRun::Suite(suite(session, suite_id)?);
    session.shared.registry.request_stop(&suite, wanted);
    Ok(Response::ControlAck)
}

/// Finds an artifact by its id, which is the suite's id and a number.
fn item(session: &Session, id: &str) -> Result<(RunHandle, Item), Refusal> {
    let none = || {
        invalid(format!(
            "no artifact {id:?}: it never was, its run ended more than ten minutes ago, or its client has gone"
        ))
    };
    let (suite_id, number) = id.rsplit_once('/').ok_or_else(none)?;
    let number = number.parse().map_err(|_| none())?;
    let suite = suite(session, suite_id).map_err(|_| none())?;
    let item = suite.suite_log.item(number).ok_or_else(none)?;
    Ok((suite, item))
}

pub(super) async fn read_artifact(session: &Session, id: &str) -> Answered {
    let (suite, item) = item(session, id)?;
    let (source, log) = match item {
        Item::Text { stream, source } => (source, (stream == OutputStream::Log).then_some(suite.suite_log.logs)),
        Item::File(source) => (source, None),
        Item::Custom { .. } | Item::Debug { .. } => {
            return Err(invalid(format!("{id:?} is a folder or an iterator, and has no bytes of its own")));
        }
    };
    from_cursor(session, format!("artifact {id}"), async |cursor| {
        match source.wait(cursor as u64, log.is_some()).await {
            Ok((next, data, done)) => {
                let data = match log {
                    Some(LogsIteratorOption::Batch) => log_render::batch(&data),
                    Some(LogsIteratorOption::Archive) => log_render::archive(&data),
                    None => data,
                };
                (usize::try_from(next).unwrap_or(usize::MAX), Ok(Response::ArtifactData { data: Bytes(data), done }))
            }
            Err(error) => (cursor, Err(invalid(format!("artifact {id:?} can't be read: {error}")))),
        }
    })
    .await
}

pub(super) async fn next_debug_data(session: &Session, id: &str) -> Answered {
    if let Some(KnownRun::Joint(run)) = id.rsplit_once('/').and_then(|(run_id, _)| session.shared.find_run(run_id)) {
        return from_cursor(session, format!("debug {id}"), async |cursor| match run.debug_data().get(cursor) {
            Some(iterator_id) => (cursor + 1, Box::pin(next_debug_data(session, iterator_id)).await),
            None => (cursor, Ok(Response::DebugData { data: Vec::new() })),
        })
        .await;
    }
    let (suite, item) = item(session, id)?;
    let Item::Debug { files } = item else {
        return Err(invalid(format!("{id:?} is no iterator of debug data")));
    };
    from_cursor(session, format!("debug {id}"), async |cursor| {
        let name = |(name, number): &(String, u32)| DebugFile {
            name: name.clone(),
            artifact_id: artifact_id(&suite.suite_log.id, *number),
        };
        let data: Vec<DebugFile> = files.iter().skip(cursor).map(name).collect();
        (files.len(), Ok(Response::DebugData { data }))
    })
    .await
}

pub(super) async fn release_directory(session: &Session, token: &str) -> Answered {
    let (_, item) = item(session, token)?;
    let Item::Custom { directory, .. } = item else {
        return Err(invalid(format!("{token:?} is no token of a custom artifact")));
    };
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    match removed {
        Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(invalid(format!("the folder of token {token:?} can't be removed: {error}")))
        }
        _ => Ok(Response::ControlAck),
    }
}
