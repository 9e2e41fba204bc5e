//! The configuration of an engine: its folders, and the lifetime of its processes.

use std::path::PathBuf;
use std::time::Duration;

use etcetera::base_strategy::{BaseStrategy, Xdg};

use crate::timing::REST_AFTER;

/// The configuration of an engine.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for caches (worker files, compiled sources, pytest's cache).
    pub cache_dir: PathBuf,
    /// Folder for state that must not be lost (history).
    pub state_dir: PathBuf,
    /// More runs are expected: processes are kept ready for them, and the disk is watched. `false` for a command that
    /// runs once and ends.
    pub resident: bool,
    /// Tests use this process's standard streams and terminal, as with plain pytest: one process runs them, in this
    /// process's group, without a time limit.
    pub terminal: bool,
    /// The folder in which tests run; by default the root of their project.
    pub folder: Option<PathBuf>,
    /// pytest's sessions read the variable `PYTEST_ADDOPTS` of this process. `false` if the requests have its words, which
    /// are those of each client.
    pub takes_addopts: bool,
    /// The time after which the processes of an unused project end. Those of the last few in use stay.
    pub rest_after: Duration,
}

impl EngineConfig {
    /// A resident engine in the user's own folders: `$XDG_CACHE_HOME/pytest-lens` and `$XDG_STATE_HOME/pytest-lens`.
    #[must_use]
    pub fn for_user() -> Self {
        // Without a home there is no folder that lasts.
        let folder = |of: fn(&Xdg) -> Option<PathBuf>| {
            Xdg::new().ok().and_then(|xdg| of(&xdg)).unwrap_or_else(std::env::temp_dir).join("pytest-lens")
        };
        EngineConfig {
            cache_dir: folder(|xdg| Some(xdg.cache_dir())),
            state_dir: folder(Xdg::state_dir),
            resident: true,
            terminal: false,
            folder: None,
            takes_addopts: true,
            rest_after: REST_AFTER,
        }
    }
}
