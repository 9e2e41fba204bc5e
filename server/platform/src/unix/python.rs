//! The places of an environment's parts: interpreter, packages.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The interpreter within an environment, the better name first.
pub const INTERPRETERS: &[&str] = &["bin/python", "bin/python3"];

/// The names of a program's file.
#[must_use]
pub fn program_names(name: &OsStr) -> Vec<PathBuf> {
    vec![PathBuf::from(name)]
}

/// The folders of installed packages within an environment.
#[must_use]
pub fn packages(prefix: &Path) -> Vec<PathBuf> {
    let versions = std::fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("site-packages")).collect()
}
