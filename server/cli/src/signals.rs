//! What the terminal and the system ask of a command that is under way.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C: come to an end soon.
    Interrupt,
    /// The system, or a terminal that was closed: end now.
    Terminate,
}

/// The signals that come in from now on, instead of ending the process.
pub(crate) fn listen() -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let ask = tokio::select! {
                Some(()) = interrupt.recv() => Signal::Interrupt,
                Some(()) = terminate.recv() => Signal::Terminate,
                Some(()) = hang_up.recv() => Signal::Terminate,
                else => return,
            };
            if sender.send(ask).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
