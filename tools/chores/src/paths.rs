//! The paths of the checkout, so that no chore spells one twice.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Cargo's target folder, into which all chores write.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The built `pytest-lens` of a profile (`debug` or `release`).
pub fn binary(profile: &str) -> PathBuf {
    program("pytest-lens", profile)
}

/// A built program of the workspace.
pub fn program(name: &str, profile: &str) -> PathBuf {
    target().join(profile).join(name)
}
