//! The temporary folders of runs (`tmp_path` and the like): the last few are kept, as pytest keeps its own.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// Runs whose folders are kept; pytest's own number.
const KEPT: usize = 3;

/// Removes the folders of older runs. `is_live`: a run that goes on keeps its folder.
pub(crate) fn prune(tmp_dir: &Path, is_live: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(tmp_dir) else { return };
    let mut ended: Vec<(SystemTime, std::path::PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("run-") && !is_live(name)))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    ended.sort_unstable();
    let excess = ended.len().saturating_sub(KEPT);
    if excess > 0 {
        // Deleting may take long; nobody waits for it.
        std::thread::spawn(move || {
            for (_, folder) in ended.into_iter().take(excess) {
                let _ = fs::remove_dir_all(folder);
            }
        });
    }
}
