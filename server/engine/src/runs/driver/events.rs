//! Handles runners' events and their ends.

use std::path::PathBuf;
use std::time::Duration;

use pytest_lens_plan::order::Dispatcher;
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::rerun::will_rerun;
use pytest_lens_protocol::{TestOutcome, TimeKind};
use tokio::time::Instant;

use super::Driver;
use super::round::Round;
use crate::model::outcome::{crashed, not_run, of_report, overdue, timed_out};
use crate::model::timings::ReportedTime;
use crate::processes::process::ProcessEvent;
use crate::processes::worker_protocol::FromWorker;
use crate::runs::artifacts::Streams;
use crate::runs::event::DriverEvent;
use crate::runs::session_end::SessionEnd;
use crate::runs::stop::StopLevel;
use crate::runs::worker_slot::WorkerSlot;
use crate::timing::{EXIT_REPORT_GRACE, TIMEOUT_GRACE};

/// The message of a test whose process was ended by a time limit of pytest's plugins.
const FAULTHANDLER: &str = "the test took longer than pytest's faulthandler_timeout";

impl<F: Fn(DriverEvent)> Driver<'_, F> {
    /// Handles an event of a runner.
    pub(super) fn on_event(&mut self, worker: usize, event: ProcessEvent, round: &mut Round) {
        let Some(slot) = round.slots.get_mut(&worker) else { return };
        if slot.dismissed {
            return;
        }
        match event {
            ProcessEvent::Lost => {
                slot.lost = true;
                slot.exit_deadline.get_or_insert_with(|| Instant::now() + EXIT_REPORT_GRACE);
            }
            // The exit comes after all messages of the process.
            ProcessEvent::Exited(status) => {
                slot.exit = Some(status);
                slot.lost = true;
            }
            ProcessEvent::Message(message) => self.on_message(worker, *message, round),
        }
    }

    fn on_message(&mut self, worker: usize, message: FromWorker, round: &mut Round) {
        let Some(slot) = round.slots.get_mut(&worker) else { return };
        match message {
            FromWorker::Started { i, .. } if i < self.plan.selected.len() && self.was_left(i, &round.dispatcher) => {
                slot.current = Some((i, None));
                slot.began = true;
                slot.end_for(i);
            }
            FromWorker::Started { i, at, after_crash } if i < self.plan.selected.len() => {
                let limit =
                    self.plan.timeout_ms.map(|limit| Instant::now() + Duration::from_millis(limit) + TIMEOUT_GRACE);
                tracing::debug!(pid = slot.runner.pid(), test = &*self.plan.node(i).id, "a runner starts a test");
                slot.current = Some((i, limit));
                slot.after_crash = after_crash;
                slot.began = true;
                round.dispatcher.started(worker, i);
                (self.tell)(DriverEvent::Started(i));
                slot.streams = slot.output.clone().zip(at).map(|(prefix, at)| Streams { prefix, at });
                if let Some(streams) = slot.streams.clone() {
                    (self.tell)(DriverEvent::Streams(i, streams));
                }
                slot.feed(worker, &mut round.dispatcher);
            }
            FromWorker::Finished(outcome)
                if outcome.i < self.plan.selected.len() && self.was_left(outcome.i, &round.dispatcher) =>
            {
                slot.current = None;
            }
            FromWorker::Finished(mut outcome) if outcome.i < self.plan.selected.len() => {
                let index = outcome.i;
                slot.current = None;
                let folder = outcome.artifacts.take().map(PathBuf::from);
                if slot.streams.take().is_some() || folder.is_some() {
                    (self.tell)(DriverEvent::Streamed(index, outcome.to, folder));
                }
                if !outcome.repeats.is_empty() {
                    (self.tell)(DriverEvent::Repeats(index, std::mem::take(&mut outcome.repeats)));
                }
                let mut outcome = TestOutcome {
                    node: slot.runner.node().map(str::to_owned),
                    ..of_report(*outcome, &self.plan.node(index).id, self.attempt)
                };
                self.reports.note(index, &mut outcome);
                self.on_outcome(worker, index, outcome, &mut round.dispatcher);
                slot.feed(worker, &mut round.dispatcher);
                if round.dispatcher.maxfail_reached() || self.is_limit_reached() {
                    round.stop_all();
                }
            }
            FromWorker::Importing(point) => slot.importing = point.path,
            FromWorker::Reads { reads } => (self.tell)(DriverEvent::Reads(reads)),
            FromWorker::Inputs(inputs) if inputs.i < self.plan.selected.len() => {
                (self.tell)(DriverEvent::Inputs(slot.runner.pid(), inputs));
            }
            FromWorker::Timings { spans } => (self.tell)(DriverEvent::Timings(spans)),
            FromWorker::RunnerReady { stacks, read } => {
                // A node collects the snapshot of the same files.
                let same_files =
                    slot.order.is_some() && (self.plan.remote.is_some() || self.plan.collected.agrees_with(&read));
                slot.note(FromWorker::RunnerReady { stacks, read });
                slot.begin(same_files);
            }
            FromWorker::Attached {} => self.attach_by = None,
            FromWorker::Missing { indices } => {
                let known = indices.into_iter().filter(|index| *index < self.plan.selected.len());
                let same_files = slot.same_files;
                for index in round.dispatcher.lacks(worker, known) {
                    self.on_missing(worker, index, same_files, &mut round.dispatcher);
                }
            }
            FromWorker::Done { reason, message, exit_status, held, warnings } => {
                self.ending.exit_status = self.ending.exit_status.or(exit_status);
                if !warnings.is_empty() {
                    (self.tell)(DriverEvent::Warnings(warnings));
                }
                slot.done = true;
                self.reports.end_session();
                slot.held = held;
                if reason == "failed" {
                    self.ending.refused = message.clone();
                }
                if reason == "interrupted" {
                    self.ending.interrupted =
                        Some(message.clone().unwrap_or_else(|| "the session was interrupted".into()));
                }
                // Something else than too many failures may have failed the session.
                if reason == "maxfail" && !round.dispatcher.maxfail_reached() && !self.is_limit_reached() {
                    self.ending.refused = message;
                }
                if reason == "interrupted" || reason == "maxfail" {
                    round.stop_all();
                }
            }
            FromWorker::Bye { exitstatus, expected, message, summary } => {
                if std::mem::take(&mut slot.awaits_summary)
                    && let Some(summary) = summary
                {
                    self.summaries.push(summary);
                }
                if std::mem::take(&mut slot.decides_end)
                    && let Some(expected) = expected
                {
                    self.session_ends.push(SessionEnd { status: exitstatus, expected, message });
                }
            }
            FromWorker::UsageError { message, session_exit, .. }
            | FromWorker::InternalError { message, session_exit } => {
                self.ending.fault = Some(message);
                self.ending.exit_status = self.ending.exit_status.or(session_exit.map(|exit| exit.status));
            }
            other => slot.note(other),
        }
    }

    /// No process has a test of this run. One that was to be repeated keeps its last outcome.
    fn on_missing(&mut self, worker: usize, index: usize, same_files: bool, dispatcher: &mut Dispatcher) {
        let why = if same_files {
            "the session that was to run it collected no such test: which tests there are differs with each collection"
        } else {
            "it is no longer there: its file has changed"
        };
        let outcome = match self.before.get(&index) {
            Some(before) => TestOutcome { will_rerun: false, ..before.clone() },
            None => not_run(&self.plan.node(index).id, self.attempt, why),
        };
        let failed = outcome.outcome.parse().is_ok_and(Outcome::is_failure);
        self.count(failed);
        dispatcher.finished(worker, index, failed);
        (self.tell)(DriverEvent::Outcome(index, Box::new(outcome)));
    }

    /// Reports one attempt's outcome, and decides whether another follows.
    fn on_outcome(&mut self, worker: usize, index: usize, mut outcome: TestOutcome, dispatcher: &mut Dispatcher) {
        let known: Option<Outcome> = outcome.outcome.parse().ok();
        let flaky = self.plan.known_flaky.get(index).copied().unwrap_or(false);
        let stopping = *self.stop_rx.borrow() != StopLevel::Go;
        outcome.will_rerun = !stopping
            && (outcome.will_rerun
                || known.is_some_and(|known| will_rerun(&self.plan.rerun, &known, self.attempt, flaky)));
        let failed = known.is_some_and(Outcome::is_failure) && !outcome.will_rerun;
        if outcome.will_rerun {
            self.reports.forget(index);
            self.again.push(index);
            self.before.insert(index, outcome.clone());
        }
        self.count(failed);
        dispatcher.finished(worker, index, failed);
        (self.tell)(DriverEvent::Outcome(index, Box::new(outcome)));
    }

    /// Handles the end of a runner. The test that it was running is to blame.
    pub(super) fn on_worker_exit(&mut self, worker: usize, mut slot: WorkerSlot, dispatcher: &mut Dispatcher) {
        slot.forwarding.abort();
        if self.plan.time_before.is_some() && !slot.done {
            let ms = slot.since.elapsed().as_secs_f64() * 1000.0;
            (self.tell)(DriverEvent::Timings(vec![ReportedTime(TimeKind::Lost, String::new(), 1, ms, ms)]));
        }
        if slot.done && slot.decides_end && !slot.exit.as_ref().is_some_and(|exit| exit.was_lost) {
            self.session_ends.push(SessionEnd::broken_off(slot.exit.as_ref()));
        }
        let was_left = slot.current.is_some_and(|(index, _)| self.was_left(index, dispatcher));
        // Only a second loss shows something about a test.
        let mut is_first_loss = || slot.current.is_none_or(|(index, _)| self.lost_once.insert(index));
        if was_left || slot.was_ended_for_another() || (slot.was_lost() && is_first_loss()) {
            dispatcher.worker_withdrawn(worker);
            return;
        }
        let given_up = slot.current.map(|(index, _)| index).filter(|index| self.taken_over.borrow().contains(index));
        if let Some(index) = given_up.filter(|_| self.yield_forced) {
            // It was ended for a newer run, which is no failure: the rest of this run goes on.
            dispatcher.worker_withdrawn(worker);
            dispatcher.finished(worker, index, false);
            self.drop_taken_over(vec![index]);
            return;
        }
        let stacks = slot.runner.told_stacks();
        let crashes = slot.current.and_then(|(index, _)| self.crashes.get(&index)).copied().unwrap_or(0);
        let is_overdue = slot.is_overdue();
        let is_repeated = !is_overdue && crashes < slot.after_crash && *self.stop_rx.borrow() == StopLevel::Go;
        let lost = if is_repeated { dispatcher.worker_lost_for_now(worker) } else { dispatcher.worker_lost(worker) };
        let Some(index) = lost.blamed else { return };
        let id = &self.plan.node(index).id;
        let exit = slot.exit.unwrap_or_default();
        // Plugins that write stacks because a test takes long then end its process in this way, or let it continue.
        let may_be_so = exit.signal.is_none() && exit.code.is_none_or(|code| code == 1);
        let stacks = stacks.filter(|_| is_overdue || may_be_so);
        let (node, root) = (self.plan.node(index), &self.pool.launcher.root);
        let mut outcome = match (self.plan.timeout_ms, stacks) {
            (Some(limit), stacks) if is_overdue || stacks.is_some() => overdue(node, root, self.attempt, limit, stacks),
            (None, Some(stacks)) => timed_out(node, root, self.attempt, FAULTHANDLER.to_owned(), Some(stacks)),
            _ => {
                self.disturbed |= exit.may_be_from_outside();
                crashed(id, self.attempt, &exit)
            }
        };
        if !is_overdue {
            *self.crashes.entry(index).or_default() += 1;
            outcome.will_rerun = is_repeated;
        }
        outcome.node = slot.runner.node().map(str::to_owned);
        if let Some(streams) = slot.streams.take() {
            (outcome.stdout, outcome.stderr) = streams.texts();
        }
        self.reports.note_lost(index, &outcome);
        self.on_outcome(worker, index, outcome, dispatcher);
        if self.is_limit_reached() {
            dispatcher.stop();
        }
    }
}
