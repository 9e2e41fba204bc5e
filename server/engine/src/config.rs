//! How an engine is configured: its folders, and how long it keeps processes.

use std::path::PathBuf;
use std::time::Duration;

use etcetera::base_strategy::{BaseStrategy, Xdg};

use crate::timing::REST_AFTER;

/// How an engine lives.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for caches (worker files, compiled sources, pytest's cache).
    pub cache_dir: PathBuf,
    /// Folder for state that must not be lost (history).
    pub state_dir: PathBuf,
    /// Whether more runs are to be expected: processes are kept ready for them, and the disk is watched. A command
    /// that runs once and ends does without.
    pub resident: bool,
    /// Tests have the standard streams of this process, and its terminal, as those of plain pytest have: there is one
    /// process for them, a member of this one's group, and nobody hurries it.
    pub terminal: bool,
    /// How long a project's processes stay warm that nobody uses. Those of the last few in use stay for good.
    pub rest_after: Duration,
}

impl EngineConfig {
    /// A resident engine in the user's own folders: `$XDG_CACHE_HOME/pytest-lens` and `$XDG_STATE_HOME/pytest-lens`.
    #[must_use]
    pub fn for_user() -> Self {
        // Without a home there is no place that lasts.
        let folder = |of: fn(&Xdg) -> Option<PathBuf>| {
            Xdg::new().ok().and_then(|xdg| of(&xdg)).unwrap_or_else(std::env::temp_dir).join("pytest-lens")
        };
        EngineConfig {
            cache_dir: folder(|xdg| Some(xdg.cache_dir())),
            state_dir: folder(Xdg::state_dir),
            resident: true,
            terminal: false,
            rest_after: REST_AFTER,
        }
    }
}
