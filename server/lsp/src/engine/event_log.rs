//! Follows the event log of one folder's context, and applies each event to the folder's view.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pytest_lens_protocol::{Event, EventPayload, InventoryDelta, Request, Response};

use crate::error::{CommandError, ErrorKind};
use crate::session::state::{Shared, State};
use crate::timing::EVENTS_WAIT_MS;
use crate::workspaces::link::Link;
use crate::workspaces::workspace::Workspace;

/// Reads the context's events until the context is gone; an error if it can't be followed at all.
pub(crate) async fn follow(shared: &Arc<Shared>, folder: &str, link: &Link, context_id: &str) -> Option<CommandError> {
    // Skips older runs of a shared engine: they do not belong to this editor.
    let mut cursor = if shared.is_shared() { u64::MAX } else { 0 };
    link.cursor.send_replace(0);
    if let Some(workspace) = shared.state().workspace_mut(folder) {
        workspace.view.doubt_all();
    }
    let mut served = false;
    loop {
        let request = Request::GetEvents { context_id: context_id.to_owned(), cursor, wait_ms: EVENTS_WAIT_MS };
        match shared.call(request).await {
            Ok(Response::Events { cursor: next, events }) => {
                served = true;
                cursor = next;
                apply_all(shared, folder, context_id, &events).await;
                link.cursor.send_replace(cursor);
            }
            Ok(other) => return Some(CommandError::unexpected("get_events", &other)),
            Err(error) if served && error.kind == ErrorKind::ContextGone => return None,
            Err(error) => return Some(error),
        }
    }
}

/// Applies events to the folder's view. Large deltas are applied in pieces, and other tasks run between them: no lens
/// and no answer waits for a whole inventory.
async fn apply_all(shared: &Arc<Shared>, folder: &str, context_id: &str, events: &[Arc<Event>]) {
    for event in events {
        let size = shared.state().piece(folder);
        let EventPayload::Inventory(delta) = &event.payload else {
            apply(shared, folder, context_id, &event.payload);
            continue;
        };
        let Some(news) = news(shared, folder, delta) else { continue };
        for piece in news.pieces(size) {
            apply(shared, folder, context_id, &EventPayload::Inventory(piece));
            tokio::task::yield_now().await;
        }
        shared.change_and_send(|state| state.send_small_tree(folder));
    }
}

/// Applies one event of a context, unless the folder has left it: its runs are over by then.
fn apply(shared: &Arc<Shared>, folder: &str, context_id: &str, payload: &EventPayload) {
    let apply = |state: &mut State| {
        let is_present = |workspace: &Workspace| workspace.link.context().as_deref() == Some(context_id);
        let is_present = state.workspace(folder).is_some_and(is_present);
        if is_present { state.apply_event(folder, payload) } else { Vec::new() }
    };
    // A panic in one event does not affect others.
    let applied = AssertUnwindSafe(|| shared.change_and_send(apply));
    if catch_unwind(applied).is_err() {
        tracing::error!("an event was lost in a panic: {payload:?}");
    }
}

/// The part of the engine's delta that changes the folder's tree. The first delta is the whole inventory if older events
/// were dropped, or if a shared engine is read for the first time: items that are not in it are removed.
fn news(shared: &Arc<Shared>, folder: &str, delta: &InventoryDelta) -> Option<InventoryDelta> {
    let mut state = shared.state();
    let view = &mut state.workspace_mut(folder)?.view;
    let news = match delta.whole {
        true => InventoryDelta {
            errors: delta.errors.clone(),
            revision: delta.revision,
            ..view.news_of_whole(delta.upserts.clone())
        },
        false => view.news(delta.clone()),
    };
    (!news.is_empty() || news.errors != view.errors()).then_some(news)
}
