//! Follows the changes of a project's files, as the engine notices them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use pytest_lens_protocol::{Request, Response};
use tokio::sync::mpsc::UnboundedSender;

use super::machine::Content;
use crate::engine::client::Client;
use crate::failure::Failure;
use crate::timing::EVENTS_WAIT_MS;

/// Larger files are compared by size and time.
const LARGE: u64 = 8 * 1024 * 1024;

/// Changed files, with their content.
#[derive(Debug)]
pub(super) struct Changed {
    pub files: Vec<(String, Content)>,
    /// Changes were missed.
    pub everything: bool,
}

/// A position in the changes of a project. It needs a session of its own, because it waits for changes.
pub(super) struct Changes {
    client: Client,
    root: PathBuf,
    cursor: u64,
}

impl Changes {
    /// Begins: later changes are noticed.
    pub(super) async fn begin(client: Client, root: &Path) -> Result<Self, Failure> {
        let mut changes = Changes { client, root: root.to_owned(), cursor: u64::MAX };
        changes.read(0).await?;
        Ok(changes)
    }

    /// Sends changes until the receiver or the engine is gone.
    pub(super) async fn follow(mut self, sender: UnboundedSender<Result<Changed, Failure>>) {
        loop {
            let changed = self.read(EVENTS_WAIT_MS).await;
            let is_over = changed.is_err();
            if matches!(&changed, Ok(changed) if changed.files.is_empty() && !changed.everything) {
                continue;
            }
            if sender.send(changed).is_err() || is_over {
                return;
            }
        }
    }

    async fn read(&mut self, wait_ms: u64) -> Result<Changed, Failure> {
        let request = Request::GetChanges { context_id: self.client.context_id.clone(), cursor: self.cursor, wait_ms };
        match self.client.session.call(request).await {
            Response::Changes { cursor, paths, everything } => {
                self.cursor = cursor;
                let root = self.root.clone();
                let contents = tokio::task::spawn_blocking(move || {
                    paths.into_iter().map(|path| (content(&root.join(&path)), path)).collect::<Vec<_>>()
                });
                let contents = contents.await.unwrap_or_default();
                let files = contents.into_iter().map(|(content, path)| (path, content)).collect();
                Ok(Changed { files, everything })
            }
            other => Err(Failure::of_response(other)),
        }
    }
}

fn content(path: &Path) -> Content {
    let data = std::fs::metadata(path).ok()?;
    let mut hasher = DefaultHasher::new();
    if data.is_file() && data.len() <= LARGE {
        std::fs::read(path).ok()?.hash(&mut hasher);
    } else {
        (data.len(), data.modified().ok()).hash(&mut hasher);
    }
    Some(hasher.finish())
}
