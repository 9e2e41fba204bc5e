//! Drives one run: runners, the dispatcher that feeds them, crashes, timeouts, repeats, stop and kill.
//!
//! It owns the run's processes and nothing else; it sends events to the project's recorder as [`DriverEvent`].

mod events;
mod preemption;
mod release;
mod round;
mod session_reports;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pytest_lens_protocol::TestOutcome;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::processes::debug_process::DebugProcess;
use crate::processes::pool::Pool;
use crate::runs::driver::session_reports::SessionReports;
use crate::runs::event::{DriverEnd, DriverEvent};
use crate::runs::plan::RunPlan;
use crate::runs::session_end::{self, SessionEnd};
use crate::runs::stop::StopLevel;
use crate::timing::{SESSION_FINISH_LIMIT, STOPPED_LIMIT};

/// Runs all selected tests, and gives each one final outcome.
pub(crate) async fn drive(
    pool: &Arc<Pool>,
    plan: &RunPlan,
    stop_rx: watch::Receiver<StopLevel>,
    tell: impl Fn(DriverEvent),
) -> DriverEnd {
    let mut driver = Driver {
        pool,
        plan,
        stop_rx,
        tell: &tell,
        attempt: 1,
        again: Vec::new(),
        crashes: BTreeMap::new(),
        lost_once: BTreeSet::new(),
        cluster_size: plan.remote.as_ref().filter(|remote| remote.grows).map(|remote| remote.cluster.cpus()),
        ends_only: false,
        failures: 0,
        earlier: plan.failures.load(Ordering::Relaxed),
        before: BTreeMap::new(),
        ending: DriverEnd::default(),
        next_slot: 0,
        deadline_ns: plan.time_limit.and_then(|limit| {
            let limit = u64::try_from(limit.as_nanos()).ok()?;
            crate::clock::now_ns().checked_add(limit)
        }),
        attach_by: plan.kind.debug_process().and_then(DebugProcess::until),
        taken_over: plan.taken_over.subscribe(),
        yield_deadline: None,
        yield_forced: false,
        replaced: false,
        disturbed: false,
        next_check: Instant::now() + STOPPED_LIMIT / 4,
        exiting: Mutex::default(),
        session_ends: Vec::new(),
        summaries: Vec::new(),
        reports: SessionReports::new(plan.kind.makes_reports()),
    };
    let mut left: Vec<usize> = (0..plan.selected.len()).collect();
    driver.ends_only = left.is_empty() || driver.is_limit_reached();
    if driver.ends_only && plan.decides_end() {
        // A session without tests writes its reports, too, and its hooks may decide the exit status.
        driver.run_round(&[], 1, false).await;
    }
    driver.ends_only = false;
    loop {
        left = driver.drop_taken_over(left);
        if left.is_empty() {
            break;
        }
        left = driver.run_round(&left, plan.workers.max(1), plan.kind.is_resident()).await;
    }
    while !driver.again.is_empty() {
        driver.attempt += 1;
        let again = std::mem::take(&mut driver.again);
        // A session that makes reports collects by itself: one for all.
        let size = if plan.kind.makes_reports() { again.len() } else { 1 };
        for indices in again.chunks(size) {
            driver.pause().await;
            driver.await_exiting().await;
            let indices = driver.drop_taken_over(indices.to_vec());
            if indices.is_empty() {
                continue;
            }
            if *driver.stop_rx.borrow() == StopLevel::Go && !driver.is_limit_reached() {
                let broken_off = driver.run_round(&indices, 1, false).await;
                driver.drop_taken_over(broken_off);
            } else {
                indices.into_iter().for_each(|index| driver.skip_retry(index));
            }
        }
    }
    if driver.reports.are_missing() && driver.ending == DriverEnd::default() {
        driver.ends_only = true;
        driver.run_round(&[], 1, false).await;
        driver.ends_only = false;
    }
    if plan.kind.makes_reports() {
        // The last session has all outcomes.
        driver.session_ends = driver.session_ends.pop().into_iter().collect();
        driver.summaries = driver.summaries.pop().into_iter().collect();
    }
    for summary in std::mem::take(&mut driver.summaries) {
        tell(DriverEvent::Summary(summary));
    }
    (driver.ending.replaced, driver.ending.disturbed) = (driver.replaced, driver.disturbed);
    driver.ending.decide(session_end::decision(&driver.session_ends));
    if plan.kind.coverage().is_some() || driver.replaced || !plan.collected.is_shared() {
        // Sessions write their measurements and reports at their end, and a newer run of the same tests may need the
        // resources that they hold.
        let exiting = driver.exiting.into_inner().unwrap_or_else(PoisonError::into_inner);
        let killed = driver.stop_rx.wait_for(|wanted| *wanted == StopLevel::Kill);
        let written = async {
            for end in exiting {
                let _ = end.await;
            }
        };
        let needed = plan.kind.coverage().is_some() || driver.replaced;
        tokio::select! {
            () = written => {}
            Ok(_) = killed => {}
            () = tokio::time::sleep(SESSION_FINISH_LIMIT), if !needed => {}
        }
    }
    driver.ending
}

