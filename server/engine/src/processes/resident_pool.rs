//! Fixture reuse: runners that stay alive between runs, with the fixtures that their tests have set up.
//!
//! Each worker of a run has a *slot*; a slot's resident serves run after run until it is too old, its code is no
//! longer what is on disk, or reuse is turned off. Then it finishes its session as pytest does, fixtures and all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pytest_lens_analysis::PytestSettings;
use pytest_lens_protocol::FixtureReuseSettings;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::model::node::Analyses;
use crate::processes::collected_session::CollectedSession;
use crate::processes::disk_snapshot::{Changes, Snapshot};
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::invalidation::{Invalidation, ProjectFiles, judge};
use crate::processes::pool::Pool;
use crate::processes::process::ProcessEvent;
use crate::processes::process_tree::kill_tree;
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::ToWorker;

/// How long a resident may take to tear its fixtures down and end, before it is killed.
const TEARDOWN_LIMIT: Duration = Duration::from_secs(10);

/// What a run with fixture reuse asks of its runners.
pub(crate) struct Reuse {
    pub run_id: String,
    pub pytest: Arc<PytestSettings>,
}

/// The resident runners of a project.
pub(crate) struct ResidentPool {
    root: PathBuf,
    analyses: Arc<Analyses>,
    state: Mutex<State>,
    /// The idle ones are being looked at, and not to be had.
    reviewing: tokio::sync::Mutex<()>,
    /// Residents went, came back, or the rules changed.
    changed: Arc<Notify>,
    /// How many are tearing down.
    ending: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    rules: FixtureReuseSettings,
    closed: bool,
    /// Bumped when all are let go: those that run meanwhile do not come back.
    generation: u64,
    idle: BTreeMap<usize, Runner>,
    /// Every slot whose resident lives, idle or not.
    slots: BTreeMap<usize, Living>,
    session: Option<ReuseSession>,
    /// Counts how often residents came back.
    stints: u64,
}

struct Living {
    created_at: f64,
    /// Folders of the runs that it served: fixtures may have files in them.
    temps: Vec<PathBuf>,
}

/// What is told of the session that the residents are parts of; times are Unix times in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ReuseSession {
    pub id: String,
    pub created_at: f64,
    pub last_run_at: f64,
    pub total_runs: u32,
    last_run: String,
}

/// What a resident has beyond an ordinary runner.
pub(crate) struct Tenure {
    /// What its session has read.
    pub snapshot: Snapshot,
    /// Test modules that it has to take afresh in its next run.
    pub changed: Vec<String>,
    pub scopes: Vec<String>,
    lease: Lease,
    born: Instant,
    /// It is a fork of this one, whose end would be its own; and it has its arguments.
    collected: Arc<CollectedSession>,
    generation: u64,
    stint: u64,
}

impl Tenure {
    /// Which worker it is, counted from 0, in every run.
    pub(crate) fn slot(&self) -> usize {
        self.lease.slot
    }

    /// What has changed since it read it, and what becomes of it. Blocks.
    fn judge(&mut self, project: &ProjectFiles<'_>, rules: &FixtureReuseSettings) -> (Changes, Invalidation) {
        let changes = self.snapshot.changes();
        let judge = if self.collected.base.is_unchanged() {
            judge(project, &self.snapshot, &changes, rules)
        } else {
            Invalidation::Ends
        };
        (changes, judge)
    }
}

/// Holds a slot; dropped, the slot is free.
struct Lease {
    slot: usize,
    residents: Weak<ResidentPool>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(residents) = self.residents.upgrade() else { return };
        let mut state = residents.state();
        state.slots.remove(&self.slot);
        if state.slots.is_empty() {
            state.session = None;
        }
    }
}

