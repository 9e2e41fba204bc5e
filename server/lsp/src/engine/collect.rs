//! Collecting: at the start, when files have changed, and when a command asks for it.

use std::sync::Arc;
use std::time::Duration;

use lsp_types::MessageType;
use pytest_lens_protocol::{Request, Response};

use crate::engine::connection::{Link, context, link};
use crate::engine::last_outcomes;
use crate::engine::progress::CollectProgress;
use crate::engine::source_listing;
use crate::error::{CommandError, CommandResult, ErrorKind};
use crate::session::state::Shared;

/// Files change in swarms: a collection waits until they have been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

/// An answer waits no longer than this for the view.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Waits until the folder's view holds every event that the engine has told by now: for answers that are read beside it.
async fn catch_up(shared: &Arc<Shared>, folder: &str, context_id: String) {
    let Some(link) = link(shared, folder) else { return };
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
    let _ = tokio::time::timeout(CATCH_UP, catching_up).await;
}

/// Collects at the start, and then whenever files have changed and are quiet again. Never ends.
pub(crate) async fn keep_up(shared: &Arc<Shared>, folder: &str, link: &Link) {
    let first = collect(shared, folder, false, true).await;
    take(shared, folder, first).await;
    last_outcomes::take(shared, folder).await;
    loop {
        link.files_changed.notified().await;
        while tokio::time::timeout(QUIET, link.files_changed.notified()).await.is_ok() {}
        let again = collect(shared, folder, false, false).await;
        take(shared, folder, again).await;
        last_outcomes::again(shared, folder);
    }
}

/// What comes of a collection that nobody asked for.
async fn take(shared: &Arc<Shared>, folder: &str, result: CommandResult<usize>) {
    match result {
        Ok(_) => source_listing::compare(shared, folder).await,
        Err(error) if error.kind == ErrorKind::ContextGone => {}
        Err(error) => shared.tell_once(MessageType::ERROR, &error.message),
    }
}

/// Brings a folder's inventory up to date; returns the number of its tests. With `shown` the user sees it and can
/// cancel it.
pub(crate) async fn collect(shared: &Arc<Shared>, folder: &str, force: bool, shown: bool) -> CommandResult<usize> {
    let context_id = context(shared, folder).await?;
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
            shared.settle(folder);
            Ok(node_count)
        }
        other => Err(CommandError::unexpected("collect", &other)),
    }
}
