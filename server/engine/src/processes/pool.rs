//! The warm processes of a project: the base, the collected sessions forked from it, and the runners forked from those.
//!
//! Every process is compared with the disk before it is used. Stale ones are dropped, which ends them.

mod collecting;
mod crashes;
mod prestarting;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use collecting::OnDemand;
pub(crate) use collecting::{FailedCollection, Wanted};
use crashes::Crashes;

use crate::model::node::Analyses;
use crate::model::scope::Scope;
use crate::processes::blocking::blocking;
use crate::processes::collected_session::CollectedSession;
use crate::processes::exclusive_session::{ExclusiveSession, ExitingSessions};
use crate::processes::file_opens::{Opens, Window};
use crate::processes::launcher::{Base, Launcher, StartError};
use crate::processes::mode::{Mode, ModeRequest, choose};
use crate::processes::preload::Preload;
use crate::processes::prestarted::Prestarted;
use crate::processes::process::NoProcess;
use crate::processes::resident_pool::ResidentPool;
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::{Measure, Ready, Role, WorkerIndex, WorkerOptions};

/// Number of collected sessions of parts that are kept in addition to that of the whole project.
const PARTS_KEPT: usize = 3;

pub(crate) struct Pool {
    pub launcher: Launcher,
    /// The requested mode.
    pub asked: ModeRequest,
    /// Keep processes ready for further runs.
    resident: bool,
    pub analyses: Arc<Analyses>,
    /// Files that C libraries may read while sessions collect.
    opens: Arc<Opens>,
    /// Runners that stay between runs.
    pub residents: Arc<ResidentPool>,
    state: Mutex<State>,
    /// The time of the last use.
    used: Mutex<Instant>,
    /// Number of requested collections that go on.
    requested: watch::Sender<usize>,
    /// Whether it starts nothing more, and keeps nothing.
    closed: watch::Sender<bool>,
    /// Number of runners that run tests now.
    active: Arc<AtomicUsize>,
    /// Serializes starting a base.
    starting: tokio::sync::Mutex<()>,
    /// Serializes prestarting a session.
    prestarting: tokio::sync::Mutex<()>,
    /// Sessions of runs that are over. The next session may need the resources that they hold.
    pub exiting: ExitingSessions,
    /// Runners of runs that are over, these sessions among them: they call exit handlers, and write what pytest keeps.
    pub ending_runners: ExitingSessions,
    /// Serializes collections of the whole project; later callers reuse the first result.
    whole: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    base: Option<Arc<Base>>,
    mode: Option<Mode>,
    preload: Preload,
    /// Newest first.
    sessions: Vec<Arc<CollectedSession>>,
    /// The reason why collecting needs a request, and the files that led to it.
    on_demand: Option<OnDemand>,
    /// Files that collections leave out.
    crashes: Crashes,
    /// The options of the next collection, as far as they can be predicted.
    expected: Option<WorkerOptions>,
    /// Sessions that wait before their collection, each for other options; the last one used first.
    prestarted: Vec<Arc<Prestarted>>,
    /// Incremented when all processes are dropped, so that those still being made then are not kept.
    generation: u64,
    /// The facts from before the processes were ended.
    facts_before_rest: Option<ProcessFacts>,
}

/// Facts about a project that its processes reported.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessFacts {
    pub ready: Option<Ready>,
    /// The reasons why runs are not forked off the collected session.
    pub reasons: Vec<String>,
    pub inifile: Option<String>,
}

/// Differences between a session that runs tests and the one that collected them. With any, it collects by itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct SessionOverrides {
    /// Ignore skip marks.
    pub run_disabled: bool,
    /// Make the reports about the session as a whole.
    pub reports: bool,
    /// Earlier sessions of the run have made reports.
    pub appends: bool,
    /// Its index among several runners.
    pub worker: Option<WorkerIndex>,
    /// The coverage to measure.
    pub coverage: Option<Measure>,
    /// Measure where the time goes.
    pub timings: bool,
    /// It collects its scope and no other files: importing these leaves traces in what it measures or reports.
    pub is_exact: bool,
    /// The arguments of the run, if its session must have them where the project may act by them.
    pub asked: Vec<String>,
}

