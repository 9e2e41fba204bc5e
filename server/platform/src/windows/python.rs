//! The places of an environment's parts: interpreter, packages.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The interpreter within an environment: of `venv`, of conda.
pub const INTERPRETERS: &[&str] = &["Scripts/python.exe", "python.exe"];

/// The names of a program's file.
#[must_use]
pub fn program_names(name: &OsStr) -> Vec<PathBuf> {
    let name = Path::new(name);
    if name.extension().is_some() {
        return vec![name.to_owned()];
    }
    ["exe", "cmd", "bat"].iter().map(|end| name.with_extension(end)).collect()
}

/// The folders of installed packages within an environment.
#[must_use]
pub fn packages(prefix: &Path) -> Vec<PathBuf> {
    vec![prefix.join("Lib/site-packages")]
}
