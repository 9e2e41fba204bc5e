//! The worker's Python files. The binary contains them, and writes them to the cache folder once for each version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use pytest_lens_platform::private::is_private;
use sha2::{Digest, Sha256};

use crate::processes::private_files;
use crate::timing::WORKER_FILES_AGE;

/// Each file's path within the package, with slashes, and its text.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/worker_files.rs"));

const PREFIX: &str = "worker-";
const PACKAGE: &str = "_pytest_lens_worker";
const COMPILED: &str = "__pycache__";

/// Writes the files that are missing or damaged. Returns the folder for `sys.path`.
pub(crate) fn unpack(cache_dir: &Path) -> io::Result<PathBuf> {
    let mut digest = Sha256::new();
    for (name, text) in FILES {
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    let name: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = cache_dir.join(format!("{PREFIX}{name}"));
    let package = folder.join(PACKAGE);
    private_files::folder(&folder)?;
    for inside in packages() {
        private_files::folder(&package.join(inside))?;
        private_files::folder(&package.join(inside).join(COMPILED))?;
    }
    for (name, text) in FILES {
        let path = package.join(name);
        let is_there = fs::symlink_metadata(&path).is_ok_and(|data| data.is_file() && is_private(&data))
            && fs::read(&path).is_ok_and(|found| found == text.as_bytes());
        // Another engine may do the same at the same time, so each file is replaced as a whole.
        if !is_there {
            private_files::write(&path, text.as_bytes())?;
        }
    }
    Ok(folder)
}

/// Removes the compiled files, which Python trusts without checking and a full disk may have cut off. Returns whether
/// there were any. `folder` is the result of [`unpack`].
pub(crate) fn forget_compiled(folder: &Path) -> bool {
    let compiled = packages().into_iter().map(|inside| folder.join(PACKAGE).join(inside).join(COMPILED));
    let compiled = compiled.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    compiled.filter(|entry| fs::remove_file(entry.path()).is_ok()).count() > 0
}

/// The package's folders, paths within it, parents first; its own is empty.
fn packages() -> BTreeSet<&'static Path> {
    let above = |name: &'static str| Path::new(name).ancestors().skip(1);
    FILES.iter().flat_map(|(name, _)| above(name)).collect()
}

/// Removes the files of other versions that nobody has used for a while. Blocks.
pub(crate) fn prune(folder: &Path) {
    let all = folder.parent().and_then(|cache| fs::read_dir(cache).ok()).into_iter().flatten().flatten();
    for entry in all {
        let is_other = entry.path() != folder && entry.file_name().to_string_lossy().starts_with(PREFIX);
        let used = entry.metadata().and_then(|data| data.modified()).ok();
        if is_other && used.and_then(|used| used.elapsed().ok()).is_some_and(|age| age > WORKER_FILES_AGE) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Removes compiled files of projects that were not used for a while: their sources were deleted or renamed, or are
/// compiled in another way. Blocks.
pub(crate) fn prune_compiled(cache_dir: &Path) {
    let below = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_old = |path: &Path| {
        let used = fs::symlink_metadata(path).and_then(|data| data.modified()).ok();
        used.and_then(|used| used.elapsed().ok()).is_some_and(|age| age > WORKER_FILES_AGE)
    };
    // The layout of `session/code_cache.py`: two folders for each file, of which the inner one holds the versions.
    for shelf in below(cache_dir).flat_map(|project| below(&project.join("pyc"))) {
        for file in below(&shelf) {
            below(&file).filter(|version| is_old(version)).for_each(|version| drop(fs::remove_file(version)));
            let _ = fs::remove_dir(&file); // if nothing is left in it
        }
        let _ = fs::remove_dir(&shelf);
    }
}

/// The start of the message with which an interpreter ends that is too old.
pub(crate) const TOO_OLD: &str = "Python 3.9 or newer is needed:";

/// The module that a warm interpreter begins with.
pub(crate) const INTERPRETER: &str = "start";

/// The module of a cluster's driver.
pub(crate) const DRIVER: &str = "cluster.driver";

/// The program for Python's `-c` that runs one of these modules; `folder` is the result of [`unpack`].
pub(crate) fn program_of(folder: &Path, module: &str) -> String {
    let folder = serde_json::Value::from(folder.to_string_lossy());
    // The first line is valid in every version of Python: an old one can't even parse the worker.
    format!(
        "import sys;sys.version_info<(3,9) and sys.exit('{TOO_OLD} %s is Python %d.%d; choose another interpreter \
         (pytestLens.pythonPath)'%((sys.executable,)+sys.version_info[:2]));sys.path.insert(0,{folder});\
         from _pytest_lens_worker.{module} import main;main()"
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn files_of_all_folders_are_unpacked_and_what_python_compiled_of_them_goes() {
        let cache = tempfile::tempdir().unwrap();
        let folder = unpack(cache.path()).unwrap();
        let package = folder.join(PACKAGE);
        for name in ["boot.py", "__init__.py", "session/__init__.py", "session/plugin.py"] {
            assert!(package.join(name).is_file(), "{name}");
        }
        assert!(!forget_compiled(&folder));
        let compiled = [package.join("__pycache__/boot.pyc"), package.join("session/__pycache__/plugin.pyc")];
        compiled.iter().for_each(|path| fs::write(path, "code").unwrap());
        assert!(forget_compiled(&folder));
        assert!(!compiled.iter().any(|path| path.exists()));
    }

    #[test]
    fn the_worker_knows_the_same_configuration_files() {
        let (_, text) = FILES.iter().find(|(name, _)| *name == "config_files.py").unwrap();
        let list = text.split_once("CONFIG_FILES = (").unwrap().1;
        let names: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(names, pytest_lens_analysis::CONFIG_FILES);
    }

    #[test]
    fn r19_compiled_code_that_nobody_uses_goes_and_other_stays() {
        let cache = tempfile::tempdir().unwrap();
        let put = |name: &str, age: Duration| {
            let path = cache.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "code").unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
        };
        let long = WORKER_FILES_AGE + Duration::from_secs(60);
        put("ctx-1/pyc/ab/gone/v1", long);
        put("ctx-1/pyc/cd/used/v1", long);
        put("ctx-1/pyc/cd/used/v2", Duration::ZERO);
        put("ctx-1/preload.json", long);
        prune_compiled(cache.path());
        let is_there = |name: &str| cache.path().join(name).exists();
        assert!(is_there("ctx-1/pyc/cd/used/v2") && is_there("ctx-1/preload.json"));
        assert!(!is_there("ctx-1/pyc/cd/used/v1") && !is_there("ctx-1/pyc/ab"));
    }
}
