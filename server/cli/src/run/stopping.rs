//! Stops a run that the user no longer wants.

use std::sync::Arc;

use pytest_lens_engine::Call;
use pytest_lens_protocol::Request;

use crate::signals::Signal;
use crate::terminal::progress::Progress;

/// The way to stop the run while the log is waited for.
pub(crate) struct RunControl {
    pub session: Arc<dyn Call>,
    pub run_id: String,
    pub asked: u32,
    /// Ctrl-C is the tests' affair, who hear of it as well: they may be at a breakpoint.
    pub leaves_interrupts: bool,
}

impl RunControl {
    /// Stops at the first ask, kills at the second; `true` at the third, when waiting is to end.
    pub(crate) async fn on_signal(&mut self, signal: Signal, progress: &Progress<'_>) -> bool {
        if signal == Signal::Interrupt && self.leaves_interrupts {
            return false;
        }
        let before = self.asked;
        self.asked += if signal == Signal::Terminate { 2 } else { 1 };
        match (before, self.asked) {
            (0, 1) => {
                progress.note("stopping: what runs may finish; Ctrl-C again ends it at once");
                self.session.call(Request::StopRun { run_id: self.run_id.clone() }).await;
                false
            }
            (0 | 1, _) => {
                progress.note("killing what runs");
                self.kill().await;
                false
            }
            _ => true,
        }
    }

    pub(crate) async fn kill(&self) {
        // Where the run is over already there is nothing to kill, which is what was wanted.
        self.session.call(Request::KillRun { run_id: self.run_id.clone() }).await;
    }
}
