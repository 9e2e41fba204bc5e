//! Where the artifacts of runs lie: one folder for each run, removed when nobody can ask for them any more.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{fs, io};

/// A run's folder; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct RunFolder(PathBuf);

impl RunFolder {
    /// Makes the folder of a run: `number` sets it apart from this process's others. `project` is the folder of the
    /// project's temporary files; the artifacts have one beside it, since they are kept by other rules.
    ///
    /// # Errors
    /// Where it can't be made.
    pub(crate) fn make(project: &Path, number: u64) -> io::Result<Self> {
        let all = beside(project);
        let path = all.join(format!("{}-{number:x}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(RunFolder(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.0);
        // Deleting may take long; nobody waits for it but the end of the engine.
        let mut removing = removing();
        removing.retain(|removal| !removal.is_finished());
        removing.push(std::thread::spawn(move || drop(fs::remove_dir_all(path))));
    }
}

/// Folders that are being deleted.
static REMOVING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

fn removing() -> MutexGuard<'static, Vec<JoinHandle<()>>> {
    REMOVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the folders of runs that are forgotten are gone. Blocks.
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

/// Removes what engines that are no more have left in a project.
pub(crate) fn clean(project: &Path) {
    for entry in fs::read_dir(beside(project)).into_iter().flatten().flatten() {
        let owner = entry.file_name().to_str().and_then(|name| name.split_once('-')?.0.parse().ok());
        let is_dead = owner.is_some_and(|pid: u32| !Path::new(&format!("/proc/{pid}")).exists());
        if is_dead && cfg!(target_os = "linux") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_engines_left_goes_and_ones_own_stays() {
        let home = tempfile::tempdir().unwrap();
        let project = home.path().join("p");
        let own = RunFolder::make(&project, 1).unwrap();
        let dead = home.path().join("p.artifacts/999999999-1");
        fs::create_dir_all(&dead).unwrap();
        clean(&project);
        assert!(own.path().is_dir() && !dead.exists());
    }
}
