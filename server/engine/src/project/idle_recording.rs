//! Runs that the engine makes for itself, to record what tests depend on (`impact.record: idle`).
//!
//! They are none of the user's: neither their outcomes nor their output are kept, and no client sees them. They run tests whose
//! shown outcome is a pass of the present code, and if such a test passes again, its inputs are recorded.
//!
//! Each has a process of its own, where it finds no results that other tests have left: it executes all that it depends
//! on, and nothing that others do counts. Where fixtures of the whole session take long, the tests share a process.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pytest_lens_history::Source;
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::rerun::Policy;
use pytest_lens_protocol::{ImpactRecord, LogsIteratorOption, NodeId, RunOptions};
use tokio::time::Instant;

use super::Project;
use crate::clock::now_ms;
use crate::model::recording::{Recording, ReportedInputs};
use crate::model::scope::Scope;
use crate::processes::collected_session::CollectedSession;
use crate::processes::pool::{Found, Wanted};
use crate::processes::worker_protocol::{Purpose, WorkerOptions};
use crate::project::plan_run::{self, RunRequest, choose_in, filter_of};
use crate::project::reach::Reach;
use crate::project::test_records::{self, During, Surroundings};
use crate::project::untrusted;
use crate::runs::event::{DriverEnd, DriverEvent};
use crate::runs::handle::RunHandle;
use crate::runs::plan::{RunKind, RunPlan};
use crate::runs::run_ids::RunIds;
use crate::runs::stop::StopLevel;
use crate::timing::{IDLE_RUN_GRACE, IDLE_RUN_LENGTH, IDLE_RUN_LIMIT, IDLE_SETUP_LIMIT};

/// The most tests of one such run.
const MANY: usize = 50;

/// The first Python in which functions can be recorded.
const SINCE: (u32, u32) = (3, 12);

/// A driver's reports on such a run.
#[derive(Default)]
struct Reported {
    /// With the process.
    inputs: Vec<(i32, ReportedInputs)>,
    /// The indices of the tests that passed.
    passed: HashSet<usize>,
}

impl Project {
    /// Whether the user wishes that its tests run for their records, and this has no effects.
    pub(crate) fn is_recorded_when_idle(&self, state_dir: &Path) -> bool {
        let settings = self.state.settings.load();
        // A resident's fixtures may hold what another session would need.
        settings.impact.record == ImpactRecord::Idle
            && !settings.fixture_reuse.enabled
            && self.pool.newest_session().is_some()
            && self.pool.ready().is_some_and(|ready| can_record(&ready.python))
            && untrusted::around(state_dir, &self.state.root).is_none()
    }

    /// Runs some of the tests without a record. Returns how many it tried, or `None` if it ended because the engine is
    /// `wanted`. `attempted`: the tests that were tried before, with the time of the run of their outcome.
    pub(crate) async fn record_when_idle(
        self: &Arc<Self>,
        run_ids: &RunIds,
        attempted: &mut HashMap<Arc<str>, u64>,
        wanted: impl Future<Output = ()>,
    ) -> Option<usize> {
        let mut wanted = pin!(wanted);
        let prepared = async {
            let mut tests = self.unrecorded(attempted).await;
            let mut session = self.idle_session(&tests).await;
            // The collection of one of the files may not be shareable.
            if session.is_none() && keep_one_file(&mut tests) {
                session = self.idle_session(&tests).await;
            }
            (tests, session)
        };
        let (tests, session) = tokio::select! {
            prepared = prepared => prepared,
            () = &mut wanted => return None,
        };
        if let Some(collected) = session {
            let began_ms = now_ms();
            let ids: Vec<&Arc<str>> = tests.keys().collect();
            let (recording, passed) = self.run_idle(run_ids, &collected, &ids, wanted).await?;
            self.store_inputs(&collected, began_ms, recording, passed, &tests).await;
        }
        let tried = tests.len();
        attempted.extend(tests);
        Some(tried)
    }