impl ResidentPool {
    pub(crate) fn new(root: PathBuf, analyses: Arc<Analyses>) -> Arc<Self> {
        Arc::new(ResidentPool {
            root,
            analyses,
            state: Mutex::default(),
            reviewing: tokio::sync::Mutex::default(),
            changed: Arc::default(),
            ending: watch::Sender::new(0),
        })
    }

    /// Never held while a runner is dropped: its lease wants it.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A resident for one worker of a run: one that is there and may serve it, else a new one. What may not is torn
    /// down first.
    ///
    /// `own`: the session that was collected for the run, if it can't be shared.
    pub(crate) async fn take(
        self: &Arc<Self>,
        pool: &Pool,
        collected: &Arc<CollectedSession>,
        exclusive: &ExclusiveSession,
        reuse: &Reuse,
    ) -> Result<Runner, String> {
        let idle = {
            let _one = self.reviewing.lock().await;
            self.state().idle.pop_first()
        };
        self.changed.notify_waiters();
        // One that has ended by itself meanwhile frees its slot here.
        let idle = idle.map(|(_, runner)| runner).and_then(|mut runner| (!runner.is_gone()).then_some(runner));
        if let Some(runner) = idle {
            match self.fit(runner, collected, reuse).await {
                Ok(runner) => {
                    self.serves(&reuse.run_id);
                    return Ok(runner);
                }
                Err(runner) => self.end(*runner).await,
            }
        }
        let (lease, scopes, generation) = {
            let mut state = self.state();
            let slot = (0..).find(|slot| !state.slots.contains_key(slot)).unwrap_or_default();
            state.slots.insert(slot, Living { created_at: now(), temps: Vec::new() });
            let lease = Lease { slot, residents: Arc::downgrade(self) };
            (lease, state.rules.scopes.clone(), state.generation)
        };
        let taken = exclusive.take();
        let is_exclusive = taken.is_some();
        let mut runner = match taken {
            Some(runner) => runner,
            None => pool.runner(collected, None).await?,
        };
        // A session that collects by itself says later what it read.
        let snapshot = if collected.is_shared() || is_exclusive { collected.snapshot() } else { Snapshot::default() };
        runner.tenure = Some(Box::new(Tenure {
            snapshot,
            changed: Vec::new(),
            scopes,
            lease,
            born: Instant::now(),
            collected: Arc::clone(collected),
            generation,
            stint: 0,
        }));
        self.serves(&reuse.run_id);
        Ok(runner)
    }

    /// Whether a resident may serve a run; it is told which modules it has to take afresh.
    async fn fit(
        &self,
        mut runner: Runner,
        collected: &CollectedSession,
        reuse: &Reuse,
    ) -> Result<Runner, Box<Runner>> {
        let Some(mut tenure) = runner.tenure.take() else { return Err(Box::new(runner)) };
        let rules = {
            let state = self.state();
            let old = expiry(&tenure, &state.rules).is_some_and(|at| at <= Instant::now());
            let fits = !old
                && state.generation == tenure.generation
                && tenure.collected.options.arguments == collected.options.arguments;
            fits.then(|| state.rules.clone())
        };
        let Some(rules) = rules else {
            runner.tenure = Some(tenure);
            return Err(Box::new(runner));
        };
        let (root, analyses, pytest) = (self.root.clone(), Arc::clone(&self.analyses), Arc::clone(&reuse.pytest));
        let compared = tokio::task::spawn_blocking(move || {
            let project = ProjectFiles { root: &root, pytest: &pytest, analyses: &analyses };
            let (changes, judge) = tenure.judge(&project, &rules);
            if let Invalidation::Stays(tests) = &judge {
                tenure.snapshot.forget(changes.files.iter());
                tenure.snapshot.accept_entries();
                tenure.changed.clone_from(tests);
            }
            (tenure, judge)
        });
        let Ok((tenure, judge)) = compared.await else { return Err(Box::new(runner)) };
        runner.tenure = Some(tenure);
        if matches!(judge, Invalidation::Stays(_)) { Ok(runner) } else { Err(Box::new(runner)) }
    }

