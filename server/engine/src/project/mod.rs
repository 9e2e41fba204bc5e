//! One project: it collects, runs and watches. It sends the results to its recorder, the one task that writes the
//! [`ProjectState`], which everyone reads.

pub(crate) mod activated;
pub(crate) mod caches;
pub(crate) mod change_log;
pub(crate) mod configure;
pub(crate) mod drive_run;
mod early_output;
pub(crate) mod env_file;
pub(crate) mod event_log;
pub(crate) mod executor;
pub(crate) mod foreign_runs;
pub(crate) mod history;
pub(crate) mod idle_recording;
pub(crate) mod interpreter;
pub(crate) mod known_disk;
pub(crate) mod layered_settings;
pub(crate) mod library_versions;
pub(crate) mod members;
mod open_run;
pub(crate) mod plan_run;
pub(crate) mod pytest_config;
pub(crate) mod pytest_version;
pub(crate) mod reach;
pub(crate) mod recorder;
pub(crate) mod refresh;
pub(crate) mod remembered_failure;
pub(crate) mod run_code;
pub(crate) mod staleness;
pub(crate) mod state;
pub(crate) mod test_records;
pub(crate) mod untrusted;
pub(crate) mod watcher;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use dashmap::DashMap;
use pytest_lens_analysis::PytestSettings;
use pytest_lens_history::{Changed, Fingerprints, History};
use pytest_lens_protocol::{ImpactRecord, RunOnSave, WorkerCount};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::model::scope::Scope;
use crate::model::sources;
use crate::model::verbosity;
use crate::processes::activation::Activation;
use crate::processes::collected_session::{CollectFailure, CollectedSession};
use crate::processes::launcher::Launcher;
use crate::processes::pool::{FailedCollection, Found, Pool, SessionOverrides, Wanted};
use crate::processes::stdio_relay::Printed;
use crate::processes::worker_protocol::{Purpose, WorkerOptions};
use crate::project::configure::names_configuration;
use crate::project::executor::ClusterConnection;
use crate::project::interpreter::{self as interpreters, Interpreter};
use crate::project::layered_settings::LayeredSettings;
use crate::project::library_versions::Libraries;
use crate::project::members::Members;
use crate::project::recorder::{Command, Recorder};
use crate::project::refresh::Refresher;
use crate::project::staleness::Staleness;
use crate::project::state::ProjectState;
use crate::runs::coverage::Coverage;
use crate::runs::handle::RunHandle;
use crate::runs::stop::StopLevel;
use crate::timing::{
    ATTENDED_LIMIT, BACKGROUND_PAUSE, HISTORY_FLUSH_LIMIT, HISTORY_LOAD_LIMIT, KILLED_RUN_LIMIT, PROCESSES_END_LIMIT,
    REFRESH_DELAY_LIMIT, RUNNERS_END_LIMIT, SESSION_FINISH_LIMIT, SOURCES_DELAY,
};

/// The active part of a project, which works for its clients. Its data are in its [`ProjectState`].
pub(crate) struct Project {
    pub id: String,
    pub state: Arc<ProjectState>,
    pub interpreter: ArcSwap<Interpreter>,
    /// The names under which clients opened its root, which may be links.
    pub names: Mutex<BTreeSet<PathBuf>>,
    /// A client requested its interpreter, so no other one is used.
    pub is_pinned: AtomicBool,
    /// The environments that its clients have activated.
    clients: Mutex<Vec<Activation>>,
    /// The project around a nested one, whose interpreter it uses if it has none of its own.
    pub outer: Option<Weak<Project>>,
    /// The nested projects that are open.
    pub members: Members,
    /// A client has asked for affected tests.
    pub asks_for_affected: AtomicBool,
    pub pool: Arc<Pool>,
    pub cluster: ClusterConnection,
    /// Runs with an id that begin when their debugged sessions have collected.
    pub awaited_runs: DashMap<String, RunHandle>,
    pub refresher: Refresher,
    staleness: Staleness,
    /// Number of runs that the history has not recorded yet.
    unsaved: watch::Sender<usize>,
    pub fingerprints: Arc<Fingerprints>,
    libraries: Arc<Libraries>,
    /// Sources that sessions have read outside of the root, or that git ignores.
    sources_elsewhere: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// The lock serializes changes of the settings: each begins with the result of the one before.
    settings: tokio::sync::Mutex<LayeredSettings>,
    commands: mpsc::UnboundedSender<Command>,
}

