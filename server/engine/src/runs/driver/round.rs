//! One round of a run: one attempt of each of its tests, by runners that start, run and end.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pytest_lens_plan::order::{Dispatcher, Item, units, whole_files};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Driver;
use crate::processes::gathering::took_too_long;
use crate::processes::process::{NoProcess, ProcessEvent};
use crate::processes::worker_protocol::ToWorker;
use crate::runs::event::DriverEnd;
use crate::runs::event::DriverEvent;
use crate::runs::pending_runners::{PendingRunners, RoundRunner};
use crate::runs::plan::WorkerSeat;
use crate::runs::stop::StopLevel;
use crate::runs::worker_slot::{Arrivals, WorkerSlot, next};
use crate::timing::{
    DONE_LIMIT, LAST_MESSAGES_GRACE, RESIDENT_TEARDOWN_LIMIT, SESSION_END_LIMIT, SESSION_FINISH_LIMIT, STACKS_LIMIT,
    STOPPED_LIMIT,
};

/// The tests of a run on a cluster that determines the number of runners are cut for at least so many: it may grow.
const CLUSTER_PARTS: usize = 16;

/// The state of a round.
pub(super) struct Round {
    /// Number of runners that it requests first.
    workers: usize,
    /// The number of its first runner among all of the run.
    first: usize,
    /// Its runners stay between runs.
    stay: bool,
    pub dispatcher: Dispatcher,
    /// A runner collects by itself, and may find other tests.
    own_collections: bool,
    pub slots: BTreeMap<usize, WorkerSlot>,
    pending: PendingRunners,
    arrivals_tx: mpsc::UnboundedSender<(usize, ProcessEvent)>,
    arrivals: Arrivals,
    /// Runners that ended before they started a test: each counts as many as there are runners, but 1 if its node has
    /// gone.
    early_exits: usize,
    /// Runners that could not be started.
    failed_starts: usize,
    /// A runner could be started.
    has_started: bool,
    /// The deadline for runners to report that they are done, after every test has its outcome.
    done_deadline: Option<Instant>,
}

impl Round {
    /// Makes every runner finish its current test and start no more.
    pub(super) fn stop_all(&mut self) {
        self.dispatcher.stop();
        for slot in self.slots.values_mut() {
            slot.stop();
        }
        self.feed_all();
    }

    fn feed_all(&mut self) {
        for (&worker, slot) in &mut self.slots {
            slot.feed(worker, &mut self.dispatcher);
        }
    }

    /// Returns whether no runner has or expects tests.
    fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.slots.values().all(|slot| slot.done)
    }

    /// Returns whether so many runners could not be started that it is of no use to request more.
    fn has_too_many_failed_starts(&self) -> bool {
        self.failed_starts >= 2 * self.workers.max(2)
    }

    /// Ends every runner now.
    fn kill_all(&self) {
        for slot in self.slots.values() {
            slot.runner.kill();
        }
    }
}

/// Waits until the cluster has another size; forever without one.
async fn grown(size: Option<&mut watch::Receiver<usize>>) {
    let has_changed = match size {
        Some(size) => size.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        std::future::pending::<()>().await;
    }
}

