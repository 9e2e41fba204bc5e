//! Keeps one folder connected to the engine: opens its context, reopens it, collects, and closes it.

use std::sync::Arc;

use lsp_types::MessageType;
use pytest_lens_engine::activated;
use pytest_lens_protocol::{
    EventPayload, PROTOCOL_VERSION, Request, Response, RunCounts, RunEnd, RunEndStatus, TestOutcome, TestOutcomes,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::engine::event_log::follow;
use crate::engine::{collect, configure, last_outcomes};
use crate::error::{CommandError, CommandResult, ErrorKind};
use crate::session::message::Outgoing;
use crate::session::state::{Shared, State};
use crate::timing::{FILES_QUIET, INITIALIZED_LIMIT, RECONNECT_PAUSE};
use crate::workspaces::link::{Link, Phase};
use crate::workspaces::view::RunView;
use crate::workspaces::workspace::Workspace;

/// The most outcomes in one event.
const PIECE: usize = 500;

/// Opens or reopens a folder's context, and follows its events.
pub(crate) fn start(shared: &Arc<Shared>, folder: &str) {
    let Some(link) = shared.link(folder) else { return };
    let old = link.phase.send_replace(Phase::Opening);
    let (inner, name, own) = (Arc::clone(shared), folder.to_owned(), Arc::clone(&link));
    let task = shared.spawn(async move {
        // Ends the old context first: the new settings may lead to the same one.
        shut_down(&inner, &old).await;
        drive(inner, name, own).await;
    });
    link.replace_task(Some(task));
    abandon_runs(shared, folder, RunEndStatus::Killed, "the settings changed");
}

/// Ends a folder's context and its processes.
pub(crate) fn stop(shared: &Arc<Shared>, folder: &str, link: &Arc<Link>) {
    link.replace_task(None);
    let old = link.phase.send_replace(Phase::Closed);
    let inner = Arc::clone(shared);
    shared.spawn(async move { shut_down(&inner, &old).await });
    abandon_runs(shared, folder, RunEndStatus::Killed, "its folder was closed, or is not trusted any more");
}

async fn shut_down(shared: &Arc<Shared>, phase: &Phase) {
    if let Phase::Open(context) = phase
        && !shared.is_shared()
    {
        // It does no harm if the context is gone already.
        let _ = shared.call(Request::Shutdown { context_id: Some(context.clone()) }).await;
    }
}

/// Ends the runs of a context that is gone: the rest of their events will never arrive. No event of that context is
/// applied from now on, because the folder's phase is another one.
fn abandon_runs(shared: &Arc<Shared>, folder: &str, status: RunEndStatus, message: &str) {
    shared.change_and_send(|state| state.abandon_runs(folder, status, message));
}

impl State {
    fn abandon_runs(&mut self, folder: &str, status: RunEndStatus, message: &str) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace(folder) else { return Vec::new() };
        let runs: Vec<(String, RunView)> =
            workspace.view.runs().iter().map(|(id, run)| (id.clone(), run.clone())).collect();
        let mut told = Vec::new();
        for (run_id, run) in runs {
            let not_run = |id: &Arc<str>| TestOutcome {
                id: id.to_string(),
                outcome: "not_run".into(),
                attempt: 1,
                message: Some(message.to_owned()),
                ..TestOutcome::default()
            };
            let counts = RunCounts { not_run: run.counts.not_run + run.left.len(), ..run.counts };
            let left: Vec<TestOutcome> = run.left.iter().map(not_run).collect();
            for outcomes in left.chunks(PIECE) {
                let outcomes = TestOutcomes { run_id: run_id.clone(), outcomes: outcomes.to_vec() };
                told.extend(self.apply_event(folder, &EventPayload::TestOutcome(outcomes)));
            }
            let end = RunEnd {
                run_id,
                status,
                counts,
                duration_ms: 0.0,
                message: Some(message.to_owned()),
                debug_data: None,
                warnings: Vec::new(),
                timings: None,
                summaries: Vec::new(),
                exit_status: None,
            };
            told.extend(self.apply_event(folder, &EventPayload::RunFinished(end)));
        }
        told
    }
}

/// Returns a folder's context id, and waits for it to open; retries once if it could not be opened.
pub(crate) async fn context(shared: &Arc<Shared>, folder: &str) -> CommandResult<String> {
    let gone = || CommandError::failed("this folder is no longer open: open it again");
    if !shared.state().trusted {
        return Err(untrusted());
    }
    let link = shared.link(folder).ok_or_else(gone)?;
    if shared.state().workspace_mut(folder).is_some_and(Workspace::has_moved) {
        // The root is a link, and now leads to another folder than when the context was opened.
        start(shared, folder);
    }
    let mut phase = link.phase.subscribe();
    if matches!(*phase.borrow_and_update(), Phase::Failed(_)) {
        link.phase.send_replace(Phase::Opening);
        link.retry.notify_one();
    }
    let begun = phase.wait_for(|phase| *phase != Phase::New);
    if !matches!(tokio::time::timeout(INITIALIZED_LIMIT, begun).await, Ok(Ok(_))) {
        return Err(CommandError::failed(
            "no folder is open yet, because the editor has not sent `initialized`: restart the server in your editor",
        ));
    }
    let reached = phase.wait_for(|phase| *phase != Phase::Opening).await.map_err(|_| gone())?;
    match &*reached {
        Phase::Open(context) => Ok(context.clone()),
        Phase::Failed(error) => Err(error.clone()),
        Phase::New | Phase::Closed | Phase::Opening => Err(gone()),
    }
}