/// The identity of a project, and its configuration.
pub(crate) struct Place {
    pub id: String,
    pub root: PathBuf,
    pub interpreter: Interpreter,
    pub clients: Vec<Activation>,
    pub settings: LayeredSettings,
    pub pytest: PytestSettings,
    /// The project around a nested one.
    pub outer: Option<Weak<Project>>,
}

impl Project {
    /// Starts a project: its recorder, and the first reading of the sources.
    pub(crate) fn start(
        place: Place,
        pool: Pool,
        history: Arc<History>,
        printed: mpsc::UnboundedReceiver<Printed>,
    ) -> Arc<Self> {
        let Place { id, root, interpreter, clients, settings, pytest, outer } = place;
        let (commands, mailbox) = mpsc::unbounded_channel();
        let libraries = Arc::new(Libraries::of(&pool.launcher.cache_dir));
        let in_force = settings.in_force();
        pool.residents.configure(&in_force.fixture_reuse);
        let state = Arc::new(ProjectState::new(root, pytest, in_force, history, Arc::clone(&pool.analyses)));
        tokio::spawn(Recorder::new(Arc::clone(&state), Clock::System).work(mailbox, printed));
        let project = Arc::new(Project {
            id,
            state,
            interpreter: ArcSwap::from_pointee(interpreter),
            names: Mutex::default(),
            is_pinned: AtomicBool::new(false),
            clients: Mutex::new(clients),
            outer,
            members: Members::default(),
            asks_for_affected: AtomicBool::new(false),
            pool: Arc::new(pool),
            cluster: ClusterConnection::default(),
            awaited_runs: DashMap::new(),
            refresher: Refresher::default(),
            staleness: Staleness::default(),
            unsaved: watch::Sender::new(0),
            fingerprints: Arc::default(),
            libraries,
            sources_elsewhere: Arc::default(),
            settings: tokio::sync::Mutex::new(settings),
            commands,
        });
        project.follow_history();
        if project.pool.is_resident() {
            let project = Arc::downgrade(&project);
            tokio::spawn(async move {
                tokio::time::sleep(SOURCES_DELAY).await;
                if let Some(project) = project.upgrade().filter(|project| !project.state.inventory.load().complete) {
                    project.read_sources().await;
                }
            });
        }
        project
    }

    /// Reads the project's sources, so that there is a tree before pytest has collected.
    async fn read_sources(self: Arc<Self>) {
        let (root, pytest) = (self.state.root.clone(), self.state.pytest.load_full());
        let listing = tokio::task::spawn_blocking(move || sources::read(&root, &pytest));
        if let Ok(listing) = listing.await {
            self.record_and_wait(|done| Command::Static { listing, done }).await;
        }
    }

    /// Sends the recorder a command.
    pub(crate) fn record(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Sends the recorder a command and waits until it is done.
    pub(crate) async fn record_and_wait<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.record(make(reply));
        answer.await.ok()
    }

    /// The arguments and options for pytest, from the settings and from one run.
    pub(crate) fn options(&self, arguments: &[String]) -> WorkerOptions {
        let settings = self.state.settings.load();
        let arguments: Vec<String> = settings.arguments.iter().chain(arguments).cloned().collect();
        let root = &self.state.root;
        let mut nested: Vec<String> =
            self.state.pytest.load().nested.left_out().map(|path| root.join(path).to_string_lossy().into()).collect();
        if names_configuration(&arguments) {
            nested.clear();
        }
        WorkerOptions {
            args: Vec::new(),
            files: Vec::new(),
            arguments,
            nested,
            no_cov: true,
            run_disabled: false,
            reports: false,
            appends: false,
            worker: None,
            coverage: None,
            debug: false,
            record: self.records(),
            idle: false,
            timings: false,
            crashed: None,
        }
    }

