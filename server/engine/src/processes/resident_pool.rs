//! Fixture reuse: runners that stay alive between runs, with the fixtures that their tests have set up.
//!
//! Each worker of a run has a *slot*. A slot's resident serves run after run until it is too old, its code is outdated,
//! or reuse is turned off. Then it finishes its session as pytest does, with the teardown of its fixtures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use pytest_lens_analysis::PytestSettings;
use pytest_lens_protocol::FixtureReuseSettings;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::model::node::Analyses;
use crate::processes::collected_session::CollectedSession;
use crate::processes::disk_snapshot::Snapshot;
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::invalidation::{Invalidation, ProjectFiles};
use crate::processes::pool::Pool;
use crate::processes::process::{NoProcess, ProcessEvent};
use crate::processes::resident::{Resident, ResidentState, SlotLease};
use crate::processes::worker_protocol::ToWorker;
use crate::timing::RESIDENT_END_LIMIT;

/// A run's requirements for its residents.
pub(crate) struct Reuse {
    pub run_id: String,
    pub pytest: Arc<PytestSettings>,
}

/// The resident runners of a project.
pub(crate) struct ResidentPool {
    root: PathBuf,
    analyses: Arc<Analyses>,
    state: Mutex<State>,
    /// Held while the idle ones are checked, when none can be taken.
    reviewing: tokio::sync::Mutex<()>,
    /// Signals that residents went or came back, or that the rules changed.
    changed: Arc<Notify>,
    /// Number of residents that are tearing down.
    ending: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    rules: FixtureReuseSettings,
    closed: bool,
    /// Incremented when all are dismissed, so that busy ones don't come back.
    generation: u64,
    idle: BTreeMap<usize, Resident>,
    /// Every slot with a live resident, idle or not.
    slots: BTreeMap<usize, LiveResident>,
    session: Option<ReuseSession>,
    /// Counts the returns of residents.
    returns: u64,
}

struct LiveResident {
    created_at: f64,
    /// Folders of the runs that it served, where fixtures may have files.
    temps: Vec<PathBuf>,
}

