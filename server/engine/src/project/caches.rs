//! The folder of a project's caches: all its modes share it, so that tests find in one what they kept in another.

use std::path::{Path, PathBuf};

use crate::config::EngineConfig;
use crate::processes::disk_snapshot::hex_sha256;

/// The folder in `cache_dir` for a root and an interpreter.
pub(crate) fn folder_of(cache_dir: &Path, root: &Path, python: &Path) -> PathBuf {
    let key = format!("{}\0{}", root.display(), python.display());
    cache_dir.join(format!("ctx-{}", &hex_sha256(key.as_bytes())[..16]))
}

/// The folder of pytest's cache, as the worker names it, in which tests of this root and interpreter keep values.
#[must_use]
pub fn pytest_cache(root: &Path, python: &Path) -> PathBuf {
    folder_of(&EngineConfig::for_user().cache_dir, root, python).join("pytest-cache")
}
