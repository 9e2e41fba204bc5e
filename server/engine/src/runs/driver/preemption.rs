//! Leaves out tests of a run: a newer run has taken them over, or a stop came first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pytest_lens_plan::order::Dispatcher;
use pytest_lens_protocol::TestOutcome;
use tokio::time::Instant;

use super::Driver;
use super::round::Round;
use crate::model::outcome::{not_run, timed_out};
use crate::runs::artifacts::Streams;
use crate::runs::event::DriverEvent;
use crate::runs::stop::StopLevel;
use crate::runs::worker_slot::WorkerSlot;
use crate::timing::PREEMPTION_GRACE;

/// The message of a test that a newer run has taken over.
const TAKEN_OVER: &str = "a newer run of the same test has taken its place";

impl<F: Fn(DriverEvent)> Driver<'_, F> {
    /// The tests that no newer run has taken over. The others are reported as not run.
    pub(super) fn drop_taken_over(&mut self, indices: Vec<usize>) -> Vec<usize> {
        let taken_over = Arc::clone(&self.taken_over.borrow());
        let (gone, left): (Vec<_>, Vec<_>) = indices.into_iter().partition(|index| taken_over.contains(index));
        for index in gone {
            self.replaced = true;
            (self.tell)(DriverEvent::Outcome(index, Box::new(self.not_started(index, TAKEN_OVER))));
        }
        left
    }

    /// A newer run wants tests that have not ended here. Running ones may end; the rest of the run continues in another
    /// round.
    pub(super) fn yield_to_newer(&mut self, round: &mut Round) {
        if self.yield_deadline.is_some() {
            return;
        }
        let taken_over = Arc::clone(&self.taken_over.borrow_and_update());
        if taken_over.is_empty() || !round.dispatcher.unfinished().iter().any(|index| taken_over.contains(index)) {
            return;
        }
        self.yield_deadline = Some(Instant::now() + PREEMPTION_GRACE);
        round.dispatcher.stop();
        for slot in round.slots.values_mut() {
            slot.stop();
        }
    }

    /// Returns whether a test was left to a newer run. The news that it had started may come later.
    pub(super) fn was_left(&self, index: usize, dispatcher: &Dispatcher) -> bool {
        self.yield_forced && !dispatcher.is_open(index)
    }

    /// Ends running tests that were taken over, and drops those that have not started.
    pub(super) fn force_yield(&mut self, round: &mut Round) {
        let taken_over = Arc::clone(&self.taken_over.borrow());
        let running: BTreeSet<usize> = round.slots.values().filter_map(|slot| Some(slot.current?.0)).collect();
        for slot in round.slots.values_mut() {
            if let Some((index, _)) = slot.current.filter(|(index, _)| taken_over.contains(index)) {
                slot.end_for(index);
            }
        }
        let waiting: Vec<usize> =
            round.dispatcher.unfinished().into_iter().filter(|index| !running.contains(index)).collect();
        let kept = self.drop_taken_over(waiting.clone());
        for index in waiting.into_iter().filter(|index| !kept.contains(index)) {
            round.dispatcher.finished(usize::MAX, index, false);
        }
    }

    /// Reports an announced attempt that a stop, a kill or the failure limit prevents.
    pub(super) fn skip_retry(&mut self, index: usize) {
        let wanted = *self.stop_rx.borrow();
        self.ending.stopped |= matches!(wanted, StopLevel::Stop | StopLevel::Kill);
        self.ending.killed |= wanted == StopLevel::Kill;
        self.ending.out_of_time |= wanted == StopLevel::OutOfTime;
        let late = self.plan.late();
        let why = match wanted {
            StopLevel::Go => "the run reached its limit of failures",
            StopLevel::Stop => "the run was stopped",
            StopLevel::OutOfTime => late.as_str(),
            StopLevel::Kill => "the run was killed",
        };
        (self.tell)(DriverEvent::Outcome(index, Box::new(self.not_started(index, why))));
    }

    /// The outcome of a test whose announced attempt does not end: its previous pass, or not run.
    pub(super) fn not_started(&self, index: usize, why: &str) -> TestOutcome {
        match self.before.get(&index).filter(|_| self.plan.rerun.until_failure) {
            Some(pass) => TestOutcome { will_rerun: false, ..pass.clone() },
            None => not_run(&self.plan.node(index).id, self.attempt, why),
        }
    }

    /// Gives every remaining test an outcome.
    pub(super) fn finish_round(&mut self, dispatcher: &Dispatcher, slots: &BTreeMap<usize, WorkerSlot>) {
        let late = self.plan.late();
        let why = if self.ending.killed {
            "the run was killed"
        } else if self.ending.out_of_time {
            late.as_str()
        } else if self.ending.stopped {
            "the run was stopped"
        } else if let Some(fault) = &self.ending.fault {
            fault.as_str()
        } else if let Some(interrupted) = &self.ending.interrupted {
            interrupted.as_str()
        } else if let Some(refused) = &self.ending.refused {
            refused.as_str()
        } else {
            "the run reached its limit of failures"
        };
        let why = why.to_owned();
        let late = self.ending.out_of_time && !self.ending.killed;
        for index in dispatcher.unfinished() {
            let node = self.plan.node(index);
            let runs = |slot: &&WorkerSlot| slot.current.is_some_and(|(current, _)| current == index);
            let outcome = match slots.values().find(runs).filter(|_| late) {
                Some(slot) => {
                    let (root, stacks) = (&self.pool.launcher.root, slot.runner.told_stacks());
                    let outcome = timed_out(node, root, self.attempt, why.clone(), stacks);
                    let (stdout, stderr) = slot.streams.as_ref().map(Streams::texts).unwrap_or_default();
                    TestOutcome { stdout, stderr, ..outcome }
                }
                None => {
                    let mut outcome = self.not_started(index, &why);
                    // The output of a killed test often shows why it was killed.
                    let running = slots.values().find(runs).filter(|_| outcome.outcome == "not_run");
                    if let Some(streams) = running.and_then(|slot| slot.streams.as_ref()) {
                        (outcome.stdout, outcome.stderr) = streams.texts();
                    }
                    outcome
                }
            };
            (self.tell)(DriverEvent::Outcome(index, Box::new(outcome)));
        }
        if self.ending.fault.is_some() {
            for slot in slots.values() {
                slot.runner.kill();
            }
        }
    }
}
