//! The temporary folders of runs (`tmp_path` and the like). The last few are kept, as pytest does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use pytest_lens_platform::private;

use crate::processes::private_files;

/// Number of runs whose folders are kept, the same as pytest's.
const KEPT: usize = 3;

/// Makes the folder for the runs of one project. Its path is short, since tests make sockets below it, and it is
/// private to the user.
///
/// # Errors
///
/// If it can't be made, or another user made it first.
pub(crate) fn folder_for(project: &str) -> io::Result<PathBuf> {
    let folder = own()?.join(project);
    private_files::folder(&folder)?;
    Ok(folder)
}

/// This user's private temporary folder: in `TMPDIR`, or in the system's folder if that can't be used, or is full.
/// Python's `tempfile` decides in the same way.
///
/// # Errors
///
/// If it can't be made, or another user made it first.
pub(crate) fn own() -> io::Result<PathBuf> {
    let name = format!("lens-{}", private::user());
    let [asked, usual] = [std::env::temp_dir(), private::temp_dir()].map(|folder| folder.join(&name));
    let made = private_files::folder(&asked);
    if made.is_ok() && has_room(&asked) {
        return Ok(asked);
    }
    // If this one is full as well, what needs room says so.
    match (private_files::folder(&usual), made) {
        (Ok(()), Ok(())) if !has_room(&usual) => Ok(asked),
        (Ok(()), _) => Ok(usual),
        (Err(_), made) => made.map(|()| asked),
    }
}

/// Returns whether a file can be written in a folder.
fn has_room(folder: &Path) -> bool {
    let probe = folder.join(format!("probe-{}", std::process::id()));
    let written = fs::write(&probe, "x");
    // Another thread may have removed its probe, which is this file.
    let _ = fs::remove_file(&probe);
    written.is_ok()
}

/// The numbers of runs' folders wrap around after this many, which keeps `tmp_path` short.
const NUMBERS: u32 = 10_000;

/// Creates a folder for a run below a project's. Its name is a number, so that `tmp_path` is no longer than pytest's
/// own. `next` is the first number to try, since the folders of earlier runs may still be there.
pub(crate) fn run_folder(tmp_dir: &Path, next: &AtomicU32) -> PathBuf {
    for _ in 0..NUMBERS {
        let number = next.fetch_add(1, Ordering::Relaxed) % NUMBERS;
        let folder = tmp_dir.join(number.to_string());
        match private::create_folder(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // If it can't be created, its user reports the reason.
            _ => return folder,
        }
    }
    tmp_dir.to_owned()
}

/// Removes the folders of older runs, except those in `live`, which are in use.
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
        // Deleting may take long, and nobody waits for it.
        std::thread::spawn(move || {
            for (_, path) in ended.into_iter().take(excess) {
                let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            }
        });
    }
}

/// Another engine may use the same project, so folders that changed lately are left alone.
fn is_idle(modified: SystemTime) -> bool {
    modified.elapsed().is_ok_and(|age| age.as_secs() > 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p18_a_runs_folder_is_its_own_and_no_longer_than_pytests() {
        let project = tempfile::tempdir().unwrap();
        let next = AtomicU32::default();
        let folders: Vec<_> = (0..3).map(|_| run_folder(project.path(), &next)).collect();
        assert_eq!(folders, ["0", "1", "2"].map(|name| project.path().join(name)));
        assert_eq!(
            run_folder(project.path(), &AtomicU32::new(1)),
            project.path().join("3"),
            "another engine's are kept"
        );
        fs::remove_dir(&folders[1]).unwrap();
        assert_eq!(run_folder(project.path(), &AtomicU32::new(NUMBERS)), folders[1]);
        let ours = Path::new("/tmp/lens-1000/123456/0/0").as_os_str().len();
        assert!(ours <= "/tmp/pytest-of-u/pytest-0".len());
        assert!(own().unwrap().file_name().unwrap().len() <= "lens-4294967295".len());
    }
}
