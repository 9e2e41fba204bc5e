//! Ends a process with everything that it started, including new process groups and daemons, and waits for the end of
//! processes that are not our children.
//!
//! Runners are subreapers, so orphans of tests stay below their runner in the process tree.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Sends a signal to a process. Returns whether it was delivered.
pub(crate) fn send(pid: i32, signal: Signal) -> bool {
    // 0 and negative numbers would name groups.
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Kills `root` and its descendants. Returns the number of processes that got the signal.
///
/// The root is stopped first, and each descendant when it is found, so that none forks while the tree is read. The tree
/// is read until nothing new is found.
pub(crate) fn kill_tree(root: i32) -> usize {
    let mut frozen: Vec<i32> = Vec::new();
    let mut fresh = vec![root];
    while !fresh.is_empty() {
        for pid in fresh.drain(..) {
            send(pid, Signal::STOP);
            frozen.push(pid);
        }
        for &pid in &frozen {
            fresh.extend(children(pid).into_iter().filter(|child| !frozen.contains(child)));
        }
        fresh.sort_unstable();
        fresh.dedup();
    }
    // Leaves first: a live parent keeps its children's pids from being reused.
    frozen.iter().rev().filter(|&&pid| send(pid, Signal::KILL)).count()
}

/// Kills a process when this is dropped, since nobody waits for its result then.
pub(crate) struct KillOnDrop(pub Option<i32>);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            kill_tree(pid);
        }
    }
}

/// The children of a process, of all of its threads.
fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

/// All descendants of a process.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Returns whether a process is stopped: by a signal, or as a background job that needs the terminal. It does nothing
/// until it is continued.
pub(crate) fn is_stopped(pid: i32) -> bool {
    // The kernel generates the whole text for each read. One read is enough, since the state is near its start.
    let mut start = [0; 64];
    let length = fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut stat| stat.read(&mut start)).unwrap_or(0);
    // The name in parentheses, up to 15 bytes, may contain any character.
    let stat = start.get(..length).unwrap_or_default();
    let name_end = stat.windows(2).rposition(|two| two == b") ");
    name_end.is_some_and(|end| stat.get(end + 2) == Some(&b'T'))
}

/// A handle of a process that stays valid when its pid is reused.
pub(crate) struct ProcessHandle(OwnedFd);

impl AsFd for ProcessHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ProcessHandle {
    /// `None` if it has ended already.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok().map(ProcessHandle)
    }

    /// Returns whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended(Instant::now())
    }

    /// Kills it, but not its children.
    pub(crate) fn kill(&self) -> bool {
        pidfd_send_signal(&self.0, Signal::KILL).is_ok()
    }

    /// Waits for its end until `deadline`. Returns whether it has ended.
    fn has_ended(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                ended => return ended.is_ok_and(|ready| ready > 0),
            }
        }
    }
}

/// Waits until all have ended. Kills those that have not within `limit`. Blocks.
pub(crate) fn await_all(processes: &[ProcessHandle], limit: Duration) {
    let deadline = Instant::now() + limit;
    for process in processes {
        if !process.has_ended(deadline) && process.kill() {
            process.has_ended(Instant::now() + limit);
        }
    }
}
