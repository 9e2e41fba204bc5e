//! The life of one run: it is accepted, driven to its end, named after its code, and stored with what its tests depended on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;
use tracing::Instrument;

use crate::processes::temp_dirs;
use crate::project::Project;
use crate::project::recorder::{Command, Passed};
use crate::project::run_code::CodeReader;
use crate::project::test_records::{self, During, Surroundings};
use crate::runs::event::DriverEvent;
use crate::runs::plan::RunPlan;
use crate::runs::record::{OlderRun, RunLease, RunRecord};
use crate::timing::{FINGERPRINT_DELAY, OUTPUT_INTERVAL, RUN_REMEMBERED};

impl Project {
    /// Accepts a run and starts it. Returns when the run is recorded.
    pub(crate) async fn begin(self: &Arc<Self>, plan: RunPlan) -> Option<RunLease> {
        let plan = Arc::new(plan);
        let project = Arc::clone(self);
        // A task of its own: the client may go meanwhile, and a recorded run must be driven to its end.
        let beginning = tokio::spawn(async move {
            let (accepted, answer) = oneshot::channel();
            // It counts before anybody can find it: otherwise those who wait for ended runs take it for one of them.
            project.unsaved.send_modify(|runs| *runs += 1);
            // The output of its collection is among its first events.
            project.pool.launcher.relays.flush().await;
            project.record(Command::Begin { plan: Arc::clone(&plan), accepted });
            let begun = answer.await.ok().and_then(|(lease, older_runs)| Some((lease.record()?, lease, older_runs)));
            project.unsaved.send_modify(|runs| *runs -= usize::from(begun.is_none()));
            let (record, lease, older_runs) = begun?;
            // Every log entry of the run carries its id.
            let span = tracing::info_span!("run", id = plan.run_id);
            tokio::spawn(Arc::clone(&project).run(plan, record, older_runs).instrument(span));
            Some(lease)
        });
        beginning.await.ok().flatten()
    }

    async fn run(self: Arc<Self>, plan: Arc<RunPlan>, record: Arc<RunRecord>, older_runs: Vec<OlderRun>) {
        plan.wait_for(&older_runs).await;
        let going_on = self.fingerprints.run_begins();
        let reader = Arc::new(CodeReader::new(&self, &plan.collected, going_on.began()));
        let (ends, end) = oneshot::channel::<()>();
        let reading = tokio::spawn({
            let reader = Arc::clone(&reader);
            async move {
                let is_over = tokio::time::timeout(FINGERPRINT_DELAY, end).await.is_ok();
                let read = tokio::task::spawn_blocking(move || reader.read());
                Some((read.await.ok()?, is_over))
            }
        });
        let surroundings = tokio::task::spawn_blocking({
            let (project, collected) = (Arc::clone(&self), Arc::clone(&plan.collected));
            move || project.records().then(|| Surroundings::of(&project, &collected.base))
        });
        let tell = |event| self.record(Command::DriverEvent { run_id: plan.run_id.clone(), event });
        let watching = tokio::spawn(Arc::clone(&self).watch_outputs(Arc::clone(&record)));
        let (pool, again) = (Arc::clone(&self.pool), Arc::clone(&plan.collected));
        tokio::spawn(async move { pool.stand_by_again(&again).await });
        let ending = crate::runs::driver::drive(&self.pool, &plan, record.stop_tx.subscribe(), tell).await;
        watching.abort();
        if let Some((coverage, folder)) = plan.kind.coverage().zip(plan.suite_log.folder()) {
            tell(DriverEvent::DebugData(crate::runs::coverage::gather(&self.pool.launcher, folder, coverage).await));
        }
        self.pool.launcher.relays.flush().await;
        drop(going_on);
        let run_id = plan.run_id.clone();
        let ended = self.record_and_wait(|done| Command::Ended { run_id: run_id.clone(), ending, done });
        let ended = ended.await.unwrap_or_default();
        let started_ms = ended.began_ms;
        let passed = Some(ended).filter(|_| plan.is_as_configured(&self.state.settings.load()));
        self.prune_temp_dirs();
        let (forgetting, past) = (Arc::downgrade(&self.state), run_id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(RUN_REMEMBERED).await;
            forgetting.upgrade().map(|state| state.runs.remove(&past));
        });
        let collected = Arc::clone(&plan.collected);
        let inputs = {
            let (project, read) = (Arc::clone(&self), Arc::clone(&collected));
            async move {
                if let Some((passed, surroundings)) = passed.zip(surroundings.await.ok().flatten()) {
                    let during = During { read: read.snapshot().into(), began_ms: passed.began_ms };
                    let Passed { recorded, tests, .. } = passed;
                    let write = move || test_records::write(&project.state, surroundings, during, recorded, &tests);
                    drop(tokio::task::spawn_blocking(write).await);
                }
            }
        };
        let file = async {
            drop(ends);
            let mut code = None;
            if let Some((reading, is_over)) = reading.await.ok().flatten() {
                let look = move || (reader.name(&reading, is_over), reader.of_run(reading));
                if let Ok((name, ran)) = tokio::task::spawn_blocking(look).await {
                    code = name;
                    self.staleness.ran(started_ms, &ran, &self.state.root);
                }
            }
            self.record_and_wait(|done| Command::Code { run_id, code, done }).await;
            inputs.await;
            self.unsaved.send_modify(|runs| *runs -= 1);
            self.review_rest().await;
            let state = Arc::clone(&self.state);
            drop(tokio::task::spawn_blocking(move || state.pack_ended_runs()));
        };
        let stays_warm = plan.stays_warm;
        // The plan holds what clients can still read; it is dropped before the preparations below, which may take long.
        drop(plan);
        if stays_warm {
            tokio::join!(self.get_ready(&collected), file);
        } else {
            file.await;
        }
    }

    /// Removes the temporary folders of old runs, except those of current runs and of kept fixtures.
    fn prune_temp_dirs(&self) {
        let mut live = self.pool.residents.temps();
        live.extend(self.state.runs.iter().filter(|run| !run.is_over()).map(|run| run.temp.clone()));
        let live: Vec<&Path> = live.iter().map(PathBuf::as_path).collect();
        temp_dirs::prune(&self.pool.launcher.tmp_dir, &live);
    }

    /// Polls the output of running tests.
    async fn watch_outputs(self: Arc<Self>, record: Arc<RunRecord>) {
        let run_id = record.suite_log.id.clone();
        let mut ticks = tokio::time::interval(OUTPUT_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (index, place) in record.suite_log.open_streams.look() {
                self.record(Command::DriverEvent { run_id: run_id.clone(), event: DriverEvent::Printed(index, place) });
            }
        }
    }
}
