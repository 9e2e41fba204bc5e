//! Runs one collection of a folder: shows its progress, handles its cancel, and waits until the view holds the result.

use std::sync::Arc;

use pytest_lens_protocol::{Request, Response};

use crate::engine::progress::CollectProgress;
use crate::error::{CommandError, CommandResult};
use crate::session::state::Shared;
use crate::timing::CATCH_UP_LIMIT;

/// Waits until the folder's view holds every event that the engine has sent by now, for answers that do not come
/// through the log.
async fn catch_up(shared: &Arc<Shared>, folder: &str, context_id: String) {
    let Some(link) = shared.link(folder) else { return };
    let mut reached = link.cursor.subscribe();
    let catching_up = async {
        let mut end = *reached.borrow();
        // Reads page by page: there may be more events than one answer holds.
        loop {
            let page = Request::GetEvents { context_id: context_id.clone(), cursor: end, wait_ms: 0 };
            match shared.call(page).await {
                Ok(Response::Events { cursor, events }) if !events.is_empty() => end = cursor,
                Ok(Response::Events { .. }) => break,
                _ => return,
            }
        }
        // The task that follows the log may have ended: then nothing is left to wait for.
        let _ = reached.wait_for(|cursor| *cursor >= end).await;
    };
    let _ = tokio::time::timeout(CATCH_UP_LIMIT, catching_up).await;
}

/// Updates a folder's inventory; returns the number of its tests. With `shown`, the user sees the collection and can
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
            return Err(CommandError::failed("collecting the tests was cancelled: the tree keeps the tests of the last collection"));
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
