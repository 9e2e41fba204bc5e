//! While nobody uses the engine, it runs tests to record what they depend on (`impact.record: idle`): a few at a time,
//! and each once for an outcome. A request that needs the machine ends such a run before it is carried out.

use std::collections::HashMap;
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
    /// Held as long as such a run goes on.
    running: tokio::sync::Mutex<()>,
    /// The number of the last change of each project's files.
    changes: Mutex<HashMap<String, u64>>,
}

impl Default for IdleRuns {
    fn default() -> Self {
        IdleRuns {
            used: watch::Sender::new(Instant::now()),
            running: tokio::sync::Mutex::default(),
            changes: Mutex::default(),
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
    pub(crate) async fn make_way(&self) {
        self.used.send_replace(Instant::now());
        drop(self.running.lock().await);
    }

    /// Whether a file of a project has changed that nobody has looked at yet.
    fn has_changed(&self, project: &Project) -> bool {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(&project.id) != Some(&project.state.changes.last())
    }

    /// When the engine was last used: by a request, a run, or a change of a file.
    fn last_use(&self, projects: &[Arc<Project>]) -> Instant {
        let present: HashMap<String, u64> =
            projects.iter().map(|project| (project.id.clone(), project.state.changes.last())).collect();
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if *changes != present || projects.iter().any(|project| project.state.is_busy()) {
            *changes = present;
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
