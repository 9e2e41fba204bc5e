//! Linux alone: /proc, pidfds, holes in files, a clock of the disk.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, SystemTime};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::{ClockId, clock_gettime};

/// The children of a process, of all of its threads.
pub(super) fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()).collect()
}

pub(super) fn is_stopped(pid: i32) -> bool {
    // The kernel generates the whole text for each read. One read is enough, since the state is near its start.
    let mut start = [0; 64];
    let length = fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut stat| stat.read(&mut start)).unwrap_or(0);
    // The name in parentheses, up to 15 bytes, may contain any character.
    let stat = start.get(..length).unwrap_or_default();
    let name_end = stat.windows(2).rposition(|two| two == b") ");
    name_end.is_some_and(|end| stat.get(end + 2) == Some(&b'T'))
}

/// A descriptor that becomes readable when the process ends.
pub(super) fn process_descriptor(pid: Pid) -> io::Result<OwnedFd> {
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

pub(super) fn kill(handle: &OwnedFd, _pid: i32) -> bool {
    pidfd_send_signal(handle, Signal::KILL).is_ok()
}

pub(super) fn punch(file: &fs::File, from: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, flags, from, length)?)
}

/// `posix_spawn` suspends its caller until the child runs its program, and not even a signal wakes it. Ctrl-Z may stop the
/// child before that, perhaps when it has left the group that `fg` continues. With anything to run in the child, the
/// standard library forks instead: then it waits as a thread that can be stopped, and the child has the handlers of this
/// process until it runs its program.
pub(super) fn stay_stoppable(command: &mut Command) {
    // SAFETY: the closure does nothing.
    unsafe { command.pre_exec(|| Ok(())) };
}

/// Files get their times from this clock, which lags behind the others by a tick.
pub(super) fn disk_time() -> SystemTime {
    let told = Duration::try_from(clock_gettime(ClockId::RealtimeCoarse));
    told.map_or_else(|_| SystemTime::now(), |since| SystemTime::UNIX_EPOCH + since)
}