/// Facts about the session to which the residents belong; times are Unix times in seconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ReuseSession {
    pub id: String,
    pub created_at: f64,
    pub last_run_at: f64,
    pub total_runs: u32,
    last_run: String,
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

    /// Not held while a resident is dropped, since its lease takes it.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A resident has gone, and its slot is free.
    pub(super) fn free(&self, slot: usize) {
        let mut state = self.state();
        state.slots.remove(&slot);
        if state.slots.is_empty() {
            state.session = None;
        }
    }

    /// A resident for one worker of a run: an existing one that may serve it, or a new one. One that may not serve it
    /// is torn down first.
    ///
    /// `own`: the session that was collected for the run, if it can't be shared.
    pub(crate) async fn take(
        self: &Arc<Self>,
        pool: &Pool,
        collected: &Arc<CollectedSession>,
        exclusive: &ExclusiveSession,
        reuse: &Reuse,
    ) -> Result<Resident, NoProcess> {
        let idle = {
            let _one = self.reviewing.lock().await;
            self.state().idle.pop_first()
        };
        self.changed.notify_waiters();
        // A resident that has ended by itself frees its slot here.
        let idle = idle.and_then(|(_, mut resident)| (!resident.is_gone()).then_some(resident));
        if let Some(resident) = idle
            && let Some(resident) = self.fit(resident, collected, reuse).await
        {
            self.serves(&reuse.run_id);
            return Ok(resident);
        }
        let (lease, scopes, generation) = {
            let mut state = self.state();
            let slot = (0..).find(|slot| !state.slots.contains_key(slot)).unwrap_or_default();
            state.slots.insert(slot, LiveResident { created_at: now(), temps: Vec::new() });
            (SlotLease::new(slot, self), state.rules.scopes.clone(), state.generation)
        };
        let taken = exclusive.take();
        let is_exclusive = taken.is_some();
        let runner = match taken {
            Some(runner) => runner,
            None => pool.runner(collected, None, false).await?,
        };
        // A session that collects by itself reports its reads later.
        let snapshot = if collected.is_shared() || is_exclusive { collected.snapshot() } else { Snapshot::default() };
        let state = ResidentState {
            snapshot,
            kept_reads: Snapshot::default(),
            changed: Vec::new(),
            scopes,
            lease,
            born: Instant::now(),
            collected: Arc::clone(collected),
            generation,
            idle_period: 0,
        };
        self.serves(&reuse.run_id);
        Ok(Resident { runner, state: Box::new(state) })
    }

    /// Checks a resident for a run, and lists the modules that it has to reload. Ends one that can't serve the run.
    async fn fit(&self, resident: Resident, collected: &CollectedSession, reuse: &Reuse) -> Option<Resident> {
        let rules = {
            let (pool, own) = (self.state(), &resident.state);
            let fits = !own.is_expired(&pool.rules)
                && pool.generation == own.generation
                && own.collected.options.arguments == collected.options.arguments;
            fits.then(|| pool.rules.clone())
        };
        let Some(rules) = rules else {
            self.end(resident).await;
            return None;
        };
        let (root, analyses, pytest) = (self.root.clone(), Arc::clone(&self.analyses), Arc::clone(&reuse.pytest));
        let Resident { runner, mut state } = resident;
        let compared = tokio::task::spawn_blocking(move || {
            let project = ProjectFiles { root: &root, pytest: &pytest, analyses: &analyses };
            let (changes, invalidation) = state.judge(&project, &rules);
            if let Invalidation::Stays(tests) = &invalidation {
                state.snapshot.accept(changes);
                state.changed.clone_from(tests);
            }
            (state, invalidation)
        });
        let (state, invalidation) = compared.await.ok()?;
        let resident = Resident { runner, state };
        if matches!(invalidation, Invalidation::Stays(_)) {
            return Some(resident);
        }
        self.end(resident).await;
        None
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

    /// Takes a resident back after a run; `temp` is the folder of the run's tests.
    pub(crate) async fn give_back(self: &Arc<Self>, mut resident: Resident, temp: &Path) {
        let leaves = {
            let mut guard = self.state();
            let pool = &mut *guard;
            let own = &mut resident.state;
            if let Some(live) = pool.slots.get_mut(&own.slot()).filter(|_| temp.exists()) {
                live.temps.push(temp.to_owned());
            }
            let is_unwanted = pool.closed || !pool.rules.enabled || pool.generation != own.generation;
            if is_unwanted || own.is_expired(&pool.rules) {
                Some(resident)
            } else {
                own.changed.clear();
                self.put(pool, resident);
                None
            }
        };
        if let Some(resident) = leaves {
            self.end(resident).await;
        }
    }

    /// Makes a resident idle, and watches its age.
    fn put(self: &Arc<Self>, pool: &mut State, mut resident: Resident) {
        pool.returns += 1;
        resident.state.idle_period = pool.returns;
        let slot = resident.state.slot();
        tokio::spawn(watch_age(Arc::downgrade(self), Arc::clone(&self.changed), slot, pool.returns));
        pool.idle.insert(slot, resident);
    }

    /// Makes a resident finish its session, and waits for its end.
    pub(crate) async fn end(&self, resident: Resident) {
        self.ending.send_modify(|count| *count += 1);
        self.finish(resident).await;
    }

    /// As [`ResidentPool::end`], for one that is counted already.
    async fn finish(&self, mut resident: Resident) {
        let runner = &mut resident.runner;
        runner.send(ToWorker::Exit);
        let gone = async {
            while let Some(event) = runner.events.recv().await {
                if matches!(event, ProcessEvent::Lost | ProcessEvent::Exited(_)) {
                    return;
                }
            }
        };
        if tokio::time::timeout(RESIDENT_END_LIMIT, gone).await.is_err() {
            let seconds = RESIDENT_END_LIMIT.as_secs();
            tracing::warn!(seconds, "fixtures that were kept took too long to tear down; their process was killed");
            runner.kill();
        }
        drop(resident);
        self.ending.send_modify(|count| *count -= 1);
    }

    /// Applies new rules. Residents that they no longer allow start to end; [`ResidentPool::settled`] waits for that.
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

    /// Dismisses all residents: idle ones start to end, others end after their run.
    pub(crate) fn dismiss(self: &Arc<Self>) {
        let idle = {
            let mut state = self.state();
            state.generation += 1;
            std::mem::take(&mut state.idle)
        };
        self.begin_to_end(idle.into_values());
    }

    fn begin_to_end(self: &Arc<Self>, leaving: impl Iterator<Item = Resident>) {
        for resident in leaving {
            self.ending.send_modify(|count| *count += 1);
            let pool = Arc::clone(self);
            tokio::spawn(async move { pool.finish(resident).await });
        }
    }

    /// Waits until none is tearing down.
    pub(crate) async fn settled(&self) {
        let _ = self.ending.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Ends idle residents that must end at once because of a change on disk.
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
            let ends = |resident: &mut Resident| resident.state.judge(&project, &rules).1 == Invalidation::Ends;
            let leaving: Vec<usize> =
                idle.iter_mut().filter_map(|(slot, resident)| ends(resident).then_some(*slot)).collect();
            let leaving: Vec<Resident> = leaving.into_iter().filter_map(|slot| idle.remove(&slot)).collect();
            (idle, leaving)
        });
        // This check counts as tearing down, for callers that wait until none is.
        self.ending.send_modify(|count| *count += 1);
        if let Ok((staying, mut leaving)) = compared.await {
            {
                let mut state = self.state();
                for resident in staying.into_values() {
                    if resident.state.generation == state.generation && !state.closed {
                        self.put(&mut state, resident);
                    } else {
                        leaving.push(resident);
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

    /// Number of residents that wait for a run.
    pub(crate) fn idle(&self) -> usize {
        self.state().idle.len()
    }

    /// Folders of runs in which live fixtures may have files.
    pub(crate) fn temps(&self) -> Vec<PathBuf> {
        self.state().slots.values().flat_map(|living| living.temps.clone()).collect()
    }

    /// Facts about the session; `None` while no resident lives.
    pub(crate) fn reuse_session(&self) -> Option<ReuseSession> {
        let state = self.state();
        let created_at = state.slots.values().map(|living| living.created_at).reduce(f64::min)?;
        Some(ReuseSession { created_at, ..state.session.clone()? })
    }
}

/// Ends a resident that gets too old while it is idle. Each return starts a new watch.
async fn watch_age(pool: Weak<ResidentPool>, changed: Arc<Notify>, slot: usize, period: u64) {
    loop {
        let news = changed.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        let expiry = {
            let Some(pool) = pool.upgrade() else { return };
            let mut state = pool.state();
            let idle = state.idle.get(&slot).map(|resident| &resident.state);
            let Some(resident) = idle.filter(|resident| resident.idle_period == period) else { return };
            let expiry = resident.expiry(&state.rules);
            if expiry.is_some_and(|at| at <= Instant::now()) {
                let resident = state.idle.remove(&slot);
                drop(state);
                pool.begin_to_end(resident.into_iter());
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
