//! Drives one run: runners, the dispatcher that feeds them, crashes, timeouts, repeats, stop and kill.
//!
//! It owns the run's processes and nothing else: what happens goes out as [`DriverEvent`] to the project, which keeps the
//! books.

mod preemption;
mod release;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pytest_lens_plan::order::{Dispatcher, Item, units};
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_plan::rerun::will_rerun;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::model::outcome::{crashed, not_run, of_wire, overdue, timed_out};
use crate::processes::collected_session::took_too_long;
use crate::processes::liveness::STOPPED_LIMIT;
use crate::processes::pool::Pool;
use crate::processes::process::ProcessEvent;
use crate::processes::process_tree::kill_tree;
use crate::processes::worker_protocol::{FromWorker, ToWorker};
use crate::runs::artifacts::Streams;
use crate::runs::pending_runners::{PendingRunners, RoundRunner};
use crate::runs::plan::WorkerPost;
pub(crate) use crate::runs::plan::{ConflictPolicy, DriverEnd, DriverEvent, RunPlan, StopLevel};
use crate::runs::worker_slot::{Arrivals, WorkerSlot, next};
use pytest_lens_protocol::TestOutcome;

/// How long an ended connection waits for word of how the process ended.
const GRACE: Duration = Duration::from_millis(1500);

/// How long a run whose tests all have their outcome waits for its runners to say that they are done.
const DONE_LIMIT: Duration = Duration::from_millis(500);

/// How long runners that stay may take to tear down what does not stay with them.
const RESIDENT_TEARDOWN: Duration = Duration::from_secs(30);

/// How long a run waits for hooks that finish its sessions. Those that take longer hold up the next run only.
const SESSION_FINISH: Duration = Duration::from_secs(10);

/// How long runners have for telling the stacks of what runs when the time of the whole run is up.
const STACKS_LIMIT: Duration = Duration::from_millis(200);

/// A test that overruns its limit by this much without ending itself is killed from outside.
const TIMEOUT_GRACE: Duration = Duration::from_secs(2);

