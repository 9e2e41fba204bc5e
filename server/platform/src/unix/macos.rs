//! macOS, without Linux's /proc and pidfds. It has no subreapers: a process whose parent has ended is not
//! found below its grandparent.

use std::os::fd::OwnedFd;
use std::time::SystemTime;
use std::{fs, io, ptr};

use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::process::{Pid, Signal, kill_process};
use sysinfo::ProcessStatus;

use crate::process_list;
pub(super) use crate::process_list::children;

/// The system starts a child's program in one step.
pub(super) fn stay_stoppable(_command: &mut std::process::Command) {}

pub(super) fn is_stopped(pid: i32) -> bool {
    process_list::of(pid, |process| process.status() == ProcessStatus::Stop).unwrap_or(false)
}

/// A descriptor that becomes readable when the process ends.
pub(super) fn process_descriptor(pid: Pid) -> io::Result<OwnedFd> {
    let queue = kqueue()?;
    let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
    let event = Event::new(filter, EventFlags::ADD, ptr::null_mut());
    let mut none: [Event; 0] = [];
    // SAFETY: the event names a process, and no descriptor that could be closed.
    unsafe { kevent(&queue, &[event], &mut none[..], None) }?;
    Ok(queue)
}

pub(super) fn kill(_handle: &OwnedFd, pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

/// Never: macOS frees whole blocks only, by a call that no maintained crate wraps.
pub(super) fn punch(_file: &fs::File, _from: u64, _length: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Files get their times from the usual clock.
pub(super) fn disk_time() -> SystemTime {
    SystemTime::now()
}
