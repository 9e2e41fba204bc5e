//! A session that is started before a collection is requested. Until it collects, nothing depends on the tests' code,
//! so it is valid after an edit as long as configuration and conftests are unchanged.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::processes::disk_snapshot::Snapshot;
use crate::processes::file_opens::Window;
use crate::processes::hub::Hub;
use crate::processes::launcher::Base;
use crate::processes::liveness::stopped_too_long;
use crate::processes::process::{Arrival, Process, ProcessEvent};
use crate::processes::worker_protocol::{FromWorker, Purpose, Role, ToWorker, WorkerOptions};
use crate::timing::PRESTART_LIMIT;

/// A session that waits before its collection.
pub(crate) struct Prestarted {
    /// The options with which it was started.
    pub options: WorkerOptions,
    /// The base from which it was forked.
    pub base: Arc<Base>,
    process: Process,
    state: Mutex<State>,
}

struct State {
    events: mpsc::UnboundedReceiver<ProcessEvent>,
    /// Its reads so far.
    snapshot: Snapshot,
    /// Files that were opened meanwhile, which it may have read.
    opened: Snapshot,
}

impl Prestarted {
    /// Starts a session; `None` if it fails before its collection. The next requested collection fails in the same way
    /// and reports the reason.
    pub(crate) async fn start(
        hub: &Hub,
        base: Arc<Base>,
        options: WorkerOptions,
        window: Option<Window>,
    ) -> Option<Self> {
        let (process, mut events) = base.fork(hub, Role::Configured, options.clone(), Purpose::Unasked).await.ok()?;
        let waiting = async {
            tokio::select! {
                snapshot = configured(&mut events) => snapshot,
                () = stopped_too_long(process.pid) => None,
            }
        };
        let Ok(Some(snapshot)) = tokio::time::timeout(PRESTART_LIMIT, waiting).await else {
            crate::processes::process_tree::kill_tree(process.pid);
            return None;
        };
        let compared = tokio::task::spawn_blocking(move || {
            let opened = window
                .map_or_else(|| Some(Snapshot::default()), |window| window.opened().beside(&snapshot, Vec::new()));
            opened.map(|opened| (snapshot, opened))
        });
        let (snapshot, opened) = compared.await.ok().flatten()?;
        Some(Prestarted { options, base, process, state: Mutex::new(State { events, snapshot, opened }) })
    }

    /// Returns whether all that it has read is unchanged, and it is alive. Blocks.
    pub(crate) fn is_fresh(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.process.is_usable() && state.snapshot.is_fresh() && state.opened.is_fresh()
    }

    /// Makes it collect. Returns the record of files that were opened while it was started.
    pub(crate) fn collect(self, purpose: Purpose) -> (Arrival, Snapshot) {
        self.process.send(ToWorker::Collect { purpose });
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        ((self.process, state.events), state.opened)
    }
}

async fn configured(events: &mut mpsc::UnboundedReceiver<ProcessEvent>) -> Option<Snapshot> {
    loop {
        match events.recv().await? {
            ProcessEvent::Message(message) => match *message {
                FromWorker::Configured(read) => return Some(Snapshot::new(read)),
                FromWorker::UsageError { .. } | FromWorker::InternalError { .. } | FromWorker::Effect { .. } => {
                    return None;
                }
                _ => {}
            },
            ProcessEvent::Lost | ProcessEvent::Exited(_) => return None,
        }
    }
}