    /// Whether runs record what tests depend on: where somebody asks for affected tests.
    pub(crate) fn records(&self) -> bool {
        self.is_asked_for_affected() && self.state.settings.load().impact.record == ImpactRecord::Run
    }

    /// A client runs the affected tests of a saved file by the settings of the folder that it has opened, also if the
    /// file belongs to a project below it.
    fn is_asked_for_affected(&self) -> bool {
        self.state.settings.load().run_on_save == RunOnSave::Affected
            || self.asks_for_affected.load(Ordering::Relaxed)
            || self.outer.as_ref().and_then(Weak::upgrade).is_some_and(|outer| outer.is_asked_for_affected())
    }

    /// Sets the variables of new interpreters, from the settings and the current text of `envFile`. Returns whether
    /// they changed, and the problem with the file.
    pub(crate) fn renew_env(&self) -> (bool, Option<String>) {
        let (env, problem) =
            env_file::variables(&self.state.root, &self.state.settings.load(), &self.pool.launcher.activation);
        (self.pool.set_env(env), problem)
    }

    /// Returns whether the root, and every name that clients used for it, still leads to the same folder. A link may
    /// have been retargeted.
    pub(crate) fn is_still(&self, name: Option<&Path>) -> bool {
        let leads_here = |name: &Path| {
            *name == self.state.root || name.canonicalize().ok().is_none_or(|path| path == self.state.root)
        };
        match name {
            Some(name) => leads_here(name),
            // A nested project that no client has opened by itself has no names.
            None => {
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                names.is_empty() || names.iter().any(|name| leads_here(name))
            }
        }
    }

    /// Switches to the interpreter that would be found now, unless a client requested one. Returns whether it differs.
    /// `thorough`: also asks project managers.
    pub(crate) async fn renew_interpreter(&self, thorough: bool) -> bool {
        if self.is_pinned.load(Ordering::Relaxed) {
            return false;
        }
        let present = self.interpreter.load_full();
        let found = match &self.outer {
            None => self.found_again(&present, thorough).await,
            Some(outer) => match interpreters::of_nested(&self.state.root) {
                Some(own) => Some(own),
                None => self.outer_interpreter(outer, thorough).await,
            },
        };
        let Some(found) = found.filter(|found| found.path != present.path) else { return false };
        tracing::info!(path = %found.path.display(), source = found.source, "another interpreter is used from now on");
        self.pool.set_python(found.path.clone());
        self.interpreter.store(Arc::new(found));
        true
    }

    /// The interpreter of the project around this one, as it is now.
    async fn outer_interpreter(&self, outer: &Weak<Project>, thorough: bool) -> Option<Interpreter> {
        let outer = outer.upgrade()?;
        Box::pin(outer.renew_interpreter(thorough)).await;
        Some(Interpreter::clone(&outer.interpreter.load()))
    }

    /// Looks for nested projects again. Returns whether they are others than before; then a new collection is needed.
    pub(crate) async fn renew_nested(&self) -> bool {
        let (root, projects) = (self.state.root.clone(), self.state.settings.load().projects.clone());
        let python = self.pool.launcher.python();
        let read = move || pytest_config::read_whole(&root, Some(&python), projects.as_deref());
        let read = tokio::task::spawn_blocking(read).await;
        let Ok(pytest) = read else { return false };
        let present = self.state.pytest.load_full();
        if *present == pytest {
            return false;
        }
        let is_changed = present.nested != pytest.nested;
        self.record_and_wait(|done| Command::PytestConfig { pytest: Box::new(pytest), done }).await;
        if is_changed {
            self.refresher.known().forget();
            self.members.have_changed();
        }
        is_changed
    }

