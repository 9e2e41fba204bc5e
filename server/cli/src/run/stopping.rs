//! Stops a run as the user's signals ask.

use std::sync::Arc;

use pytest_lens_engine::Call;
use pytest_lens_platform::signals::Signal;
use pytest_lens_protocol::Request;

use crate::results::report::Report;
use crate::terminal::progress::Progress;

/// How many runners may crash before the run stops.
pub(crate) struct CrashLimit {
    /// `None`: any number, or the run has been stopped.
    left: Option<u32>,
}

impl CrashLimit {
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self { left: limit }
    }

    /// Whether more have crashed now; `true` once.
    pub(crate) fn is_passed(&mut self, report: &Report) -> bool {
        let crashed = report.outcomes.get("crashed").copied().unwrap_or(0);
        self.left.take_if(|limit| crashed > *limit as usize).is_some()
    }
}

/// Stops the run while its log is read.
pub(crate) struct RunControl {
    pub session: Arc<dyn Call>,
    pub run_id: String,
    pub received: u32,
    /// Whether Ctrl-C is left to the tests, which receive it as well and may be at a breakpoint.
    pub leaves_interrupts: bool,
    pub crashes: CrashLimit,
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
                self.session.call(Request::StopRun { run_id: self.run_id.clone() }).await;
                progress.note("stopping: running tests may finish; press Ctrl-C again to kill them");
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

    /// Stops the run, because too many runners crashed.
    pub(crate) async fn stop_after_crashes(&mut self, progress: &Progress<'_>) {
        progress.note("stopping: more runners crashed than `--max-worker-restart` allows");
        self.session.call(Request::StopRun { run_id: self.run_id.clone() }).await;
    }

    pub(crate) async fn kill(&self) {
        // A run that has ended needs no kill.
        self.session.call(Request::KillRun { run_id: self.run_id.clone() }).await;
    }
}
