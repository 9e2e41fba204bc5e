//! Watches a project's folders. What it hears is a hint to look, never a fact: whoever looks compares with the disk.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Editors save in several steps; the look comes when they have been quiet for this long.
const QUIET: Duration = Duration::from_millis(60);

pub(crate) struct Watch {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Watches `root`. `look`: called after changes; returns whether to go on watching.
    pub(crate) fn start<F, L>(root: PathBuf, look: F) -> Self
    where
        F: Fn() -> L + Send + 'static,
        L: Future<Output = bool> + Send + 'static,
    {
        Watch { task: tokio::spawn(watch(root, look)) }
    }
}

async fn watch<L: Future<Output = bool> + Send>(root: PathBuf, look: impl Fn() -> L + Send) {
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
    let added = tokio::task::spawn_blocking(move || {
        add_folders(&mut watcher, &root);
        watcher
    });
    let Ok(mut watcher) = added.await else { return };
    while let Some(mut paths) = hints.recv().await {
        while let Ok(Some(more)) = tokio::time::timeout(QUIET, hints.recv()).await {
            paths.extend(more);
        }
        paths.retain(|path| matters(path));
        for folder in paths.iter().filter(|path| path.is_dir()) {
            add_folders(&mut watcher, folder);
        }
        if !paths.is_empty() && !look().await {
            return;
        }
    }
}

fn matters(path: &Path) -> bool {
    let hidden = |part: std::path::Component| {
        part.as_os_str().to_str().is_some_and(|name| name == "__pycache__" || name == "node_modules")
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    !path.components().any(hidden) && !name.ends_with(".pyc") && !name.ends_with('~') && !name.ends_with(".swp")
}

/// Watches a folder and those below it, but for hidden ones, environments and caches.
fn add_folders(watcher: &mut RecommendedWatcher, folder: &Path) {
    let walk = ignore::WalkBuilder::new(folder)
        .standard_filters(false)
        .hidden(true)
        .filter_entry(|entry| {
            entry.file_type().is_some_and(|kind| kind.is_dir())
                && matters(entry.path())
                && !entry.path().join("pyvenv.cfg").is_file()
        })
        .build();
    for entry in walk.flatten() {
        if let Err(error) = watcher.watch(entry.path(), RecursiveMode::NonRecursive) {
            tracing::warn!(%error, "a folder can't be watched");
            return;
        }
    }
}
