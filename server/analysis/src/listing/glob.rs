//! `testpaths` as pytest expands it: Python's `glob.iglob(pattern, recursive=True)`, sorted.

use std::path::{Path, PathBuf};

use crate::pattern::{fnmatch, is_glob};

/// The deepest level that `**` enters.
const MAX_DEPTH: usize = 64;

/// The existing paths that match a pattern, which is relative to `root`.
pub(super) fn glob(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let start = if pattern.starts_with('/') { Path::new("/") } else { root };
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = Vec::new();
    if !parts.is_empty() {
        expand(start, &parts, &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn expand(at: &Path, parts: &[&str], found: &mut Vec<PathBuf>) {
    let Some((first, rest)) = parts.split_first() else {
        if at.symlink_metadata().is_ok() {
            found.push(at.to_owned());
        }
        return;
    };
    if *first == "**" {
        below(at, rest, found, 0);
    } else if is_glob(first) {
        for (name, path) in entries(at) {
            // As in a shell, only a pattern that begins with a dot matches a leading dot.
            if (first.starts_with('.') || !name.starts_with('.')) && fnmatch(&name, first) {
                expand(&path, rest, found);
            }
        }
    } else {
        expand(&at.join(first), rest, found);
    }
}

/// `**`: this folder, and every folder below that is not hidden; as the last part of a pattern it matches files too.
fn below(at: &Path, rest: &[&str], found: &mut Vec<PathBuf>, depth: usize) {
    expand(at, rest, found);
    for (name, path) in entries(at) {
        if name.starts_with('.') || depth >= MAX_DEPTH {
            continue;
        }
        if path.is_dir() {
            below(&path, rest, found, depth + 1);
        } else if rest.is_empty() {
            found.push(path);
        }
    }
}

fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}
