//! The worker, compiled once for all tests, as a user's cache holds it: to compile it takes as long as all else that an
//! interpreter does until it is ready.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::python;

/// The worker's folder in a cache, if that is of any use.
fn worker(cache: &Path) -> Option<PathBuf> {
    let is_worker = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("worker-"));
    fs::read_dir(cache).ok()?.flatten().map(|entry| entry.path()).find(is_worker)
}

/// Adds the compiled files to a cache that an engine has begun to use.
pub(crate) fn add_compiled(cache: &Path) {
    static COMPILED: OnceLock<PathBuf> = OnceLock::new();
    let Some(worker) = worker(cache) else { return };
    let compiled = COMPILED.get_or_init(|| {
        // In the target folder, which is there for the next time.
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let folder = kept.join(worker.file_name().unwrap());
        if !folder.exists() {
            let _ = fs::remove_dir_all(&kept);
            fs::create_dir_all(&folder).unwrap();
        }
        copy(&worker, &folder);
        // Such files hold for a copy of the sources, too, whatever its times are.
        let words = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"];
        assert!(Command::new(python()).args(words).arg(&folder).status().unwrap().success());
        folder
    });
    copy(compiled, &worker);
}

/// Copies the files that are missing.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if from.is_dir() {
            if !to.exists() {
                fs::create_dir(&to).unwrap();
            }
            copy(&from, &to);
        } else if !to.exists() {
            fs::copy(&from, &to).unwrap();
        }
    }
}
