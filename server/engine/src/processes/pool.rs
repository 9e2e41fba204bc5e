//! The warm processes of a project: the base, the collected sessions forked from it, and runners forked from those.
//!
//! Whatever is handed out was compared with the disk first; what is stale is let go, which ends its processes.

mod collecting;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use collecting::OnDemand;

use crate::model::node::Analyses;
use crate::model::scope::Scope;
use crate::processes::collected_session::CollectedSession;
use crate::processes::exclusive_session::{ExclusiveSession, ExitingSessions};
use crate::processes::file_opens::{Opens, Window};
use crate::processes::launcher::{Base, Launcher, StartError};
use crate::processes::mode::{Mode, ModeAsked, choose};
use crate::processes::preload::Preload;
use crate::processes::prestarted::Prestarted;
use crate::processes::process::NoProcess;
use crate::processes::resident_pool::ResidentPool;
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::{Measure, Ready, WorkerIndex, WorkerOptions};

/// Collected sessions of parts of the project that are kept, besides that of the whole.
const PARTS_KEPT: usize = 3;

pub(crate) struct Pool {
    pub launcher: Launcher,
    /// How its runs are to happen.
    pub asked: ModeAsked,
    /// Whether processes are kept ready for runs to come.
    resident: bool,
    pub analyses: Arc<Analyses>,
    /// What C libraries may read while sessions collect.
    opens: Arc<Opens>,
    /// Runners that stay between runs.
    pub residents: Arc<ResidentPool>,
    state: Mutex<State>,
    /// When it was used last.
    used: Mutex<Instant>,
    /// Runners that run tests now.
    active: Arc<AtomicUsize>,
    /// One base is started at a time.
    starting: tokio::sync::Mutex<()>,
    /// One session is prestarted at a time.
    prestarting: tokio::sync::Mutex<()>,
    /// Sessions of runs that are over.
    pub exiting: ExitingSessions,
    /// The whole is collected by one at a time: whoever comes second finds what the first has made.
    whole: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    base: Option<Arc<Base>>,
    mode: Option<Mode>,
    preload: Preload,
    /// Newest first.
    sessions: Vec<Arc<CollectedSession>>,
    /// Why nothing is collected unless somebody asks, and the files that led there.
    on_demand: Option<OnDemand>,
    /// What the next collection is expected to be called with.
    expected: Option<WorkerOptions>,
    /// The session that was started for it.
    prestarted: Option<Prestarted>,
    closed: bool,
    /// Bumped when everything is forgotten: what was being made before that is not kept.
    generation: u64,
    /// What was known before the processes were let go.
    facts_before_rest: Option<ProcessFacts>,
}

/// What the processes of a project have told of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProcessFacts {
    pub ready: Option<Ready>,
    /// Why runs are not forked off the collected session.
    pub reasons: Vec<String>,
    pub inifile: Option<String>,
}

/// What a session that runs tests does otherwise than the one that collected them: it then collects by itself.
#[derive(Debug, Default)]
pub(crate) struct SessionOverrides {
    /// Skip marks skip nothing.
    pub run_disabled: bool,
    /// It makes the reports about a session as a whole.
    pub reports: bool,
    /// Which of several runners it is for.
    pub worker: Option<WorkerIndex>,
    /// What it measures.
    pub coverage: Option<Measure>,
}

/// A runner that runs tests, as long as this is held.
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
    /// Its process, where it was collected for the run of somebody, who alone may use it.
    pub exclusive: ExclusiveSession,
}

impl Found {
    fn present(collected: Arc<CollectedSession>) -> Self {
        Found { collected, is_new: false, exclusive: ExclusiveSession::default() }
    }
}

impl Pool {
    pub(crate) fn new(launcher: Launcher, asked: ModeAsked, analyses: Arc<Analyses>, resident: bool) -> Self {
        let preload = if resident { Preload::remembered(&launcher) } else { Preload::default() };
        let residents = ResidentPool::new(launcher.root.clone(), Arc::clone(&analyses));
        let opens = Opens::new(launcher.root.clone());
        if resident && asked != ModeAsked::Subprocess {
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
            active: Arc::default(),
            starting: tokio::sync::Mutex::default(),
            prestarting: tokio::sync::Mutex::default(),
            exiting: ExitingSessions::default(),
            whole: tokio::sync::Mutex::default(),
        }
    }

