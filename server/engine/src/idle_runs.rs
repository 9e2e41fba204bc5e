//! While nobody uses the engine, it runs tests to record what they depend on (`impact.record: idle`): a few at a time,
//! and each once for an outcome. A request that needs the machine ends such a run before it is carried out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pytest_lens_protocol::Request;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::Shared;
use crate::project::Project;
use crate::timing::IDLE_INTERVAL;

/// When the engine was last used, and the run that it makes for itself.
pub(crate) struct IdleRuns {
    used: watch::Sender<Instant>,
    /// The requests that are being carried out.
    requests: AtomicUsize,
    /// Held as long as such a run goes on.
    running: tokio::sync::Mutex<()>,
    /// By project, its state as the last use was determined.
    seen: Mutex<HashMap<String, Seen>>,
}

/// A project's state. A later one is another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    /// The number of the last change of its files.
    change: u64,
    /// The number of the last event. A run has several, so a short one between two looks is seen as well.
    event: u64,
}

impl Seen {
    fn of(project: &Project) -> Self {
        Seen { change: project.state.changes.last(), event: project.state.log.last() }
    }
}

/// A request that is being carried out: until it is dropped, the engine is in use.
pub(crate) struct InUse<'a>(&'a IdleRuns);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.used.send_replace(Instant::now());
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for IdleRuns {
    fn default() -> Self {
        IdleRuns {
            used: watch::Sender::new(Instant::now()),
            requests: AtomicUsize::new(0),
            running: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
        }
    }
}

/// Whether a request needs the machine, or begins something that does. Others only read, and some wait for events all
/// the time.
pub(crate) fn makes_way_for(request: &Request) -> bool {
    !matches!(
        request,
        Request::Ping
            | Request::GetEvents { .. }
            | Request::GetChanges { .. }
            | Request::GetInventory { .. }
            | Request::GetContextStatus { .. }
            | Request::GetWorkerStatus { .. }
            | Request::GetSessionStatus { .. }
            | Request::GetOutput { .. }
            | Request::GetRunProgress { .. }
            | Request::GetRunEvents { .. }
            | Request::GetSuiteEvents { .. }
            | Request::NextCases { .. }
            | Request::ReadArtifact { .. }
            | Request::NextDebugData { .. }
            | Request::ReleaseDirectory { .. }
            | Request::GetRerunConfig { .. }
            | Request::GetFixtureConfig { .. }
            | Request::GetHistory { .. }
            | Request::RecordRun { .. }
            | Request::GetFlakinessReport { .. }
            | Request::GetTestFlakiness { .. }
            | Request::GetLastOutcomes { .. }
            | Request::GetLastFailed { .. }
    )
}

impl IdleRuns {
    /// Somebody uses the engine: ends the run that it makes for itself, if there is one, and waits until it has ended.
    /// None begins until the result is dropped.
    pub(crate) async fn make_way(&self) -> InUse<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let in_use = InUse(self);
        self.used.send_replace(Instant::now());
        drop(self.running.lock().await);
        in_use
    }

    /// Whether a file of a project has changed that nobody has looked at yet.
    fn has_changed(&self, project: &Project) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&project.id).map(|seen| seen.change) != Some(project.state.changes.last())
    }

    /// When the engine was last used: by a request, a run, or a change of a file.
    fn last_use(&self, projects: &[Arc<Project>]) -> Instant {
        let present: HashMap<String, Seen> =
            projects.iter().map(|project| (project.id.clone(), Seen::of(project))).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_used = self.requests.load(Ordering::Relaxed) > 0
            || *seen != present
            || projects.iter().any(|project| project.state.is_busy());
        if is_used {
            *seen = present;
            self.used.send_replace(Instant::now());
        }
        *self.used.borrow()
    }
}

/// Records what tests depend on as long as the engine exists. `after`: the time after which it counts as idle.
pub(crate) async fn watch(engine: Weak<Shared>, after: Duration) {
    let mut attempts: HashMap<String, HashMap<Arc<str>, u64>> = HashMap::new();
    // When the engine had last been used as nothing was left to record.
    let mut finished = None;
    loop {
        tokio::time::sleep(IDLE_INTERVAL.min(after)).await;
        let Some(engine) = engine.upgrade() else { return };
        let projects: Vec<Arc<Project>> = engine.projects.iter().map(|it| Arc::clone(it.value())).collect();
        attempts.retain(|id, _| projects.iter().any(|project| project.id == *id));
        let last_use = engine.idle_runs.last_use(&projects);
        if finished == Some(last_use) || last_use.elapsed() < after {
            continue;
        }
        let mut is_finished = true;
        for project in &projects {
            if !project.is_recorded_when_idle(&engine.config.state_dir) {
                continue;
            }
            let attempted = attempts.entry(project.id.clone()).or_default();
            is_finished &= record_some(&engine, project, last_use, attempted).await;
        }
        finished = is_finished.then_some(last_use);
    }
}

/// Records tests of a project until a request comes, or a file changes. Returns whether nothing is left to record.
async fn record_some(
    engine: &Shared,
    project: &Arc<Project>,
    last_use: Instant,
    attempted: &mut HashMap<Arc<str>, u64>,
) -> bool {
    loop {
        let _running = engine.idle_runs.running.lock().await;
        let mut used = engine.idle_runs.used.subscribe();
        if *used.borrow_and_update() != last_use {
            return false;
        }
        let wanted = async {
            // The engine keeps the sender.
            let _ = used.changed().await;
        };
        match project.record_when_idle(&engine.run_ids, attempted, wanted).await {
            Some(0) => return true,
            Some(_) => {}
            None => return false,
        }
        if engine.idle_runs.has_changed(project) {
            return false;
        }
    }
}
