//! Runs one collection of a folder: its progress, its cancel, and the wait until the view holds the result.

use std::sync::Arc;

use pytest_lens_protocol::{Request, Response};

use crate::engine::progress::CollectProgress;
use crate::error::{CommandError, CommandResult};
use crate::session::state::Shared;
use crate::timing::CATCH_UP_LIMIT;

/// Waits until the folder's view holds every event that the engine has told by now: for answers that are read beside it.
async fn catch_up(shared: &Arc<Shared>, folder: &str, context_id: String) {
    let Some(link) = shared.link(folder) else { return };
    let mut reached = link.cursor.subscribe();
    let catching_up = async {
        let mut end = *reached.borrow();
        // Page by page: there may be more than goes into one answer.
        loop {
            let page = Request::GetEvents { context_id: context_id.clone(), cursor: end, wait_ms: 0 };
            match shared.call(page).await {
                Ok(Response::Events { cursor, events }) if !events.is_empty() => end = cursor,
                Ok(Response::Events { .. }) => break,
                _ => return,
            }
        }
        // The task that follows the log may end meanwhile: then there is nothing to wait for.
        let _ = reached.wait_for(|cursor| *cursor >= end).await;
    };
    let _ = tokio::time::timeout(CATCH_UP_LIMIT, catching_up).await;
}

/// Brings a folder's inventory up to date; returns the number of its tests. With `shown` the user sees it and can
/// cancel it.
pub(crate) async fn collect(
    shared: &Arc<Shared>,
    folder: &str,
    context_id: String,
    force: bool,
    shown: bool,
) -> CommandResult<usize> {
    let progress = shown.then(|| CollectProgress::begin(shared));
    let cancelled = async {
        match &progress {
            Some(progress) => progress.cancelled().await,
            None => std::future::pending().await,
        }
    };
    let answer = tokio::select! {
        answer = shared.call(Request::Collect { context_id: context_id.clone(), force }) => answer?,
        () = cancelled => {
            return Err(CommandError::failed("collecting the tests was cancelled: what was known before still holds"));
        }
    };
    match answer {
        Response::CollectionComplete { node_count, .. } => {
            catch_up(shared, folder, context_id).await;
            shared.refresh_live_tree(folder);
            Ok(node_count)
        }
        other => Err(CommandError::unexpected("collect", &other)),
    }
}
