//! Runs of suites: built, scheduled, and driven to their end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use pytest_lens_plan::case_filter::CaseFilters;
use pytest_lens_protocol::SuiteStatus;
use pytest_lens_protocol::{Artifact, LaunchErrorCode, RunEvent, RunEventPayload, RunOptions, SuiteOptions, SuiteSpec};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::launch::prepare;
use super::registry::Registry;
use crate::api_error::Refusal;
use crate::clock::now_ns;
use crate::processes::pool::SessionOverrides;
use crate::processes::worker_protocol::Purpose;
use crate::project::Project;
use crate::project::executor::has_present_code;
use crate::project::plan_run::{self, RunRequest};
use crate::runs::coverage::split;
use crate::runs::handle::RunHandle;
use crate::runs::record::RunLease;
use crate::runs::run_ids::RunIds;
use crate::runs::stop::StopLevel;
use crate::runs::suite_log::LaunchFailure;
use crate::timing::RUN_REMEMBERED;

/// The scheduling of a run's suites.
pub(crate) struct Scheduling {
    /// Suites at a time.
    pub most: usize,
}

/// A suite to run: its project, and the folder of that relative to the client's root.
pub(crate) struct Target {
    pub project: Arc<Project>,
    pub path: String,
    pub spec: SuiteSpec,
}

/// A run that a client built.
pub(crate) struct BuiltRun {
    pub id: String,
    pub suites: Vec<RunHandle>,
    /// The project of each suite.
    projects: Vec<Arc<Project>>,
    events: Mutex<Vec<RunEvent>>,
    over: AtomicBool,
    gone: AtomicBool,
    grown: Notify,
    /// Wakes the scheduler when a suite is stopped or killed, which may wait for its turn.
    scheduler_wake: Notify,
}

/// Events of a built run after a cursor.
pub(crate) enum RunRead {
    /// Events, and the cursor after them; empty only if the run is over.
    Events(usize, Vec<RunEvent>),
    /// Its client has gone.
    Gone,
}

impl BuiltRun {
    fn events(&self) -> MutexGuard<'_, Vec<RunEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, payload: RunEventPayload) {
        self.events().push(RunEvent { timestamp: now_ns(), payload });
        self.grown.notify_waiters();
    }

    /// Asks every suite to stop or to end.
    pub(crate) fn request_stop(&self, wanted: StopLevel) {
        for suite in &self.suites {
            suite.request_stop(wanted);
        }
        self.scheduler_wake.notify_one();
    }

    /// Wakes the scheduler: a suite that waits for its turn was stopped or killed.
    pub(crate) fn wake_scheduler(&self) {
        self.scheduler_wake.notify_one();
    }

    /// The client has gone: kills the run and reports nothing more of it.
    pub(crate) fn close_for_client(&self) {
        self.gone.store(true, Ordering::Relaxed);
        for (suite, project) in self.suites.iter().zip(&self.projects) {
            suite.suite_log.close_for_client();
            project.state.forget_run(&suite.suite_log.id);
        }
        self.request_stop(StopLevel::Kill);
        self.grown.notify_waiters();
    }

    /// Whether a suite of it belongs to a context.
    pub(crate) fn is_of(&self, context_id: &str) -> bool {
        self.projects.iter().any(|project| project.id == context_id)
    }

    /// Returns the events after a cursor; waits if there are none yet.
    pub(crate) async fn read(&self, cursor: usize) -> RunRead {
        loop {
            let grown = self.grown.notified();
            tokio::pin!(grown);
            grown.as_mut().enable();
            if self.gone.load(Ordering::Relaxed) {
                return RunRead::Gone;
            }
            let over = self.over.load(Ordering::Acquire);
            let events: Vec<RunEvent> = self.events().iter().skip(cursor).cloned().collect();
            if over || !events.is_empty() {
                return RunRead::Events(cursor + events.len(), events);
            }
            grown.await;
        }
    }
}

/// Builds a run and starts it.
pub(crate) fn build(
    registry: &Arc<Registry>,
    run_ids: &Arc<RunIds>,
    targets: Vec<Target>,
    scheduling: Scheduling,
) -> Arc<BuiltRun> {
    let suites = targets.iter().map(|Target { path, spec, .. }| {
        let logs = spec.options.as_ref().and_then(|options| options.log_iterator).unwrap_or_default();
        RunHandle::new(run_ids.next().0, logs, path)
    });
    let run = Arc::new(BuiltRun {
        suites: suites.collect(),
        id: run_ids.next().0,
        projects: targets.iter().map(|target| Arc::clone(&target.project)).collect(),
        events: Mutex::default(),
        over: AtomicBool::new(false),
        gone: AtomicBool::new(false),
        grown: Notify::new(),
        scheduler_wake: Notify::new(),
    });
    registry.add(&run);
    tokio::spawn(run_and_forget(Arc::downgrade(registry), Arc::clone(run_ids), Arc::clone(&run), targets, scheduling));
    run
}

/// Drives a run to its end, and forgets it ten minutes later.
async fn run_and_forget(
    registry: Weak<Registry>,
    run_ids: Arc<RunIds>,
    run: Arc<BuiltRun>,
    targets: Vec<Target>,
    scheduling: Scheduling,
) {
    // A weak reference: a run whose client has gone must not be kept alive until then.
    let past = Arc::downgrade(&run);
    schedule(&run_ids, run, targets, scheduling).await;
    tokio::time::sleep(RUN_REMEMBERED).await;
    if let Some((registry, run)) = registry.upgrade().zip(past.upgrade()) {
        registry.forget(&run);
    }
}

