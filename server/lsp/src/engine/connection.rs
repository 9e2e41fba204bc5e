//! The way of one folder to the engine: its context and its events.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lsp_types::MessageType;
use pytest_lens_protocol::{
    Event, EventPayload, InventoryDelta, ItemKind, PROTOCOL_VERSION, Request, Response, RunCounts, RunEnd,
    RunEndStatus, TestItem,
};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use crate::engine::collect;
use crate::error::{CommandError, CommandResult, ErrorKind};
use crate::session::state::Shared;
use crate::sync::settings;
use crate::workspaces::view::RunView;
use crate::workspaces::workspace::Workspace;

/// A hanging get ends after this, and is made anew.
const WAIT_MS: u64 = 30_000;

/// How long a daemon that is gone is left alone.
const RECONNECT: Duration = Duration::from_secs(3);

/// How far a folder is with the engine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// Nothing is asked of the engine: the folder is not trusted.
    #[default]
    Closed,
    /// The context is being opened.
    Opening,
    /// It is open.
    Open(String),
    /// It could not be opened; the next command tries again.
    Failed(CommandError),
}

/// One folder's connection.
#[derive(Debug)]
pub(crate) struct Link {
    phase: watch::Sender<Phase>,
    /// How far the event log was taken in.
    pub(crate) cursor: watch::Sender<u64>,
    retry: Notify,
    pub(crate) files_changed: Notify,
    task: Mutex<Option<AbortHandle>>,
}

impl Default for Link {
    fn default() -> Self {
        Link {
            phase: watch::Sender::new(Phase::default()),
            cursor: watch::Sender::new(0),
            retry: Notify::new(),
            files_changed: Notify::new(),
            task: Mutex::new(None),
        }
    }
}

impl Link {
    /// The open context's id.
    pub(crate) fn context(&self) -> Option<String> {
        match &*self.phase.borrow() {
            Phase::Open(context) => Some(context.clone()),
            _ => None,
        }
    }

    /// Files were changed: collect soon.
    pub(crate) fn files_changed(&self) {
        self.files_changed.notify_one();
    }

    fn replace_task(&self, task: Option<AbortHandle>) {
        let mut slot = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *slot, task) {
            old.abort();
        }
    }
}

/// Opens, or opens anew, a folder's context, and follows its events from then on.
pub(crate) fn start(shared: &Arc<Shared>, folder: &str) {
    let Some(link) = link(shared, folder) else { return };
    let old = link.phase.send_replace(Phase::Opening);
    let (inner, name, own) = (Arc::clone(shared), folder.to_owned(), Arc::clone(&link));
    let task = shared.spawn(async move {
        // The old context first: the new settings may well lead to the same one.
        shut_down(&inner, &old).await;
        drive(inner, name, own).await;
    });
    link.replace_task(Some(task));
    abandon_runs(shared, folder, RunEndStatus::Killed, "the settings changed");
}

/// Ends a folder's context: its processes are ended with it.
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
        // A context that is gone already is as good.
        let _ = shared.call(Request::Shutdown { context_id: Some(context.clone()) }).await;
    }
}

/// Runs whose end will not be heard of, because their context is gone, end here: nobody waits for them for ever.
fn abandon_runs(shared: &Arc<Shared>, folder: &str, status: RunEndStatus, message: &str) {
    let ends: Vec<RunEnd> = {
        let state = shared.state();
        let runs = state.workspace(folder).map(|workspace| workspace.view.runs());
        let end = |(run_id, run): (&String, &RunView)| RunEnd {
            run_id: run_id.clone(),
            status,
            counts: RunCounts {
                total: run.done,
                passed: run.done - run.failed,
                failed: run.failed,
                not_run: run.total.saturating_sub(run.done),
                ..RunCounts::default()
            },
            duration_ms: 0.0,
            message: Some(message.to_owned()),
            debug_data: None,
            warnings: Vec::new(),
        };
        runs.into_iter().flatten().map(end).collect()
    };
    for end in ends {
        apply(shared, folder, &EventPayload::RunFinished(end));
    }
}

/// A folder's context id, waiting for it to open; where it could not be opened, tries once more.
pub(crate) async fn context(shared: &Arc<Shared>, folder: &str) -> CommandResult<String> {
    let gone = || CommandError::failed("this folder is no longer open: open it again");
    if !shared.state().trusted {
        return Err(untrusted());
    }
    let link = link(shared, folder).ok_or_else(gone)?;
    if shared.state().workspace_mut(folder).is_some_and(Workspace::has_moved) {
        // The root is a link, and leads to another folder than the context has.
        start(shared, folder);
    }
    let mut phase = link.phase.subscribe();
    if matches!(*phase.borrow_and_update(), Phase::Failed(_)) {
        link.phase.send_replace(Phase::Opening);
        link.retry.notify_one();
    }
    let reached = phase.wait_for(|phase| *phase != Phase::Opening).await.map_err(|_| gone())?;
    match &*reached {
        Phase::Open(context) => Ok(context.clone()),
        Phase::Failed(error) => Err(error.clone()),
        Phase::Closed | Phase::Opening => Err(gone()),
    }
}

/// Why nothing is executed in a folder that is not trusted.
pub(crate) fn untrusted() -> CommandError {
    CommandError::failed(
        "this workspace is not trusted, so none of its code is run: trust it in your editor, then try again",
    )
}

pub(crate) fn link(shared: &Arc<Shared>, folder: &str) -> Option<Arc<Link>> {
    shared.state().workspace(folder).map(|workspace| Arc::clone(&workspace.link))
}