/// The error for a folder that is not trusted.
pub(crate) fn untrusted() -> CommandError {
    CommandError::failed(
        "this workspace is not trusted, so none of its code is run: trust it in your editor, then try again",
    )
}

/// Keeps the context open for as long as the folder is.
async fn drive(shared: Arc<Shared>, folder: String, link: Arc<Link>) {
    let mut trouble: Option<CommandError> = None;
    loop {
        let mut settings = link.settings.subscribe();
        let failed = match open(&shared, &folder).await {
            Ok(context) => {
                let newest = settings.borrow_and_update().clone();
                configure::send(&shared, &context, newest).await;
                if let Some(past) = trouble.take() {
                    shared.forget_shown(&past.message);
                }
                link.phase.send_replace(Phase::Open(context.clone()));
                tokio::select! {
                    failed = follow(&shared, &folder, &link, &context) => failed,
                    () = keep_up(&shared, &folder, &link) => continue,
                    () = keep_configured(&shared, &context, settings) => continue,
                }
            }
            Err(error) => Some(error),
        };
        match failed {
            // The engine has forgotten the context that it served: open it again.
            None => {
                link.phase.send_replace(Phase::Opening);
                abandon_runs(&shared, &folder, RunEndStatus::InternalError, "the engine lost this run");
            }
            Some(error) => {
                shared.show_once(MessageType::ERROR, &error.message);
                link.phase.send_replace(Phase::Failed(error.clone()));
                trouble.get_or_insert(error);
                abandon_runs(&shared, &folder, RunEndStatus::InternalError, "the engine lost this run");
                let again = async {
                    match shared.is_shared() {
                        // Someone may start a daemon again at any time.
                        true => tokio::time::sleep(RECONNECT_PAUSE).await,
                        false => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = link.retry.notified() => {}
                    () = again => {}
                }
            }
        }
    }
}

/// Opens the context with the interpreter and mode in force.
async fn open(shared: &Arc<Shared>, folder: &str) -> CommandResult<String> {
    let (root, settings) = {
        let state = shared.state();
        let workspace = state.workspace(folder).ok_or_else(|| CommandError::failed("this folder is no longer open"))?;
        (workspace.root.clone(), workspace.settings.clone())
    };
    let request = Request::InitContext {
        protocol_version: PROTOCOL_VERSION,
        repo_path: root.to_string_lossy().into_owned(),
        python_path: settings.python_path,
        execution_mode: Some(settings.execution_mode),
        activated: shared.is_shared().then(activated),
    };
    match shared.call(request).await? {
        Response::ContextReady { context_id, .. } => Ok(context_id),
        other => Err(CommandError::unexpected("init_context", &other)),
    }
}

/// Sends each change of the settings to the engine, one request at a time: none can overtake a newer one. Never ends.
async fn keep_configured(shared: &Arc<Shared>, context_id: &str, mut settings: watch::Receiver<Value>) {
    while settings.changed().await.is_ok() {
        let newest = settings.borrow_and_update().clone();
        configure::send(shared, context_id, newest).await;
    }
}

/// Collects at the start, and whenever files have changed and no further change follows; requests the outcomes of tests
/// that are new to the tree, or there again. Never ends.
async fn keep_up(shared: &Arc<Shared>, folder: &str, link: &Link) {
    let first = collect_in(shared, folder, true).await;
    show_fault(shared, first);
    last_outcomes::fetch(shared, folder).await;
    loop {
        tokio::select! {
            () = link.files_changed.notified() => {}
            () = link.tests_returned.notified() => {
                last_outcomes::fetch(shared, folder).await;
                continue;
            }
        }
        while tokio::time::timeout(FILES_QUIET, link.files_changed.notified()).await.is_ok() {}
        let again = collect_in(shared, folder, false).await;
        show_fault(shared, again);
        last_outcomes::apply_kept(shared, folder);
    }
}

/// Shows the error of a collection that no user requested.
fn show_fault(shared: &Shared, result: CommandResult<usize>) {
    if let Err(error) = result
        && error.kind != ErrorKind::ContextGone
    {
        shared.show_once(MessageType::ERROR, &error.message);
    }
}

async fn collect_in(shared: &Arc<Shared>, folder: &str, shown: bool) -> CommandResult<usize> {
    let context_id = context(shared, folder).await?;
    collect::collect(shared, folder, context_id, false, shown).await
}
