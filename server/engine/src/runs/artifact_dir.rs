//! The folders of runs' artifacts. Each run has one, which is removed when the run is forgotten.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{fs, io};

use crate::processes::engine_lock::{self, EngineLock};
use crate::processes::private_files;

/// A run's folder; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// While this is held, other engines leave the folder alone.
    _engine_lock: Arc<EngineLock>,
}

impl RunFolder {
    /// Makes the folder of a run; `number` is unique in this process. `project` is the folder of the project's
    /// temporary files. Artifacts are next to it, since they are kept by other rules.
    ///
    /// # Errors
    ///
    /// If the folder can't be made.
    pub(crate) fn make(project: &Path, number: u64) -> io::Result<Self> {
        let engine_lock = engine_lock::own()?;
        let path = beside(project).join(format!("{}.{number:x}", engine_lock.name()));
        if let Err(error) = private_files::folder(&path) {
            // The folder of the project's runs may have been removed meanwhile, with its last run.
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            private_files::folder(&path)?;
        }
        Ok(RunFolder { path, _engine_lock: engine_lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        // Deleting may take long.
        in_background(move || {
            let _ = fs::remove_dir_all(&path);
            // Only the last one's can be removed.
            let _ = path.parent().map(fs::remove_dir);
        });
    }
}

/// Folders that are being deleted.
static REMOVING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

fn removing() -> MutexGuard<'static, Vec<JoinHandle<()>>> {
    REMOVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the folders of forgotten runs are removed. Blocks.
pub(crate) fn all_removed() {
    let removals = std::mem::take(&mut *removing());
    for removal in removals {
        let _ = removal.join();
    }
}

fn beside(project: &Path) -> PathBuf {
    let mut name = project.file_name().unwrap_or_default().to_owned();
    name.push(".artifacts");
    project.with_file_name(name)
}

/// Runs a removal in the background. Only the end of the engine waits for it.
pub(crate) fn in_background(removal: impl FnOnce() + Send + 'static) {
    let mut removing = removing();
    removing.retain(|removal| !removal.is_finished());
    removing.push(std::thread::spawn(removal));
}
