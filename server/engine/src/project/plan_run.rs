//! Plans a run: the tests that a request selects, and everything needed to run them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use pytest_lens_history::Source;
use pytest_lens_plan::rerun::Policy;
use pytest_lens_protocol::{CollectError as TreeError, ErrorCode, FileSkip, NodeId, RunOptions, Settings, WorkerCount};
use tokio::sync::watch;

use super::Project;
use crate::api_error::{Refusal, invalid};
use crate::clock::now_ms;
use crate::model::collect_error::{CollectError, CrashKind};
use crate::model::collection::SkippedFile;
use crate::model::scope::Scope;
use crate::model::select::{Filter, Selection, names, own_id, select, sort_by_arguments};
use crate::model::test_items::error_of;
use crate::model::timings::TimeBefore;
use crate::model::verbosity;
use crate::processes::collected_session::{CollectFailure, CollectedSession};
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::pool::{Found, SessionOverrides};
use crate::processes::temp_dirs;
use crate::processes::worker_protocol::{Purpose, RequestedTests};
use crate::runs::coverage::Coverage;
use crate::runs::handle::RunHandle;
use crate::runs::plan::{ConflictPolicy, RemoteRun, RunKind, RunPlan};
use crate::runs::run_ids::RunIds;

/// A client's request for a run.
pub(crate) struct RunRequest {
    pub node_ids: Vec<String>,
    pub workers: Option<u32>,
    pub maxfail: Option<u32>,
    pub options: RunOptions,
    /// Repeat failures, even if the settings don't.
    pub repeat: bool,
    /// The client reads the events, which tell the errors of a run without tests.
    pub reads_events: bool,
    /// Output since this time, from before the run, is its own: when the request came.
    pub prints_since: Instant,
    /// The run of one project among several, whose sessions collect before the first of them ends.
    pub is_part: bool,
}

impl RunRequest {
    /// Whether it says that a command at a terminal or of a CI service waits for the end.
    fn is_command(&self, source: Source) -> bool {
        self.options.source.is_some() && source != Source::Editor
    }

    /// The request of a client that reads no events, as far as is known.
    pub(crate) fn new(
        node_ids: Vec<String>,
        workers: Option<u32>,
        maxfail: Option<u32>,
        options: Option<RunOptions>,
        repeat: bool,
    ) -> Self {
        RunRequest {
            node_ids,
            workers,
            maxfail,
            options: options.unwrap_or_default(),
            repeat,
            reads_events: false,
            prints_since: Instant::now(),
            is_part: false,
        }
    }

    /// Its ids in pytest's form.
    fn ids(&self, project: &Project) -> Vec<String> {
        self.node_ids.iter().map(|id| own_id(&project.state.root, id)).collect()
    }

    /// The files that it is about.
    pub(crate) fn scope(&self, project: &Project) -> Scope {
        Scope::of_ids(self.ids(project).iter().map(String::as_str))
    }

    /// The request in terms of pytest's command line.
    pub(crate) fn asked(&self, project: &Project) -> RequestedTests {
        let RunOptions { keyword, marker, .. } = &self.options;
        RequestedTests { args: self.ids(project), keyword: keyword.clone(), marker: marker.clone() }
    }
}

/// The tests that a request selects, in a fresh collected session.
pub(crate) struct Chosen {
    pub collected: Arc<CollectedSession>,
    pub selected: Vec<usize>,
    /// Number of tests that expressions or pytest deselected.
    pub deselected: usize,
    /// Files of the request that could not be collected, one short line each.
    pub problems: Vec<String>,
    /// Their errors, as events tell them.
    pub errors: Vec<TreeError>,
    /// They reach the limit of failures before everything is collected: pytest fails there.
    pub collection_failed: bool,
    /// pytest's reports of files that skip themselves as a whole, if the request wants full reports.
    pub collect_reports: Vec<String>,
    /// Files that skip themselves as a whole.
    pub skipped_files: Vec<FileSkip>,
    /// The session's process, if it was collected for this request alone.
    pub exclusive: Arc<ExclusiveSession>,
    /// It was collected just now.
    pub is_new: bool,
    /// pytest has applied `-k` and `-m` itself.
    pub is_filtered: bool,
    /// The time before the run, if the request asks where the time goes.
    pub time_before: Option<Box<TimeBefore>>,
}

