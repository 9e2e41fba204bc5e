//! A client's run: requested, begun, driven, recorded, as `project/drive_run.rs` does it, with what the client does
//! meanwhile.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pytest_lens_plan::outcome::Outcome;
use pytest_lens_protocol::LogsIteratorOption;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::checks::Violation;
use super::lab::{Lab, watched};
use super::scenario::{Act, RunScript};
use crate::processes::collected_session::CollectedSession;
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::ray_cluster::RemoteSession;
use crate::project::recorder::Command;
use crate::runs::driver::drive;
use crate::runs::event::{DriverEnd, DriverEvent};
use crate::runs::plan::{RemoteRun, RunKind, RunPlan};
use crate::runs::record::{RunLease, RunRecord};
use crate::runs::stop::StopLevel;
use crate::runs::suite_log::SuiteLog;
use crate::timing::FINGERPRINT_DELAY;

/// The facts about a run that has ended.
pub(super) struct EndedRun {
    pub number: usize,
    pub id: String,
    pub started_ms: u64,
    pub ending: DriverEnd,
    /// Its client asked for a stop, a kill, or went away; or its time was up.
    pub was_cut: bool,
    /// There was no session that it could begin in.
    pub was_refused: bool,
}

/// The name of a run.
pub(super) fn id_of(number: usize) -> String {
    format!("run-{number}")
}

/// Requests a run, and waits until it is recorded.
pub(super) async fn run(lab: Arc<Lab>, number: usize) -> Result<EndedRun, Violation> {
    let script = &lab.scenario.runs[number];
    sleep(script.at).await;
    let id = id_of(number);
    let mut ended = EndedRun {
        number,
        id: id.clone(),
        started_ms: 0,
        ending: DriverEnd::default(),
        was_cut: false,
        was_refused: false,
    };
    let Some((collected, exclusive)) = lab.session().await else {
        if !lab.scenario.has_ends() {
            return Err(Violation(format!("{id}: there is no session to run tests in")));
        }
        ended.was_refused = true;
        return Ok(ended);
    };
    let plan = Arc::new(plan(&lab, script, id.clone(), collected, exclusive));
    let gone = |_| Violation(format!("{id}: the recorder has gone"));
    let (accepted, answer) = oneshot::channel();
    ended.started_ms = lab.clock.now_ms();
    let _ = lab.commands.send(Command::Begin { plan: Arc::clone(&plan), accepted });
    let (lease, older) = answer.await.map_err(gone)?;
    let record = lease.record().ok_or_else(|| Violation(format!("{id}: there is no record")))?;
    let was_cut = Arc::new(AtomicBool::new(false));
    let acting = tokio::spawn(act(Arc::clone(&lab), number, lease, Arc::clone(&was_cut)));
    let out_of_time = tokio::spawn(limit_time(script.time_limit, Arc::clone(&record), Arc::clone(&was_cut)));
    plan.wait_for(&older).await;
    if !older.is_empty() {
        // Of several that waited for the same run, the first goes on first in each replay.
        sleep(Duration::from_millis(number as u64)).await;
    }
    let tell = |event| {
        check(&lab, &plan, &event);
        lab.machine.trace(&id, || format!("{event:?}"));
        let _ = lab.commands.send(Command::DriverEvent { run_id: id.clone(), event });
    };
    ended.ending = drive(&lab.pool, &plan, record.stop_tx.subscribe(), tell).await;
    lab.machine.trace(&id, || format!("{:?} {:?}", ended.ending, script));
    ended.was_cut = was_cut.load(Ordering::Relaxed);
    let (done, answer) = oneshot::channel();
    let _ = lab.commands.send(Command::Ended { run_id: id.clone(), ending: ended.ending.clone(), done });
    answer.await.map_err(gone)?;
    acting.abort();
    out_of_time.abort();
    sleep(FINGERPRINT_DELAY).await;
    let (done, answer) = oneshot::channel();
    let code = (number.is_multiple_of(2)).then(|| Arc::from("code"));
    let _ = lab.commands.send(Command::Code { run_id: id.clone(), code, done });
    answer.await.map_err(gone)?;
    lab.records.has_recorded(&id, ended.started_ms);
    Ok(ended)
}