    /// The next tests to run: they have no record that is as new as their outcome, or that still holds.
    async fn unrecorded(self: &Arc<Self>, attempted: &HashMap<Arc<str>, u64>) -> HashMap<Arc<str>, u64> {
        let mut passes = self.present_passes().await;
        passes.retain(|id, at| attempted.get(id) != Some(at));
        if passes.is_empty() {
            return passes;
        }
        let project = Arc::clone(self);
        let choose = move || {
            for judged in Reach::new(&project, std::iter::empty()).judged() {
                let is_recorded = |at: &u64| judged.why.is_empty() || judged.at_ms >= *at;
                if passes.get(judged.id.as_str()).is_some_and(is_recorded) {
                    passes.remove(judged.id.as_str());
                }
            }
            let inventory = project.state.inventory.load();
            let ids: Vec<&Arc<str>> =
                inventory.nodes().map(|node| &node.id).filter(|id| passes.contains_key(*id)).collect();
            let durations = project.state.history.durations_ms(ids.iter().map(|id| &***id));
            let mut left_ms = IDLE_RUN_LENGTH.as_secs_f64() * 1000.0;
            let fit = ids.into_iter().zip(durations).take(MANY).take_while(|(_, duration)| {
                let fits = left_ms > 0.0;
                left_ms -= duration.unwrap_or_default();
                fits
            });
            fit.map(|(id, _)| (Arc::clone(id), passes[id])).collect()
        };
        tokio::task::spawn_blocking(choose).await.unwrap_or_default()
    }

    /// A session of its own for these tests, which records, and off which processes can be forked. `None` if there is none
    /// without effects.
    async fn idle_session(self: &Arc<Self>, tests: &HashMap<Arc<str>, u64>) -> Option<Arc<CollectedSession>> {
        if tests.is_empty() {
            return None;
        }
        let found = self
            .pool
            .collect(Wanted {
                scope: &Scope::of_ids(tests.keys().map(|id| &**id)),
                is_exact: true,
                asked: &[],
                options: &WorkerOptions { record: true, idle: true, ..self.options(&[]) },
                settings: &self.state.pytest.load_full(),
                limit: self.collect_limit(),
                purpose: Purpose::Unasked,
                requested: Instant::now(),
            })
            .await;
        found.ok().map(|found| found.collected).filter(|collected| collected.is_shared())
    }

