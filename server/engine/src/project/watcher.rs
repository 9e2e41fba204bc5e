//! Watches a project's folders. An event is a hint to look, never a fact: a refresh compares everything with the disk.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};

use ignore::DirEntry;
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::model::impact::is_made;
use crate::model::import_graph::relative;
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
    /// Watches `root`. Passes each observation to `note` at once. Calls `look` after changes, with the changed paths, once for
    /// those that come while it works, and once with [`Hint::Watching`] when the watching begins. `look` returns whether to
    /// go on.
    pub(crate) fn start<F, L>(root: PathBuf, note: impl Fn(Noted) + Send + Sync + 'static, look: F) -> Self
    where
        F: Fn(Hint) -> L + Send + Sync + 'static,
        L: Future<Output = bool> + Send + 'static,
    {
        Watch { task: tokio::spawn(watch(root, note, look)) }
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

/// An observation of the watcher.
#[derive(Debug)]
pub(crate) enum Noted {
    /// Changes are noticed from now on.
    Begun,
    /// Changes are not noticed.
    Failed,
    /// These paths changed, relative to the root.
    Changed(BTreeSet<String>),
    /// The kernel has dropped observations.
    Lost,
}

/// Events of the kernel, collected until there is a pause.
#[derive(Default)]
struct Events {
    /// With whether more than permissions and times changed.
    paths: Vec<(PathBuf, bool)>,
    are_lost: bool,
}

impl Events {
    fn add(&mut self, event: notify::Event) {
        self.are_lost |= event.need_rescan();
        let is_real = !matches!(event.kind, EventKind::Modify(ModifyKind::Metadata(_)));
        self.paths.extend(event.paths.into_iter().map(|path| (path, is_real)));
    }
}

async fn watch<L: Future<Output = bool> + Send>(
    root: PathBuf,
    note: impl Fn(Noted) + Send + Sync,
    look: impl Fn(Hint) -> L + Send + Sync,
) {
    let (touched, mut hints) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if let Ok(event) = event
            && !matches!(event.kind, EventKind::Access(_))
        {
            let _ = touched.send(event);
        }
    });
    let Ok(mut watcher) = watcher else {
        tracing::warn!("the disk can't be watched; changes are seen when a run or a collection looks");
        return note(Noted::Failed);
    };
    let watched = root.clone();
    let added = tokio::task::spawn_blocking(move || {
        let is_watched = add_folders(&mut watcher, &watched);
        (watcher, is_watched)
    });
    let Ok((mut watcher, is_watched)) = added.await else { return note(Noted::Failed) };
    note(if is_watched { Noted::Begun } else { Noted::Failed });
    let (to_look, mut looks) = mpsc::unbounded_channel::<Vec<PathBuf>>();
    let looking = async {
        let mut goes_on = look(Hint::Watching).await;
        while goes_on && let Some(mut paths) = looks.recv().await {
            while let Ok(more) = looks.try_recv() {
                paths.extend(more);
            }
            goes_on = look(Hint::Changed(paths)).await;
        }
    };
    let noticing = async {
        while let Some(event) = hints.recv().await {
            let mut events = Events::default();
            events.add(event);
            while let Ok(Some(more)) = tokio::time::timeout(FILES_QUIET, hints.recv()).await {
                events.add(more);
            }
            events.paths.retain(|(path, _)| project_files::matters(&root, path));
            for (folder, _) in events.paths.iter().filter(|(path, _)| path.is_dir()) {
                if !add_folders(&mut watcher, folder) {
                    note(Noted::Failed);
                }
            }
            if events.are_lost {
                note(Noted::Lost);
                events.paths.push((root.clone(), false));
            }
            if !events.paths.is_empty() {
                note(Noted::Changed(changed(&root, &events.paths)));
                let _ = to_look.send(events.paths.into_iter().map(|(path, _)| path).collect());
            }
        }
    };
    tokio::select! {
        () = looking => {}
        () = noticing => {}
    }
}

/// The changed files and deleted paths, relative to the root. A new folder counts as its files.
fn changed(root: &Path, paths: &[(PathBuf, bool)]) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    for (path, is_real) in paths {
        if path.is_dir() {
            let files = is_real.then(|| project_files::entries(path)).into_iter().flatten();
            let files = files.map(DirEntry::into_path).filter(|path| path.is_file());
            changed.extend(files.filter_map(|path| relative(root, &path)));
        } else {
            changed.extend(relative(root, path));
        }
    }
    changed.retain(|path| !path.is_empty() && !is_made(path));
    changed
}

/// Watches a folder and the project's folders below it. Returns whether that succeeded.
fn add_folders(watcher: &mut RecommendedWatcher, folder: &Path) -> bool {
    for folder in project_files::folders(folder) {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            // A folder that is gone again needs no watch.
            if !folder.exists() {
                continue;
            }
            tracing::warn!(%error, "a folder can't be watched");
            return false;
        }
    }
    true
}