/// Runs everything, and gives every selected test one final outcome.
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
        failures: 0,
        passes: BTreeMap::new(),
        ending: DriverEnd::default(),
        next_slot: 0,
        deadline_ns: plan.time_limit.and_then(|limit| {
            let limit = u64::try_from(limit.as_nanos()).ok()?;
            crate::clock::now_ns().checked_add(limit)
        }),
        attach_by: plan.kind.debug_process().map(|debug_process| debug_process.until()),
        taken_over: plan.taken_over.subscribe(),
        yield_deadline: None,
        yield_forced: false,
        replaced: false,
        disturbed: false,
        next_check: Instant::now() + STOPPED_LIMIT / 4,
        exiting: Mutex::default(),
    };
    let mut left: Vec<usize> = (0..plan.selected.len()).collect();
    loop {
        left = driver.drop_taken_over(left);
        if left.is_empty() {
            break;
        }
        left = driver.run_round(&left, plan.workers.max(1), plan.kind.is_resident()).await;
    }
    while !driver.again.is_empty() {
        driver.attempt += 1;
        for index in std::mem::take(&mut driver.again) {
            driver.pause().await;
            driver.await_exiting().await;
            if driver.drop_taken_over(vec![index]).is_empty() {
                continue;
            }
            if *driver.stop_rx.borrow() == StopLevel::Go && !driver.is_limit_reached() {
                let broken_off = driver.run_round(&[index], 1, false).await;
                driver.drop_taken_over(broken_off);
            } else {
                driver.skip_retry(index);
            }
        }
    }
    (driver.ending.replaced, driver.ending.disturbed) = (driver.replaced, driver.disturbed);
    if plan.kind.coverage().is_some() || driver.replaced || !plan.collected.is_shared() {
        // What they have measured, and what hooks of their sessions report, is written when those are over; and a newer
        // run of the same tests may need what they hold.
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
            () = tokio::time::sleep(SESSION_FINISH), if !needed => {}
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
    /// Failed tests whose next attempt was promised.
    again: Vec<usize>,
    /// Tests that failed for good.
    failures: u32,
    /// The last pass of each test that is repeated until it fails: how it ends where nothing more is started.
    passes: BTreeMap<usize, TestOutcome>,
    ending: DriverEnd,
    next_slot: usize,
    /// When the time of the whole run is up.
    deadline_ns: Option<u64>,
    /// When a debugger has to be there that has not come yet.
    attach_by: Option<Instant>,
    /// Tests that a newer run has taken over.
    taken_over: watch::Receiver<Arc<BTreeSet<usize>>>,
    /// This round makes way for a newer run, and what it runs of its tests is ended then.
    yield_deadline: Option<Instant>,
    /// That time has come.
    yield_forced: bool,
    /// Tests were left to a newer run.
    replaced: bool,
    /// A test's process was ended by what may have been somebody else.
    disturbed: bool,
    /// When to look next whether runners are stopped.
    next_check: Instant,
    /// Runners that tear down their sessions.
    exiting: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl<F: Fn(DriverEvent)> Driver<'_, F> {
    /// Runs some of the selected tests once each. `stay`: in runners that stay between runs. Returns what is left where it
    /// made way for a newer run.
    async fn run_round(&mut self, indices: &[usize], workers: usize, stay: bool) -> Vec<usize> {
        let items: Vec<Item> = indices
            .iter()
            .map(|&index| self.plan.node(index).item(index, self.plan.durations.get(index).copied().flatten()))
            .collect();
        let units = units(&items, workers);
        let workers = workers.min(units.len()).max(1);
        let mut dispatcher = Dispatcher::new(units, workers, self.plan.maxfail.filter(|_| !self.plan.rerun.enabled));
        let (arrivals_tx, mut arrivals) = mpsc::unbounded_channel();
        let mut slots: BTreeMap<usize, WorkerSlot> = BTreeMap::new();
        let mut early_exits = 0;
        let mut done_deadline = None;
        let first = self.next_slot;
        self.next_slot += workers;
        if *self.stop_rx.borrow() != StopLevel::Go {
            for &index in indices {
                self.skip_retry(index);
            }
            return Vec::new();
        }
        (self.yield_deadline, self.yield_forced) = (None, false);
        let mut pending = PendingRunners::new(self.pool);
        // The dispatcher counts its workers from 0 in each round.
        for worker in 0..workers {
            pending.ask(worker, self.plan, stay);
        }
        loop {
            self.collect_stacks(&slots).await;
            self.apply_stop(&mut dispatcher, &mut slots);
            self.yield_to_newer(&mut dispatcher, &mut slots);
            let is_over = self.ending.killed || self.ending.out_of_time || self.ending.fault.is_some();
            // What is to start nothing need not wait for those who are on their way.
            let awaited = !pending.is_empty() && self.wants_runners();
            if is_over || (slots.is_empty() && !awaited) {
                break;
            }
            // A start may cross a stop on the wire: only a runner's own word says that it starts nothing more, and
            // only with that word is it known whether a test interrupted the session.
            let settled = dispatcher.has_all_verdicts();
            if (settled || !awaited) && slots.values().all(|slot| slot.is_settled(settled)) {
                break;
            }
            if settled && done_deadline.is_none() {
                done_deadline = Some(
                    Instant::now()
                        + if stay || self.plan.kind.makes_reports() { RESIDENT_TEARDOWN } else { DONE_LIMIT },
                );
                for slot in slots.values() {
                    slot.runner.send(ToWorker::Feed { indices: Vec::new(), end: true });
                }
            }
            let came = self.step(&mut arrivals, &mut pending, &mut slots, &mut dispatcher, done_deadline).await;
            match came {
                Some((_, Ok(runner))) if !self.wants_runners() => {
                    pending.discard_runner(runner);
                }
                Some((worker, Ok(runner))) => {
                    let place = if worker < workers { first + worker } else { worker };
                    let post = WorkerPost { worker, place, count: workers };
                    slots.insert(worker, self.start_worker(runner, post, &mut dispatcher, &arrivals_tx));
                }
                Some((worker, Err(message))) => {
                    dispatcher.worker_lost(worker);
                    if slots.is_empty() && pending.is_empty() {
                        self.ending.fault = Some(format!("no process to run tests in could be made: {message}"));
                    }
                }
                None => {}
            }
            if done_deadline.is_some_and(|at| at <= Instant::now()) {
                break;
            }
            let ended: Vec<usize> =
                slots.iter().filter(|(_, slot)| slot.is_over()).map(|(&worker, _)| worker).collect();
            for worker in ended {
                let Some(slot) = slots.remove(&worker) else { continue };
                if !slot.began && !slot.done {
                    early_exits += 1;
                }
                // At a terminal Ctrl-C is meant for the run as a whole.
                let is_interrupt = self.pool.launcher.terminal
                    && slot.exit.as_ref().is_some_and(|exit| exit.signal == Some(libc::SIGINT));
                self.on_worker_exit(worker, slot, &mut dispatcher);
                if is_interrupt {
                    self.ending.interrupted.get_or_insert_with(|| "KeyboardInterrupt".into());
                }
                if early_exits >= 2 {
                    self.ending
                        .fault
                        .get_or_insert_with(|| "processes that run tests end before they start one".into());
                } else if dispatcher.needs_worker() && self.plan.kind.debug_process().is_some() {
                    let ended = || "the process under the debugger has ended".into();
                    self.ending.interrupted.get_or_insert_with(ended);
                } else if dispatcher.needs_worker() && self.ending == DriverEnd::default() {
                    let worker = self.next_slot;
                    self.next_slot += 1;
                    dispatcher.worker_added(worker);
                    pending.ask(worker, self.plan, stay);
                }
            }
        }
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

    /// Waits for one thing to happen and takes it in. A runner that has come is returned, or why there is none.
    async fn step(
        &mut self,
        arrivals: &mut Arrivals,
        pending: &mut PendingRunners,
        slots: &mut BTreeMap<usize, WorkerSlot>,
        dispatcher: &mut Dispatcher,
        done_deadline: Option<Instant>,
    ) -> Option<(usize, Result<RoundRunner, String>)> {
        let deadlines = slots.values().filter_map(|slot| {
            let overdue = slot.current.and_then(|(_, at)| at).filter(|_| !slot.overdue);
            overdue.into_iter().chain(slot.exit_deadline).chain(slot.collect_by).min()
        });
        let way = self.yield_deadline.filter(|_| !self.yield_forced);
        let next_check = self.plan.kind.debug_process().is_none().then_some(self.next_check);
        let wake = deadlines.chain(done_deadline).chain(self.attach_by).chain(way).chain(next_check).min();
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
            arrival = arrivals.recv() => {
                if let Some((worker, event)) = arrival {
                    self.on_event(worker, event, slots, dispatcher);
                }
            }
            came = pending.next() => return Some(came),
            () = alarm => {
                let now = Instant::now();
                if way.is_some_and(|at| at <= now) {
                    self.yield_forced = true;
                    self.force_yield(dispatcher, slots);
                }
                if next_check.is_some_and(|at| at <= now) {
                    self.next_check = now + STOPPED_LIMIT / 4;
                    slots.values_mut().for_each(|slot| slot.check_stopped(now));
                }
                if let Some(debug_process) = self.plan.kind.debug_process().filter(|_| self.attach_by.is_some_and(|at| at <= now)) {
                    self.attach_by = None;
                    self.ending.interrupted = Some(debug_process.no_debugger());
                    dispatcher.stop();
                    for slot in slots.values() {
                        kill_tree(slot.runner.pid());
                    }
                }
                for slot in slots.values_mut() {
                    if slot.current.and_then(|(_, at)| at).is_some_and(|at| at <= now) {
                        slot.overdue = true;
                        kill_tree(slot.runner.pid());
                    }
                    if slot.exit_deadline.is_some_and(|at| at <= now) {
                        slot.lost = true;
                        slot.exit.get_or_insert_default();
                        // It may live on, unheard of.
                        kill_tree(slot.runner.pid());
                    }
                    if slot.collect_by.is_some_and(|at| at <= now) {
                        self.ending.fault = Some(took_too_long(self.plan.collect_limit, slot.importing.as_deref()));
                    }
                }
            }
        }
        None
    }

    fn on_event(
        &mut self,
        worker: usize,
        event: ProcessEvent,
        slots: &mut BTreeMap<usize, WorkerSlot>,
        dispatcher: &mut Dispatcher,
    ) {
        let Some(slot) = slots.get_mut(&worker) else { return };
        if slot.dismissed {
            return;
        }
        match event {
            ProcessEvent::Lost => {
                slot.lost = true;
                slot.exit_deadline.get_or_insert_with(|| Instant::now() + GRACE);
            }
            // Told behind everything that the process said.
            ProcessEvent::Exited(status) => {
                slot.exit = Some(status);
                slot.lost = true;
            }
            ProcessEvent::Message(message) => match *message {
                FromWorker::Started { i, at } if i < self.plan.selected.len() => {
                    let limit =
                        self.plan.timeout_ms.map(|limit| Instant::now() + Duration::from_millis(limit) + TIMEOUT_GRACE);
                    tracing::debug!(pid = slot.runner.pid(), test = &*self.plan.node(i).id, "a runner starts a test");
                    slot.current = Some((i, limit));
                    slot.began = true;
                    dispatcher.started(worker, i);
                    (self.tell)(DriverEvent::Started(i));
                    slot.streams = slot.output.clone().zip(at).map(|(prefix, at)| Streams { prefix, at });
                    if let Some(streams) = slot.streams.clone() {
                        (self.tell)(DriverEvent::Streams(i, streams));
                    }
                    slot.feed(worker, dispatcher);
                }
                FromWorker::Finished(mut outcome) if outcome.i < self.plan.selected.len() => {
                    let index = outcome.i;
                    slot.current = None;
                    let folder = outcome.artifacts.take().map(PathBuf::from);
                    if slot.streams.take().is_some() || folder.is_some() {
                        (self.tell)(DriverEvent::Streamed(index, outcome.to, folder));
                    }
                    let outcome = of_wire(*outcome, &self.plan.node(index).id, self.attempt);
                    self.on_outcome(worker, index, outcome, dispatcher);
                    slot.feed(worker, dispatcher);
                    if dispatcher.maxfail_reached() || self.is_limit_reached() {
                        stop_all(slots, dispatcher);
                    }
                }
                FromWorker::Importing { path } => slot.importing = Some(path),
                FromWorker::Reads { reads } => (self.tell)(DriverEvent::Reads(reads)),
                FromWorker::RunnerReady { stacks, read } => {
                    let same_files = slot.order.is_some() && self.plan.collected.agrees_with(&read);
                    slot.note(FromWorker::RunnerReady { stacks, read });
                    slot.begin(same_files);
                }
                FromWorker::Attached {} => self.attach_by = None,
                FromWorker::Missing { indices } => {
                    for index in indices.into_iter().filter(|index| *index < self.plan.selected.len()) {
                        let outcome = not_run(
                            &self.plan.node(index).id,
                            self.attempt,
                            "it is no longer there: its file has changed",
                        );
                        dispatcher.started(worker, index);
                        self.on_outcome(worker, index, outcome, dispatcher);
                    }
                    slot.feed(worker, dispatcher);
                }
                FromWorker::Done { reason, message, held, warnings } => {
                    if !warnings.is_empty() {
                        (self.tell)(DriverEvent::Warnings(warnings));
                    }
                    slot.done = true;
                    slot.held = held;
                    if reason == "interrupted" {
                        self.ending.interrupted = Some(message.unwrap_or_else(|| "the session was interrupted".into()));
                    }
                    if reason == "interrupted" || reason == "maxfail" {
                        stop_all(slots, dispatcher);
                    }
                }
                FromWorker::Bye { exitstatus, message } => {
                    if std::mem::take(&mut slot.decides_end) && exitstatus == 1 && self.failures == 0 {
                        let unnamed = || "pytest ended with status 1 although no test failed".to_owned();
                        self.ending.refused = Some(message.unwrap_or_else(unnamed));
                    }
                }
                FromWorker::UsageError { message, .. } | FromWorker::InternalError { message } => {
                    self.ending.fault = Some(message);
                }
                other => slot.note(other),
            },
        }
    }

    /// One attempt's outcome: tells it, and decides whether there is another.
    fn on_outcome(&mut self, worker: usize, index: usize, mut outcome: TestOutcome, dispatcher: &mut Dispatcher) {
        let known: Option<Outcome> = outcome.outcome.parse().ok();
        let flaky = self.plan.known_flaky.get(index).copied().unwrap_or(false);
        let stopping = *self.stop_rx.borrow() != StopLevel::Go;
        outcome.will_rerun =
            known.is_some_and(|known| !stopping && will_rerun(&self.plan.rerun, &known, self.attempt, flaky));
        let failed = known.is_some_and(Outcome::is_failure) && !outcome.will_rerun;
        if outcome.will_rerun {
            self.again.push(index);
            if self.plan.rerun.until_failure {
                self.passes.insert(index, outcome.clone());
            }
        }
        self.failures += u32::from(failed);
        dispatcher.finished(worker, index, failed);
        (self.tell)(DriverEvent::Outcome(index, Box::new(outcome)));
    }

    /// A runner is over: whoever it ran when it ended is to blame.
    fn on_worker_exit(&mut self, worker: usize, mut slot: WorkerSlot, dispatcher: &mut Dispatcher) {
        slot.forwarding.abort();
        let stacks = slot.runner.told_stacks();
        let lost = dispatcher.worker_lost(worker);
        let Some(index) = lost.blamed else { return };
        let id = &self.plan.node(index).id;
        if self.yield_forced && self.taken_over.borrow().contains(&index) {
            self.drop_taken_over(vec![index]);
            return;
        }
        let mut outcome = match self.plan.timeout_ms.filter(|_| slot.overdue || stacks.is_some()) {
            Some(limit) => overdue(self.plan.node(index), &self.pool.launcher.root, self.attempt, limit, stacks),
            None => {
                let exit = slot.exit.unwrap_or_default();
                self.disturbed |= exit.may_be_from_outside();
                crashed(id, self.attempt, &exit)
            }
        };
        if let Some(streams) = slot.streams.take() {
            (outcome.stdout, outcome.stderr) = streams.texts();
        }
        self.on_outcome(worker, index, outcome, dispatcher);
        if self.is_limit_reached() {
            dispatcher.stop();
        }
    }

    /// Whether more is to be started.
    fn wants_runners(&self) -> bool {
        self.ending == DriverEnd::default() && self.yield_deadline.is_none() && !self.is_limit_reached()
    }

    /// Whether as many tests have failed for good as may.
    fn is_limit_reached(&self) -> bool {
        self.plan.maxfail.is_some_and(|limit| self.failures >= limit)
    }

    /// Stop and kill, as soon as they are asked for.
    fn apply_stop(&mut self, dispatcher: &mut Dispatcher, slots: &mut BTreeMap<usize, WorkerSlot>) {
        let wanted = *self.stop_rx.borrow_and_update();
        if wanted == StopLevel::OutOfTime && !self.ending.out_of_time {
            self.ending.out_of_time = true;
            dispatcher.stop();
            for slot in slots.values() {
                kill_tree(slot.runner.pid());
            }
        }
        if matches!(wanted, StopLevel::Stop | StopLevel::Kill) && !self.ending.stopped {
            self.ending.stopped = true;
            dispatcher.stop();
            for slot in slots.values_mut() {
                slot.stop();
                // One that waits for its debugger runs nothing that could finish.
                if self.attach_by.is_some() {
                    kill_tree(slot.runner.pid());
                }
            }
            self.attach_by = None;
        }
        if wanted == StopLevel::Kill && !self.ending.killed {
            self.ending.killed = true;
            for slot in slots.values() {
                kill_tree(slot.runner.pid());
            }
        }
    }

    /// When the time of the whole run is up, what runs gets a moment to say where it is.
    async fn collect_stacks(&self, slots: &BTreeMap<usize, WorkerSlot>) {
        if *self.stop_rx.borrow() != StopLevel::OutOfTime || self.ending.out_of_time {
            return;
        }
        let silent = |slot: &WorkerSlot| {
            slot.current.is_some() && slot.runner.stacks.is_some() && slot.runner.told_stacks().is_none()
        };
        let until = Instant::now() + STACKS_LIMIT;
        while slots.values().any(silent) && Instant::now() < until {
            tokio::time::sleep(STACKS_LIMIT / 20).await;
        }
    }

    /// Tells a runner what it is to run, and has its events forwarded.
    fn start_worker(
        &self,
        runner: RoundRunner,
        post: WorkerPost,
        dispatcher: &mut Dispatcher,
        arrivals: &mpsc::UnboundedSender<(usize, ProcessEvent)>,
    ) -> WorkerSlot {
        let feed = next(post.worker, dispatcher);
        let mut order = self.plan.order(&runner, post, feed, dispatcher.failures());
        order.deadline_ns = self.deadline_ns;
        let mut slot = WorkerSlot::new(runner, post.worker, arrivals.clone(), self.pool.busy());
        slot.output = self.plan.output(post).map(Arc::new);
        slot.decides_end = self.plan.kind.makes_reports();
        // A person at a debugger may take any time.
        slot.give(order, self.plan.kind.debug_process().is_none().then_some(self.plan.collect_limit));
        slot
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

/// Has every runner finish what it runs and start nothing more.
fn stop_all(slots: &mut BTreeMap<usize, WorkerSlot>, dispatcher: &mut Dispatcher) {
    dispatcher.stop();
    for (&worker, slot) in slots {
        slot.stop();
        slot.feed(worker, dispatcher);
    }
}
