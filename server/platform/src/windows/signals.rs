//! Requests of the console and the system to end.

use std::io;

use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
use tokio::sync::mpsc;

/// A request, by its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C: end soon.
    Interrupt,
    /// The system ends the process, or the console was closed: end now.
    Terminate,
}

/// Receives the requests from now on; they no longer end the process.
///
/// # Errors
///
/// If the system refuses.
pub fn listen() -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let (mut interrupt, mut break_key, mut close) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    let (mut log_off, mut shutdown) = (ctrl_logoff()?, ctrl_shutdown()?);
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let ask = tokio::select! {
                Some(()) = interrupt.recv() => Signal::Interrupt,
                Some(()) = break_key.recv() => Signal::Terminate,
                Some(()) = close.recv() => Signal::Terminate,
                Some(()) = log_off.recv() => Signal::Terminate,
                Some(()) = shutdown.recv() => Signal::Terminate,
                else => return,
            };
            if sender.send(ask).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// There is no such limit.
///
/// # Errors
///
/// None.
pub fn survive_large_files() -> io::Result<()> {
    Ok(())
}
