//! Processes: children, and handles that stay valid when a pid is reused. There are no signals: a process can be killed,
//! not stopped or interrupted.

use std::io;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use crate::process_list;

/// The number of the signal that Ctrl-C sends elsewhere.
pub const INTERRUPT: i32 = 2;

/// The numbers of the signals by which people and systems end processes elsewhere: hang up, interrupt, quit, kill,
/// terminate.
pub const SENT_BY_PEOPLE: [i32; 5] = [1, INTERRUPT, 3, 9, 15];

/// Time between two looks at a process whose end is awaited.
const INTERVAL: Duration = Duration::from_millis(50);

/// Nothing stops a process here.
pub fn freeze(_pid: i32) -> bool {
    false
}

/// Nothing interrupts another process here, except the console.
pub fn interrupt(_pid: i32) -> bool {
    false
}

/// Kills a process. Returns whether it was possible.
pub fn kill(pid: i32) -> bool {
    process_list::of(pid, sysinfo::Process::kill).unwrap_or(false)
}

/// The children of a process.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    process_list::children(pid)
}

/// Never: nothing stops a process here.
#[must_use]
pub fn is_stopped(_pid: i32) -> bool {
    false
}

/// A handle of a process, which knows when it was started.
#[derive(Debug)]
pub struct ProcessHandle {
    pid: i32,
    started: u64,
}

impl ProcessHandle {
    /// `None` if it has ended already.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        Some(ProcessHandle { pid, started: process_list::of(pid, sysinfo::Process::start_time)? })
    }

    /// Returns whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        process_list::of(self.pid, sysinfo::Process::start_time) != Some(self.started)
    }

    /// Kills it, but not its children.
    pub fn kill(&self) -> bool {
        !self.is_over() && kill(self.pid)
    }

    /// Waits for its end until `deadline`. Returns whether it has ended. Blocks.
    #[must_use]
    pub fn wait(&self, deadline: Instant) -> bool {
        while !self.is_over() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(INTERVAL);
        }
        true
    }

    /// Waits for its end.
    pub async fn end(&self) {
        while !self.is_over() {
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Gives a command's process no console, so that Ctrl-C does not reach it.
pub fn set_own_group(command: &mut tokio::process::Command) {
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x0000_0200;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_NO_WINDOW);
}

/// Nothing: there is no Ctrl-Z that stops processes.
pub fn stay_stoppable(_command: &mut Command) {}

/// None: no signal ends a process here.
#[must_use]
pub fn ending_signal(_status: ExitStatus) -> Option<i32> {
    None
}

/// A signal with its number.
#[must_use]
pub fn signal_text(number: i32) -> String {
    format!("signal {number}")
}

/// Returns whether a call failed because a resource is exhausted.
#[must_use]
pub fn is_exhaustion(error: i32) -> bool {
    const TOO_MANY_OPEN_FILES: i32 = 4;
    const NOT_ENOUGH_MEMORY: i32 = 8;
    const NO_SYSTEM_RESOURCES: i32 = 1450;
    const COMMITMENT_LIMIT: i32 = 1455;
    [TOO_MANY_OPEN_FILES, NOT_ENOUGH_MEMORY, NO_SYSTEM_RESOURCES, COMMITMENT_LIMIT].contains(&error)
}

/// Runs another program in place of this one, and ends with its exit status. Returns only if that is not possible.
pub fn become_program(command: &mut Command) -> io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
