//! Stops a run as the user's signals ask.

use std::sync::Arc;

use pytest_lens_engine::Call;
use pytest_lens_protocol::Request;

use crate::signals::Signal;
use crate::terminal::progress::Progress;

/// Stops the run while its log is read.
pub(crate) struct RunControl {
    pub session: Arc<dyn Call>,
    pub run_id: String,
    pub received: u32,
    /// Whether Ctrl-C is left to the tests, which receive it as well and may be at a breakpoint.
    pub leaves_interrupts: bool,
}

impl RunControl {
    /// Stops at the first signal and kills at the second; returns `true` at the third, when the command must end at
    /// once.
    pub(crate) async fn on_signal(&mut self, signal: Signal, progress: &Progress<'_>) -> bool {
        if signal == Signal::Interrupt && self.leaves_interrupts {
            return false;
        }
        let before = self.received;
        self.received += if signal == Signal::Terminate { 2 } else { 1 };
        match (before, self.received) {
            (0, 1) => {
                progress.note("stopping: running tests may finish; press Ctrl-C again to kill them");
                self.session.call(Request::StopRun { run_id: self.run_id.clone() }).await;
                false
            }
            (0 | 1, _) => {
                progress.note("killing the running tests");
                self.kill().await;
                false
            }
            _ => true,
        }
    }

    pub(crate) async fn kill(&self) {
        // A run that has ended needs no kill.
        self.session.call(Request::KillRun { run_id: self.run_id.clone() }).await;
    }
}
