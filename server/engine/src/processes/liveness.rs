//! Watches processes: notices their end at once, even if others started them, and notices when one is stopped by a
//! signal.

use futures::future::BoxFuture;
use pytest_lens_platform::processes::interrupt;
use tokio::sync::watch;

use crate::processes::process_tree::{ProcessHandle, is_stopped, kill_tree};
use crate::timing::{LIVENESS_INTERVAL, STOPPED_LIMIT};

/// A process, as its operating system shows and controls it. A simulated one has a system of its own.
pub(crate) trait Body: Send + Sync {
    /// Waits for its end; forever if the system can't report it.
    fn end(&self) -> BoxFuture<'_, ()>;
    fn is_over(&self) -> bool;
    /// Whether a signal has stopped it.
    fn is_stopped(&self) -> bool;
    /// Kills it alone.
    fn kill(&self);
    /// Kills it and all processes below it.
    fn kill_tree(&self);
    /// Interrupts it, as Ctrl-C does.
    fn interrupt(&self);
}

/// A process of this machine.
struct SystemBody {
    pid: i32,
    /// `None` if the kernel has no such handle, or the process is gone.
    handle: Option<ProcessHandle>,
}

impl Body for SystemBody {
    fn end(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            match &self.handle {
                Some(handle) => handle.end().await,
                None => std::future::pending().await,
            }
        })
    }

    fn is_over(&self) -> bool {
        self.handle.as_ref().is_some_and(ProcessHandle::is_over)
    }

    fn is_stopped(&self) -> bool {
        is_stopped(self.pid)
    }

    fn kill(&self) {
        if let Some(handle) = &self.handle {
            handle.kill();
        }
    }

    fn kill_tree(&self) {
        kill_tree(self.pid);
    }

    fn interrupt(&self) {
        interrupt(self.pid);
    }
}

/// The life of a connected process.
pub(crate) struct Liveness {
    body: Box<dyn Body>,
    ended: watch::Sender<bool>,
}

impl Liveness {
    pub(crate) fn of(pid: i32) -> Self {
        Liveness::with(SystemBody { pid, handle: ProcessHandle::of(pid) })
    }

    pub(crate) fn with(body: impl Body + 'static) -> Self {
        Liveness { body: Box::new(body), ended: watch::Sender::new(false) }
    }

    /// Waits for the end of the process itself; forever if the system can't report it.
    pub(crate) async fn end(&self) {
        self.body.end().await;
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
        !*self.ended.borrow() && !self.body.is_over() && !self.body.is_stopped()
    }

    /// Whether a signal has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.body.is_stopped()
    }

    /// Kills it and all processes below it.
    pub(crate) fn kill_tree(&self) {
        self.body.kill_tree();
    }

    /// Interrupts it, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        self.body.interrupt();
    }

    /// Waits until an idle process can't work any more. A stopped one is killed, since nobody else would end it.
    pub(crate) async fn unusable(&self) {
        let looking = async {
            loop {
                tokio::time::sleep(LIVENESS_INTERVAL).await;
                if self.body.is_stopped() {
                    self.body.kill();
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
        if !*self.ended.borrow() && self.body.is_stopped() {
            self.body.kill();
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
