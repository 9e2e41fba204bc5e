//! Watches processes: notices their end at once, even if others started them, and notices when one is stopped by a
//! signal.

use tokio::sync::watch;

use crate::processes::process_tree::{ProcessHandle, is_stopped};
use crate::timing::{LIVENESS_INTERVAL, STOPPED_LIMIT};

/// The life of a connected process.
pub(crate) struct Liveness {
    pid: i32,
    /// `None` if the kernel has no such handle, or the process is gone.
    handle: Option<ProcessHandle>,
    ended: watch::Sender<bool>,
}

impl Liveness {
    pub(crate) fn of(pid: i32) -> Self {
        Liveness { pid, handle: ProcessHandle::of(pid), ended: watch::Sender::new(false) }
    }

    /// Waits for the end of the process itself; forever if the kernel can't report it.
    pub(crate) async fn end(&self) {
        match &self.handle {
            Some(handle) => handle.end().await,
            None => std::future::pending().await,
        }
    }

    /// Marks it as ended. The end of its connection counts as well, since it is useless without one.
    pub(crate) fn set_ended(&self) {
        self.ended.send_replace(true);
    }

    /// Waits for [`Liveness::set_ended`].
    pub(crate) async fn ended(&self) {
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    /// Returns whether it can work: it has not ended, and no signal has stopped it.
    pub(crate) fn is_usable(&self) -> bool {
        !*self.ended.borrow() && !self.handle.as_ref().is_some_and(ProcessHandle::is_over) && !is_stopped(self.pid)
    }

    /// Waits until an idle process can't work any more. A stopped one is killed, since nobody else would end it.
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

    /// Kills the process if it is stopped, since it would not notice the end of its connection.
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

/// Waits for the end of any process; forever if there is none of this id, or the kernel can't report it.
pub async fn end_of(pid: u32) {
    match i32::try_from(pid) {
        Ok(pid) => Liveness::of(pid).end().await,
        Err(_) => std::future::pending().await,
    }
}

/// Waits until a working process was found stopped several times in a row.
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