/// `overrides`: in a session with these differences.
pub(crate) async fn choose(
    project: &Arc<Project>,
    request: &RunRequest,
    overrides: &SessionOverrides,
    purpose: Purpose,
) -> Result<Chosen, Refusal> {
    let filter = filter_of(request)?;
    for id in &request.ids(project) {
        project.state.check_file(&format!("{id:?}"), NodeId::new(id).file()).map_err(invalid)?;
    }
    let scope = request.scope(project);
    let begun = Instant::now();
    let overrides =
        SessionOverrides { timings: request.options.timings, asked: request.ids(project), ..overrides.clone() };
    let (found, is_filtered) = collect_for(project, request, &scope, &overrides, purpose).await?;
    let took = begun.elapsed();
    let time_before = request.options.timings.then(|| Box::new(time_before(&found, took)));
    if request.options.arguments.is_empty() {
        project.pool.expect(&scope, &project.options(&[]));
    }
    Ok(Chosen { time_before, ..choose_in(project, found, is_filtered, request, &filter)? })
}

/// The tests that a request selects in a session that has collected again, for a request that was `chosen` in another one.
pub(crate) async fn choose_again(
    project: &Arc<Project>,
    request: &RunRequest,
    collected: CollectedSession,
    chosen: &Chosen,
) -> Result<Chosen, Refusal> {
    let found =
        Found { collected: Arc::new(collected), is_new: true, exclusive: ExclusiveSession::default(), start_ms: 0.0 };
    let (filter, is_usual) = (filter_of(request)?, verbosity::without(&request.options.arguments).next().is_none());
    let again = choose_in(project, found, chosen.is_filtered, request, &filter)?;
    if is_usual && !chosen.is_filtered && !again.collected.has_own_args() {
        project.record_items(&again.collected).await;
    }
    Ok(again)
}

pub(crate) fn filter_of(request: &RunRequest) -> Result<Filter, Refusal> {
    Filter::parse(request.options.keyword.as_deref(), request.options.marker.as_deref()).map_err(invalid)
}

/// The tests in a session that was made for them.
pub(crate) fn choose_in(
    project: &Project,
    found: Found,
    is_filtered: bool,
    request: &RunRequest,
    filter: &Filter,
) -> Result<Chosen, Refusal> {
    let Found { collected, exclusive, is_new, .. } = found;
    // pytest has selected them itself.
    let ids = if collected.has_own_args() { Vec::new() } else { request.ids(project) };
    let no_filter = Filter::default();
    let (scope, exclusive) = (request.scope(project), Arc::new(exclusive));
    let chosen = if is_filtered && !collected.tests.knows_deselected() {
        // A test that pytest has deselected is not unknown.
        let here: Vec<_> =
            ids.iter().filter(|id| collected.tests.nodes.iter().any(|node| names(id, node))).cloned().collect();
        if here.is_empty() && !ids.is_empty() {
            Ok(Selection::default())
        } else {
            select(&collected.tests, &here, &no_filter)
        }
    } else {
        select(&collected.tests, &ids, if is_filtered { &no_filter } else { filter })
    };
    let Selection { taken: mut selected, left } = chosen.map_err(invalid)?;
    if collected.tests.is_in_source_order() && request.options.in_order_of.len() > 1 {
        let arguments: Vec<_> = request.options.in_order_of.iter().map(|id| own_id(&project.state.root, id)).collect();
        sort_by_arguments(&mut selected, &collected.tests, &arguments);
    }
    let deselected = left + collected.tests.deselected_of(&ids);
    let concerns = |error: &&CollectError| scope.is_troubled_by(&error.path);
    let mut broken: Vec<_> = collected.tests.errors.iter().filter(concerns).collect();
    if !broken.is_empty() {
        project.state.history.note_broken(broken.iter().map(|error| &*error.path), now_ms());
    }
    let collection_failed = ends_collection(&broken, request, !selected.is_empty());
    if collection_failed {
        broken.truncate(request.maxfail.unwrap_or_default() as usize);
    }
    let errors = told_errors(project, broken.iter().copied());
    // A command reports errors as pytest does, at the end of a run, even if it has no test.
    let is_command = request.is_command(source_of(&request.options)?);
    let runs_nothing = (selected.is_empty() && !(is_command && request.reads_events)) || request.options.full_reports;
    if let Some(error) = broken.first().filter(|_| runs_nothing) {
        let code = match error.crash {
            Some(CrashKind::TimedOut) => ErrorCode::Timeout,
            _ => ErrorCode::CollectionFailed,
        };
        return Err(Refusal { errors, ..Refusal::new(code, error.sentence()) });
    }
    let problems = broken.into_iter().map(CollectError::short).collect();
    let mut skipped: Vec<_> = collected.tests.skipped.iter().filter(|(file, _)| scope.holds(file)).collect();
    skipped.sort_unstable_by_key(|(file, _)| *file);
    let file_skip = |(path, skipped): &(&String, &SkippedFile)| FileSkip {
        path: (*path).clone(),
        line: skipped.line,
        reason: skipped.reason.clone(),
    };
    let skipped_files = skipped.iter().map(file_skip).collect();
    let with_report = skipped.into_iter().filter(|_| request.options.full_reports);
    let collect_reports = with_report.map(|(_, skipped)| skipped.report.clone()).collect();
    Ok(Chosen {
        collected,
        selected,
        deselected,
        problems,
        errors,
        collection_failed,
        collect_reports,
        skipped_files,
        exclusive,
        is_new,
        is_filtered,
        time_before: None,
    })
}

