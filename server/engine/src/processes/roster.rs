//! The table of the processes that tasks wait for, and the way of each one's messages to its task.
//!
//! The exit of a forked process is reported by the process that forked it, so exits are routed by name, whichever
//! connection reports them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use tokio::sync::{mpsc, oneshot};

use crate::processes::liveness::Liveness;
use crate::processes::process::{Connection, ExitStatus, ProcessEvent};
use crate::processes::worker_protocol::FromWorker;
use crate::timing::LAST_MESSAGES_GRACE;

/// The processes that are expected, or connected.
#[derive(Clone, Default)]
pub(crate) struct Roster {
    next: Arc<AtomicU64>,
    expected: Arc<DashMap<String, Expected>>,
}

struct Expected {
    events: mpsc::UnboundedSender<ProcessEvent>,
    hello: Option<oneshot::Sender<Connection>>,
    /// Set by its hello.
    liveness: Option<Arc<Liveness>>,
    /// Its connection has ended, and all its messages were forwarded.
    lost: bool,
    /// Its exit, not forwarded yet.
    exit: Option<ExitStatus>,
}

impl Expected {
    /// Forwards the exit. No event follows it.
    fn tell_exit(&mut self) {
        if let Some(status) = self.exit.take() {
            self.hello = None;
            let _ = self.events.send(ProcessEvent::Exited(status));
        }
    }
}

/// A process that has not connected yet.
pub(crate) struct ExpectedProcess {
    pub id: String,
    pub hello: oneshot::Receiver<Connection>,
    pub events: mpsc::UnboundedReceiver<ProcessEvent>,
    pub registration: Registration,
}

/// Keeps a process's entry in the table; dropping it removes the entry.
pub(crate) struct Registration {
    id: String,
    roster: Roster,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.roster.expected.remove(&self.id);
    }
}

/// A process that connects, as it introduces itself.
pub(crate) struct Newcomer {
    pub host: String,
    /// The process that forked it.
    pub parent: Option<String>,
    pub connection: Connection,
}

impl Roster {
    /// Expects a process, named after `role`, that is about to be started or forked.
    pub(crate) fn expect(&self, role: &str) -> ExpectedProcess {
        let id = format!("{role}-{}", self.next.fetch_add(1, Ordering::Relaxed) + 1);
        let (events_tx, events) = mpsc::unbounded_channel();
        let (hello_tx, hello) = oneshot::channel();
        self.expected.insert(
            id.clone(),
            Expected { events: events_tx, hello: Some(hello_tx), liveness: None, lost: false, exit: None },
        );
        let registration = Registration { id: id.clone(), roster: self.clone() };
        ExpectedProcess { id, hello, events, registration }
    }

    /// Reports the exit of a process, after all its own messages.
    pub(crate) fn report_exit(&self, id: &str, status: ExitStatus) {
        let Some(mut entry) = self.expected.get_mut(id) else { return };
        entry.exit = Some(status);
        if entry.lost {
            entry.tell_exit();
            return;
        }
        drop(entry);
        let (roster, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(LAST_MESSAGES_GRACE).await;
            if let Some(mut entry) = roster.expected.get_mut(&id) {
                entry.tell_exit();
            }
        });
    }

    /// Takes a process in; `None` if nobody waits for it.
    pub(crate) fn connect(&self, newcomer: Newcomer) -> Option<Line> {
        let Newcomer { host, parent, connection } = newcomer;
        let liveness = Arc::clone(&connection.liveness);
        let end = if connection.node.is_some() {
            ExitStatus {
                note: Some("was lost: the cluster's driver has ended".into()),
                was_lost: true,
                ..ExitStatus::default()
            }
        } else {
            ExitStatus::default()
        };
        let events = {
            let mut entry = self.expected.get_mut(&host)?;
            let hello = entry.hello.take()?;
            entry.liveness = Some(Arc::clone(&liveness));
            hello.send(connection).ok()?;
            entry.events.clone()
        };
        tokio::spawn(self.clone().watch_end(Arc::clone(&liveness), host.clone(), parent, end));
        Some(Line { host, liveness, events, roster: self.clone() })
    }

    /// Makes sure that the end of a process is reported if no process is left that could report it: its parent may have
    /// ended before or with it, or be stopped. `end`: what is known of its end then.
    async fn watch_end(self, liveness: Arc<Liveness>, host: String, parent: Option<String>, end: ExitStatus) {
        liveness.end().await;
        liveness.set_ended();
        let parent_of = |parent: &str| self.expected.get(parent).and_then(|entry| entry.liveness.clone());
        let orphaned = async {
            match parent.as_deref().and_then(parent_of) {
                Some(parent) => parent.ended().await,
                None => std::future::pending().await,
            }
        };
        let is_orphaned = tokio::time::timeout(LAST_MESSAGES_GRACE, orphaned).await.is_ok();
        let unknown = self.expected.get(&host).is_some_and(|entry| entry.exit.is_none());
        if unknown {
            self.report_exit(&host, if is_orphaned { ExitStatus::orphaned() } else { end });
        }
    }

    /// The names of the processes that somebody still waits for or holds.
    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.expected.iter().map(|entry| entry.key().clone()).collect();
        names.sort_unstable();
        names
    }
}

/// The connection of one process, after its hello.
pub(crate) struct Line {
    pub host: String,
    liveness: Arc<Liveness>,
    events: mpsc::UnboundedSender<ProcessEvent>,
    roster: Roster,
}

impl Line {
    /// Takes its next message. Returns false if nobody listens any more.
    pub(crate) fn take(&self, message: FromWorker) -> bool {
        let (host, status) = match message {
            FromWorker::Exited { host, code, signal } => (host, ExitStatus { code, signal, ..ExitStatus::default() }),
            FromWorker::ForkFailed { host, message, errno } => {
                (host, ExitStatus { note: Some(message), errno, ..ExitStatus::default() })
            }
            FromWorker::LostRemote { host, message } => {
                (host, ExitStatus { note: Some(message), was_lost: true, ..ExitStatus::default() })
            }
            FromWorker::Forked { .. } => return true,
            message => return self.events.send(ProcessEvent::Message(Box::new(message))).is_ok(),
        };
        self.roster.report_exit(&host, status);
        true
    }

    /// The connection has ended.
    pub(crate) fn close(self) {
        self.liveness.set_ended();
        let _ = self.events.send(ProcessEvent::Lost);
        if let Some(mut entry) = self.roster.expected.get_mut(&self.host) {
            entry.lost = true;
            entry.tell_exit();
        }
    }
}