struct Driver<'a, F: Fn(DriverEvent)> {
    pool: &'a Arc<Pool>,
    plan: &'a RunPlan,
    stop_rx: watch::Receiver<StopLevel>,
    tell: &'a F,
    attempt: u32,
    /// Failed tests that will be repeated.
    again: Vec<usize>,
    /// How often each test has crashed.
    crashes: BTreeMap<usize, u32>,
    /// Tests that ran on a node when the cluster lost it, or in a fork of a session that ended.
    lost_once: BTreeSet<usize>,
    /// The number of the cluster's CPUs, if it determines the number of runners.
    cluster_size: Option<watch::Receiver<usize>>,
    /// A session runs no tests: all that it has to do is its end.
    ends_only: bool,
    /// Tests that failed for good.
    failures: u32,
    /// Failures in other projects, if this is a part of a run over several.
    earlier: u32,
    /// The last outcome of each test that is repeated.
    before: BTreeMap<usize, TestOutcome>,
    ending: DriverEnd,
    next_slot: usize,
    /// The end of the run's time limit.
    deadline_ns: Option<u64>,
    /// The deadline for the debugger to attach.
    attach_by: Option<Instant>,
    /// Tests that a newer run has taken over.
    taken_over: watch::Receiver<Arc<BTreeSet<usize>>>,
    /// Time to end this round's tests that a newer run wants.
    yield_deadline: Option<Instant>,
    /// That deadline has passed.
    yield_forced: bool,
    /// Tests were left to a newer run.
    replaced: bool,
    /// A test's process may have been ended from outside.
    disturbed: bool,
    /// Time of the next check whether runners are stopped by a signal.
    next_check: Instant,
    /// Runners that tear down their sessions.
    exiting: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    /// The ends of sessions that may decide the run's.
    session_ends: Vec<SessionEnd>,
    /// The texts of sessions at their ends.
    summaries: Vec<String>,
    reports: SessionReports,
}

impl<F: Fn(DriverEvent)> Driver<'_, F> {
    /// Returns whether more tests may start.
    fn wants_runners(&self) -> bool {
        let may_begin = self.ends_only || !self.is_limit_reached();
        self.ending == DriverEnd::default() && self.yield_deadline.is_none() && may_begin
    }

    fn count(&mut self, failed: bool) {
        self.failures += u32::from(failed);
        self.plan.failures.fetch_add(u32::from(failed), Ordering::Relaxed);
    }

    /// Returns whether the limit of failures is reached.
    fn is_limit_reached(&self) -> bool {
        self.plan.maxfail.is_some_and(|limit| self.failures + self.earlier >= limit)
    }

    async fn pause(&mut self) {
        let delay = Duration::from_millis(self.plan.rerun.delay_ms.into());
        let stopped = async {
            while *self.stop_rx.borrow_and_update() == StopLevel::Go {
                if self.stop_rx.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let _ = tokio::time::timeout(delay, stopped).await;
    }
}