    fn serves(&self, run_id: &str) {
        let mut state = self.state();
        let session = state
            .session
            .get_or_insert_with(|| ReuseSession { id: format!("session-{run_id}"), ..ReuseSession::default() });
        if session.last_run != run_id {
            run_id.clone_into(&mut session.last_run);
            session.last_run_at = now();
            session.total_runs += 1;
        }
    }

    /// A run is over that this resident served; `temp` is the folder that the run's tests had.
    pub(crate) async fn give_back(self: &Arc<Self>, mut runner: Runner, temp: &Path) {
        let leaves = {
            let mut guard = self.state();
            let state = &mut *guard;
            let Some(tenure) = &mut runner.tenure else { return };
            let slot = tenure.slot();
            if let Some(living) = state.slots.get_mut(&slot).filter(|_| temp.exists()) {
                living.temps.push(temp.to_owned());
            }
            let old = expiry(tenure, &state.rules).is_some_and(|at| at <= Instant::now());
            if old || state.closed || !state.rules.enabled || state.generation != tenure.generation {
                Some(runner)
            } else {
                tenure.changed.clear();
                self.put(state, runner);
                None
            }
        };
        if let Some(runner) = leaves {
            self.end(runner).await;
        }
    }

    /// Makes a resident idle, and watches its age.
    fn put(self: &Arc<Self>, state: &mut State, mut runner: Runner) {
        let Some(tenure) = &mut runner.tenure else { return };
        state.stints += 1;
        tenure.stint = state.stints;
        let slot = tenure.slot();
        tokio::spawn(see_age(Arc::downgrade(self), Arc::clone(&self.changed), slot, tenure.stint));
        state.idle.insert(slot, runner);
    }

    /// Has a resident finish its session, and waits until it is gone.
    pub(crate) async fn end(&self, runner: Runner) {
        self.ending.send_modify(|count| *count += 1);
        self.finish(runner).await;
    }

    /// As [`ResidentPool::end`], for one that is counted already.
    async fn finish(&self, mut runner: Runner) {
        runner.send(ToWorker::Exit);
        let gone = async {
            while let Some(event) = runner.events.recv().await {
                if matches!(event, ProcessEvent::Lost | ProcessEvent::Exited(_)) {
                    return;
                }
            }
        };
        if tokio::time::timeout(TEARDOWN_LIMIT, gone).await.is_err() {
            let seconds = TEARDOWN_LIMIT.as_secs();
            tracing::warn!(seconds, "fixtures that were kept took too long to tear down; their process was killed");
            kill_tree(runner.pid());
        }
        drop(runner);
        self.ending.send_modify(|count| *count -= 1);
    }

    /// New rules. Residents that they leave no room for begin to end; [`ResidentPool::settled`] waits for that.
    pub(crate) fn configure(self: &Arc<Self>, rules: &FixtureReuseSettings) {
        let dismiss = {
            let mut state = self.state();
            let old = std::mem::replace(&mut state.rules, rules.clone());
            (old.enabled && !rules.enabled) || old.scopes != rules.scopes
        };
        if dismiss {
            self.dismiss();
        }
        self.changed.notify_waiters();
    }

    /// Lets all residents go: idle ones begin to end, others end behind their run.
    pub(crate) fn dismiss(self: &Arc<Self>) {
        let idle = {
            let mut state = self.state();
            state.generation += 1;
            std::mem::take(&mut state.idle)
        };
        self.begin_to_end(idle.into_values());
    }

    fn begin_to_end(self: &Arc<Self>, runners: impl Iterator<Item = Runner>) {
        for runner in runners {
            self.ending.send_modify(|count| *count += 1);
            let residents = Arc::clone(self);
            tokio::spawn(async move { residents.finish(runner).await });
        }
    }

    /// Waits until none is tearing down.
    pub(crate) async fn settled(&self) {
        let _ = self.ending.subscribe().wait_for(|count| *count == 0).await;
    }

