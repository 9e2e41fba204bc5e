//! The engine's handle of a Python process: a way to send to it, its events, and its end.

use std::sync::Arc;
use std::time::Duration;

pub(crate) use pytest_lens_platform::processes::is_exhaustion;
use pytest_lens_platform::processes::{INTERRUPT, SENT_BY_PEOPLE, signal_text};
use tokio::sync::mpsc;

use crate::processes::liveness::Liveness;
use crate::processes::roster::{ExpectedProcess, Registration};
use crate::processes::worker_protocol::{FromWorker, ToWorker};

/// The connection to a process.
pub(crate) struct Connection {
    pub pid: i32,
    pub node: Option<String>,
    pub sender: mpsc::UnboundedSender<ToWorker>,
    pub liveness: Arc<Liveness>,
}

/// A connected process, with its events.
pub(crate) type Arrival = (Process, mpsc::UnboundedReceiver<ProcessEvent>);

/// An event of a process.
#[derive(Debug)]
pub(crate) enum ProcessEvent {
    Message(Box<FromWorker>),
    /// Its connection has ended; it may still be alive.
    Lost,
    /// It has ended, according to its parent.
    Exited(ExitStatus),
}

/// The reason why there is no process, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct NoProcess {
    pub message: String,
    /// The machine has no more processes, memory or open files.
    pub is_exhaustion: bool,
    /// A process has ended that was alive a moment ago: another attempt may succeed.
    pub is_passing: bool,
}

impl NoProcess {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        NoProcess { message: message.into(), is_exhaustion: false, is_passing: false }
    }

    /// As a process has ended.
    fn ended(message: impl Into<String>) -> Self {
        NoProcess { is_passing: true, ..NoProcess::new(message) }
    }
}

/// The exit of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExitStatus {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The reason why it could not be started.
    pub note: Option<String>,
    /// The system's number for that reason.
    pub errno: Option<i32>,
    /// It was stopped by a signal, and killed since nobody continued it.
    pub was_stopped: bool,
    /// Its node in a cluster is gone, or the process that it was a fork of; nobody knows how it ended.
    pub was_lost: bool,
}

impl ExitStatus {
    /// Forks end with the process that they are forks of.
    pub(crate) fn orphaned() -> Self {
        let note = Some("was ended with the process that it was a fork of".into());
        ExitStatus { note, was_lost: true, ..ExitStatus::default() }
    }

    /// Returns whether the signal of Ctrl-C ended the process.
    pub(crate) fn is_interrupt(&self) -> bool {
        self.signal == Some(INTERRUPT)
    }

    /// Returns whether somebody else may have ended the process: by a signal that people and systems send, or in an
    /// unknown way.
    pub(crate) fn may_be_from_outside(&self) -> bool {
        let unknown = self.code.is_none() && self.signal.is_none();
        self.was_stopped || unknown || self.signal.is_some_and(|signal| SENT_BY_PEOPLE.contains(&signal))
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.was_stopped {
            return f.write_str("was stopped by a signal and nobody continued it");
        }
        if let Some(note) = self.note.as_ref().filter(|_| self.was_lost) {
            return f.write_str(note);
        }
        match (&self.note, self.signal, self.code) {
            (Some(note), ..) => write!(f, "could not be started: {note}"),
            (None, Some(signal), _) => write!(f, "was ended by {}", signal_text(signal)),
            (None, None, Some(code)) => write!(f, "exited with status {code}"),
            (None, None, None) => write!(f, "ended"),
        }
    }
}

/// A connected process. When its last handle is dropped, its connection closes, which ends the process and all its
/// forks.
#[derive(Clone)]
pub(crate) struct Process {
    pub id: String,
    pub pid: i32,
    /// Its node in a cluster; the pid is not its own then.
    pub node: Option<String>,
    sender: mpsc::UnboundedSender<ToWorker>,
    liveness: Arc<Liveness>,
    _hold: Arc<Hold>,
}

/// The shared part of all handles of a process.
struct Hold {
    liveness: Arc<Liveness>,
    _registration: Registration,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.liveness.release();
    }
}

impl Process {
    /// Waits until an expected process connects. `parent`: the process that forks it, and is otherwise idle.
    ///
    /// # Errors
    ///
    /// A sentence, if the process or its parent ends first, or the time is over.
    pub(crate) async fn arrive(
        awaited: ExpectedProcess,
        limit: Duration,
        parent: Option<&Process>,
    ) -> Result<Arrival, NoProcess> {
        let ExpectedProcess { id, hello, mut events, registration } = awaited;
        let orphaned = async {
            match parent {
                Some(parent) => parent.liveness.unusable().await,
                None => std::future::pending().await,
            }
        };
        let hello = tokio::select! {
            biased;
            hello = hello => hello,
            () = orphaned => return Err(NoProcess::ended("the Python process that was to be forked has ended")),
            () = tokio::time::sleep(limit) => {
                return Err(NoProcess::new(format!("the Python process did not report in within {} s", limit.as_secs())));
            }
        };
        match hello {
            Ok(Connection { pid, node, sender, liveness }) => {
                let hold = Hold { liveness: Arc::clone(&liveness), _registration: registration };
                Ok((Process { id, pid, node, sender, liveness, _hold: Arc::new(hold) }, events))
            }
            Err(_) => match events.recv().await {
                Some(ProcessEvent::Exited(status)) => {
                    let is_exhaustion = status.errno.is_some_and(is_exhaustion);
                    Err(NoProcess { is_exhaustion, ..NoProcess::ended(format!("the Python process {status}")) })
                }
                _ => Err(NoProcess::ended("the Python process did not report in")),
            },
        }
    }

    /// Returns whether it can work: it has not ended, and no signal has stopped it.
    pub(crate) fn is_usable(&self) -> bool {
        self.liveness.is_usable()
    }

    /// Kills it and all processes below it.
    pub(crate) fn kill(&self) {
        self.liveness.kill_tree();
    }

    /// Interrupts it, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.liveness.interrupt();
    }

    /// Returns whether a signal has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.liveness.is_stopped()
    }

    /// Its liveness, for tasks that don't keep it alive.
    pub(crate) fn liveness(&self) -> Arc<Liveness> {
        Arc::clone(&self.liveness)
    }

    /// Sends a message. One to a process that is gone is lost; an event reports the end.
    pub(crate) fn send(&self, message: ToWorker) {
        let _ = self.sender.send(message);
    }
}
