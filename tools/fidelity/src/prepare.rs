//! Prepares a suite under `target/fidelity/NAME`: its environment, and its sources, unpacked as they were released.

use super::suites::Suite;
use anyhow::{Context, Result, bail};
use chores::venv::Venv;
use chores::{paths, process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The paths of a prepared suite.
pub(crate) struct Prepared {
    /// The suite's name.
    pub name: String,
    /// Files, folders or node ids to run.
    pub args: Vec<String>,
    /// The project's root.
    pub root: PathBuf,
    /// The folder for the runs' records and logs.
    pub logs: PathBuf,
    /// The environment.
    pub venv: Venv,
    /// Held as long as the folder is in use: two comparisons at once would write into each other's logs.
    _lock: fs::File,
}

/// Creates missing parts: environment, sources, an empty folder for logs.
pub(crate) fn prepare(suite: &Suite) -> Result<Prepared> {
    let home = paths::target().join("fidelity").join(&suite.name);
    fs::create_dir_all(&home)?;
    let lock = fs::File::create(home.join("in-use.lock"))?;
    lock.lock()?;
    let requirements = suite.requirements.join("\n") + "\n";
    let venv = Venv::ensure(&format!("fidelity-{}", suite.name), &requirements)?;
    let root = match (&suite.source, &suite.sha256) {
        (Some(source), Some(sha256)) => unpacked(&home, &venv, source, sha256)?,
        _ => copied(&home, &venv, suite)?,
    };
    let logs = home.join("logs");
    fs::create_dir_all(&logs)?;
    Ok(Prepared { name: suite.name.clone(), args: suite.args.clone(), root, logs, venv, _lock: lock })
}

/// The one folder within a source distribution, downloaded by pip (which checks the hash) and unpacked once.
fn unpacked(home: &Path, venv: &Venv, source: &str, sha256: &str) -> Result<PathBuf> {
    let dir = home.join("source");
    let stamp = home.join("source.txt");
    let made_from = format!("{source} {sha256}");
    if !fs::read_to_string(&stamp).is_ok_and(|made| made == made_from) {
        println!("fetching the sources of {source}");
        clear(&dir)?;
        let download = home.join("download");
        clear(&download)?;
        let list = download.join("requirement.txt");
        fs::write(&list, format!("{source} --hash=sha256:{sha256}\n"))?;
        let package = source.split("==").next().unwrap_or(source);
        let mut pip = venv.pip()?;
        pip.args(["download", "--no-deps"]);
        // Only this package comes as source: the packages that build its metadata may come as wheels.
        pip.args(["--no-binary", package, "--dest"]).arg(&download);
        process::output(pip.arg("-r").arg(&list))?;
        let archive = only(&download, |name| name.ends_with(".tar.gz"))?;
        let mut unpack = venv.python_command();
        unpack.args(["-m", "tarfile", "-e"]).arg(archive).arg(&dir);
        process::output(&mut unpack)?;
        fs::write(&stamp, made_from)?;
    }
    only(&dir, |_| true)
}

/// The parts of an installed package that make up a project of their own.
fn copied(home: &Path, venv: &Venv, suite: &Suite) -> Result<PathBuf> {
    let dir = home.join("source");
    let stamp = home.join("source.txt");
    let made_from = format!("{:?} {:?}", suite.copy, suite.requirements);
    if !fs::read_to_string(&stamp).is_ok_and(|made| made == made_from) {
        clear(&dir)?;
        let packages = venv.site_packages()?;
        for (from, to) in &suite.copy {
            let target = dir.join(to);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut copy = Command::new("cp");
            process::output(copy.arg("-R").arg(packages.join(from)).arg(&target))?;
        }
        fs::write(&stamp, made_from)?;
    }
    Ok(dir)
}

/// An empty folder of that name.
fn clear(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// The one matching entry of a folder.
fn only(dir: &Path, suits: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if suits(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    match found.as_slice() {
        [path] => Ok(path.clone()),
        _ => bail!("{} was to hold one entry, but holds {}", dir.display(), found.len()),
    }
}
