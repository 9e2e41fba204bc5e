//! A session that is started before a collection is requested. Until it collects, nothing depends on the tests' code,
//! so it is valid after an edit as long as configuration and conftests are unchanged. If it is safe to fork, each
//! collection is a fork of it, and the fork for the next one stands by. A collection of other files in the same folders
//! needs the same conftests, and may be a fork of it as well.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::processes::disk_snapshot::Snapshot;
use crate::processes::file_opens::Window;
use crate::processes::hub::Hub;
use crate::processes::launcher::Base;
use crate::processes::liveness::stopped_too_long;
use crate::processes::process::{Arrival, NoProcess, Process, ProcessEvent};
use crate::processes::worker_protocol::{FromWorker, Purpose, Role, ToWorker, WorkerOptions};
use crate::timing::{COLLECTION_AGE_LIMIT, FORK_LIMIT, PRESTART_LIMIT};

/// A session that waits before its collection.
pub(crate) struct Prestarted {
    /// The options with which it was started.
    pub options: WorkerOptions,
    /// The base from which it was forked.
    pub base: Arc<Base>,
    /// Its forks may collect. Otherwise it collects itself, once.
    is_shared: bool,
    /// They may collect other files of the same folders.
    is_open: bool,
    /// Code of the project may have read its arguments, or does so later.
    reads_args: bool,
    made: Instant,
    process: Process,
    state: Mutex<State>,
    /// The fork for the next collection. The lock is held while it is made.
    standby: tokio::sync::Mutex<Option<Arrival>>,
}

struct State {
    /// The source of its events, until it collects itself.
    events: Option<mpsc::UnboundedReceiver<ProcessEvent>>,
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
        let made = Instant::now();
        let (process, mut events) = base.fork(hub, Role::Configured, options.clone(), Purpose::Unasked).await.ok()?;
        let waiting = async {
            tokio::select! {
                configured = configured(&mut events) => configured,
                () = stopped_too_long(process.pid) => None,
            }
        };
        let Ok(Some(Configured { is_shared, is_open, reads_args, snapshot })) =
            tokio::time::timeout(PRESTART_LIMIT, waiting).await
        else {
            crate::processes::process_tree::kill_tree(process.pid);
            return None;
        };
        let compared = tokio::task::spawn_blocking(move || {
            let opened = window.map(|window| window.opened().beside(&snapshot, &[])).unwrap_or_default();
            opened.are_certain().then_some((snapshot, opened.snapshot))
        });
        let (snapshot, opened) = compared.await.ok().flatten()?;
        let state = Mutex::new(State { events: Some(events), snapshot, opened });
        let standby = tokio::sync::Mutex::default();
        Some(Prestarted { options, base, is_shared, is_open, reads_args, made, process, state, standby })
    }

    /// Returns whether it may collect with these options. `exact`: only its own files.
    pub(crate) fn serves(&self, options: &WorkerOptions, exact: bool) -> bool {
        if !options.files.is_empty() {
            let of_files = WorkerOptions { args: options.files.clone(), files: Vec::new(), ..options.clone() };
            return !self.reads_args && self.serves(&of_files, exact);
        }
        if self.options == *options {
            return true;
        }
        let is_same_otherwise = || WorkerOptions { args: options.args.clone(), ..self.options.clone() } == *options;
        !exact && self.is_open && folders(&self.options.args) == folders(&options.args) && is_same_otherwise()
    }

    /// Returns whether several collections may come from it.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Returns whether all that it has read is unchanged, and it is alive. Blocks.
    pub(crate) fn is_fresh(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Values from outside of the project age unseen, as in a collection.
        let is_young = !self.is_shared || self.made.elapsed() < COLLECTION_AGE_LIMIT;
        is_young && self.process.is_usable() && state.snapshot.is_fresh() && state.opened.is_fresh()
    }

    /// Makes the fork for the next collection.
    pub(crate) async fn stand_by(&self, hub: &Hub) {
        if !self.is_shared {
            return;
        }
        let mut standby = self.standby.lock().await;
        if standby.as_ref().is_none_or(|(process, _)| !process.is_usable()) {
            *standby = self.fork(hub).await.ok();
        }
    }

    /// Ends the fork for the next collection, unless it is being made.
    pub(crate) fn stand_down(&self) {
        if let Ok(mut standby) = self.standby.try_lock() {
            *standby = None;
        }
    }

    /// Starts a collection with these options' files and known crashes. Returns its process, and the record of files that were opened while the session was
    /// started.
    pub(crate) async fn collect(
        &self,
        hub: &Hub,
        options: &WorkerOptions,
        purpose: Purpose,
    ) -> Result<(Arrival, Snapshot), NoProcess> {
        let (events, opened) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (if self.is_shared { None } else { state.events.take() }, state.opened.clone())
        };
        let arrived = match events {
            Some(events) => (self.process.clone(), events),
            None => {
                let mut standby = self.standby.lock().await;
                match standby.take().filter(|(process, _)| process.is_usable()) {
                    Some(arrived) => arrived,
                    None => self.fork(hub).await?,
                }
            }
        };
        let args = (options.args != self.options.args).then(|| options.args.clone());
        arrived.0.send(ToWorker::Collect {
            purpose,
            args,
            files: options.files.clone(),
            crashed: options.crashed.clone(),
        });
        Ok((arrived, opened))
    }

    async fn fork(&self, hub: &Hub) -> Result<Arrival, NoProcess> {
        let awaited = hub.expect("collected");
        let (host, role) = (awaited.id.clone(), Role::Prestarted);
        self.process.send(ToWorker::Fork { host, role, options: None, purpose: Purpose::Unasked });
        Process::arrive(awaited, FORK_LIMIT, Some(&self.process)).await
    }
}

/// The folders of files.
fn folders(files: &[String]) -> BTreeSet<&str> {
    files.iter().map(|file| file.rsplit_once('/').map_or("", |(folder, _)| folder)).collect()
}

/// A session's report at the start of its wait.
struct Configured {
    is_shared: bool,
    is_open: bool,
    reads_args: bool,
    snapshot: Snapshot,
}

async fn configured(events: &mut mpsc::UnboundedReceiver<ProcessEvent>) -> Option<Configured> {
    loop {
        match events.recv().await? {
            ProcessEvent::Message(message) => match *message {
                FromWorker::Configured { is_shared, is_open, reads_args, read } => {
                    return Some(Configured { is_shared, is_open, reads_args, snapshot: Snapshot::new(read) });
                }
                FromWorker::UsageError { .. } | FromWorker::InternalError { .. } | FromWorker::Effect { .. } => {
                    return None;
                }
                _ => {}
            },
            ProcessEvent::Lost | ProcessEvent::Exited(_) => return None,
        }
    }
}
