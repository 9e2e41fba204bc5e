//! One runner of a round: its state, and the way of its events to the round.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_plan::order::{Command, Dispatcher};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::processes::pool::BusyGuard;
use crate::processes::process::{ExitStatus, ProcessEvent};
use crate::processes::resident::{Resident, ResidentState};
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::{FromWorker, RunOrder, ToWorker};
use crate::runs::artifacts::Streams;
use crate::runs::pending_runners::RoundRunner;
use crate::timing::{DISMISS_LIMIT, RUNNER_TEARDOWN_LIMIT, STOPPED_LIMIT};

/// One runner of a round.
pub(crate) struct WorkerSlot {
    pub runner: Runner,
    /// Set for a resident.
    pub resident: Option<Box<ResidentState>>,
    pub forwarding: tokio::task::JoinHandle<mpsc::UnboundedReceiver<ProcessEvent>>,
    recall: oneshot::Sender<()>,
    /// Its order, held back until its session has collected.
    pub order: Option<Box<RunOrder>>,
    /// It collected by itself, the same files as the session in which the tests were selected.
    pub same_files: bool,
    /// While it collects: the deadline, and the file that is being imported.
    pub collect_by: Option<Instant>,
    pub importing: Option<String>,
    /// It was dismissed before it got its order, so its reports don't matter.
    pub dismissed: bool,
    /// The time since when a signal has stopped it.
    still_since: Option<Instant>,
    /// The running test, and its deadline.
    pub current: Option<(usize, Option<Instant>)>,
    /// How often a plugin repeats that test after crashes.
    pub after_crash: u32,
    /// The prefix of the files for its output.
    pub output: Option<Arc<PathBuf>>,
    /// The start of the running test's output in these files.
    pub streams: Option<Streams>,
    pub began: bool,
    /// The start of its part in the round.
    pub since: Instant,
    pub done: bool,
    /// It has reported that it is done and stays for the next run.
    pub held: bool,
    /// Its session's own result counts for the run's end; until it has reported that.
    pub decides_end: bool,
    /// The run has no tests; only the end of its session counts.
    pub has_no_tests: bool,
    /// The run shows its session's summary; until it has reported that.
    pub awaits_summary: bool,
    /// The test for which it was ended here: it takes too long, or a newer run wants it.
    ended_for: Option<usize>,
    pub lost: bool,
    pub exit: Option<ExitStatus>,
    /// The deadline for further reports about its end.
    pub exit_deadline: Option<Instant>,
    _busy: BusyGuard,
}

/// Runners' events, with the number of each runner.
pub(crate) type Arrivals = mpsc::UnboundedReceiver<(usize, ProcessEvent)>;

impl WorkerSlot {
    /// Starts to forward a runner's events.
    pub(crate) fn new(
        runner: RoundRunner,
        worker: usize,
        to: mpsc::UnboundedSender<(usize, ProcessEvent)>,
        busy: BusyGuard,
    ) -> Self {
        let (mut runner, resident) = runner.into_parts();
        let events = std::mem::replace(&mut runner.events, mpsc::unbounded_channel().1);
        let (recall, recalled) = oneshot::channel();
        WorkerSlot {
            runner,
            resident,
            forwarding: tokio::spawn(forward(worker, events, to, recalled)),
            recall,
            order: None,
            same_files: false,
            collect_by: None,
            importing: None,
            dismissed: false,
            still_since: None,
            current: None,
            after_crash: 0,
            output: None,
            streams: None,
            began: false,
            since: Instant::now(),
            done: false,
            held: false,
            decides_end: false,
            has_no_tests: false,
            awaits_summary: false,
            ended_for: None,
            lost: false,
            exit: None,
            exit_deadline: None,
            _busy: busy,
        }
    }

    /// Records the runner's reports about itself.
    pub(crate) fn note(&mut self, message: FromWorker) {
        if let Some(read) = self.runner.note(message)
            && let Some(resident) = &mut self.resident
        {
            resident.add(read);
        }
    }

    /// Returns whether no more events of it can come.
    pub(crate) fn is_over(&self) -> bool {
        // Its exit status counts if it was to report the end of its session.
        self.lost && (self.exit.is_some() || (self.done && !self.decides_end))
    }

    /// Sends the runner its order, at once or after it has collected, which may take `limit`.
    pub(crate) fn send_order(&mut self, order: RunOrder, limit: Option<Duration>) {
        if !self.runner.is_session() || self.runner.is_ready {
            self.runner.send(ToWorker::Run(order));
            return;
        }
        self.order = Some(Box::new(order));
        self.collect_by = limit.map(|limit| Instant::now() + limit);
    }

    /// It is ready; for a session, `same_files`: it has collected the same files as the session in which the tests were
    /// selected.
    pub(crate) fn begin(&mut self, same_files: bool) {
        self.collect_by = None;
        self.same_files = same_files;
        if let Some(order) = self.order.take() {
            self.runner.send(ToWorker::Run(RunOrder { same_files, ..*order }));
        }
    }

    /// Makes it finish its current test and start no more. Without a test, it ends.
    pub(crate) fn stop(&mut self) {
        self.runner.send(ToWorker::Stop);
        if self.order.is_some() {
            self.dismiss();
        }
    }