    /// Runs these tests, each in a process of its own unless their fixtures take long. Returns their inputs, and those that
    /// passed, by their places in `ids`; `None` if it ended because the engine is `wanted`.
    async fn run_idle(
        &self,
        run_ids: &RunIds,
        collected: &Arc<CollectedSession>,
        ids: &[&Arc<str>],
        mut wanted: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<(Recording, HashMap<usize, Arc<str>>)> {
        let numbers: HashMap<&str, usize> = ids.iter().enumerate().map(|(number, id)| (&***id, number)).collect();
        let (mut recording, mut passed) = (Recording::default(), HashMap::new());
        let (mut left, mut share) = (ids, 1);
        while !left.is_empty() {
            let (group, later) = left.split_at(share.min(left.len()));
            left = later;
            let Some((plan, handle)) = self.plan_idle_run(run_ids, collected, group) else { continue };
            let began = Instant::now();
            let reported = self.drive_idle_run(&plan, &handle, wanted.as_mut()).await;
            let temp = plan.temp.clone();
            // Nobody waits for it.
            std::thread::spawn(move || fs::remove_dir_all(temp));
            let Reported { inputs, passed: in_group } = reported?;
            let number = |index: usize| numbers.get(&*plan.node(index).id).copied();
            for (pid, inputs) in inputs {
                if let Some(i) = number(inputs.i) {
                    recording.add(pid, ReportedInputs { i, ..inputs });
                }
            }
            passed.extend(in_group.into_iter().filter_map(number).map(|number| (number, Arc::clone(ids[number]))));
            if began.elapsed() > expected(&plan).saturating_add(IDLE_SETUP_LIMIT) {
                share = MANY;
            }
        }
        Some((recording, passed))
    }

    /// Plans the run of these tests in one process. `None` if the session has other tests.
    fn plan_idle_run(
        &self,
        run_ids: &RunIds,
        collected: &Arc<CollectedSession>,
        ids: &[&Arc<str>],
    ) -> Option<(RunPlan, RunHandle)> {
        let ids = ids.iter().map(|id| id.to_string()).collect();
        let options = RunOptions { source: Some(Source::Editor.to_string()), ..RunOptions::default() };
        let request = RunRequest::new(ids, Some(1), None, Some(options), false);
        let found = Found::present(Arc::clone(collected));
        let chosen = choose_in(self, found, false, &request, &filter_of(&request).ok()?).ok()?;
        let handle = RunHandle::new(run_ids.next().0, LogsIteratorOption::default(), "");
        let plan = plan_run::plan(self, run_ids, &request, &handle, chosen, RunKind::Forked, None).ok()?;
        let rerun = Policy { enabled: false, ..plan.rerun };
        Some((RunPlan { rerun, may_take_session: false, ..plan }, handle))
    }

    /// Drives the run to its end. `None` if the engine is `wanted` before.
    async fn drive_idle_run(
        &self,
        plan: &RunPlan,
        handle: &RunHandle,
        wanted: impl Future<Output = ()>,
    ) -> Option<Reported> {
        let reported = Mutex::new(Reported::default());
        let tell = |event| reported.lock().unwrap_or_else(PoisonError::into_inner).add(event);
        let driving = crate::runs::driver::drive(&self.pool, plan, handle.stop_tx.subscribe(), tell);
        let is_wanted = until_wanted(driving, handle, IDLE_RUN_LIMIT.saturating_add(expected(plan)), wanted).await;
        (!is_wanted).then(|| reported.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records the inputs of the tests that passed, if their outcomes are still those of the present code. `passed`: by
    /// their numbers in the recording.
    async fn store_inputs(
        self: &Arc<Self>,
        collected: &Arc<CollectedSession>,
        began_ms: u64,
        recording: Recording,
        mut passed: HashMap<usize, Arc<str>>,
        tests: &HashMap<Arc<str>, u64>,
    ) {
        let present = self.present_passes().await;
        passed.retain(|_, id| tests.get(id) == present.get(id));
        let (project, collected) = (Arc::clone(self), Arc::clone(collected));
        let write = move || {
            let surroundings = Surroundings::of(&project, &collected.base);
            let during = During { read: collected.snapshot().into(), began_ms };
            test_records::write(&project.state, surroundings, during, recording.finish(), &passed);
        };
        drop(tokio::task::spawn_blocking(write).await);
    }
}

/// Keeps the tests of the first file only. Returns whether there were others.
fn keep_one_file(tests: &mut HashMap<Arc<str>, u64>) -> bool {
    let (first, before) = (tests.keys().map(|id| NodeId::new(id).file().to_owned()).min(), tests.len());
    tests.retain(|id, _| first.as_deref() == Some(NodeId::new(id).file()));
    tests.len() < before
}

/// The time that the run takes by the last durations of its tests.
fn expected(plan: &RunPlan) -> Duration {
    let seconds = plan.durations.iter().flatten().sum::<f64>() / 1000.0;
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Drives a run to its end, which comes early if the engine is `wanted`, or the time is up. Returns whether it is wanted.
async fn until_wanted(
    driving: impl Future<Output = DriverEnd>,
    handle: &RunHandle,
    limit: Duration,
    wanted: impl Future<Output = ()>,
) -> bool {
    let mut driving = pin!(driving);
    let is_wanted = tokio::select! {
        _ = &mut driving => return false,
        () = wanted => true,
        () = tokio::time::sleep(limit) => false,
    };
    if is_wanted {
        handle.request_stop(StopLevel::Stop);
        if tokio::time::timeout(IDLE_RUN_GRACE, &mut driving).await.is_ok() {
            return true;
        }
    }
    handle.request_stop(StopLevel::Kill);
    driving.await;
    is_wanted
}

impl Reported {
    fn add(&mut self, event: DriverEvent) {
        match event {
            DriverEvent::Inputs(pid, inputs) => self.inputs.push((pid, inputs)),
            DriverEvent::Outcome(index, outcome) if outcome.outcome.parse() == Ok(Outcome::Passed) => {
                self.passed.insert(index);
            }
            _ => {}
        }
    }
}

/// Whether functions can be recorded in this version of Python.
fn can_record(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    matches!((parts.next().flatten(), parts.next().flatten()), (Some(major), Some(minor)) if (major, minor) >= SINCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_recorded_since_python_3_12() {
        let able = ["3.9.1", "3.11.9", "3.12.0", "3.13.0rc1", "4.0", "?"].map(can_record);
        assert_eq!(able, [false, false, true, true, true, false]);
    }
}
