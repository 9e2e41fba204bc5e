//! The worker's Python files, carried in the binary and written to the cache folder once for each version of them.

use std::path::{Path, PathBuf};
use std::{fs, io, process};

use sha2::{Digest, Sha256};

const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/worker_files.rs"));

/// Writes the files where they are not there yet. Returns the folder to put on `sys.path`.
pub(crate) fn unpack(cache_dir: &Path) -> io::Result<PathBuf> {
    let mut digest = Sha256::new();
    for (name, text) in FILES {
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(text.as_bytes());
        digest.update([0]);
    }
    let name: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = cache_dir.join(format!("worker-{name}"));
    let complete = |folder: &Path| {
        FILES.iter().all(|(name, text)| {
            fs::read(folder.join("_pytest_lens_worker").join(name)).is_ok_and(|found| found == text.as_bytes())
        })
    };
    if complete(&folder) {
        return Ok(folder);
    }
    // Another engine may be doing the same: write aside, then rename.
    let aside = cache_dir.join(format!("worker-{name}.{}", process::id()));
    let package = aside.join("_pytest_lens_worker");
    fs::create_dir_all(&package)?;
    for (name, text) in FILES {
        fs::write(package.join(name), text)?;
    }
    if fs::rename(&aside, &folder).is_err() && !complete(&folder) {
        fs::remove_dir_all(&folder)?;
        fs::rename(&aside, &folder)?;
    }
    let _ = fs::remove_dir_all(&aside);
    Ok(folder)
}

/// The program that a fresh interpreter gets by `-c`; `folder` is what [`unpack`] returned.
pub(crate) fn boot_program(folder: &Path) -> String {
    let folder = serde_json::Value::from(folder.to_string_lossy());
    format!("import sys;sys.path.insert(0,{folder});from _pytest_lens_worker.boot import main;main()")
}