    /// Whether more runs are to be expected.
    pub(crate) fn is_resident(&self) -> bool {
        self.resident
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a runner as one that runs tests.
    pub(crate) fn busy(&self) -> BusyGuard {
        self.active.fetch_add(1, Ordering::Relaxed);
        BusyGuard(Arc::clone(&self.active))
    }

    /// Runners that run tests, and those that stand by.
    pub(crate) fn runners(&self) -> (usize, usize) {
        let standing_by: usize = self.state().sessions.iter().map(|collected| collected.standing_by()).sum();
        (self.active.load(Ordering::Relaxed), standing_by + self.residents.idle())
    }

    /// How runs happen; `None` before an interpreter was started.
    pub(crate) fn mode(&self) -> Option<Mode> {
        self.state().mode.clone()
    }

    /// The newest collected session, of the whole if there is one.
    pub(crate) fn newest_session(&self) -> Option<Arc<CollectedSession>> {
        let state = self.state();
        state.sessions.iter().find(|collected| collected.scope == Scope::All).or(state.sessions.first()).cloned()
    }

    /// The warm interpreter as it is now, started if need be.
    pub(crate) async fn base(&self) -> Result<Arc<Base>, StartError> {
        self.touch();
        let _one = self.starting.lock().await;
        let (present, preload) = {
            let state = self.state();
            (state.base.clone(), state.preload.clone())
        };
        if let Some(base) = present {
            let checked = Arc::clone(&base);
            if tokio::task::spawn_blocking(move || checked.is_fresh()).await.unwrap_or(false) {
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
        if state.closed {
            return Err(StartError::Failed("the context was shut down".into()));
        }
        state.mode = Some(mode);
        state.base = Some(Arc::clone(&base));
        if state.preload.learn(&[], &base.ready.unfit) {
            state.preload.remember(&self.launcher);
        }
        Ok(base)
    }

    /// An interpreter that nobody else has, for a session of its own (subprocess mode): the one that stands by, or a
    /// new one. Several may be started at a time.
    async fn fresh(&self) -> Result<Arc<Base>, StartError> {
        let standing_by = self.state().base.take();
        if let Some(base) = standing_by {
            let checked = Arc::clone(&base);
            if tokio::task::spawn_blocking(move || checked.is_fresh()).await.unwrap_or(false) {
                return Ok(base);
            }
        }
        let preload = self.state().preload.clone();
        Ok(Arc::new(self.launcher.start(&preload).await?))
    }

    /// Gets ready for the next run while nobody waits: runners of `collected` stand by; in subprocess mode, the next
    /// interpreter.
    pub(crate) async fn get_ready(&self, collected: &Arc<CollectedSession>, runners: usize) {
        if !self.resident || self.state().closed {
            return;
        }
        collected.stand_by(&self.launcher.hub, runners).await;
        if self.state().base.is_none() {
            let _ = self.base().await;
        }
    }

    /// The files of a run: after an edit they are likely to be asked for again.
    pub(crate) fn expect(&self, scope: &Scope, options: &WorkerOptions) {
        let Scope::Paths(paths) = scope else { return };
        // In a folder pytest looks for conftests by rules of its own before it collects.
        if paths.iter().all(|path| self.launcher.root.join(path).is_file()) {
            self.state().expected = Some(WorkerOptions { args: scope.args(), ..options.clone() });
        }
    }

    /// Starts the session of the collection that is expected next, while nobody waits. `collected`: the newest session.
    /// Where that can't be shared, starting one has effects.
    pub(crate) async fn prestart(&self, collected: &CollectedSession) {
        if !self.resident || !collected.is_shared() {
            return;
        }
        let _one = self.prestarting.lock().await;
        let (expected, base, generation) = {
            let state = self.state();
            (state.expected.clone(), state.base.clone(), state.generation)
        };
        let (Some(options), Some(base)) = (expected, base) else { return };
        if let Some(present) = self.take_prestarted(&base, &options).await {
            self.keep_prestarted(present, generation);
        } else {
            let window = self.window().await;
            if let Some(started) = Prestarted::start(&self.launcher.hub, base, options, window).await {
                self.keep_prestarted(started, generation);
            }
        }
    }

    /// Looks at what is opened from now on, for a session that may be used for several runs.
    async fn window(&self) -> Option<Window> {
        if !self.resident || !self.mode().is_some_and(|mode| mode.embedded) {
            return None;
        }
        let opens = Arc::clone(&self.opens);
        tokio::task::spawn_blocking(move || opens.window()).await.ok().flatten()
    }

    fn keep_prestarted(&self, prestarted: Prestarted, generation: u64) {
        let mut state = self.state();
        let is_wanted =
            !state.closed && state.generation == generation && state.expected.as_ref() == Some(&prestarted.options);
        state.prestarted = is_wanted.then_some(prestarted);
    }

    /// The prestarted session, if it is a fork of `base`, started with `options` and not stale. One that
    /// is stale, or a fork of another base, is let go.
    async fn take_prestarted(&self, base: &Arc<Base>, options: &WorkerOptions) -> Option<Prestarted> {
        let prestarted = self.state().prestarted.take_if(|prestarted| prestarted.options == *options)?;
        if !Arc::ptr_eq(&prestarted.base, base) {
            return None;
        }
        tokio::task::spawn_blocking(move || prestarted.is_fresh().then_some(prestarted)).await.ok().flatten()
    }

    /// What the newest interpreter said of itself.
    pub(crate) fn ready(&self) -> Option<Ready> {
        let state = self.state();
        state.base.as_ref().or(state.sessions.first().map(|collected| &collected.base)).map(|base| base.ready.clone())
    }

    /// What the newest processes have told, those that were let go included.
    pub(crate) fn known(&self) -> ProcessFacts {
        let (ready, collected) = (self.ready(), self.newest_session());
        if ready.is_none() {
            return self.state().facts_before_rest.clone().unwrap_or_default();
        }
        let reasons = collected.as_ref().map(|collected| collected.reasons.clone()).unwrap_or_default();
        ProcessFacts { ready, reasons, inifile: collected.and_then(|collected| collected.inifile.clone()) }
    }

    /// When processes of it were used last.
    pub(crate) fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Lets the processes go until they are needed again; fixtures that are kept keep theirs.
    pub(crate) fn rest(&self) {
        let known = self.known();
        if known.ready.is_some() && self.residents.idle() == 0 {
            self.state().facts_before_rest = Some(known);
            self.forget_all();
        }
    }

    /// Sets the environment of the interpreters to come; those with another one go. Returns whether
    /// it changed.
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

    /// Sets the interpreter to come; those of another one go.
    pub(crate) fn set_python(&self, python: PathBuf) {
        self.launcher.python.store(Arc::new(python));
        self.forget_all();
    }

    /// The variables that interpreters are given, as bytes to compare; nothing where there are none.
    pub(crate) fn variables(&self) -> Vec<u8> {
        let env = self.launcher.env.lock().unwrap_or_else(PoisonError::into_inner);
        env.iter().flat_map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat()).collect()
    }

    /// A runner for the tests of `collected`.
    /// `special`: what its session is to do otherwise than the collected one did.
    pub(crate) async fn runner(
        &self,
        collected: &Arc<CollectedSession>,
        special: Option<SessionOverrides>,
    ) -> Result<Runner, NoProcess> {
        self.touch();
        if collected.is_shared() && special.is_none() {
            let copy = collected.runner(&self.launcher.hub).await;
            // Where the collected session has died with what it was to be copied for, the rest of a run collects anew.
            if copy.is_ok() || collected.is_usable() {
                return copy;
            }
        }
        if special.is_some() {
            self.exiting.gone().await;
        }
        let SessionOverrides { run_disabled, reports, worker, coverage } = special.unwrap_or_default();
        let options =
            WorkerOptions { run_disabled, reports, no_cov: !reports, worker, coverage, ..collected.options.clone() };
        let embedded = self.mode().is_some_and(|mode| mode.embedded);
        if embedded {
            let base = self.base().await?;
            Runner::fork_session(&self.launcher.hub, base, options).await
        } else {
            let base = self.fresh().await?;
            Runner::become_session(base, options)
        }
    }

    /// Takes up the third-party modules that a collection imported: the next base loads them in advance, and is
    /// started now. What it found `unfit` for that never is again.
    pub(crate) async fn warm_up(&self, third_party: &[String], unfit: &[String]) {
        {
            let mut state = self.state();
            let embedded = state.mode.as_ref().is_some_and(|mode| mode.embedded);
            if !self.resident || !embedded || state.closed || !state.preload.learn(third_party, unfit) {
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
                if !state.closed && state.generation == generation && base.ready.hazards.is_empty() {
                    state.base = Some(Arc::new(base));
                }
            }
            Err(error) => tracing::warn!(%error, "no interpreter with the project's libraries could be warmed up"),
        }
    }

    /// The next collection starts an interpreter of its own; what was forked from the present one stays.
    pub(crate) fn start_anew(&self) {
        let mut state = self.state();
        state.base = None;
        state.prestarted = None;
    }

    /// Forgets all sessions and interpreters: their processes end, those of residents behind their fixtures' teardown.
    pub(crate) fn forget_all(&self) {
        self.residents.dismiss();
        let mut state = self.state();
        state.generation += 1;
        state.sessions.clear();
        state.prestarted = None;
        state.base = None;
        state.on_demand = None;
    }

    /// As [`Pool::forget_all`], and nothing is started any more.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.forget_all();
    }
}