/// Keeps the context open for as long as the folder is.
async fn drive(shared: Arc<Shared>, folder: String, link: Arc<Link>) {
    let mut trouble: Option<CommandError> = None;
    loop {
        let failed = match open(&shared, &folder).await {
            Ok(context) => {
                if let Some(past) = trouble.take() {
                    shared.forget_told(&past.message);
                }
                link.phase.send_replace(Phase::Open(context.clone()));
                tokio::select! {
                    failed = follow(&shared, &folder, &link, &context) => failed,
                    () = collect::keep_up(&shared, &folder, &link) => continue,
                }
            }
            Err(error) => Some(error),
        };
        match failed {
            // The engine forgot the context after it had served: open it anew.
            None => {
                link.phase.send_replace(Phase::Opening);
                abandon_runs(&shared, &folder, RunEndStatus::InternalError, "the engine lost this run");
            }
            Some(error) => {
                shared.tell_once(MessageType::ERROR, &error.message);
                link.phase.send_replace(Phase::Failed(error.clone()));
                trouble.get_or_insert(error);
                abandon_runs(&shared, &folder, RunEndStatus::InternalError, "the engine lost this run");
                let again = async {
                    match shared.is_shared() {
                        // A daemon may be started again at any time.
                        true => tokio::time::sleep(RECONNECT).await,
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

/// Opens the context with the settings in force.
async fn open(shared: &Arc<Shared>, folder: &str) -> CommandResult<String> {
    let (root, settings, json) = {
        let state = shared.state();
        let workspace = state.workspace(folder).ok_or_else(|| CommandError::failed("this folder is no longer open"))?;
        (workspace.root.clone(), workspace.settings.clone(), workspace.settings_json.clone())
    };
    let request = Request::InitContext {
        protocol_version: PROTOCOL_VERSION,
        repo_path: root.to_string_lossy().into_owned(),
        python_path: settings.python_path,
        execution_mode: Some(settings.execution_mode),
    };
    let context_id = match shared.call(request).await? {
        Response::ContextReady { context_id, .. } => context_id,
        other => return Err(CommandError::unexpected("init_context", &other)),
    };
    let configure = Request::ConfigureContext { context_id: context_id.clone(), settings: json };
    settings::send(shared, configure).await;
    Ok(context_id)
}

/// Takes in the context's events until it is gone; an error where it can't be followed at all.
async fn follow(shared: &Arc<Shared>, folder: &str, link: &Link, context_id: &str) -> Option<CommandError> {
    // What an engine that others use has run before is not this editor's: from its present state on.
    let mut cursor = if shared.is_shared() { u64::MAX } else { 0 };
    link.cursor.send_replace(0);
    let mut served = false;
    loop {
        let request = Request::GetEvents { context_id: context_id.to_owned(), cursor, wait_ms: WAIT_MS };
        match shared.call(request).await {
            Ok(Response::Events { cursor: next, events }) => {
                served = true;
                cursor = next;
                take(shared, folder, &events).await;
                link.cursor.send_replace(cursor);
            }
            Ok(other) => return Some(CommandError::unexpected("get_events", &other)),
            Err(error) if served && error.kind == ErrorKind::ContextGone => return None,
            Err(error) => return Some(error),
        }
    }
}

/// Takes events into the folder's view. Large deltas go in pieces, and others have their turn between: neither a lens
/// nor an answer on the wire waits for a whole inventory.
async fn take(shared: &Arc<Shared>, folder: &str, events: &[Arc<Event>]) {
    for event in events {
        let size = shared.state().piece(folder);
        let pieces = match &event.payload {
            EventPayload::Inventory(delta) if delta.whole => without_what_is_gone(shared, folder, delta).pieces(size),
            EventPayload::Inventory(delta) => match news(shared, folder, delta) {
                Some(delta) => delta.pieces(size),
                None => continue,
            },
            payload => {
                apply(shared, folder, payload);
                continue;
            }
        };
        for piece in pieces {
            apply(shared, folder, &EventPayload::Inventory(piece));
            tokio::task::yield_now().await;
        }
        shared.tell(|state| state.tell_rest(folder));
    }
}

fn apply(shared: &Arc<Shared>, folder: &str, payload: &EventPayload) {
    // A fault in one event costs no other.
    let applied = AssertUnwindSafe(|| shared.tell(|state| state.apply_event(folder, payload)));
    if catch_unwind(applied).is_err() {
        tracing::error!("an event was lost in a panic: {payload:?}");
    }
}

/// What of a delta is not shown already: the sources were read here, before the engine could.
fn news(shared: &Arc<Shared>, folder: &str, delta: &InventoryDelta) -> Option<InventoryDelta> {
    let state = shared.state();
    let view = &state.workspace(folder)?.view;
    let news = view.news(delta.clone());
    (!news.is_empty() || news.errors != view.errors()).then_some(news)
}

/// The events begin with the whole inventory, for they were dropped before they were read, or this is a first look at
/// an engine that others use: what is not in it any more goes.
fn without_what_is_gone(shared: &Arc<Shared>, folder: &str, whole: &InventoryDelta) -> InventoryDelta {
    let state = shared.state();
    let Some(workspace) = state.workspace(folder) else { return InventoryDelta::default() };
    let mut delta = workspace.view.difference(whole.upserts.clone());
    if !workspace.has_spoken {
        // What the sources say is shown; what of it pytest does not take goes when it has spoken.
        let is_confirmed = |item: &TestItem| !item.provisional && item.kind != ItemKind::Dir;
        delta.removed.retain(|id| workspace.view.item(id).is_some_and(is_confirmed));
    }
    InventoryDelta { errors: whole.errors.clone(), revision: whole.revision, ..delta }
}