impl<F: Fn(DriverEvent)> Driver<'_, F> {
    /// Runs some of the selected tests once each. `stay`: in residents. Returns the tests that are left if the round
    /// was cut short for a newer run.
    pub(super) async fn run_round(&mut self, indices: &[usize], workers: usize, stay: bool) -> Vec<usize> {
        let mut round = self.new_round(indices, workers, stay);
        if *self.stop_rx.borrow() != StopLevel::Go {
            for &index in indices {
                self.skip_retry(index);
            }
            return Vec::new();
        }
        (self.yield_deadline, self.yield_forced) = (None, false);
        if self.plan.time_before.is_some() {
            (self.tell)(DriverEvent::Runners(round.workers));
        }
        // The dispatcher counts its workers from 0 in each round.
        for worker in 0..round.workers {
            round.pending.ask(worker, self.plan, stay, self.reports.is_later());
        }
        loop {
            self.collect_stacks(&round).await;
            self.apply_stop(&mut round);
            self.yield_to_newer(&mut round);
            self.replace_missing(&mut round);
            if self.is_round_over(&round) {
                break;
            }
            self.announce_done(&mut round);
            if let Some((worker, came)) = self.step(&mut round).await {
                self.on_arrival(worker, came, &mut round);
            }
            if round.own_collections {
                round.feed_all();
            }
            if round.done_deadline.is_some_and(|at| at <= Instant::now()) {
                self.give_up_sessions(&round);
                break;
            }
            self.replace_ended(&mut round);
        }
        if self.ending.killed || self.ending.out_of_time {
            self.read_last_reports(&mut round).await;
        }
        self.end_round(round).await
    }

    /// Reads what killed runners have reported before their end: a test that has ended has an outcome, and one that
    /// has started its output. Their connections end with them.
    async fn read_last_reports(&mut self, round: &mut Round) {
        let until = Instant::now() + LAST_MESSAGES_GRACE;
        while round.slots.values().any(|slot| !slot.lost && !slot.dismissed) {
            match tokio::time::timeout_at(until, round.arrivals.recv()).await {
                Ok(Some((worker, event))) => self.on_event(worker, event, round),
                _ => return,
            }
        }
    }

    /// Returns whether each runner collects by itself, and may find other tests.
    fn collects_again(&self) -> bool {
        !self.plan.collected.is_shared() || self.plan.remote.is_some()
    }

    fn new_round(&mut self, indices: &[usize], workers: usize, stay: bool) -> Round {
        // Units are not cut again when the cluster grows.
        let parts = if self.cluster_size.is_some() { workers.max(CLUSTER_PARTS) } else { workers };
        let units = self.units(indices, parts);
        let workers = workers.min(units.len()).max(1);
        let first = self.next_slot;
        self.next_slot += workers;
        let (arrivals_tx, arrivals) = mpsc::unbounded_channel();
        let limit =
            self.plan.maxfail.filter(|_| !self.plan.rerun.enabled).map(|limit| limit.saturating_sub(self.earlier));
        // A node may have room for a runner only after a long time: until then the dispatcher keeps nothing for it.
        let mut dispatcher = Dispatcher::new(units, workers, limit);
        if self.plan.remote.is_some() {
            dispatcher = dispatcher.with_late_workers();
        }
        let own_collections = self.collects_again();
        if own_collections {
            dispatcher = dispatcher.with_own_collections();
        }
        Round {
            workers,
            first,
            stay,
            dispatcher,
            own_collections,
            slots: BTreeMap::new(),
            pending: PendingRunners::new(self.pool),
            arrivals_tx,
            arrivals,
            early_exits: 0,
            failed_starts: 0,
            has_started: false,
            done_deadline: None,
        }
    }

    /// The tests in the parts that runners get: what runs first comes before the rest.
    fn units(&self, indices: &[usize], workers: usize) -> Vec<Vec<usize>> {
        let cut = if self.plan.whole_files { whole_files } else { units };
        let items = |indices: &[usize]| -> Vec<Item<'_>> {
            let duration = |index: usize| self.plan.durations.get(index).copied().flatten();
            indices.iter().map(|&index| self.plan.node(index).item(index, duration(index))).collect()
        };
        if self.plan.first.is_empty() {
            return cut(&items(indices), workers);
        }
        let wanted: HashSet<usize> = indices.iter().copied().collect();
        let first: Vec<usize> = self.plan.first.iter().copied().filter(|index| wanted.contains(index)).collect();
        let taken: HashSet<usize> = first.iter().copied().collect();
        let rest: Vec<usize> = indices.iter().copied().filter(|index| !taken.contains(index)).collect();
        let mut units = cut(&items(&first), workers);
        units.extend(cut(&items(&rest), workers));
        units
    }

    fn is_round_over(&self, round: &Round) -> bool {
        let is_over = self.ending.killed || self.ending.out_of_time || self.ending.fault.is_some();
        // After a stop there is no need to wait for runners that have not started.
        let awaited = !round.pending.is_empty() && self.wants_runners();
        if is_over || (round.slots.is_empty() && !awaited) {
            return true;
        }
        // A test may start while a stop is on its way. Only a runner's own report shows that it starts no more tests,
        // and whether a test interrupted the session.
        let settled = round.dispatcher.has_all_verdicts() && !(awaited && self.ends_only);
        // A runner on a node that goes is done before its tests have gone elsewhere.
        let goes_on = self.plan.remote.is_some() && self.wants_runners() && !round.dispatcher.is_done();
        (settled || !(awaited || goes_on)) && round.slots.values().all(|slot| slot.is_settled(settled))
    }

    /// Once every test has its outcome, informs the runners that no more tests follow.
    fn announce_done(&self, round: &mut Round) {
        if round.done_deadline.is_some() || !round.dispatcher.has_all_verdicts() {
            return;
        }
        // The session of a run without tests takes its time to collect.
        let is_collecting = || round.slots.values().any(|slot| slot.collect_by.is_some());
        if self.ends_only && (!round.pending.is_empty() || is_collecting()) {
            return;
        }
        let limit = if self.plan.decides_end() {
            let is_awaited = self.plan.kind.makes_reports() || self.plan.is_command;
            if is_awaited { SESSION_END_LIMIT } else { SESSION_FINISH_LIMIT }
        } else if round.stay {
            RESIDENT_TEARDOWN_LIMIT
        } else {
            DONE_LIMIT
        };
        round.done_deadline = Some(Instant::now() + limit);
        for slot in round.slots.values() {
            slot.runner.send(ToWorker::Feed { indices: Vec::new(), end: true });
        }
    }

    /// Sessions have not ended in their time. Nobody knows what their hooks would decide.
    fn give_up_sessions(&mut self, round: &Round) {
        if self.plan.is_command && round.slots.values().any(|slot| slot.decides_end && slot.done) {
            let seconds = SESSION_END_LIMIT.as_secs();
            let why = format!("pytest's session did not end within {seconds} s after its tests: look at its hooks");
            self.ending.refused.get_or_insert(why);
        }
    }

    /// Handles a runner that has started, or the failure to start one.
    fn on_arrival(&mut self, worker: usize, came: Result<RoundRunner, NoProcess>, round: &mut Round) {
        match came {
            Ok(runner) if !self.wants_runners() => round.pending.discard_runner(runner),
            Ok(runner) => {
                let place = if worker < round.workers { round.first + worker } else { worker };
                self.start_worker(runner, WorkerSeat { worker, place, count: round.workers }, round);
            }
            Err(reason) => {
                round.dispatcher.worker_lost(worker);
                round.failed_starts += 1;
                let is_hopeless = !round.has_started || round.has_too_many_failed_starts();
                if is_hopeless && round.is_idle() && (self.ends_only || round.dispatcher.needs_worker()) {
                    self.ending.fault = Some(format!("no process to run tests in could be made: {reason}"));
                }
            }
        }
        if round.has_started && round.failed_starts > 0 && !round.has_too_many_failed_starts() {
            // It was meant for a node that has gone: one that has joined meanwhile may have no runner.
            self.grow(round);
        }
    }

    /// Requests a runner for tests that none of the others gets: they were meant for one that could not be started, or are
    /// left by one that is lost, and the others lack them.
    fn replace_missing(&mut self, round: &mut Round) {
        let goes_on = round.has_started && self.ending == DriverEnd::default();
        let is_debugged = self.plan.kind.debug_process().is_some();
        if goes_on && !is_debugged && round.is_idle() && round.dispatcher.needs_worker() {
            self.add_worker(round);
        }
    }

    /// Removes runners that have ended, and requests others if there are more tests.
    fn replace_ended(&mut self, round: &mut Round) {
        let ended = round.slots.iter().filter(|(_, slot)| slot.is_over()).map(|(&worker, _)| worker);
        for worker in ended.collect::<Vec<_>>() {
            let Some(slot) = round.slots.remove(&worker) else { continue };
            let was_lost = slot.was_lost();
            if !slot.began && !slot.done {
                let has_left =
                    slot.runner.node().is_some() && slot.exit.as_ref().is_some_and(|exit| exit.code == Some(0));
                // Nodes come and go, and sessions are killed; but something is wrong where none stays.
                let limit_used = if was_lost || has_left { 1 } else { round.workers.max(2) };
                round.early_exits += limit_used;
            }
            // At a terminal, Ctrl-C is meant for the whole run.
            let is_interrupt =
                self.pool.launcher.terminal && slot.exit.as_ref().is_some_and(|exit| exit.is_interrupt());
            self.on_worker_exit(worker, slot, &mut round.dispatcher);
            if is_interrupt {
                self.ending.interrupted.get_or_insert_with(|| "KeyboardInterrupt".into());
            }
            if round.early_exits >= 2 * round.workers.max(2) {
                self.ending.fault.get_or_insert_with(|| "processes that run tests end before they start one".into());
            } else if round.dispatcher.needs_worker() && self.plan.kind.debug_process().is_some() {
                let ended = || "the process under the debugger has ended".into();
                self.ending.interrupted.get_or_insert_with(ended);
            } else if (round.dispatcher.needs_worker() || (was_lost && !round.dispatcher.is_done()))
                && self.ending == DriverEnd::default()
            {
                self.add_worker(round);
            }
        }
    }

    fn add_worker(&mut self, round: &mut Round) {
        let worker = self.next_slot;
        self.next_slot += 1;
        if self.plan.remote.is_none() {
            round.dispatcher.worker_added(worker);
        }
        round.pending.ask(worker, self.plan, round.stay, self.reports.is_later());
    }

    /// Requests runners for the nodes that have joined the cluster, as long as tests wait for them.
    fn grow(&mut self, round: &mut Round) {
        let Some(size) = &mut self.cluster_size else { return };
        let (wanted, present) = (*size.borrow_and_update(), round.slots.len() + round.pending.len());
        let more =
            wanted.saturating_sub(present).min(round.dispatcher.waiting_units().saturating_sub(round.pending.len()));
        if self.wants_runners() {
            (0..more).for_each(|_| self.add_worker(round));
        }
    }

    /// Gives the remaining tests an outcome, unless another round runs them, and releases the runners.
    async fn end_round(&mut self, round: Round) -> Vec<usize> {
        let Round { dispatcher, slots, pending, arrivals, .. } = round;
        drop(pending);
        let makes_way = self.yield_deadline.is_some() && !dispatcher.maxfail_reached() && !self.is_limit_reached();
        let left = if makes_way && self.ending == DriverEnd::default() {
            dispatcher.unfinished()
        } else {
            self.finish_round(&dispatcher, &slots);
            Vec::new()
        };
        self.release_runners(slots, arrivals).await;
        left
    }

    /// Waits for one event and handles it. Returns a runner that has started, or the reason why there is none.
    async fn step(&mut self, round: &mut Round) -> Option<(usize, Result<RoundRunner, NoProcess>)> {
        let deadlines = round.slots.values().filter_map(|slot| {
            slot.deadline().map(|(_, at)| at).into_iter().chain(slot.exit_deadline).chain(slot.collect_by).min()
        });
        let way = self.yield_deadline.filter(|_| !self.yield_forced);
        let next_check = self.plan.kind.debug_process().is_none().then_some(self.next_check);
        let wake = deadlines.chain(round.done_deadline).chain(self.attach_by).chain(way).chain(next_check).min();
        let alarm = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.stop_rx.changed() => {}
            _ = self.taken_over.changed() => {}
            arrival = round.arrivals.recv() => {
                if let Some((worker, event)) = arrival {
                    self.on_event(worker, event, round);
                }
            }
            came = round.pending.next() => return Some(came),
            () = grown(self.cluster_size.as_mut()) => self.grow(round),
            () = alarm => self.on_alarm(round),
        }
        None
    }

    /// Handles the deadline that has passed.
    fn on_alarm(&mut self, round: &mut Round) {
        let now = Instant::now();
        if self.yield_deadline.is_some_and(|at| at <= now) && !self.yield_forced {
            self.yield_forced = true;
            self.force_yield(round);
        }
        if self.plan.kind.debug_process().is_none() && self.next_check <= now {
            self.next_check = now + STOPPED_LIMIT / 4;
            round.slots.values_mut().for_each(|slot| slot.check_stopped(now));
        }
        if let Some(debug_process) =
            self.plan.kind.debug_process().filter(|_| self.attach_by.is_some_and(|at| at <= now))
        {
            self.attach_by = None;
            self.ending.interrupted = Some(debug_process.no_debugger());
            round.dispatcher.stop();
            round.kill_all();
        }
        for slot in round.slots.values_mut() {
            if let Some((index, _)) = slot.deadline().filter(|(_, at)| *at <= now) {
                slot.end_for(index);
            }
            if slot.exit_deadline.is_some_and(|at| at <= now) {
                slot.lost = true;
                slot.exit.get_or_insert_default();
                // The process may still live, without a connection.
                slot.runner.kill();
            }
            if slot.collect_by.is_some_and(|at| at <= now) {
                self.ending.fault = Some(took_too_long(self.plan.collect_limit, slot.importing.as_deref()));
            }
        }
    }

    /// Applies a stop or a kill as soon as it is requested.
    fn apply_stop(&mut self, round: &mut Round) {
        let wanted = *self.stop_rx.borrow_and_update();
        if wanted == StopLevel::OutOfTime && !self.ending.out_of_time {
            self.ending.out_of_time = true;
            round.dispatcher.stop();
            round.kill_all();
        }
        if matches!(wanted, StopLevel::Stop | StopLevel::Kill) && !self.ending.stopped {
            self.ending.stopped = true;
            round.dispatcher.stop();
            for slot in round.slots.values_mut() {
                slot.stop();
                // A runner that waits for its debugger has no test to finish.
                if self.attach_by.is_some() {
                    slot.runner.kill();
                }
            }
            self.attach_by = None;
        }
        if wanted == StopLevel::Kill && !self.ending.killed {
            self.ending.killed = true;
            round.kill_all();
        }
    }

    /// At the end of the run's time limit, running tests get a moment to report their stacks. A process writes these piece by
    /// piece: they are complete once no more comes.
    async fn collect_stacks(&self, round: &Round) {
        if *self.stop_rx.borrow() != StopLevel::OutOfTime || self.ending.out_of_time {
            return;
        }
        let writing: Vec<&WorkerSlot> =
            round.slots.values().filter(|slot| slot.current.is_some() && slot.runner.stacks.is_some()).collect();
        let read = || writing.iter().map(|slot| slot.runner.told_stacks()).collect::<Vec<_>>();
        let are_lines = |told: &Option<String>| told.as_ref().is_some_and(|text| text.ends_with('\n'));
        let (until, mut before) = (Instant::now() + STACKS_LIMIT, read());
        while !writing.is_empty() && Instant::now() < until {
            tokio::time::sleep(STACKS_LIMIT / 50).await;
            let now = read();
            if now == before && now.iter().all(are_lines) {
                return;
            }
            before = now;
        }
    }

    /// Sends a runner its order, and starts to forward its events.
    fn start_worker(&mut self, runner: RoundRunner, post: WorkerSeat, round: &mut Round) {
        round.has_started = true;
        round.dispatcher.worker_added(post.worker);
        // Its collection may be gone that the run began with.
        if runner.runner().is_session() && !round.own_collections {
            round.own_collections = true;
            round.dispatcher.expect_own_collections();
        }
        let feed = next(post.worker, &mut round.dispatcher);
        let mut order = self.plan.order(&runner, post, feed, round.dispatcher.failures() + self.earlier);
        order.deadline_ns = self.deadline_ns;
        order.earlier = self.reports.begin_session();
        order.crashes = self.crashes.iter().map(|(&index, &count)| (index, count)).collect();
        let mut slot = WorkerSlot::new(runner, post.worker, round.arrivals_tx.clone(), self.pool.busy());
        slot.output = self.plan.output(post).map(Arc::new);
        slot.decides_end = self.plan.decides_end();
        slot.has_no_tests = self.ends_only;
        slot.awaits_summary = self.plan.awaits_summary;
        if order.ids.is_none() {
            round.dispatcher.lacks(post.worker, []);
        }
        // A person at a debugger may take any amount of time.
        slot.send_order(order, self.plan.kind.debug_process().is_none().then_some(self.plan.collect_limit));
        round.slots.insert(post.worker, slot);
    }
}
