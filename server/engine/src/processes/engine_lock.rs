//! A locked file, which shows other engines that this one is alive. Each engine removes at its start the files of
//! engines that were killed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use pytest_lens_platform::{files, private};

use crate::timing::LOCK_LIMIT;

/// A locked file. It is removed when this is dropped. A killed process leaves the file but not the lock.
#[derive(Debug)]
pub(crate) struct EngineLock {
    path: PathBuf,
    _lock: File,
}

impl EngineLock {
    /// Creates the folder and the file, and locks it. No other engine uses the same name.
    pub(crate) fn take(path: PathBuf) -> io::Result<Self> {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut error = None;
        for _ in 0..ATTEMPTS {
            if let Some(folder) = path.parent() {
                crate::processes::private_files::folder(folder)?;
            }
            // Until it is locked the file looks abandoned, so another engine may remove it.
            match make_locked(&path) {
                Ok(lock) if files::leads_to(&path, &lock) => return Ok(EngineLock { path, _lock: lock }),
                Ok(_) => {}
                Err(gone) if matches!(gone.kind(), ErrorKind::NotFound | ErrorKind::Interrupted) => error = Some(gone),
                Err(other) => return Err(failed(other)),
            }
        }
        Err(failed(error.unwrap_or_else(|| io::Error::other("somebody removes it again and again"))))
    }

    /// The prefix of all names that this process uses.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for EngineLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn make_locked(path: &Path) -> io::Result<File> {
    let file = private::file_options().write(true).create(true).truncate(false).open(path)?;
    file.lock()?; // an engine that checks whether it is dead holds it for a moment
    Ok(file)
}

/// Removes the files of a dead engine. Holds its lock meanwhile, so that nobody takes it for a new start. `made`: their
/// time of creation, since a new engine takes its lock a moment later.
pub(crate) fn if_dead(lock: &Path, made: Option<SystemTime>, remove: impl FnOnce()) {
    let lock = File::open(lock).map(|file| (file.try_lock().is_ok() && files::leads_to(lock, &file), file));
    let is_dead = match &lock {
        Ok((is_dead, _)) => *is_dead,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > LOCK_LIMIT)
        }
        Err(_) => false,
    };
    if is_dead {
        remove();
    }
}

/// Number of attempts to create a file that others remove; more engines can't start at the same time.
const ATTEMPTS: u32 = 1000;

const FOLDER: &str = "alive";

/// This process's lock, shared by its engines.
pub(crate) fn own() -> io::Result<Arc<EngineLock>> {
    static OWN: Mutex<Weak<EngineLock>> = Mutex::new(Weak::new());
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine_lock) = own.upgrade() {
        return Ok(engine_lock);
    }
    let folder = crate::processes::temp_dirs::own()?.join(FOLDER);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let engine_lock = Arc::new(EngineLock::take(folder.join(format!("{}-{:x}", std::process::id(), now.as_micros())))?);
    *own = Arc::downgrade(&engine_lock);
    Ok(engine_lock)
}

/// Removes the files of dead engines from this user's temporary folder: artifacts of their runs, and their locks.
/// Blocks.
pub(crate) fn sweep() {
    if let Ok(temp) = crate::processes::temp_dirs::own() {
        sweep_below(&temp);
    }
}

fn sweep_below(temp: &Path) {
    let locks = temp.join(FOLDER);
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let artifacts = entries(temp).filter(|path| path.extension().is_some_and(|end| end == "artifacts"));
    for all in artifacts {
        for run in entries(&all) {
            let owner =
                run.file_name().and_then(|name| name.to_str()?.rsplit_once('.')).map(|(owner, _)| owner.to_owned());
            let made = fs::symlink_metadata(&run).and_then(|data| data.modified()).ok();
            if_dead(&locks.join(owner.as_deref().unwrap_or("nobody")), made, || {
                let _ = fs::remove_dir_all(&run);
            });
        }
        // It can be removed only if it is empty.
        let _ = fs::remove_dir(&all);
    }
    for lock in entries(&locks) {
        if_dead(&lock, None, || {
            let _ = fs::remove_file(&lock);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_what_dead_engines_left_is_swept_and_what_others_use_stays() {
        let temp = crate::processes::temp_dirs::own().unwrap();
        let own = own().unwrap();
        let all = temp.join(format!("{}-swept.artifacts", own.name()));
        // Its pid belongs to a live process, since pids are reused and a dead process may not have been waited for.
        let dead = all.join(format!("{}-0.1", std::process::id()));
        let fresh = all.join("1-0.1");
        let live = all.join(format!("{}.1", own.name()));
        let long_ago = SystemTime::now() - 2 * LOCK_LIMIT;
        for run in [&dead, &fresh, &live] {
            fs::create_dir_all(run).unwrap();
            fs::write(run.join("w0.out"), "text").unwrap();
        }
        for run in [&dead, &live] {
            File::open(run).unwrap().set_modified(long_ago).unwrap();
        }
        sweep();
        assert_eq!([dead.exists(), fresh.exists(), live.exists()], [false, true, true]);
        fs::remove_dir_all(&fresh).unwrap();
        fs::remove_dir_all(&live).unwrap();
        sweep();
        assert!(!all.exists(), "no empty folder stays");
    }

    fn is_dead(lock: &Path) -> bool {
        let mut dead = false;
        if_dead(lock, None, || dead = true);
        dead
    }

    #[test]
    fn r2_a_lock_tells_who_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let engine_lock = EngineLock::take(path.clone()).unwrap();
        assert!(!is_dead(&path));
        std::mem::forget(File::open(&path).unwrap());
        fs::write(folder.path().join("left"), "").unwrap();
        assert!(is_dead(&folder.path().join("left")));
        drop(engine_lock);
        assert!(!path.exists());
    }

    #[test]
    fn r2_engines_that_start_at_once_do_not_sweep_each_other() {
        let temp = tempfile::tempdir().unwrap();
        let locks = temp.path().join(FOLDER);
        std::thread::scope(|scope| {
            for engine in 0..8 {
                let (temp, locks) = (temp.path(), &locks);
                scope.spawn(move || {
                    for start in 0..200 {
                        let path = locks.join(format!("{engine}-{start}"));
                        let engine_lock = EngineLock::take(path.clone()).unwrap();
                        sweep_below(temp);
                        assert!(files::leads_to(&path, &engine_lock._lock));
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(&locks).unwrap().count(), 0);
    }

    #[test]
    fn r2_a_folder_of_locks_that_somebody_cleans_away_is_made_anew() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(FOLDER).join("lock");
        for _ in 0..2 {
            let engine_lock = EngineLock::take(path.clone()).unwrap();
            fs::remove_dir_all(temp.path().join(FOLDER)).unwrap();
            drop(engine_lock);
        }
    }
}
