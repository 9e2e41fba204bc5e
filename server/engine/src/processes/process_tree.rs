//! Ending a process with everything that it started, new process groups and daemonised ones included, and waiting for
//! the end of processes that are not our children.
//!
//! Runners are subreapers, so whatever a test left behind still hangs below its runner in the process tree.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Sends a signal to a process; whether there is one that got it.
pub(crate) fn send(pid: i32, signal: Signal) -> bool {
    // 0 and negative numbers would name groups.
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Ends `root` and its descendants now. Returns how many processes got the signal.
///
/// The root is stopped first, and so is each descendant when it is found, so that none forks while the tree is read;
/// the reading is repeated until it finds nothing new.
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
    // Leaves first: a parent that lives on until then keeps its children's pids from being used again.
    frozen.iter().rev().filter(|&&pid| send(pid, Signal::KILL)).count()
}

/// A process whose work nobody waits for any more when this is dropped: it ends then, whatever it is doing.
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

/// Everything that a process has started, and what that has started.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    let mut found = children(root);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Whether a process is stopped: by a signal, or since it is a background job that wants the terminal. It does nothing
/// until somebody continues it.
pub(crate) fn is_stopped(pid: i32) -> bool {
    // The kernel makes the whole text for each read: one is enough, since the state comes early in it.
    let mut start = [0; 64];
    let length = fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut stat| stat.read(&mut start)).unwrap_or(0);
    // The name in parentheses, of up to 15 bytes, may hold anything.
    let stat = start.get(..length).unwrap_or_default();
    let name_end = stat.windows(2).rposition(|two| two == b") ");
    name_end.is_some_and(|end| stat.get(end + 2) == Some(&b'T'))
}

/// A handle on a process that stays its own when its number is given to another.
pub(crate) struct ProcessHandle(OwnedFd);

impl AsFd for ProcessHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl ProcessHandle {
    /// `None` where it has ended already.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok().map(ProcessHandle)
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended(Instant::now())
    }

    /// Ends it now; its children are on their own.
    pub(crate) fn kill(&self) -> bool {
        pidfd_send_signal(&self.0, Signal::KILL).is_ok()
    }

    /// Waits for its end, until `deadline`; whether it has ended.
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

/// Waits until all have ended. Whoever has not within `limit` is killed. Blocks.
pub(crate) fn await_all(processes: &[ProcessHandle], limit: Duration) {
    let deadline = Instant::now() + limit;
    for process in processes {
        if !process.has_ended(deadline) && process.kill() {
            process.has_ended(Instant::now() + limit);
        }
    }
}
