//! Signals from the terminal and the system.

use std::io;

use rustix::process::Signal as SystemSignal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// A signal, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C: end soon.
    Interrupt,
    /// The system ends the process, or the terminal was closed: end now.
    Terminate,
}

/// Receives the signals from now on; they no longer end the process.
///
/// # Errors
///
/// If the system refuses.
pub fn listen() -> io::Result<mpsc::UnboundedReceiver<Signal>> {
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

/// Lets a write beyond the limit of a file's size (`ulimit -f`) fail like any other, as Python does, where it would end
/// the process. Programs that are started get the default again.
///
/// # Errors
///
/// If the system refuses.
pub fn survive_large_files() -> io::Result<()> {
    // The handler stays when the receiver goes.
    signal(SignalKind::from_raw(SystemSignal::XFSZ.as_raw())).map(drop)
}
