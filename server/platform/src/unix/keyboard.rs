//! Reads single keys from the terminal, and leaves the terminal as it was.
//!
//! Only line editing and echo are off: the terminal still makes signals of Ctrl-C and Ctrl-Z, and line ends of output.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Pause of the reader while another program has the terminal.
const BACKGROUND_INTERVAL: Duration = Duration::from_millis(100);

/// Input from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromTerminal {
    /// Pressed keys, as the terminal encodes them.
    Bytes(Vec<u8>),
    /// The process has the terminal again.
    Resumed,
    /// The terminal is gone.
    Closed,
}

/// The terminal of standard input; dropping it restores the terminal.
pub struct Keyboard {
    mode: Mode,
    suspending: tokio::task::JoinHandle<()>,
    received: UnboundedReceiver<FromTerminal>,
}

impl Keyboard {
    /// Takes the keys, if standard input is a terminal.
    ///
    /// # Errors
    /// The terminal's mode can't be read or set.
    pub fn open() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let mode = Mode { before: tcgetattr(io::stdin())? };
        mode.take()?;
        let (sender, received) = unbounded_channel();
        let suspending = tokio::spawn(follow_job_control(mode.clone(), sender.clone())?);
        std::thread::Builder::new().name("keys".into()).spawn(move || read_keys(&sender))?;
        Ok(Some(Keyboard { mode, suspending, received }))
    }

    /// Waits for the next key.
    pub async fn next(&mut self) -> FromTerminal {
        self.received.recv().await.unwrap_or(FromTerminal::Closed)
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.suspending.abort();
        self.mode.restore();
    }
}

/// The mode of the terminal before and while keys are read.
#[derive(Clone)]
struct Mode {
    before: Termios,
}

impl Mode {
    fn take(&self) -> io::Result<()> {
        // Another program has the terminal: this one would be stopped.
        if !has_terminal() {
            return Ok(());
        }
        let mut single = self.before.clone();
        single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        single.special_codes[SpecialCodeIndex::VMIN] = 1;
        single.special_codes[SpecialCodeIndex::VTIME] = 0;
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, &single)?)
    }

    fn restore(&self) {
        if has_terminal() {
            // A terminal that is gone needs no restoring.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
        }
    }
}

/// Whether this process may read from the terminal.
fn has_terminal() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground == getpgrp())
}

/// Restores the terminal before the process stops (Ctrl-Z), and takes it when it goes on.
fn follow_job_control(
    mode: Mode,
    sender: UnboundedSender<FromTerminal>,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut stop = signal(SignalKind::from_raw(Signal::TSTP.as_raw()))?;
    let mut go_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    Ok(async move {
        loop {
            tokio::select! {
                Some(()) = stop.recv() => {
                    mode.restore();
                    let _ = kill_process(getpid(), Signal::STOP);
                }
                Some(()) = go_on.recv() => {
                    if has_terminal() && mode.take().is_ok() && sender.send(FromTerminal::Resumed).is_err() {
                        return;
                    }
                }
                else => return,
            }
        }
    })
}

fn read_keys(sender: &UnboundedSender<FromTerminal>) {
    let terminal = io::stdin();
    let mut bytes = [0; 256];
    loop {
        let mut ready = [PollFd::new(&terminal, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
        }
        let is_gone = ready.iter().any(|ready| ready.revents().intersects(PollFlags::HUP | PollFlags::ERR));
        if !is_gone && !has_terminal() {
            // The input is another program's: reading it would stop this one.
            std::thread::sleep(BACKGROUND_INTERVAL);
            continue;
        }
        match rustix::io::read(terminal.as_fd(), &mut bytes) {
            Ok(0) => break,
            Ok(count) => {
                let read = bytes.get(..count).unwrap_or_default().to_vec();
                if sender.send(FromTerminal::Bytes(read)).is_err() {
                    return;
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
    let _ = sender.send(FromTerminal::Closed);
}
