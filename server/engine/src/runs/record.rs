//! The record of each run: what was selected, what came of it, and how to stop it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pytest_lens_protocol::{RunEnd, TestResultInfo};
use tokio::sync::watch;

use crate::runs::handle::RunHandle;
use crate::runs::plan::RunPlan;
use crate::runs::stop::StopLevel;
use crate::runs::suite_log::SuiteLog;
use crate::timing::RUN_REMEMBERED;

#[derive(Debug)]
pub(crate) struct RunRecord {
    pub total: usize,
    pub begun: Instant,
    /// Where its tests' temporary folders are.
    pub temp: PathBuf,
    pub stop_tx: watch::Sender<StopLevel>,
    /// The run as run control tells it.
    pub suite_log: Arc<SuiteLog>,
    state: Mutex<RunState>,
    /// How many tests have a final outcome.
    progress: watch::Sender<usize>,
    /// Bumped at the end.
    ended: watch::Sender<bool>,
}

/// Tests of an older run that a newer one has to wait for.
#[derive(Debug)]
pub(crate) struct OlderRun {
    pub run: Arc<RunRecord>,
    /// Indices in the older run.
    pub tests: Vec<usize>,
    /// The older run has nothing else to do: its session ends, and is waited for too.
    pub to_the_end: bool,
}

impl OlderRun {
    /// Waits until they have run.
    pub(crate) async fn wait(&self) {
        if self.to_the_end {
            self.run.wait().await;
            return;
        }
        let mut progress = self.run.progress.subscribe();
        let through = |_: &usize| {
            let state = self.run.state();
            self.tests.iter().all(|test| state.settled.contains(test))
        };
        let _ = progress.wait_for(through).await;
    }
}

#[derive(Debug, Default)]
pub(crate) struct RunState {
    /// Final outcomes in the order in which they came.
    pub results: Vec<TestResultInfo>,
    pub running: HashSet<usize>,
    /// Indices that have a final outcome.
    pub settled: HashSet<usize>,
    pub end: Option<(RunEnd, Instant)>,
}

impl RunRecord {
    pub(crate) fn new(plan: &RunPlan) -> Self {
        RunRecord {
            total: plan.selected.len(),
            begun: Instant::now(),
            temp: plan.temp.clone(),
            stop_tx: plan.stop_tx.clone(),
            suite_log: Arc::clone(&plan.suite_log),
            state: Mutex::default(),
            progress: watch::Sender::new(0),
            ended: watch::Sender::new(false),
        }
    }

    /// What came of it so far. Only the project's recorder writes it.
    pub(crate) fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a stop or a kill. Neither is ever taken back.
    pub(crate) fn request_stop(&self, wanted: StopLevel) {
        RunHandle::from(self).request_stop(wanted);
    }

    /// A test has its final outcome, and it is recorded.
    pub(crate) fn has_settled(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    pub(crate) fn close(&self, end: RunEnd) {
        self.state().end = Some((end, Instant::now()));
        self.ended.send_replace(true);
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Option<RunEnd> {
        let mut ended = self.ended.subscribe();
        ended.wait_for(|ended| *ended).await.ok()?;
        self.state().end.as_ref().map(|(end, _)| end.clone())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().end.is_some()
    }

    /// Whether it ended so long ago that it may be forgotten.
    pub(crate) fn is_past(&self) -> bool {
        self.state().end.as_ref().is_some_and(|(_, at)| at.elapsed() > RUN_REMEMBERED)
    }
}

/// A run in the hands of whoever asked for it: dropped, the run is killed. A call whose client is gone is dropped, and
/// its run with it.
#[derive(Debug)]
pub(crate) struct RunLease(Option<Arc<RunRecord>>);

impl RunLease {
    pub(crate) fn of(record: Arc<RunRecord>) -> Self {
        RunLease(Some(record))
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Option<RunEnd> {
        self.0.as_ref()?.wait().await
    }

    pub(crate) fn record(&self) -> Option<Arc<RunRecord>> {
        self.0.clone()
    }

    /// From now on the run goes on by itself.
    pub(crate) fn release(mut self) -> Option<Arc<RunRecord>> {
        self.0.take()
    }
}

impl Drop for RunLease {
    fn drop(&mut self) {
        if let Some(record) = self.0.take() {
            record.request_stop(StopLevel::Kill);
        }
    }
}
