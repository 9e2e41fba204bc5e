//! What tells other engines that this one lives: a file that it holds locked. What an engine left behind that was killed
//! is swept by the next one to start.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

/// A locked file. Gone when it is dropped; a process that is killed leaves it, but not the lock.
#[derive(Debug)]
pub(crate) struct Presence {
    path: PathBuf,
    _lock: File,
}

impl Presence {
    /// Makes and locks the file; nobody else uses the same name.
    pub(crate) fn take(path: PathBuf) -> io::Result<Self> {
        crate::private::write(&path, b"")?;
        let lock = File::open(&path)?;
        lock.try_lock().map_err(io::Error::from)?;
        Ok(Presence { path, _lock: lock })
    }

    /// What this process is called by what it leaves behind.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether whoever made the file is no more. `made`: of what it would have left, since a lock comes a moment later.
pub(crate) fn is_dead(lock: &Path, made: Option<SystemTime>) -> bool {
    match File::open(lock) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > NEWBORN)
        }
        Err(_) => false,
    }
}

/// What has no lock after this time never gets one.
const NEWBORN: Duration = Duration::from_secs(10);

const FOLDER: &str = "alive";

/// This process's, shared by its engines.
pub(crate) fn own() -> io::Result<Arc<Presence>> {
    static OWN: Mutex<Weak<Presence>> = Mutex::new(Weak::new());
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(presence) = own.upgrade() {
        return Ok(presence);
    }
    let folder = crate::temp::own()?.join(FOLDER);
    crate::private::folder(&folder)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let presence = Arc::new(Presence::take(folder.join(format!("{}-{:x}", std::process::id(), now.as_micros())))?);
    *own = Arc::downgrade(&presence);
    Ok(presence)
}

/// Removes what dead engines left among this user's temporary files: the artifacts of their runs, and their locks.
/// Blocks.
pub(crate) fn sweep() {
    let Ok(temp) = crate::temp::own() else { return };
    let locks = temp.join(FOLDER);
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let artifacts = entries(&temp).filter(|path| path.extension().is_some_and(|end| end == "artifacts"));
    for run in artifacts.flat_map(|all| entries(&all).collect::<Vec<_>>()) {
        let owner = run.file_name().and_then(|name| name.to_str()?.rsplit_once('.')).map(|(owner, _)| owner.to_owned());
        let made = fs::symlink_metadata(&run).and_then(|data| data.modified()).ok();
        if is_dead(&locks.join(owner.as_deref().unwrap_or("nobody")), made) {
            let _ = fs::remove_dir_all(run);
        }
    }
    for lock in entries(&locks) {
        if is_dead(&lock, None) {
            let _ = fs::remove_file(lock);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_what_dead_engines_left_is_swept_and_what_others_use_stays() {
        let temp = crate::temp::own().unwrap();
        let own = own().unwrap();
        let all = temp.join(format!("{}-swept.artifacts", own.name()));
        // Its pid is that of a process that lives: numbers are given again, and nobody may have waited for the dead.
        let dead = all.join(format!("{}-0.1", std::process::id()));
        let fresh = all.join("1-0.1");
        let live = all.join(format!("{}.1", own.name()));
        let long_ago = SystemTime::now() - 2 * NEWBORN;
        for run in [&dead, &fresh, &live] {
            fs::create_dir_all(run).unwrap();
            fs::write(run.join("w0.out"), "text").unwrap();
        }
        for run in [&dead, &live] {
            File::open(run).unwrap().set_modified(long_ago).unwrap();
        }
        sweep();
        assert_eq!([dead.exists(), fresh.exists(), live.exists()], [false, true, true]);
        fs::remove_dir_all(all).unwrap();
    }

    #[test]
    fn r2_a_lock_tells_who_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let presence = Presence::take(path.clone()).unwrap();
        assert!(!is_dead(&path, None));
        std::mem::forget(File::open(&path).unwrap());
        fs::write(folder.path().join("left"), "").unwrap();
        assert!(is_dead(&folder.path().join("left"), None));
        drop(presence);
        assert!(!path.exists());
    }
}