impl SessionOverrides {
    /// The options of the session, based on those of others.
    pub(crate) fn applied_to(self, options: WorkerOptions) -> WorkerOptions {
        let SessionOverrides { run_disabled, reports, appends, worker, coverage, timings, is_exact: _, asked: _ } =
            self;
        let timings = timings || options.timings;
        WorkerOptions { run_disabled, reports, appends, no_cov: !reports, worker, coverage, timings, ..options }
    }
}

/// A requested collection, which is a use of the pool until its end.
struct Requested<'a>(&'a Pool);

impl Drop for Requested<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requested.send_modify(|count| *count -= 1);
    }
}

/// Counts as a runner that runs tests while it is held.
pub(crate) struct BusyGuard(Arc<AtomicUsize>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A collected session, and whether it was collected just now.
pub(crate) struct Found {
    pub collected: Arc<CollectedSession>,
    pub is_new: bool,
    /// Its process, if it was collected for one run, which alone may use it.
    pub exclusive: ExclusiveSession,
    /// Time in which it waited for an interpreter, in milliseconds.
    pub start_ms: f64,
}

impl Found {
    /// A session that exists.
    pub(crate) fn present(collected: Arc<CollectedSession>) -> Self {
        Found { collected, is_new: false, exclusive: ExclusiveSession::default(), start_ms: 0.0 }
    }
}

impl Pool {
    pub(crate) fn new(launcher: Launcher, asked: ModeRequest, analyses: Arc<Analyses>, resident: bool) -> Self {
        let preload = if resident { Preload::remembered(&launcher) } else { Preload::default() };
        let residents = ResidentPool::new(launcher.root.clone(), Arc::clone(&analyses));
        let opens = Opens::new(launcher.root.clone());
        if resident && asked != ModeRequest::Subprocess {
            let opens = Arc::clone(&opens);
            tokio::task::spawn_blocking(move || opens.watch());
        }
        Pool {
            launcher,
            asked,
            resident,
            analyses,
            opens,
            residents,
            state: Mutex::new(State { preload, ..State::default() }),
            used: Mutex::new(Instant::now()),
            requested: watch::Sender::new(0),
            closed: watch::Sender::new(false),
            active: Arc::default(),
            starting: tokio::sync::Mutex::default(),
            prestarting: tokio::sync::Mutex::default(),
            exiting: ExitingSessions::default(),
            ending_runners: ExitingSessions::default(),
            whole: tokio::sync::Mutex::default(),
        }
    }

    /// The modules that its interpreters import in advance, and those that they never do.
    pub(crate) fn preload(&self) -> (Vec<String>, Vec<String>) {
        let Preload { modules, unfit } = self.state().preload.clone();
        (modules, unfit.into_iter().collect())
    }

    /// Returns whether further runs are expected.
    pub(crate) fn is_resident(&self) -> bool {
        self.resident
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a runner as running tests.
    pub(crate) fn busy(&self) -> BusyGuard {
        self.active.fetch_add(1, Ordering::Relaxed);
        BusyGuard(Arc::clone(&self.active))
    }

    /// Numbers of runners that run tests, and of those that stand by.
    pub(crate) fn runners(&self) -> (usize, usize) {
        let standing_by: usize = self.state().sessions.iter().map(|collected| collected.standing_by()).sum();
        (self.active.load(Ordering::Relaxed), standing_by + self.residents.idle())
    }

    /// The mode of runs; `None` before an interpreter was started.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.state().mode.clone()
    }

    /// The newest collected session; of the whole project if there is one.
    pub(crate) fn newest_session(&self) -> Option<Arc<CollectedSession>> {
        let state = self.state();
        state.sessions.iter().find(|collected| collected.scope == Scope::All).or(state.sessions.first()).cloned()
    }

    /// The warm interpreter, if it is fresh; otherwise starts one.
    pub(crate) async fn base(&self) -> Result<Arc<Base>, StartError> {
        self.base_for(Instant::now()).await
    }

    /// The same for a request of this time, for which it may have been compared already.
    async fn base_for(&self, requested: Instant) -> Result<Arc<Base>, StartError> {
        self.touch();
        let _one = self.starting.lock().await;
        let (present, preload) = {
            let state = self.state();
            (state.base.clone(), state.preload.clone())
        };
        if let Some(base) = present {
            let checked = Arc::clone(&base);
            if blocking(move || checked.is_fresh_since(requested)).await.unwrap_or(false) {
                return Ok(base);
            }
        }
        let (base, mode) = loop {
            let generation = self.state().generation;
            let base = Arc::new(self.launcher.start(&preload).await?);
            if self.state().generation == generation {
                let mode = choose(self.asked, &base.ready);
                break (base, mode);
            }
        };
        let mut state = self.state();
        if self.is_closed() {
            return Err(StartError::Failed("the context was shut down".into()));
        }
        state.mode = Some(mode);
        state.base = Some(Arc::clone(&base));
        if state.preload.learn(&[], &base.ready.unfit) {
            state.preload.remember(&self.launcher);
        }
        Ok(base)
    }

    /// An interpreter for the sole use of one session (subprocess mode): the one that stands by, or a new one. Several
    /// may start at a time.
    async fn fresh(&self) -> Result<Arc<Base>, StartError> {
        let standing_by = self.state().base.take();
        if let Some(base) = standing_by {
            let checked = Arc::clone(&base);
            if blocking(move || checked.is_fresh()).await.unwrap_or(false) {
                return Ok(base);
            }
        }
        let preload = self.state().preload.clone();
        Ok(Arc::new(self.launcher.start(&preload).await?))
    }

    /// Prepares the next run in the background: runners of `collected` stand by or, in subprocess mode, the next
    /// interpreter.
    pub(crate) async fn get_ready(&self, collected: &Arc<CollectedSession>, runners: usize) {
        if !self.resident || self.is_closed() {
            return;
        }
        collected.stand_by(&self.launcher.hub, runners).await;
        if self.state().base.is_none() {
            let _ = self.base().await;
        }
    }

    /// Starts to record opened files, for a session that several runs may use.
    async fn window(&self) -> Option<Window> {
        if !self.resident || !self.mode().is_some_and(|mode| mode.embedded) {
            return None;
        }
        let opens = Arc::clone(&self.opens);
        tokio::task::spawn_blocking(move || opens.window()).await.ok().flatten()
    }

    /// Ends the processes of sessions that no run can use any more, except those of the newest session.
    pub(crate) async fn drop_stale(&self) {
        let older: Vec<_> = self.state().sessions.iter().skip(1).cloned().collect();
        for collected in older {
            if !collected.check_fresh(Instant::now()).await {
                self.state().sessions.retain(|kept| !Arc::ptr_eq(kept, &collected));
            }
        }
    }

    /// The newest interpreter's report about itself.
    pub(crate) fn ready(&self) -> Option<Ready> {
        let state = self.state();
        state.base.as_ref().or(state.sessions.first().map(|collected| &collected.base)).map(|base| base.ready.clone())
    }

    /// The reports of the newest processes, even if they have been ended since.
    pub(crate) fn known(&self) -> ProcessFacts {
        let (ready, collected) = (self.ready(), self.newest_session());
        if ready.is_none() {
            return self.state().facts_before_rest.clone().unwrap_or_default();
        }
        let reasons = collected.as_ref().map(|collected| collected.reasons.clone()).unwrap_or_default();
        ProcessFacts { ready, reasons, inifile: collected.and_then(|collected| collected.inifile.clone()) }
    }

    /// The time of the last use.
    pub(crate) fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a requested collection until the result is dropped.
    fn request(&self) -> Requested<'_> {
        self.requested.send_modify(|count| *count += 1);
        Requested(self)
    }

    /// Waits until no requested collection goes on.
    pub(crate) async fn no_request(&self) {
        let _ = self.requested.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Waits until it is closed.
    pub(crate) async fn closed(&self) {
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Ends the processes until they are needed again, unless residents keep fixtures.
    pub(crate) fn release_processes(&self) {
        let known = self.known();
        if known.ready.is_some() && self.residents.idle() == 0 {
            self.state().facts_before_rest = Some(known);
            self.forget_all();
        }
    }

    /// Ends the processes that the next run probably does not need. Those of the newest session and of the whole project
    /// stay, with what stands by for a run of the former, before and after an edit.
    pub(crate) fn shrink(&self) {
        let mut state = self.state();
        let mut index = 0;
        state.sessions.retain(|collected| {
            index += 1;
            index == 1 || collected.scope == Scope::All
        });
        state.sessions.iter().skip(1).for_each(|collected| collected.stand_down());
        state.prestarted.truncate(1);
    }

    /// Sets the environment of new interpreters, and drops those with another one. Returns whether it changed.
    pub(crate) fn set_env(&self, env: BTreeMap<String, String>) -> bool {
        let changed = {
            let mut present = self.launcher.env.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = *present != env;
            *present = env;
            changed
        };
        if changed {
            self.forget_all();
        }
        changed
    }

    /// Sets the path of new interpreters, and drops the existing ones.
    pub(crate) fn set_python(&self, python: PathBuf) {
        self.launcher.python.store(Arc::new(python));
        self.forget_all();
    }

    /// The variables for interpreters, as bytes to compare; empty if there are none.
    pub(crate) fn variables(&self) -> Vec<u8> {
        let env = self.launcher.env.lock().unwrap_or_else(PoisonError::into_inner);
        env.iter().flat_map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat()).collect()
    }

    /// A runner for the tests of `collected`. `special`: the differences of its session from the collected one.
    /// `alone`: nobody else needs the session.
    pub(crate) async fn runner(
        &self,
        collected: &Arc<CollectedSession>,
        special: Option<SessionOverrides>,
        alone: bool,
    ) -> Result<Runner, NoProcess> {
        match self.try_runner(collected, special.clone(), alone).await {
            Err(reason) if reason.is_passing && !reason.is_exhaustion => {
                self.try_runner(collected, special, alone).await
            }
            came => came,
        }
    }

    async fn try_runner(
        &self,
        collected: &Arc<CollectedSession>,
        special: Option<SessionOverrides>,
        alone: bool,
    ) -> Result<Runner, NoProcess> {
        self.touch();
        if alone
            && special.is_none()
            && let Some(runner) = collected.give_away()
        {
            return Ok(runner);
        }
        if collected.is_shared() && special.is_none() {
            let copy = collected.runner(&self.launcher.hub).await;
            // If the collected session has died together with its fork, the rest of the run collects again.
            if copy.is_ok() || collected.is_usable() {
                return copy;
            }
        }
        if special.is_some() {
            self.exiting.gone().await;
        }
        let options = special.unwrap_or_default().applied_to(collected.options.clone());
        let embedded = self.mode().is_some_and(|mode| mode.embedded);
        if embedded {
            let base = self.base().await?;
            Runner::fork_session(&self.launcher.hub, base, options).await
        } else {
            let base = self.fresh().await?;
            Runner::become_session(base, Role::Session, options)
        }
    }

    /// Records the third-party modules that a collection imported, and starts a base that loads them in advance.
    /// Modules in `unfit` are never loaded in advance again.
    pub(crate) async fn warm_up(&self, third_party: &[String], unfit: &[String]) {
        {
            let mut state = self.state();
            let embedded = state.mode.as_ref().is_some_and(|mode| mode.embedded);
            if !self.resident || !embedded || self.is_closed() || !state.preload.learn(third_party, unfit) {
                return;
            }
            state.preload.remember(&self.launcher);
        }
        let _one = self.starting.lock().await;
        let (preload, generation) = {
            let state = self.state();
            (state.preload.clone(), state.generation)
        };
        match self.launcher.start(&preload).await {
            Ok(base) => {
                let mut state = self.state();
                if state.preload.learn(&[], &base.ready.unfit) {
                    state.preload.remember(&self.launcher);
                }
                if !self.is_closed() && state.generation == generation && base.ready.hazards.is_empty() {
                    state.base = Some(Arc::new(base));
                }
            }
            Err(error) => tracing::warn!(%error, "no interpreter with the project's libraries could be warmed up"),
        }
    }

    /// Makes the next collection start a new interpreter. Forks of the current one stay.
    pub(crate) fn start_anew(&self) {
        let mut state = self.state();
        state.base = None;
        state.prestarted.clear();
        state.crashes.forget();
    }

    /// Drops all sessions and interpreters. Their processes end, those of residents after the teardown of their
    /// fixtures.
    pub(crate) fn forget_all(&self) {
        self.residents.dismiss();
        let mut state = self.state();
        state.generation += 1;
        state.sessions.clear();
        state.prestarted.clear();
        state.base = None;
        state.on_demand = None;
        state.crashes.forget();
    }

    /// Whether it has an interpreter, or sessions.
    pub(crate) fn is_warm(&self) -> bool {
        let state = self.state();
        state.base.is_some() || !state.sessions.is_empty()
    }

    /// As [`Pool::forget_all`], and starts nothing more.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
        self.forget_all();
    }
}
