//! Whether a process lives: its end is noticed at once, whoever started it, and so is one that was stopped.

use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use crate::processes::process_tree::{ProcessHandle, is_stopped};
use crate::timing::{LIVENESS_INTERVAL, STOPPED_LIMIT};

/// The life of a process that has reported in.
pub(crate) struct Liveness {
    pid: i32,
    /// `None` where the kernel has no such thing, or the process is gone.
    handle: Option<ProcessHandle>,
    ended: watch::Sender<bool>,
}

impl Liveness {
    pub(crate) fn of(pid: i32) -> Self {
        Liveness { pid, handle: ProcessHandle::of(pid), ended: watch::Sender::new(false) }
    }

    /// Waits for the end of the process itself; for ever where the kernel can't tell.
    pub(crate) async fn end(&self) {
        let own = self.handle.as_ref().and_then(|handle| handle.as_fd().try_clone_to_owned().ok());
        // SAFETY: an `OwnedFd` holds one open descriptor, which nobody else closes or replaces.
        match own.and_then(|own: OwnedFd| unsafe { AsyncFd::register_with_interest(own, Interest::READABLE) }.ok()) {
            Some(watched) => drop(watched.readable().await),
            None => std::future::pending().await,
        }
    }

    /// The process has ended, or its connection has, which is as good: it is of no use any more.
    pub(crate) fn set_ended(&self) {
        self.ended.send_replace(true);
    }

    /// Waits for [`Liveness::set_ended`].
    pub(crate) async fn ended(&self) {
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Whether it can do something: it has not ended, and is not stopped.
    pub(crate) fn is_usable(&self) -> bool {
        !*self.ended.borrow() && !self.handle.as_ref().is_some_and(ProcessHandle::is_over) && !is_stopped(self.pid)
    }

    /// Waits until an idle process can't do anything any more. One that is stopped is killed: nobody else would.
    pub(crate) async fn unusable(&self) {
        let looking = async {
            loop {
                tokio::time::sleep(LIVENESS_INTERVAL).await;
                if is_stopped(self.pid) {
                    self.kill();
                    return;
                }
            }
        };
        tokio::select! {
            () = self.ended() => {}
            () = looking => {}
        }
    }

    /// Ends the process if it is stopped: it would never notice that its connection has ended.
    pub(crate) fn release(&self) {
        if !*self.ended.borrow() && is_stopped(self.pid) {
            self.kill();
        }
    }

    fn kill(&self) {
        if let Some(handle) = &self.handle {
            handle.kill();
        }
    }
}

/// Waits for the end of any process: for ever where there is none of this id, or the kernel can't tell.
pub async fn end_of(pid: u32) {
    match i32::try_from(pid) {
        Ok(pid) => Liveness::of(pid).end().await,
        Err(_) => std::future::pending().await,
    }
}

/// Waits until a process that is at work was found stopped, look after look, for a while.
pub(crate) async fn stopped_too_long(pid: i32) {
    let mut since = None;
    loop {
        tokio::time::sleep(STOPPED_LIMIT / 4).await;
        if !is_stopped(pid) {
            since = None;
        } else if since.get_or_insert_with(tokio::time::Instant::now).elapsed() >= STOPPED_LIMIT {
            return;
        }
    }
}