/// Whether pytest reaches the limit of failures by files that can't be collected, and has more to collect then. The
/// session may have collected more than the run's scope, which `has_tests` in any case if it has something after them.
fn ends_collection(broken: &[&CollectError], request: &RunRequest, has_tests: bool) -> bool {
    let limit = request.maxfail.filter(|limit| *limit > 0 && request.options.until_failure.is_none());
    let Some(limit) = limit.map(|limit| limit as usize) else { return false };
    broken.len() > limit || broken.len() == limit && has_tests && broken.last().is_some_and(|error| error.followed)
}

/// Errors of collection, as events tell them.
pub(crate) fn told_errors<'a>(project: &Project, errors: impl IntoIterator<Item = &'a CollectError>) -> Vec<TreeError> {
    errors.into_iter().map(|error| error_of(&project.state.root, error)).collect()
}

/// The time until a session was found or collected.
fn time_before(found: &Found, took: Duration) -> TimeBefore {
    let took_ms = took.as_secs_f64() * 1000.0;
    TimeBefore {
        start_ms: found.start_ms,
        collect_ms: if found.is_new { took_ms - found.start_ms } else { 0.0 },
        collected_before_ms: (!found.is_new).then_some(found.collected.took_ms),
        collection: found.collected.times.clone(),
    }
}

/// The session for a run, and whether pytest has applied the run's `-k` and `-m` itself. It does so if the project may
/// read them while it collects; shared sessions are collected without them, and without the run's ids.
async fn collect_for(
    project: &Arc<Project>,
    request: &RunRequest,
    scope: &Scope,
    overrides: &SessionOverrides,
    purpose: Purpose,
) -> Result<(Found, bool), Refusal> {
    let collect = async |arguments: &[String]| {
        let found = project.session_with(scope, arguments, overrides, purpose).await;
        found.map_err(|failure| Refusal {
            errors: told_errors(project, [&failure.as_error_of(scope)]),
            ..Refusal::from(&failure)
        })
    };
    let usual = &request.options.arguments;
    let filters = request.asked(project).filters();
    if filters.is_empty() {
        return Ok((collect(usual).await?, false));
    }
    if project.pool.newest_session().is_some_and(|collected| !collected.looks) {
        let found = collect(usual).await?;
        if !found.collected.looks {
            return Ok((found, false));
        }
    }
    Ok((collect(&[usual.clone(), filters].concat()).await?, true))
}