    /// Interrupts a session that has not received its order, as Ctrl-C does: it has no test to finish, but its hooks
    /// may tear down what they set up.
    fn dismiss(&mut self) {
        self.order = None;
        self.collect_by = None;
        self.done = true;
        self.dismissed = true;
        self.runner.interrupt();
    }

    /// Its running test, and the time to end it for that, as long as it was not ended for any.
    pub(crate) fn deadline(&self) -> Option<(usize, Instant)> {
        let (index, at) = self.current.filter(|_| self.ended_for.is_none())?;
        Some((index, at?))
    }

    /// Kills it because of a test that it runs.
    pub(crate) fn end_for(&mut self, index: usize) {
        self.ended_for.get_or_insert(index);
        self.runner.kill();
    }

    /// Returns whether it was ended because of its current test. On a node that does not answer, nobody knows.
    pub(crate) fn is_overdue(&self) -> bool {
        let has_end = self.exit.as_ref().is_none_or(|exit| !exit.was_lost);
        self.ended_for.is_some() && !self.was_ended_for_another() && has_end
    }

    /// Returns whether it was ended because of a test that was over by then: the news of that came later.
    pub(crate) fn was_ended_for_another(&self) -> bool {
        self.ended_for.is_some_and(|index| self.current.is_none_or(|(current, _)| current != index))
    }

    /// Returns whether its end shows nothing about its test: it was lost with its node, or with the session that it was a
    /// fork of. A node that goes may end its processes first, and that may be the last that it sends.
    pub(crate) fn was_lost(&self) -> bool {
        let may_be_by_node = self.runner.node().is_some() && self.ended_for.is_none();
        self.exit.as_ref().is_some_and(|exit| exit.was_lost || (may_be_by_node && exit.may_be_from_outside()))
    }

    /// Kills a process that is stopped by a signal and not continued.
    pub(crate) fn check_stopped(&mut self, now: Instant) {
        if !self.runner.is_stopped() {
            self.still_since = None;
        } else if *self.still_since.get_or_insert(now) + STOPPED_LIMIT <= now {
            self.exit = Some(ExitStatus { was_stopped: true, ..ExitStatus::default() });
            self.lost = true;
            self.runner.kill();
        }
    }

    /// Returns whether the round need not wait for it any more. A resident must have reported that it stays; a session
    /// whose result counts must have ended.
    pub(crate) fn is_settled(&self, settled: bool) -> bool {
        let is_awaited = (self.decides_end && self.exit.is_none()) || (self.awaits_summary && !self.lost);
        if is_awaited && (self.began || self.has_no_tests) {
            return false;
        }
        self.done || (settled && !self.began && self.resident.is_none())
    }

    /// The resident with its remaining events, except those that are already in the round's channel.
    pub(crate) async fn into_resident(self) -> Option<Resident> {
        let WorkerSlot { mut runner, resident, forwarding, recall, .. } = self;
        let _ = recall.send(());
        runner.events = forwarding.await.ok()?;
        Some(Resident { runner, state: resident? })
    }

    /// Sends the dispatcher's next tests.
    pub(crate) fn feed(&mut self, worker: usize, dispatcher: &mut Dispatcher) {
        let (indices, end) = next(worker, dispatcher);
        if let Some(order) = &mut self.order {
            order.feed.extend(indices);
            order.end |= end;
        } else if end || !indices.is_empty() {
            self.runner.send(ToWorker::Feed { indices, end });
        }
    }

    /// Keeps a finished runner until it has torn down its session and ended.
    pub(crate) async fn await_exit(self) {
        let limit = if self.dismissed { DISMISS_LIMIT } else { RUNNER_TEARDOWN_LIMIT };
        if !self.lost && tokio::time::timeout(limit, self.forwarding).await.is_err() {
            self.runner.kill();
        }
    }
}

/// The next tests for a worker, and whether they are all.
pub(crate) fn next(worker: usize, dispatcher: &mut Dispatcher) -> (Vec<usize>, bool) {
    let (mut indices, mut end) = (Vec::new(), false);
    for command in dispatcher.next(worker) {
        match command {
            Command::Feed(more) => indices.extend(more),
            Command::End => end = true,
        }
    }
    (indices, end)
}

/// Forwards events until it is recalled, and then returns their source. If the round ends first, it continues until the
/// process has ended, for the task that waits for that.
async fn forward(
    worker: usize,
    mut events: mpsc::UnboundedReceiver<ProcessEvent>,
    to: mpsc::UnboundedSender<(usize, ProcessEvent)>,
    mut recalled: oneshot::Receiver<()>,
) -> mpsc::UnboundedReceiver<ProcessEvent> {
    // The connection may have ended before the round: it ends only once.
    let mut is_gone = false;
    loop {
        let event = tokio::select! {
            biased;
            _ = &mut recalled => return events,
            event = events.recv() => event,
            () = to.closed(), if is_gone => return events,
        };
        let Some(event) = event else { return events };
        is_gone |= matches!(event, ProcessEvent::Lost | ProcessEvent::Exited(_));
        let _ = to.send((worker, event));
    }
}
