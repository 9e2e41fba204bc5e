//! Watches a project's folders. An event is a hint to look, never a fact: a refresh compares everything with the disk.

use std::future::Future;
use std::path::{Path, PathBuf};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::processes::project_files;
use crate::timing::FILES_QUIET;

pub(crate) struct Watch {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Watches `root`. Calls `look` after changes, with the changed paths, and once with [`Hint::Watching`] when the watching
    /// begins. `look` returns whether to go on.
    pub(crate) fn start<F, L>(root: PathBuf, look: F) -> Self
    where
        F: Fn(Hint) -> L + Send + 'static,
        L: Future<Output = bool> + Send + 'static,
    {
        Watch { task: tokio::spawn(watch(root, look)) }
    }
}

/// The reason to compare with the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hint {
    /// The watching begins: earlier changes were not noticed.
    Watching,
    /// These paths changed.
    Changed(Vec<PathBuf>),
}

async fn watch<L: Future<Output = bool> + Send>(root: PathBuf, look: impl Fn(Hint) -> L + Send) {
    let (touched, mut hints) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Ok(event) = event
            && !matches!(event.kind, EventKind::Access(_))
        {
            let _ = touched.send(event.paths);
        }
    });
    let Ok(mut watcher) = watcher else {
        tracing::warn!("the disk can't be watched; changes are seen when a run or a collection looks");
        return;
    };
    let watched = root.clone();
    let added = tokio::task::spawn_blocking(move || {
        add_folders(&mut watcher, &watched);
        watcher
    });
    let Ok(mut watcher) = added.await else { return };
    if !look(Hint::Watching).await {
        return;
    }
    while let Some(mut paths) = hints.recv().await {
        while let Ok(Some(more)) = tokio::time::timeout(FILES_QUIET, hints.recv()).await {
            paths.extend(more);
        }
        paths.retain(|path| project_files::matters(&root, path));
        for folder in paths.iter().filter(|path| path.is_dir()) {
            add_folders(&mut watcher, folder);
        }
        if !paths.is_empty() && !look(Hint::Changed(paths)).await {
            return;
        }
    }
}

/// Watches a folder and the project's folders below it.
fn add_folders(watcher: &mut RecommendedWatcher, folder: &Path) {
    for folder in project_files::folders(folder) {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            tracing::warn!(%error, "a folder can't be watched");
            return;
        }
    }
}
