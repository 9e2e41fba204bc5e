//! Runs one collection of a folder: shows its progress, handles its cancel, waits until the view holds the result, and
//! removes the tests that only the sources have.

use std::path::PathBuf;
use std::sync::Arc;

use pytest_lens_protocol::{EventPayload, Request, Response, TestItem};
use tokio::sync::oneshot;

use crate::documents::text::Text;
use crate::engine::progress::CollectProgress;
use crate::error::{CommandError, CommandResult};
use crate::session::message::Outgoing;
use crate::session::state::{Shared, State};
use crate::timing::CATCH_UP_LIMIT;

/// The texts on disk of open documents.
type Texts = Vec<(PathBuf, Arc<Text>)>;

/// Waits until the folder's view holds every event that the engine has sent by now, for answers that do not come
/// through the log. Returns whether it does.
pub(crate) async fn catch_up(shared: &Arc<Shared>, folder: &str, context_id: &str) -> bool {
    let Some(link) = shared.link(folder) else { return false };
    let mut reached = link.cursor.subscribe();
    let mut end = *reached.borrow();
    // Reads page by page: there may be more events than one answer holds.
    loop {
        let page = Request::GetEvents { context_id: context_id.to_owned(), cursor: end, wait_ms: 0 };
        match shared.call(page).await {
            Ok(Response::Events { cursor, events }) if !events.is_empty() => end = cursor,
            Ok(Response::Events { .. }) => break,
            _ => return false,
        }
    }
    // Meanwhile, the task that follows the log may have opened another context.
    reached.wait_for(|cursor| *cursor >= end).await.is_ok() && link.context().as_deref() == Some(context_id)
}

/// Removes the tests that only the sources have, as soon as the view holds the result of the collection. `before`: the
/// texts before it.
async fn collected(shared: Arc<Shared>, folder: String, context_id: String, before: Texts) {
    if catch_up(&shared, &folder, &context_id).await {
        shared.change_and_send(|state| {
            let mut told = state.note_collected(&folder, before);
            told.extend(state.drop_unconfirmed(&folder));
            told.extend(state.update_live_trees(&folder));
            told
        });
    }
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
    let before = shared.state().open_texts(folder);
    let answer = tokio::select! {
        answer = shared.call(Request::Collect { context_id: context_id.clone(), force }) => answer?,
        () = cancelled => {
            return Err(CommandError::failed("collecting the tests was cancelled: the tree keeps the tests of the last collection"));
        }
    };
    match answer {
        Response::CollectionComplete { node_count, .. } => {
            let (done, is_done) = oneshot::channel();
            let taking_in = collected(Arc::clone(shared), folder.to_owned(), context_id, before);
            shared.spawn(async move {
                taking_in.await;
                let _ = done.send(());
            });
            let _ = tokio::time::timeout(CATCH_UP_LIMIT, is_done).await;
            Ok(node_count)
        }
        other => Err(CommandError::unexpected("collect", &other)),
    }
}

impl State {
    fn open_texts(&mut self, folder: &str) -> Texts {
        let Some(workspace) = self.workspace(folder) else { return Vec::new() };
        let inside = self.documents.keys().filter(|path| path.starts_with(&workspace.root));
        let paths: Vec<PathBuf> = inside.cloned().collect();
        let read = |path: PathBuf| self.read_disk(&path).map(|text| (path, text));
        paths.into_iter().filter_map(read).collect()
    }

    /// Notes which texts a collection has read: those that are on disk before and after it. Of a file with an error, or
    /// below a conftest with one, the tree may keep older tests.
    fn note_collected(&mut self, folder: &str, before: Texts) -> Vec<Outgoing> {
        if self.workspace(folder).is_none_or(|workspace| !workspace.view.errors().is_empty()) {
            return Vec::new();
        }
        let mut told = Vec::new();
        for (path, text) in before {
            let is_same = self.read_disk(&path).is_some_and(|now| Arc::ptr_eq(&now, &text));
            let Some(document) = self.documents.get_mut(&path).filter(|_| is_same) else { continue };
            if document.collected.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &text)) {
                document.collected = Some(text);
                told.extend(self.resend_ranges(&path));
                told.push(Outgoing::Changed { files: [path].into() });
            }
        }
        told
    }

    /// Removes items that neither the engine nor an open document has. Keeps them if pytest reported an error: it can't
    /// collect below a conftest that does not import.
    fn drop_unconfirmed(&mut self, folder: &str) -> Vec<Outgoing> {
        let Some(workspace) = self.workspace(folder).filter(|workspace| workspace.view.errors().is_empty()) else {
            return Vec::new();
        };
        let is_open = |item: &TestItem| {
            let path = workspace.file_of(&item.id);
            item.provisional && self.documents.keys().any(|document| document.starts_with(&path))
        };
        let delta = workspace.view.without_unconfirmed(is_open);
        if let Some(workspace) = self.workspace_mut(folder) {
            workspace.is_collected = true;
        }
        if delta.is_empty() { Vec::new() } else { self.apply_event(folder, &EventPayload::Inventory(delta)) }
    }
}