    /// The purpose of the session in which a run's tests are selected. `special`: the run uses sessions of another
    /// kind. If fixtures are reused, a resident already has its session.
    pub(crate) fn purpose_of(&self, special: bool) -> Purpose {
        if special || self.pool.residents.idle() > 0 { Purpose::List } else { Purpose::Run }
    }

    /// Checks that coverage can be measured.
    ///
    /// # Errors
    ///
    /// A sentence that says what to install, or which file is missing.
    pub(crate) async fn check_coverage(&self, wanted: &Coverage) -> Result<(), String> {
        if let Some(config) = wanted.config.as_ref().filter(|config| !self.state.root.join(config).is_file()) {
            return Err(format!("--cov-config: there is no {config} under {}", self.state.root.display()));
        }
        // It may have been installed just now, which only a new interpreter sees.
        self.pool.base().await.map_err(|error| error.to_string())?;
        if self.pool.ready().is_none_or(|ready| ready.coverage) {
            return Ok(());
        }
        let python = self.pool.launcher.python();
        let python = python.display();
        Err(format!("coverage is not installed for {python}: run `{python} -m pip install coverage`"))
    }

    /// The longest wait of a run for its debugger.
    pub(crate) fn debug_limit(&self) -> Duration {
        Duration::from_millis(self.state.settings.load().debug_timeout_ms)
    }

    /// The longest time that collecting may take.
    pub(crate) fn collect_limit(&self) -> Duration {
        if self.pool.launcher.terminal {
            return ATTENDED_LIMIT;
        }
        Duration::from_millis(self.state.settings.load().collect_timeout_ms)
    }

    /// A fresh collected session for a scope. A new collection is in the inventory when this returns.
    pub(crate) async fn session_for(
        self: &Arc<Self>,
        scope: &Scope,
        arguments: &[String],
        purpose: Purpose,
    ) -> Result<Found, CollectFailure> {
        self.session_with(scope, arguments, &SessionOverrides::default(), purpose).await
    }

    /// The same, for a session with differences.
    pub(crate) async fn session_with(
        self: &Arc<Self>,
        scope: &Scope,
        arguments: &[String],
        overrides: &SessionOverrides,
        purpose: Purpose,
    ) -> Result<Found, CollectFailure> {
        self.renew_settings().await;
        self.renew_env();
        self.renew_interpreter(false).await;
        let options = overrides.clone().applied_to(self.options(arguments));
        let (settings, limit) = (&self.state.pytest.load_full(), self.collect_limit());
        let (is_exact, requested) = (overrides.is_exact, Instant::now());
        let asked = &overrides.asked;
        let mut wanted = Wanted { scope, is_exact, asked, options: &options, settings, limit, purpose, requested };
        let mut found = self.pool.session_for(wanted).await;
        // There may be a new environment that only the project manager knows.
        if matches!(found, Err(FailedCollection { failure: CollectFailure::Unreachable(_), .. }))
            && self.renew_interpreter(true).await
        {
            found = self.pool.session_for(wanted).await;
        }
        let is_refused = |found: &Result<_, FailedCollection>| {
            matches!(found, Err(FailedCollection { failure: CollectFailure::Refused { path: None, .. }, .. }))
        };
        // pytest does not know ids that a hook has changed, and of an unknown one it says less than its files do.
        if !wanted.asked.is_empty() && is_refused(&found) {
            wanted.asked = &[];
            found = self.pool.session_for(wanted).await;
        }
        let is_usual = verbosity::without(arguments).next().is_none();
        // pytest may refuse the arguments of a part of the project: the part lacks a conftest that defines the
        // project's options, or its folder's name has a meaning for pytest. The whole project includes the part.
        if *scope != Scope::All && is_refused(&found) {
            let whole = self.pool.session_for(Wanted { scope: &Scope::All, ..wanted }).await;
            if whole.is_ok() {
                return self.record_collection(&Scope::All, whole, is_usual).await;
            }
        }
        self.record_collection(scope, found, is_usual).await
    }