async fn schedule(run_ids: &Arc<RunIds>, run: Arc<BuiltRun>, targets: Vec<Target>, scheduling: Scheduling) {
    run.tell(RunEventPayload::RunStarted);
    let mut pending: VecDeque<(RunHandle, Target)> = run.suites.iter().cloned().zip(targets).collect();
    let mut going = JoinSet::new();
    loop {
        pending.retain(|(suite, _)| {
            let is_wanted = *suite.stop_tx.borrow() == StopLevel::Go;
            if !is_wanted {
                suite.suite_log.end(SuiteStatus::Stopped);
            }
            is_wanted
        });
        while going.len() < scheduling.most
            && let Some((suite, Target { project, spec, .. })) = pending.pop_front()
        {
            going.spawn(run_suite(Arc::clone(run_ids), project, suite, spec));
        }
        if going.is_empty() {
            break;
        }
        tokio::select! {
            _ = going.join_next() => {}
            () = run.scheduler_wake.notified() => {}
        }
    }
    for suite in &run.suites {
        // Only a suite that failed has not reported its end by now.
        suite.suite_log.end(SuiteStatus::InternalError);
        if let Some(iterator_id) = suite.suite_log.debug_data() {
            run.tell(RunEventPayload::Artifact { artifact: Artifact::DebugData { iterator_id } });
        }
    }
    run.tell(RunEventPayload::RunStopped);
    run.over.store(true, Ordering::Release);
    run.grown.notify_waiters();
}

/// Runs one suite to its end.
async fn run_suite(run_ids: Arc<RunIds>, project: Arc<Project>, suite: RunHandle, spec: SuiteSpec) {
    let SuiteSpec { test_url, options } = spec;
    let SuiteOptions { run_disabled_tests, parallel, arguments, timeout, case_filters_to_run, log_iterator: _ } =
        options.unwrap_or_default();
    let (arguments, coverage) = split(&arguments.unwrap_or_default());
    if let Some(coverage) = &coverage
        && let Err(message) = project.check_coverage(coverage).await
    {
        return suite.suite_log.fail(LaunchFailure { code: LaunchErrorCode::InvalidArgs, message });
    }
    let filters = CaseFilters::new(case_filters_to_run.unwrap_or_default());
    let purpose = project.purpose_of(run_disabled_tests.unwrap_or_default() || coverage.is_some());
    let mut stop_tx = suite.stop_tx.subscribe();
    let request = RunRequest {
        node_ids: Vec::new(),
        workers: parallel.map(u32::from),
        maxfail: None,
        options: RunOptions {
            arguments: arguments.clone(),
            run_disabled: run_disabled_tests.unwrap_or_default(),
            ..RunOptions::default()
        },
        repeat: false,
        reads_events: false,
        prints_since: Instant::now(),
        is_part: false,
    };
    let internal = |refusal: Refusal| {
        let message = refusal.to_string();
        LaunchFailure { code: LaunchErrorCode::InternalError, message }
    };
    let cluster = match project.wanted_cluster(&request) {
        Ok(cluster) => cluster,
        Err(refusal) => return suite.suite_log.fail(internal(refusal)),
    };
    let planning = async {
        let usual = SessionOverrides { is_exact: coverage.is_some(), ..SessionOverrides::default() };
        let mut prepared = prepare(&project, &test_url, &arguments, &filters, &usual, purpose).await?;
        let kind = plan_run::kind(&project, &request, &prepared.collected, coverage, false, cluster.is_some());
        if !kind.suits(&prepared.collected.options) && !prepared.collected.is_shared() {
            // Each session may find other tests: the first that runs them determines which there are.
            drop(prepared);
            suite.suite_log.make_folder(&project.pool.launcher.tmp_dir, run_ids.next().1);
            let overrides = kind.overrides(suite.suite_log.folder());
            prepared = prepare(&project, &test_url, &arguments, &filters, &overrides, Purpose::Run).await?;
        }
        let connecting = project.remote_run(cluster.clone(), &request, &kind, &prepared.collected);
        let mut remote = connecting.await.map_err(internal)?;
        if remote.is_some() && !has_present_code(&prepared.collected).await {
            prepared = prepare(&project, &test_url, &arguments, &filters, &usual, purpose).await?;
            remote = project.remote_run(cluster, &request, &kind, &prepared.collected).await.map_err(internal)?;
        }
        if *suite.stop_tx.borrow() != StopLevel::Go {
            return Ok(None);
        }
        plan_run::plan(&project, &run_ids, &request, &suite, prepared, kind, remote).map(Some).map_err(internal)
    };
    let planned = tokio::select! {
        planned = planning => planned,
        _ = stop_tx.wait_for(|wanted| *wanted == StopLevel::Kill) => Ok(None),
    };
    let mut plan = match planned {
        Ok(Some(plan)) => plan,
        Ok(None) => return suite.suite_log.end(SuiteStatus::Stopped),
        Err(failure) => return suite.suite_log.fail(failure),
    };
    plan.time_limit = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let limit = plan.time_limit;
    let Some(record) = project.begin(plan).await.and_then(RunLease::release) else {
        let message = "the context was shut down before the suite could begin".to_owned();
        return suite.suite_log.fail(LaunchFailure { code: LaunchErrorCode::InternalError, message });
    };
    let out_of_time = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = record.wait() => {}
        () = out_of_time => {
            record.request_stop(StopLevel::OutOfTime);
            let _ = record.wait().await;
        }
    }
}
