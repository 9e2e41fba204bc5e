//! The temporary folders of runs (`tmp_path` and the like): the last few are kept, as pytest keeps its own.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Runs whose folders are kept; pytest's own number.
const KEPT: usize = 3;

/// Makes the folder for the runs of one project: short, since tests make sockets below it, and private to the user.
///
/// # Errors
/// Where it can't be made, or somebody else made it first.
pub(crate) fn folder_for(project: &str) -> io::Result<PathBuf> {
    let folder = own()?.join(project);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// This user's private folder among the temporary files.
///
/// # Errors
/// Where it can't be made, or somebody else made it first.
pub(crate) fn own() -> io::Result<PathBuf> {
    let uid = nix::unistd::getuid().as_raw();
    let own = std::env::temp_dir().join(format!("pytest-lens-of-{uid}"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&own)?;
    let data = fs::symlink_metadata(&own)?;
    if !data.is_dir() || data.uid() != uid || data.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("{} is not a private folder of this user; remove it", own.display())));
    }
    Ok(own)
}

/// Removes the folders of older runs, but for those in `live`: they go on.
pub(crate) fn prune(tmp_dir: &Path, live: &[&Path]) {
    let Ok(entries) = fs::read_dir(tmp_dir) else { return };
    let mut ended: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .filter(|(modified, folder)| !live.contains(&folder.as_path()) && is_idle(*modified))
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

/// Another engine may be at work in the same project: what was touched of late is left alone.
fn is_idle(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age.as_secs() > 60)
}
