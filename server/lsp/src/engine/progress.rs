//! Reports the progress of runs and collections (`$/progress`), and handles the user's cancel.

use std::sync::Arc;

use lsp_types::notification::WorkDoneProgressCancel;
use lsp_types::{MessageType, NumberOrString, WorkDoneProgressCancelParams};
use pytest_lens_protocol::{Request, RunEnd, RunEndStatus};
use tokio::sync::Notify;

use crate::engine::warnings;
use crate::session::cancels::{Cancel, Cancels};
use crate::session::handlers::StateChange;
use crate::session::message::{Outgoing, Progress};
use crate::session::state::Shared;
use crate::timing::CANCEL_GRACE;
use crate::workspaces::outcome::duration;
use crate::workspaces::view::RunView;

fn run_token(run_id: &str) -> String {
    format!("pytest-lens/run/{run_id}")
}

/// The engine accepted a run.
pub(crate) fn run_started(cancels: &mut Cancels, run_id: &str, total: usize) -> Vec<Outgoing> {
    let token = run_token(run_id);
    if cancels.contains_key(&token) {
        // More of its tests are known: the next report has their number.
        return Vec::new();
    }
    let cancel = Cancel::Run { run_id: run_id.to_owned(), stopping: false };
    cancels.insert(token.clone(), cancel);
    let title = if total == 1 { "Running 1 test".into() } else { format!("Running {total} tests") };
    vec![Outgoing::Progress(Progress::Begin { token, title })]
}

/// Some of the run's tests are done.
pub(crate) fn run_progressed(run_id: &str, run: &RunView) -> Outgoing {
    let failed = if run.failed() > 0 { format!(", {} failed", run.failed()) } else { String::new() };
    let attempt = if run.attempt > 1 { format!(", attempt {}", run.attempt) } else { String::new() };
    let message = format!("{}/{}{failed}{attempt}", run.done(), run.total);
    let percentage = (run.done() * 100).checked_div(run.total).and_then(|percent| u32::try_from(percent.min(100)).ok());
    Outgoing::Progress(Progress::Report { token: run_token(run_id), message, percentage })
}

/// The run is over. A client without a plugin also gets a message.
pub(crate) fn run_finished(cancels: &mut Cancels, run: &RunEnd, is_plain: bool) -> Vec<Outgoing> {
    let token = run_token(&run.run_id);
    cancels.remove(&token);
    let mut text = summary(run);
    let end = Outgoing::Progress(Progress::End { token, message: text.clone() });
    let kind = match run.status {
        RunEndStatus::Passed => MessageType::INFO,
        RunEndStatus::Stopped | RunEndStatus::Killed => MessageType::WARNING,
        RunEndStatus::Failed | RunEndStatus::TimedOut | RunEndStatus::InternalError => MessageType::ERROR,
    };
    let fault = run.message.clone().filter(|message| !message.is_empty());
    if is_plain {
        text.extend(fault.into_iter().map(|fault| format!(": {fault}")));
        return vec![end, Outgoing::Message { kind, text }];
    }
    let fault = fault.filter(|_| run.status == RunEndStatus::InternalError);
    fault.map(|text| Outgoing::Message { kind, text }).into_iter().chain([end]).collect()
}

/// `3 passed in 12 ms`, `stopped: 1 failed, 2 passed, 3 not run in 1.20 s`.
fn summary(run: &RunEnd) -> String {
    let counts = &run.counts;
    let how = match run.status {
        RunEndStatus::Passed | RunEndStatus::Failed => "",
        RunEndStatus::Stopped => "stopped: ",
        RunEndStatus::Killed => "killed: ",
        RunEndStatus::TimedOut => "out of time: ",
        RunEndStatus::InternalError => "the run could not be finished: ",
    };
    let error = if counts.errors == 1 { "error" } else { "errors" };
    let parts = [
        (counts.failed, "failed"),
        (counts.errors, error),
        (counts.passed, "passed"),
        (counts.skipped, "skipped"),
        (counts.not_run, "not run"),
    ];
    let told = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    let told: Vec<String> = told.chain(warnings::counted(run)).collect();
    let told = if told.is_empty() { "no test ran".into() } else { told.join(", ") };
    format!("{how}{told} in {}", duration(run.duration_ms))
}

impl StateChange for WorkDoneProgressCancel {
    fn apply(shared: &Arc<Shared>, params: WorkDoneProgressCancelParams) {
        if let NumberOrString::String(token) = params.token {
            cancel(shared, &token);
        }
    }
}

/// The user cancelled the work of a token.
fn cancel(shared: &Arc<Shared>, token: &str) {
    let (run_id, again) = match shared.state().cancels.get_mut(token) {
        Some(Cancel::Run { run_id, stopping }) => (run_id.clone(), std::mem::replace(stopping, true)),
        Some(Cancel::Collect(wanted)) => {
            wanted.notify_one();
            return;
        }
        // It ended a moment ago.
        None => return,
    };
    let (inner, token) = (Arc::clone(shared), token.to_owned());
    shared.spawn(async move {
        let ask = async |request| {
            if let Err(error) = inner.call(request).await {
                inner.show_once(MessageType::WARNING, &error.message);
            }
        };
        if again {
            return ask(Request::KillRun { run_id }).await;
        }
        ask(Request::StopRun { run_id: run_id.clone() }).await;
        tokio::time::sleep(CANCEL_GRACE).await;
        let goes_on = inner.state().cancels.contains_key(&token);
        if goes_on {
            ask(Request::KillRun { run_id }).await;
        }
    });
}

/// A collection that the user sees and can cancel; it ends when this is dropped.
pub(crate) struct CollectProgress {
    shared: Arc<Shared>,
    token: String,
    cancelled: Arc<Notify>,
}

impl CollectProgress {
    /// Shows it.
    pub(crate) fn begin(shared: &Arc<Shared>) -> Self {
        let cancelled = Arc::new(Notify::new());
        let mut state = shared.state();
        state.collections += 1;
        let token = format!("pytest-lens/collect/{}", state.collections);
        state.cancels.insert(token.clone(), Cancel::Collect(Arc::clone(&cancelled)));
        drop(state);
        shared.send(Outgoing::Progress(Progress::Begin { token: token.clone(), title: "Collecting tests".into() }));
        CollectProgress { shared: Arc::clone(shared), token, cancelled }
    }

    /// Waits for the user to cancel it.
    pub(crate) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }
}

impl Drop for CollectProgress {
    fn drop(&mut self) {
        self.shared.state().cancels.remove(&self.token);
        self.shared.send(Outgoing::Progress(Progress::End { token: self.token.clone(), message: String::new() }));
    }
}