/// The kind of run for a request. `coverage`: what to measure. `reports`: the run makes the reports that the project's
/// options ask for. `is_remote`: it runs on a cluster, whose runners end with the run.
pub(crate) fn kind(
    project: &Project,
    request: &RunRequest,
    collected: &CollectedSession,
    coverage: Option<Coverage>,
    reports: bool,
    is_remote: bool,
) -> RunKind {
    let run_disabled = request.options.run_disabled;
    let reports = reports && !request.options.full_reports && coverage.is_none() && !collected.reports.is_empty();
    if run_disabled || reports || coverage.is_some() {
        return RunKind::Fresh { run_disabled, reports, coverage };
    }
    // A resident would finish its session after the only run of a command, whose outcome that end belongs to.
    let has_later_runs = project.pool.is_resident() && !is_remote;
    let reuses = has_later_runs && project.state.settings.load().fixture_reuse.enabled;
    // Its own arguments apply to one run only, so a resident can't have them.
    if reuses && request.options.arguments.is_empty() && !collected.has_own_args() {
        return RunKind::Resident(project.state.pytest.load_full());
    }
    RunKind::Forked
}

/// Makes the plan for running these tests.
pub(crate) fn plan(
    project: &Project,
    run_ids: &RunIds,
    request: &RunRequest,
    handle: &RunHandle,
    chosen: Chosen,
    kind: RunKind,
    remote: Option<RemoteRun>,
) -> Result<RunPlan, Refusal> {
    let Chosen {
        collected,
        selected,
        deselected,
        problems,
        errors,
        collection_failed,
        collect_reports,
        skipped_files,
        exclusive,
        is_new,
        time_before,
        ..
    } = chosen;
    let source = source_of(&request.options)?;
    let settings = project.state.settings.load();
    let (is_debug, one_session) = (kind.debug_process().is_some(), kind.is_one_session());
    let mut rerun = request.options.until_failure.map(Policy::until_failure).unwrap_or(Policy {
        enabled: request.repeat || settings.rerun.enabled || request.options.reruns.is_some(),
        max_reruns: request.options.reruns.unwrap_or(settings.rerun.max_reruns),
        only_flaky: settings.rerun.only_flaky,
        delay_ms: settings.rerun.delay_ms,
        until_failure: false,
    });
    // Each attempt needs a session of its own then: without a limit there would be no end of them.
    rerun.enabled &= !is_debug && (!one_session || !rerun.until_failure);
    let ids = || selected.iter().map(|&index| &*collected.tests.nodes[index].id);
    let durations = project.state.history.durations_ms(ids());
    let known_flaky = if rerun.enabled && rerun.only_flaky {
        let window = settings.flaky.window as usize;
        ids().map(|id| project.state.history.verdict(id, window).is_some_and(|verdict| verdict.is_flaky)).collect()
    } else {
        Vec::new()
    };
    let workers = match wanted_workers(request, &settings, &collected) {
        _ if one_session || collected.one_controller => 1,
        WorkerCount::Fixed(count) if remote.as_ref().is_none_or(|remote| !remote.grows) => count as usize,
        _ if let Some(remote) = &remote => (*remote.cluster.cpus().borrow()).max(1),
        WorkerCount::Fixed(_) | WorkerCount::Auto => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let tests = selected.iter().map(|&index| &collected.tests.nodes[index]).zip(&durations).enumerate();
            let items: Vec<_> = tests.map(|(index, (node, duration))| node.item(index, *duration)).collect();
            pytest_lens_plan::workers::fastest(&items, collected.start_ms(), cores)
        }
    };
    // Repeats and further runners are forks. The engine of one command has no later run that needs the session.
    let is_needed_later = project.pool.is_resident() && !(is_new && collected.is_quick()) && !collected.has_own_args();
    let may_take_session = workers == 1 && !rerun.enabled && matches!(kind, RunKind::Forked) && !is_needed_later;
    // In an editor, tests have their outcomes, and nothing waits for a summary. Several runners would have as many, and
    // residents make theirs when they end, after later runs.
    let awaits_summary = source != Source::Editor
        && !is_debug
        && !kind.is_resident()
        && workers == 1
        && (kind.makes_reports() || (collected.summarizes && !rerun.enabled));
    // As in pytest, a file that can't be collected counts for the limit of failures.
    let broken = u32::try_from(errors.len()).unwrap_or(u32::MAX);
    let limit = request.options.timeout_ms.or(settings.timeout_ms).filter(|limit| *limit > 0);
    handle.suite_log.make_folder(&project.pool.launcher.tmp_dir, run_ids.next().1);
    Ok(RunPlan {
        prints_since: request.prints_since,
        temp: temp_dirs::run_folder(&project.pool.launcher.tmp_dir, &project.pool.launcher.next_run_folder),
        run_id: handle.suite_log.id.clone(),
        suite_log: Arc::clone(&handle.suite_log),
        stop_tx: handle.stop_tx.clone(),
        time_limit: None,
        problems,
        errors,
        collection_failed,
        deselected,
        // If other sessions run the tests, the one that has collected ends first.
        exclusive: if kind.suits(&collected.options) { exclusive } else { Arc::default() },
        may_take_session,
        conflicts: ConflictPolicy::Independent,
        taken_over: watch::Sender::default(),
        failures: Arc::new(AtomicU32::new(if rerun.until_failure { 0 } else { broken })),
        stays_warm: true,
        first: first_of(&request.options.first, project, &collected, &selected),
        whole_files: request.options.whole_files,
        full_reports: request.options.full_reports,
        collect_reports,
        time_before,
        skipped_files,
        phase_durations: request.options.phase_durations
            || collected.output_options.iter().any(|word| word.starts_with("--durations=")),
        awaits_summary,
        remote,
        selected,
        asked: RequestedTests::default(),
        workers,
        maxfail: if rerun.until_failure { Some(1) } else { request.maxfail.filter(|limit| *limit > 0) },
        // A person at a debugger may take any amount of time.
        timeout_ms: limit.filter(|_| !is_debug),
        collect_limit: project.collect_limit(),
        kind,
        rerun,
        durations,
        known_flaky,
        is_command: request.is_command(source),
        source,
        collected,
    })
}