/// A cheap check of each event of the driver.
fn check(lab: &Lab, plan: &RunPlan, event: &DriverEvent) {
    let DriverEvent::Outcome(index, outcome) = event else { return };
    if plan.selected.get(*index).is_none() {
        lab.breaks(format!("{}: an outcome of a test that was not selected", plan.run_id));
    }
    if outcome.outcome.parse::<Outcome>().is_err() {
        lab.breaks(format!("{}: an unknown outcome {:?}", plan.run_id, outcome.outcome));
    }
}

/// Does as the client does while the run goes on, and holds the lease.
async fn act(lab: Arc<Lab>, number: usize, lease: RunLease, was_cut: Arc<AtomicBool>) {
    let Some(record) = lease.record() else { return };
    let mut lease = Some(lease);
    let mut passed = Duration::ZERO;
    for &(at, act) in &lab.scenario.runs[number].acts {
        sleep(at.saturating_sub(passed)).await;
        passed = passed.max(at);
        lab.machine.step("client", number as u64);
        lab.machine.trace("client", || format!("{act:?} of {}", id_of(number)));
        was_cut.store(true, Ordering::Relaxed);
        match act {
            Act::Stop => record.request_stop(StopLevel::Stop),
            Act::Kill => record.request_stop(StopLevel::Kill),
            Act::Leave => lease = None,
        }
    }
    drop(record.wait().await);
    drop(lease);
}

async fn limit_time(limit: Option<Duration>, record: Arc<RunRecord>, was_cut: Arc<AtomicBool>) {
    if let Some(limit) = limit {
        sleep(limit).await;
        was_cut.store(true, Ordering::Relaxed);
        record.request_stop(StopLevel::OutOfTime);
    }
}

fn plan(
    lab: &Lab,
    script: &RunScript,
    run_id: String,
    collected: Arc<CollectedSession>,
    exclusive: ExclusiveSession,
) -> RunPlan {
    let remote = lab.cluster.as_ref().map(|(_, ray)| RemoteRun {
        cluster: Arc::clone(ray),
        session: RemoteSession {
            snapshot: "code".into(),
            is_shared: lab.scenario.is_shared,
            env: Default::default(),
            preload: Vec::new(),
            unfit: Vec::new(),
            collect_limit: Duration::from_secs(60),
        },
        summary: String::new(),
        grows: true,
    });
    let workers = lab.cluster.as_ref().map_or(script.workers, |(cluster, _)| cluster.cpus());
    let nodes = &collected.tests.nodes;
    let selected: Vec<usize> = (0..nodes.len()).filter(|index| script.selected.contains(index)).collect();
    RunPlan {
        prints_since: std::time::Instant::now(),
        temp: PathBuf::from("/tmp-of-tests").join(&run_id),
        first: Vec::new(),
        whole_files: script.whole_files,
        full_reports: false,
        collect_reports: Vec::new(),
        time_before: None,
        skipped_files: Vec::new(),
        phase_durations: false,
        awaits_summary: false,
        asked: Default::default(),
        deselected: nodes.len() - selected.len(),
        workers,
        maxfail: script.maxfail,
        timeout_ms: script.timeout_ms,
        collect_limit: Duration::from_secs(60),
        kind: RunKind::Forked,
        rerun: script.rerun,
        durations: vec![None; selected.len()],
        known_flaky: vec![true; selected.len()],
        source: script.source,
        is_command: false,
        stop_tx: watched(StopLevel::Go),
        suite_log: SuiteLog::new(run_id.clone(), LogsIteratorOption::Archive, ""),
        time_limit: script.time_limit,
        problems: Vec::new(),
        errors: Vec::new(),
        collection_failed: false,
        exclusive: Arc::new(exclusive),
        may_take_session: script.may_take_session,
        conflicts: script.conflicts,
        taken_over: watched(Arc::default()),
        failures: Arc::default(),
        stays_warm: false,
        run_id,
        collected,
        selected,
        remote,
    }
}
