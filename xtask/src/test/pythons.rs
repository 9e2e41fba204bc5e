//! Every Python that there is support for, with every pytest that it takes.
//!
//! The whole of the worker's tests runs in the area `python`, with one pair. Here each other Python runs them with its
//! newest pytest; with older ones the tests marked `core` run. Each pair compares a small project with plain pytest.
//! A Python that this machine has not is named, and counts as skipped.

use super::{Tally, areas};
use anyhow::{Context, Result};
use chores::venv::Venv;
use chores::{build, paths, process, ui};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The Pythons, by their minor versions.
const PYTHONS: [u32; 5] = [9, 10, 11, 12, 13];

/// The pytests, by their requirements files, each with the first Python that it runs on.
const PYTESTS: [(&str, u32); 4] = [("7.0", 9), ("7.4", 9), ("8.4", 9), ("9.2", 10)];

/// The Python and the pytest that the area `python` runs with, where `python3` is that one.
const NEWEST: &str = "9.2";

/// How much of the worker's tests a pair runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// All: what a Python changes shows anywhere.
    Whole,
    /// Those that are marked.
    Core,
    /// None: the area `python` runs all of them.
    Elsewhere,
}

/// Runs every pair that this machine has the Python for.
pub(super) fn run() -> Result<Tally> {
    build::binary("debug")?;
    let usual = minor(Path::new("python3"));
    let mut sum = Tally::default();
    let mut rows = Vec::new();
    for python in PYTHONS {
        let Some(interpreter) = find(python) else {
            println!("{}", ui::paint(ui::Colour::Bold, &format!("Python 3.{python} is absent: its pairs are skipped")));
            for pytest in pytests(python) {
                sum.skipped += 1;
                rows.push(vec![format!("3.{python}"), pytest.to_owned(), "absent".to_owned(), String::new()]);
            }
            continue;
        };
        for pytest in pytests(python) {
            let share = share(python, pytest, usual);
            println!("{}", ui::paint(ui::Colour::Bold, &format!("Python 3.{python}, pytest {pytest}: {share:?}")));
            let start = Instant::now();
            let tally = pair(&interpreter, python, pytest, share)
                .with_context(|| format!("with Python 3.{python} and pytest {pytest}"))?;
            sum.add(tally);
            let result = format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
            rows.push(vec![format!("3.{python}"), pytest.to_owned(), result, ui::duration(start.elapsed())]);
        }
    }
    println!();
    print!("{}", ui::table(&["Python", "pytest", "", "time"], &rows));
    Ok(sum)
}

/// Runs one pair.
fn pair(interpreter: &Path, python: u32, pytest: &str, share: Share) -> Result<Tally> {
    let root = paths::root();
    let list = root.join(format!("xtask/requirements/pytest-{pytest}.txt"));
    let requirements = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let venv = Venv::ensure_of(interpreter, &format!("python-3.{python}-pytest-{pytest}"), &requirements)?;
    let mut sum = match share {
        Share::Whole => areas::pytest(&venv, &root.join("python"), &["tests"])?,
        Share::Core => areas::pytest(&venv, &root.join("python"), &["tests", "-m", "core"])?,
        Share::Elsewhere => Tally::default(),
    };
    sum.add(areas::pytest(&venv, &root, &["tests/pythons"])?);
    Ok(sum)
}

/// What a pair runs of the worker's tests; `usual` is the Python that the area `python` has.
fn share(python: u32, pytest: &str, usual: Option<u32>) -> Share {
    let newest = pytests(python).last() == Some(pytest);
    match newest {
        true if usual == Some(python) && pytest == NEWEST => Share::Elsewhere,
        true => Share::Whole,
        false => Share::Core,
    }
}

/// The pytests that run on a Python, in order.
fn pytests(python: u32) -> impl Iterator<Item = &'static str> {
    PYTESTS.into_iter().filter(move |(_, first)| python >= *first).map(|(pytest, _)| pytest)
}

/// An interpreter of that version: `python3` itself, one on the PATH, or one of pyenv's.
fn find(python: u32) -> Option<PathBuf> {
    let named = [PathBuf::from("python3"), PathBuf::from(format!("python3.{python}"))];
    named.into_iter().chain(of_pyenv(python)).find(|path| minor(path) == Some(python))
}

/// What pyenv has of that version, wherever it keeps them.
fn of_pyenv(python: u32) -> Vec<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".pyenv"));
    let Some(pyenv) = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or_else(home) else { return Vec::new() };
    let Ok(folders) = fs::read_dir(pyenv.join("versions")) else { return Vec::new() };
    let is_it = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.starts_with(&format!("3.{python}.")))
    };
    let mut found: Vec<PathBuf> = folders.flatten().map(|entry| entry.path()).filter(is_it).collect();
    found.sort();
    found.into_iter().map(|folder| folder.join("bin/python")).collect()
}

/// The minor version of a Python 3 that runs; shims without a version behind them do not.
fn minor(interpreter: &Path) -> Option<u32> {
    let mut ask = Command::new(interpreter);
    ask.args(["-c", "import sys; print(sys.version_info[1] if sys.version_info[0] == 3 else '')"]);
    process::output(process::clean_python(&mut ask)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_that_installs_runs() {
        assert_eq!(pytests(9).collect::<Vec<_>>(), ["7.0", "7.4", "8.4"]);
        assert_eq!(pytests(13).last(), Some(NEWEST));
    }

    #[test]
    fn no_python_goes_without_the_whole() {
        assert_eq!(share(11, "9.2", Some(11)), Share::Elsewhere);
        assert_eq!(share(11, "9.2", Some(12)), Share::Whole);
        assert_eq!(share(11, "7.0", Some(11)), Share::Core);
        // `python3` is 3.9: the area `python` can't install pytest 9 there, and this one runs all with the newest.
        assert_eq!(share(9, "8.4", Some(9)), Share::Whole);
    }

    #[test]
    fn the_usual_python_is_found() {
        let usual = minor(Path::new("python3"));
        assert!(usual.is_some());
        assert_eq!(usual.and_then(find), Some(PathBuf::from("python3")));
        assert_eq!(find(99), None);
    }
}