    /// Collects a scope with a newly started interpreter.
    pub(crate) async fn collect(self: &Arc<Self>, scope: &Scope, purpose: Purpose) -> Result<Found, CollectFailure> {
        self.renew_settings().await;
        self.renew_env();
        self.renew_interpreter(true).await;
        self.pool.start_anew();
        let (options, settings) = (&self.options(&[]), &self.state.pytest.load_full());
        let (limit, requested) = (self.collect_limit(), Instant::now());
        let wanted = Wanted { scope, is_exact: true, asked: &[], options, settings, limit, purpose, requested };
        let found = self.pool.collect(wanted).await;
        self.record_collection(scope, found, true).await
    }

    /// `into_inventory`: false for a run with its own options, whose collection does not describe the project, as that of
    /// a session with a run's own arguments does not.
    async fn record_collection(
        self: &Arc<Self>,
        scope: &Scope,
        found: Result<Found, FailedCollection>,
        into_inventory: bool,
    ) -> Result<Found, CollectFailure> {
        match found {
            Ok(found) => {
                let collected = &found.collected;
                let is_known = !found.is_new && collected.is_recorded(self.state.inventory.load().revision);
                if into_inventory && !is_known && !collected.has_own_args() {
                    self.record_items(collected).await;
                }
                Ok(found)
            }
            Err(FailedCollection { failure: failure @ CollectFailure::OnlyWhenAsked { .. }, .. }) => {
                // The inventory keeps the tests from the sources until a client asks for more.
                if !self.state.inventory.load().complete {
                    Arc::clone(self).read_sources().await;
                }
                Err(failure)
            }
            Err(failed) => {
                if into_inventory {
                    let began = failed.began;
                    let command = |done| Command::NotCollected { scope: scope.clone(), failed: failed.clone(), done };
                    self.record_and_wait(command).await;
                    self.refresher.known().failed(began);
                }
                Err(failed.failure)
            }
        }
    }

    /// Brings a session's items into the inventory.
    pub(crate) async fn record_items(&self, collected: &Arc<CollectedSession>) {
        let (described_at, read) = collected.described();
        let collected = Arc::clone(collected);
        let scope = collected.scope.clone();
        self.record_and_wait(|done| Command::Collected { collected, described_at, done }).await;
        self.refresher.known().collected(&scope, read, described_at);
    }

    /// Makes the recorder report flakiness whenever the history changes, starting with its current contents.
    fn follow_history(self: &Arc<Self>) {
        let (project, runtime) = (Arc::downgrade(self), tokio::runtime::Handle::current());
        let tell = move |changed: &Changed| {
            let project = project.upgrade();
            project.is_some_and(|project| {
                // A command that ends soon has no client that shows the runs of other processes.
                if let Changed::Elsewhere(runs) = changed
                    && project.pool.is_resident()
                {
                    project.record(Command::ForeignRuns(runs.clone()));
                    project.staleness.ran_elsewhere(runs);
                    let project = Arc::clone(&project);
                    runtime.spawn(async move { project.review_outcomes().await });
                }
                project.record(Command::Recorded(changed.clone()));
                true
            })
        };
        tell(&Changed::All);
        self.state.history.listen(tell);
    }

    /// Waits until the history is read from disk, or can't be read. Runs don't wait for it.
    pub(crate) async fn history_loaded(&self) {
        let history = Arc::clone(&self.state.history);
        // On failure, the answer comes from memory.
        let _ = tokio::task::spawn_blocking(move || history.wait_loaded(HISTORY_LOAD_LIMIT)).await;
    }

