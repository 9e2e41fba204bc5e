//! The histories of projects. Each repository has one, which its projects share; it is closed with the last of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use pytest_lens_history::{History, HistoryOptions, Location, Report};
use pytest_lens_protocol::Hint;

pub(crate) struct Histories {
    state_dir: PathBuf,
    options: HistoryOptions,
    open: Mutex<HashMap<PathBuf, Weak<History>>>,
}

impl Histories {
    /// Histories in `state_dir`. `watch`: how often each looks for runs of other processes; `None`: never.
    pub(crate) fn new(state_dir: PathBuf, watch: Option<Duration>) -> Self {
        Histories { state_dir, options: HistoryOptions { watch, ..HistoryOptions::default() }, open: Mutex::default() }
    }

    /// The history of a repository.
    pub(crate) fn of(&self, root: &Path) -> Arc<History> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, history| history.strong_count() > 0);
        if let Some(history) = open.get(root).and_then(Weak::upgrade) {
            return history;
        }
        let history = Arc::new(History::open(Location::of(&self.state_dir, root), self.options));
        open.insert(root.to_owned(), Arc::downgrade(&history));
        history
    }

    /// The history of a repository if its file exists, else the place for it: opening a history makes the file.
    pub(crate) fn existing(&self, root: &Path) -> Result<Arc<History>, Location> {
        let location = Location::of(&self.state_dir, root);
        if location.file.exists() { Ok(self.of(root)) } else { Err(location) }
    }
}

/// The hints of a report: only those with evidence.
pub(crate) fn hints(report: &Report) -> impl Iterator<Item = Hint> {
    report.flaky.iter().chain(&report.unstable).map(|(id, verdict)| verdict.hint(id))
}