/// The number of runners. Tests that share a port or a file fail when they run at the same time, so several runners
/// need permission: by the request, the settings, or the project's own configuration.
fn wanted_workers(request: &RunRequest, settings: &Settings, collected: &CollectedSession) -> WorkerCount {
    let asked = request.workers.map(WorkerCount::Fixed);
    let auto = request.options.auto_workers.then_some(WorkerCount::Auto);
    let usual = if collected.processes > 0 { WorkerCount::Auto } else { WorkerCount::Fixed(1) };
    asked.or(auto).or(settings.workers).unwrap_or(usual)
}

/// The places of the tests that run first, as indices into `selected`.
fn first_of(wanted: &[String], project: &Project, collected: &CollectedSession, selected: &[usize]) -> Vec<usize> {
    if wanted.is_empty() {
        return Vec::new();
    }
    // Several tests may have one id.
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, &index) in selected.iter().enumerate() {
        places.entry(&*collected.tests.nodes[index].id).or_default().push(place);
    }
    wanted.iter().filter_map(|id| places.remove(own_id(&project.state.root, id).as_str())).flatten().collect()
}

/// The source of a run. A client that names none counts as a terminal.
pub(crate) fn source_of(options: &RunOptions) -> Result<Source, Refusal> {
    let parsed = options.source.as_deref().map_or(Ok(Source::Cli), str::parse);
    parsed.map_err(|error| invalid(format!("field `options.source`: {error}")))
}

impl From<&CollectFailure> for Refusal {
    fn from(failure: &CollectFailure) -> Self {
        let code = match failure {
            CollectFailure::Refused { .. }
            | CollectFailure::Crashed { .. }
            | CollectFailure::Broken { .. }
            | CollectFailure::Unreachable(_)
            | CollectFailure::OnlyWhenAsked { .. } => ErrorCode::CollectionFailed,
            CollectFailure::TimedOut { .. } => ErrorCode::Timeout,
        };
        Refusal { session_exit: failure.session_exit().cloned(), ..Refusal::new(code, failure.to_string()) }
    }
}