    /// Waits until the history has the runs that have ended: their code is hashed first.
    pub(crate) async fn ended_runs_recorded(&self) {
        let mut unsaved = self.unsaved.subscribe();
        let running = || self.state.runs.iter().filter(|run| !run.is_over()).count();
        let _ = tokio::time::timeout(HISTORY_FLUSH_LIMIT, unsaved.wait_for(|runs| *runs <= running())).await;
    }

    /// Prepares the next run in the background.
    pub(crate) async fn get_ready(self: &Arc<Self>, collected: &Arc<CollectedSession>) {
        let runners = match self.state.settings.load().workers {
            Some(WorkerCount::Fixed(count)) => count as usize,
            Some(WorkerCount::Auto) | None => 1,
        };
        // No later run can use a session with the arguments of one.
        let runners = if collected.has_own_args() { 0 } else { runners.min(collected.tests.nodes.len()) };
        self.pool.get_ready(collected, runners).await;
        self.pool.warm_up(&collected.third_party, &collected.unfit).await;
        self.pool.prestart(collected, self.wait_for_pause()).await;
        if let Some(again) = self.collect_again(collected).await {
            self.pool.get_ready(&again, runners).await;
        }
        self.wait_for_pause().await;
        self.pool.drop_stale().await;
    }

    /// Waits up to a limit until no run is going on and a pause has passed, for work that no client waits for. Ends with the
    /// project: who waits holds processes, whose end the project's end waits for.
    pub(crate) async fn wait_for_pause(&self) {
        let paused = async {
            loop {
                self.state.wait_idle(REFRESH_DELAY_LIMIT).await;
                self.pool.no_request().await;
                let left = BACKGROUND_PAUSE.saturating_sub(self.pool.used().elapsed());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left).await;
            }
        };
        tokio::select! {
            _ = tokio::time::timeout(REFRESH_DELAY_LIMIT, paused) => {}
            () = self.pool.closed() => {}
        }
    }

    /// Collects again what a run has collected whose process ran the tests itself, once nothing else goes on.
    async fn collect_again(self: &Arc<Self>, collected: &CollectedSession) -> Option<Arc<CollectedSession>> {
        if !self.pool.is_resident()
            || !collected.is_given_away()
            || collected.options.arguments != self.options(&[]).arguments
        {
            return None;
        }
        self.wait_for_pause().await;
        let found = self.session_for(&collected.scope, &[], Purpose::Unasked).await.ok()?;
        Some(found.collected)
    }

    /// Ends the project: kills its runs and ends its processes. `hurries`: whether what tests left to the end of their
    /// processes is ended, too.
    pub(crate) async fn close(&self, mut hurries: watch::Receiver<bool>) {
        self.awaited_runs.retain(|_, run| {
            run.request_stop(StopLevel::Kill);
            false
        });
        let runs: Vec<_> = self.state.runs.iter().map(|run| Arc::clone(run.value())).collect();
        for run in &runs {
            run.request_stop(StopLevel::Kill);
        }
        for run in runs {
            let _ = tokio::time::timeout(KILLED_RUN_LIMIT, run.wait()).await;
        }
        let mut unsaved = self.unsaved.subscribe();
        let _ = tokio::time::timeout(KILLED_RUN_LIMIT, unsaved.wait_for(|runs| *runs == 0)).await;
        self.refresher.close();
        // Exit handlers, threads and fixtures of tests finish, as under pytest.
        let limit = if self.pool.is_resident() { SESSION_FINISH_LIMIT } else { RUNNERS_END_LIMIT };
        tokio::select! {
            () = self.pool.ending_runners.gone_within(limit) => {}
            _ = hurries.wait_for(|hurries| *hurries) => {}
        }
        self.pool.residents.close().await;
        self.leave_cluster().await;
        let family = self.pool.launcher.family();
        self.pool.close();
        self.state.log.close();
        Launcher::all_gone(family, PROCESSES_END_LIMIT).await;
        let history = Arc::clone(&self.state.history);
        let _ = tokio::task::spawn_blocking(move || history.flush(HISTORY_FLUSH_LIMIT)).await;
    }
}
