//! One runner of a round: what it is doing, and how its events get to the round and back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_plan::order::{Command, Dispatcher};
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::processes::pool::BusyGuard;
use crate::processes::process::{ExitStatus, ProcessEvent};
use crate::processes::process_tree::{is_stopped, kill_tree, send};
use crate::processes::resident::{Resident, ResidentState};
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::{FromWorker, RunOrder, ToWorker};
use crate::runs::artifacts::Streams;
use crate::runs::pending_runners::RoundRunner;
use crate::timing::{DISMISS_LIMIT, RUNNER_TEARDOWN_LIMIT, STOPPED_LIMIT};

/// One runner of a round.
pub(crate) struct WorkerSlot {
    pub runner: Runner,
    /// What makes it a resident.
    pub resident: Option<Box<ResidentState>>,
    pub forwarding: tokio::task::JoinHandle<mpsc::UnboundedReceiver<ProcessEvent>>,
    recall: oneshot::Sender<()>,
    /// What it is to run, held back until a session that collects by itself has done so.
    pub order: Option<Box<RunOrder>>,
    /// It collected by itself, from the files that the run was chosen from.
    pub same_files: bool,
    /// Collecting: when that is overdue, and the file that is being imported.
    pub collect_by: Option<Instant>,
    pub importing: Option<String>,
    /// It was sent away before it had its order: what it says of itself is of no interest.
    pub dismissed: bool,
    /// Since when it is stopped by a signal.
    still_since: Option<Instant>,
    /// Running: which test, and when it is overdue.
    pub current: Option<(usize, Option<Instant>)>,
    /// What the names of the files begin with that its output goes to.
    pub output: Option<Arc<PathBuf>>,
    /// Where the output of what runs is in them.
    pub streams: Option<Streams>,
    pub began: bool,
    pub done: bool,
    /// It said that it is done and stays for the next run.
    pub held: bool,
    /// Its session, and not its tests alone, decides how the run ends; until it has said so.
    pub decides_end: bool,
    pub overdue: bool,
    pub lost: bool,
    pub exit: Option<ExitStatus>,
    /// When to stop waiting for the rest of the news of its end.
    pub exit_deadline: Option<Instant>,
    _busy: BusyGuard,
}

/// What runners say, with the number of each.
pub(crate) type Arrivals = mpsc::UnboundedReceiver<(usize, ProcessEvent)>;

impl WorkerSlot {
    /// Has a runner's events forwarded from now on.
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
            output: None,
            streams: None,
            began: false,
            done: false,
            held: false,
            decides_end: false,
            overdue: false,
            lost: false,
            exit: None,
            exit_deadline: None,
            _busy: busy,
        }
    }

    /// Keeps what the runner says of itself.
    pub(crate) fn note(&mut self, message: FromWorker) {
        if let Some(read) = self.runner.note(message)
            && let Some(resident) = &mut self.resident
        {
            resident.add(read);
        }
    }

    /// Whether nothing more is to be heard of it.
    pub(crate) fn is_over(&self) -> bool {
        self.lost && (self.exit.is_some() || self.done)
    }

    /// Gives it its order: now, or when it has collected, until `limit` at most.
    pub(crate) fn give(&mut self, order: RunOrder, limit: Option<Duration>) {
        if !self.runner.is_session() || self.runner.is_ready {
            self.runner.send(ToWorker::Run(order));
            return;
        }
        self.order = Some(Box::new(order));
        self.collect_by = limit.map(|limit| Instant::now() + limit);
    }

    /// It says that it is ready; a session, whether it has collected from the files that the run was chosen from.
    pub(crate) fn begin(&mut self, same_files: bool) {
        self.collect_by = None;
        self.same_files = same_files;
        if let Some(order) = self.order.take() {
            self.runner.send(ToWorker::Run(RunOrder { same_files, ..*order }));
        }
    }

    /// Has it finish what it runs and start nothing more. One that has nothing to run yet ends.
    pub(crate) fn stop(&mut self) {
        self.runner.send(ToWorker::Stop);
        if self.order.is_some() {
            self.dismiss();
        }
    }

    /// Ends a session that has not come as far as its order, as an interrupt at the keyboard does: it has begun nothing
    /// that it could finish, but what its hooks have set up may be taken down.
    fn dismiss(&mut self) {
        self.order = None;
        self.collect_by = None;
        self.done = true;
        self.dismissed = true;
        send(self.runner.pid(), Signal::INT);
    }

    /// Ends a process that is stopped and that nobody continues.
    pub(crate) fn check_stopped(&mut self, now: Instant) {
        if !is_stopped(self.runner.pid()) {
            self.still_since = None;
        } else if *self.still_since.get_or_insert(now) + STOPPED_LIMIT <= now {
            self.exit = Some(ExitStatus { was_stopped: true, ..ExitStatus::default() });
            self.lost = true;
            kill_tree(self.runner.pid());
        }
    }

    /// Whether the round need not wait for it any more. One that stays has to say so first, and one that has a say in
    /// how the run ends has to have ended.
    pub(crate) fn is_settled(&self, settled: bool) -> bool {
        if self.decides_end && self.began && !self.lost {
            return false;
        }
        self.done || (settled && !self.began && self.resident.is_none())
    }

    /// The resident with its events, those that are on their way in the round's channel left out.
    pub(crate) async fn into_resident(self) -> Option<Resident> {
        let WorkerSlot { mut runner, resident, forwarding, recall, .. } = self;
        let _ = recall.send(());
        runner.events = forwarding.await.ok()?;
        Some(Resident { runner, state: resident? })
    }

    /// Sends what the dispatcher has for it.
    pub(crate) fn feed(&mut self, worker: usize, dispatcher: &mut Dispatcher) {
        let (indices, end) = next(worker, dispatcher);
        if let Some(order) = &mut self.order {
            order.feed.extend(indices);
            order.end |= end;
        } else if end || !indices.is_empty() {
            self.runner.send(ToWorker::Feed { indices, end });
        }
    }

    /// Holds on to a runner that has done its part until it has torn down its session and gone.
    pub(crate) async fn await_exit(self) {
        let limit = if self.dismissed { DISMISS_LIMIT } else { RUNNER_TEARDOWN_LIMIT };
        let pid = self.runner.pid();
        if !self.lost && tokio::time::timeout(limit, self.forwarding).await.is_err() {
            kill_tree(pid);
        }
    }
}

/// What a worker is to run next, and whether that is all.
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

/// Passes on events until it is recalled, and then gives back what they come from. When nobody listens any more, because
/// the round is over, it stays until the process is gone, for the sake of whoever sees that off.
async fn forward(
    worker: usize,
    mut events: mpsc::UnboundedReceiver<ProcessEvent>,
    to: mpsc::UnboundedSender<(usize, ProcessEvent)>,
    mut recalled: oneshot::Receiver<()>,
) -> mpsc::UnboundedReceiver<ProcessEvent> {
    // The connection may have ended before the round did: it ends only once.
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
