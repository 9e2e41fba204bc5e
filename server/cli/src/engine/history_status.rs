//! What is to be said of a project's history as a file: for `doctor`.

use std::path::Path;
use std::time::Duration;

use pytest_lens_engine::EngineConfig;
use pytest_lens_history::{History, Options, Place};

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the history of a project is kept.
pub struct Kept {
    /// How much there is, and where.
    pub value: String,
    /// What is wrong with it now.
    pub trouble: Option<String>,
    /// Files that were set aside, and what to do about them.
    pub notes: Vec<String>,
}

/// Looks at the history of a root. One that is damaged is set aside.
pub fn look(root: &Path) -> Kept {
    let place = Place::of(&EngineConfig::for_user().state_dir, root);
    let file = place.file.display().to_string();
    let (value, trouble) = if place.file.exists() {
        let history = History::open(place.clone(), Options::default());
        history.wait_loaded(PATIENCE);
        let tests = history.report(1).tracked;
        (format!("{} outcomes of {tests} tests in {file}", history.len()), history.trouble())
    } else {
        (format!("nothing is recorded yet; it will be in {file}"), None)
    };
    let note = |path: &std::path::PathBuf| {
        format!("a damaged one was set aside as {}; delete it, or keep it to look into", path.display())
    };
    Kept { value, trouble, notes: place.set_aside().iter().map(note).collect() }
}
