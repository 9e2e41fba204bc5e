//! The record of each run: its progress, its results, and the way to stop it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pytest_lens_protocol::{Outcome, RunEnd, TestResultInfo};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::runs::handle::RunHandle;
use crate::runs::packed::Packed;
use crate::runs::plan::RunPlan;
use crate::runs::stop::StopLevel;
use crate::runs::suite_log::SuiteLog;
use crate::timing::RUN_REMEMBERED;

#[derive(Debug)]
pub(crate) struct RunRecord {
    pub total: usize,
    pub begun: Instant,
    /// The folder for its tests' temporary folders.
    pub temp: PathBuf,
    pub stop_tx: watch::Sender<StopLevel>,
    /// Its log for run control.
    pub suite_log: Arc<SuiteLog>,
    state: Mutex<RunState>,
    /// Number of tests with a final outcome.
    progress: watch::Sender<usize>,
    /// Set at the end.
    ended: watch::Sender<bool>,
}

/// Tests of an older run that a newer one waits for.
#[derive(Debug)]
pub(crate) struct OlderRun {
    pub run: Arc<RunRecord>,
    /// Indices in the older run.
    pub tests: Vec<usize>,
    /// The older run has no other tests, so the newer one waits for its end.
    pub to_the_end: bool,
}

impl OlderRun {
    /// Waits until these tests have run.
    pub(crate) async fn wait(&self) {
        if self.to_the_end {
            self.run.wait().await;
            return;
        }
        let mut progress = self.run.progress.subscribe();
        let through = |_: &usize| {
            let state = self.run.state();
            state.end.is_some() || self.tests.iter().all(|test| state.settled.contains(test))
        };
        let _ = progress.wait_for(through).await;
    }
}

#[derive(Debug, Default)]
pub(crate) struct RunState {
    /// Final outcomes, in the order of their arrival.
    results: Packed<Vec<CaseResult>>,
    /// Number of results.
    pub completed: usize,
    pub running: HashSet<usize>,
    /// Indices with a final outcome; empty after the end of the run, when all have one.
    pub settled: HashSet<usize>,
    pub end: Option<(RunEnd, Instant)>,
}

/// The final outcome of one test of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CaseResult {
    /// Its index in the run.
    pub index: usize,
    pub outcome: Outcome,
    pub duration_ms: u64,
    pub message: Option<String>,
}

impl RunState {
    pub(crate) fn settle(&mut self, result: CaseResult) {
        self.running.remove(&result.index);
        self.settled.insert(result.index);
        self.results.open().push(result);
        self.completed += 1;
    }
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

    /// The current state. Only the project's recorder changes it.
    pub(crate) fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a stop or a kill, which can't be taken back.
    pub(crate) fn request_stop(&self, wanted: StopLevel) {
        RunHandle::from(self).request_stop(wanted);
    }

    /// Wakes those who wait for tests, after an outcome is recorded.
    pub(crate) fn has_settled(&self) {
        self.progress.send_modify(|count| *count += 1);
    }

    /// Notes the end. The recorder does it before it pushes the end's event: a reader of the event finds the run over.
    pub(crate) fn set_end(&self, end: RunEnd) {
        let mut state = self.state();
        state.end = Some((end, Instant::now()));
        (state.running, state.settled) = Default::default();
    }

    /// Wakes those who wait for the end, after its event is in the log.
    pub(crate) fn close(&self) {
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

    /// Returns the results from `start` on, as many as `take` accepts.
    pub(crate) fn results(
        &self,
        state: &mut RunState,
        start: usize,
        mut take: impl FnMut(&TestResultInfo) -> bool,
    ) -> Vec<TestResultInfo> {
        if start >= state.completed {
            return Vec::new();
        }
        let results = state.results.open().get(start..).unwrap_or_default();
        self.suite_log.with_names(|names| {
            let info = |result: &CaseResult| TestResultInfo {
                node_id: names.get(result.index).map(|name| name.to_string()).unwrap_or_default(),
                outcome: result.outcome.to_string(),
                duration_ms: result.duration_ms,
                message: result.message.clone(),
            };
            results.iter().map(info).take_while(|result| take(result)).collect()
        })
    }

    /// Packs the results of a run that is over. Blocks.
    pub(crate) fn pack(&self) {
        if !*self.ended.borrow() {
            return;
        }
        {
            let mut state = self.state();
            state.results.pack(self.suite_log.folder(), "results");
        }
        self.suite_log.pack();
    }

    /// Returns whether it ended so long ago that it may be forgotten.
    pub(crate) fn is_past(&self) -> bool {
        self.state().end.as_ref().is_some_and(|(_, at)| at.elapsed() > RUN_REMEMBERED)
    }
}

/// Ties a run to its client: dropping the lease kills the run. When a client goes, its call is dropped, and so is the
/// lease.
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

    /// Whether its run goes on.
    pub(crate) fn is_live(&self) -> bool {
        self.0.as_ref().is_some_and(|record| !record.is_over())
    }

    pub(crate) fn record(&self) -> Option<Arc<RunRecord>> {
        self.0.clone()
    }

    /// Detaches the run from its client.
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