    /// The disk has changed: idle residents that are to end at once do.
    pub(crate) async fn review(self: &Arc<Self>, pytest: &Arc<PytestSettings>) {
        let _one = self.reviewing.lock().await;
        let (mut idle, rules) = {
            let mut state = self.state();
            (std::mem::take(&mut state.idle), state.rules.clone())
        };
        if idle.is_empty() {
            return;
        }
        let (root, analyses, pytest) = (self.root.clone(), Arc::clone(&self.analyses), Arc::clone(pytest));
        let compared = tokio::task::spawn_blocking(move || {
            let project = ProjectFiles { root: &root, pytest: &pytest, analyses: &analyses };
            let ends = |runner: &mut Runner| {
                let Some(tenure) = &mut runner.tenure else { return true };
                tenure.judge(&project, &rules).1 == Invalidation::Ends
            };
            let leaving: Vec<usize> =
                idle.iter_mut().filter_map(|(slot, runner)| ends(runner).then_some(*slot)).collect();
            let leaving: Vec<Runner> = leaving.into_iter().filter_map(|slot| idle.remove(&slot)).collect();
            (idle, leaving)
        });
        // Whoever waits until none tears down waits for this look too.
        self.ending.send_modify(|count| *count += 1);
        if let Ok((staying, mut leaving)) = compared.await {
            {
                let mut state = self.state();
                for runner in staying.into_values() {
                    let wanted = runner.tenure.as_ref().is_some_and(|tenure| tenure.generation == state.generation);
                    if wanted && !state.closed {
                        self.put(&mut state, runner);
                    } else {
                        leaving.push(runner);
                    }
                }
            }
            self.begin_to_end(leaving.into_iter());
        }
        self.ending.send_modify(|count| *count -= 1);
    }

    /// Ends all residents, and lets none come back.
    pub(crate) async fn close(self: &Arc<Self>) {
        self.state().closed = true;
        self.dismiss();
        self.settled().await;
    }

    /// How many wait for a run.
    pub(crate) fn idle(&self) -> usize {
        self.state().idle.len()
    }

    /// Folders of runs in which fixtures that live may have files.
    pub(crate) fn temps(&self) -> Vec<PathBuf> {
        self.state().slots.values().flat_map(|living| living.temps.clone()).collect()
    }

    /// What is told of the session; `None` while no resident lives.
    pub(crate) fn reuse_session(&self) -> Option<ReuseSession> {
        let state = self.state();
        let created_at = state.slots.values().map(|living| living.created_at).reduce(f64::min)?;
        Some(ReuseSession { created_at, ..state.session.clone()? })
    }
}

/// When a resident is too old; `None`: never.
fn expiry(tenure: &Tenure, rules: &FixtureReuseSettings) -> Option<Instant> {
    tenure.born.checked_add(Duration::try_from_secs_f64(rules.max_age_seconds).ok()?)
}

/// Ends a resident that gets too old while it is idle. One watch for each time that it comes back.
async fn see_age(residents: Weak<ResidentPool>, changed: Arc<Notify>, slot: usize, stint: u64) {
    loop {
        let news = changed.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let expiry = {
            let Some(residents) = residents.upgrade() else { return };
            let mut state = residents.state();
            let own = state.idle.get(&slot).and_then(|runner| runner.tenure.as_deref());
            let Some(tenure) = own.filter(|tenure| tenure.stint == stint) else { return };
            let expiry = expiry(tenure, &state.rules);
            if expiry.is_some_and(|at| at <= Instant::now()) {
                let runner = state.idle.remove(&slot);
                drop(state);
                residents.begin_to_end(runner.into_iter());
                return;
            }
            expiry
        };
        match expiry {
            Some(at) => drop(tokio::time::timeout_at(at, news).await),
            None => news.await,
        }
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64())
}
