//! Processes: signals, children, and handles that stay valid when a pid is reused.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::kernel;

/// The number of the signal that Ctrl-C sends.
pub const INTERRUPT: i32 = Signal::INT.as_raw();

/// The numbers of the signals by which people and systems end processes.
pub const SENT_BY_PEOPLE: [i32; 5] =
    [Signal::HUP.as_raw(), Signal::INT.as_raw(), Signal::QUIT.as_raw(), Signal::KILL.as_raw(), Signal::TERM.as_raw()];

fn send(pid: i32, signal: Signal) -> bool {
    // 0 and negative numbers would name groups.
    Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Stops a process until it is continued. Returns whether it got the signal.
pub fn freeze(pid: i32) -> bool {
    send(pid, Signal::STOP)
}

/// Interrupts a process as Ctrl-C does. Returns whether it got the signal.
pub fn interrupt(pid: i32) -> bool {
    send(pid, Signal::INT)
}

/// Kills a process. Returns whether it got the signal.
pub fn kill(pid: i32) -> bool {
    send(pid, Signal::KILL)
}

/// The children of a process, of all of its threads.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    kernel::children(pid)
}

/// Returns whether a process is stopped: by a signal, or as a background job that needs the terminal. It does nothing
/// until it is continued.
#[must_use]
pub fn is_stopped(pid: i32) -> bool {
    kernel::is_stopped(pid)
}

/// A handle of a process that stays valid when its pid is reused.
#[derive(Debug)]
pub struct ProcessHandle {
    pid: i32,
    descriptor: OwnedFd,
}

impl ProcessHandle {
    /// `None` if it has ended already, or the kernel has no handles.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let descriptor = kernel::process_descriptor(Pid::from_raw(pid)?).ok()?;
        Some(ProcessHandle { pid, descriptor })
    }

    /// Returns whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.wait(Instant::now())
    }

    /// Kills it, but not its children.
    pub fn kill(&self) -> bool {
        kernel::kill(&self.descriptor, self.pid)
    }

    /// Waits for its end until `deadline`. Returns whether it has ended. Blocks.
    #[must_use]
    pub fn wait(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(&self.descriptor, PollFlags::IN)], timeout.as_ref()) {
                Err(Errno::INTR) => {}
                ended => return ended.is_ok_and(|ready| ready > 0),
            }
        }
    }

    /// Waits for its end; forever if the kernel can't report it.
    pub async fn end(&self) {
        let own = self.descriptor.as_fd().try_clone_to_owned().ok();
        // SAFETY: an `OwnedFd` holds one open descriptor, which nobody else closes or replaces.
        match own.and_then(|own: OwnedFd| unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) }.ok()) {
            Some(watched) => drop(watched.readable().await),
            None => std::future::pending().await,
        }
    }
}

/// Makes a command's process the leader of a group of its own, which Ctrl-C does not reach.
pub fn set_own_group(command: &mut tokio::process::Command) {
    command.process_group(0);
    stay_stoppable(command.as_std_mut());
}

/// Starts a command's process so that Ctrl-Z at any moment stops this process as well, and both go on after that. For
/// every command of a program that may have a terminal.
pub fn stay_stoppable(command: &mut Command) {
    kernel::stay_stoppable(command);
}

/// The number of the signal that ended a process.
#[must_use]
pub fn ending_signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// A signal with its number and name: `signal 9 (SIGKILL)`.
#[must_use]
pub fn signal_text(number: i32) -> String {
    // The standard library's text has the name: `signal: 9 (SIGKILL)`.
    ExitStatus::from_raw(number).to_string().replacen(": ", " ", 1)
}

/// Returns whether a system call failed because a resource is exhausted.
#[must_use]
pub fn is_exhaustion(errno: i32) -> bool {
    [Errno::AGAIN, Errno::NOMEM, Errno::MFILE, Errno::NFILE].iter().any(|known| known.raw_os_error() == errno)
}

/// Replaces this process by another program. Returns only if that is not possible.
pub fn become_program(command: &mut Command) -> io::Error {
    command.exec()
}
