//! A Python process as the engine holds it: a way to send to it, what comes of it, and its end.

use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::processes::hub::{ExpectedProcess, Registration};
use crate::processes::liveness::Liveness;
use crate::processes::worker_protocol::{FromWorker, ToWorker};

/// The line to a process that has reported in.
pub(crate) struct Connection {
    pub pid: i32,
    pub sender: mpsc::UnboundedSender<ToWorker>,
    pub liveness: Arc<Liveness>,
}

/// A process that has reported in, and what comes of it.
pub(crate) type Arrival = (Process, mpsc::UnboundedReceiver<ProcessEvent>);

/// What comes of a process.
#[derive(Debug)]
pub(crate) enum ProcessEvent {
    Message(Box<FromWorker>),
    /// Its connection has ended; it may still be alive.
    Lost,
    /// It has ended, says whoever started it.
    Exited(ExitStatus),
}

/// Why there is no process, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct NoProcess {
    pub message: String,
    /// The machine has no more processes, memory or open files to give.
    pub is_exhaustion: bool,
}

impl NoProcess {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        NoProcess { message: message.into(), is_exhaustion: false }
    }
}

/// Whether a system call failed because the machine has no more to give.
pub(crate) fn is_exhaustion(errno: i32) -> bool {
    [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE].iter().any(|known| known.raw_os_error() == errno)
}

/// How a process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ExitStatus {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Why it never lived.
    pub note: Option<String>,
    /// The system's number for that.
    pub errno: Option<i32>,
    /// It was stopped, and ended since nobody continued it.
    pub was_stopped: bool,
}

impl ExitStatus {
    /// Whether this signal ended the process.
    pub(crate) fn is_by(&self, signal: Signal) -> bool {
        self.signal == Some(signal.as_raw())
    }

    /// Whether somebody else may have ended the process: by a signal that people and systems send, or nobody knows how.
    pub(crate) fn may_be_from_outside(&self) -> bool {
        const SENT: [Signal; 5] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::KILL, Signal::TERM];
        let unknown = self.code.is_none() && self.signal.is_none();
        self.was_stopped || unknown || SENT.iter().any(|signal| self.is_by(*signal))
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.was_stopped {
            return f.write_str("was stopped by a signal and nobody continued it");
        }
        match (&self.note, self.signal, self.code) {
            (Some(note), ..) => write!(f, "could not be started: {note}"),
            (None, Some(signal), _) => {
                // The standard library knows the names: `signal: 9 (SIGKILL)`.
                let named = std::process::ExitStatus::from_raw(signal).to_string();
                write!(f, "was ended by {}", named.replacen(": ", " ", 1))
            }
            (None, None, Some(code)) => write!(f, "exited with status {code}"),
            (None, None, None) => write!(f, "ended"),
        }
    }
}

/// A process that has reported in. When the last handle on it is dropped, its connection closes, which ends it and all
/// that it forked.
#[derive(Clone)]
pub(crate) struct Process {
    pub id: String,
    pub pid: i32,
    sender: mpsc::UnboundedSender<ToWorker>,
    liveness: Arc<Liveness>,
    _hold: Arc<Hold>,
}

/// What ends with the last handle on a process.
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
    /// Waits for an announced process to report in. `parent`: whoever is to fork it, and is idle but for that.
    ///
    /// # Errors
    /// A sentence, where it or its parent ended before, or it did not come in time.
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
            () = orphaned => return Err(NoProcess::new("the Python process that was to be forked has ended")),
            () = tokio::time::sleep(limit) => {
                return Err(NoProcess::new(format!("the Python process did not report in within {} s", limit.as_secs())));
            }
        };
        match hello {
            Ok(Connection { pid, sender, liveness }) => {
                let hold = Hold { liveness: Arc::clone(&liveness), _registration: registration };
                Ok((Process { id, pid, sender, liveness, _hold: Arc::new(hold) }, events))
            }
            Err(_) => match events.recv().await {
                Some(ProcessEvent::Exited(status)) => {
                    let is_exhaustion = status.errno.is_some_and(is_exhaustion);
                    Err(NoProcess { message: format!("the Python process {status}"), is_exhaustion })
                }
                _ => Err(NoProcess::new("the Python process did not report in")),
            },
        }
    }

    /// Whether it can do something: it has not ended, and is not stopped.
    pub(crate) fn is_usable(&self) -> bool {
        self.liveness.is_usable()
    }

    /// Its life, for whoever does not hold on to it.
    pub(crate) fn liveness(&self) -> Arc<Liveness> {
        Arc::clone(&self.liveness)
    }

    /// Sends a message. One to a process that is gone is lost; its end is told by its events.
    pub(crate) fn send(&self, message: ToWorker) {
        let _ = self.sender.send(message);
    }
}
