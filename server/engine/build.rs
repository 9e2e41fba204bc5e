//! Carries the worker's Python files into the binary: those of `python/pytest_lens/worker`, as a table of paths and texts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // Where it is now, not where it was compiled: a target folder may be moved.
    let here = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("no CARGO_MANIFEST_DIR"))?;
    let folder = Path::new(&here).join("../../python/pytest_lens/worker");
    let mut files = Vec::new();
    python_files(&folder, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let inside = path.strip_prefix(&folder).map_err(io::Error::other)?;
        let name = inside.to_str().unwrap_or_default().replace('\\', "/");
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.canonicalize()?).map_err(io::Error::other)?;
    }
    table.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("no OUT_DIR"))?;
    fs::write(Path::new(&out).join("worker_files.rs"), table)
}

/// Adds the Python files of a folder and of the folders below it.
fn python_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // The folder too: a new file in it must get into the table.
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("__pycache__") {
            python_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "py") {
            files.push(path);
        }
    }
    Ok(())
}
