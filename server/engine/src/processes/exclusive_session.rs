//! A collected session that can't be shared: it is made for one run, and runs that run's tests itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::processes::collected_session::Parents;
use crate::processes::process::{Arrival, Process, ProcessEvent};
use crate::processes::process_tree::kill_tree;
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::ToWorker;
use crate::timing::{EXITING_SESSIONS_LIMIT, SESSION_END_LIMIT};

/// Sessions that are over and still tear themselves down.
#[derive(Clone)]
pub(crate) struct ExitingSessions(Arc<watch::Sender<usize>>);

impl Default for ExitingSessions {
    fn default() -> Self {
        ExitingSessions(Arc::new(watch::Sender::new(0)))
    }
}

/// Counts as one of them while it is held.
pub(crate) struct ExitingSession(ExitingSessions);

impl Drop for ExitingSession {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

impl ExitingSessions {
    pub(crate) fn enter(&self) -> ExitingSession {
        self.0.send_modify(|count| *count += 1);
        ExitingSession(self.clone())
    }

    /// Waits until all have ended, or the time that the next session waits has passed.
    pub(crate) async fn gone(&self) {
        self.gone_within(EXITING_SESSIONS_LIMIT).await;
    }

    /// Waits until all have ended, or a time limit has passed.
    pub(crate) async fn gone_within(&self, limit: Duration) {
        let mut exiting = self.0.subscribe();
        let _ = tokio::time::timeout(limit, exiting.wait_for(|count| *count == 0)).await;
    }
}

/// Waits for the end of a session that has no more tests.
pub(crate) async fn await_session_end(process: &Process, events: &mut mpsc::UnboundedReceiver<ProcessEvent>) {
    let end = async { while matches!(events.recv().await, Some(ProcessEvent::Message(_))) {} };
    if tokio::time::timeout(SESSION_END_LIMIT, end).await.is_err() {
        kill_tree(process.pid);
    }
}

/// The process of such a session. It can be taken once, as a runner. Otherwise its session ends as pytest's does after
/// a collection without tests.
#[derive(Default)]
pub(crate) struct ExclusiveSession(Mutex<Option<Waiting>>);

struct Waiting {
    arrived: Arrival,
    /// Their end would end the session.
    parents: Parents,
    exiting: ExitingSessions,
}

impl ExclusiveSession {
    pub(crate) fn new(arrived: Arrival, parents: Parents, exiting: ExitingSessions) -> Self {
        ExclusiveSession(Mutex::new(Some(Waiting { arrived, parents, exiting })))
    }

    /// Takes the runner, if the session is still available.
    pub(crate) fn take_unless(&self, other: bool) -> Option<Runner> {
        if other { None } else { self.take() }
    }

    /// Takes the runner.
    pub(crate) fn take(&self) -> Option<Runner> {
        let Waiting { arrived: (process, events), .. } =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Runner::of_session(process, events))
    }
}

impl Drop for ExclusiveSession {
    fn drop(&mut self) {
        let waiting = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(waiting), Ok(runtime)) = (waiting, tokio::runtime::Handle::try_current()) else { return };
        let exiting_session = waiting.exiting.enter();
        runtime.spawn(async move {
            let Waiting { arrived: (process, mut events), parents, .. } = waiting;
            process.send(ToWorker::Exit);
            await_session_end(&process, &mut events).await;
            drop((parents, exiting_session));
        });
    }
}
