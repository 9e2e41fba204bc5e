//! Checks every supported Python with every pytest that it takes.
//!
//! The whole of the worker's tests runs in the area `python`, with one pair. Here each other Python runs them with its
//! newest pytest; with older ones the tests marked `core` run. Each pair compares a small project with plain pytest. A
//! Python that is missing on this machine is named, and counts as skipped. At last the short form of `cargo xtask impact`
//! runs.

use super::side_by_side::side_by_side;
use super::{Tally, areas};
use crate::impact;
use anyhow::{Context, Result};
use chores::venv::Venv;
use chores::{build, paths, process, ui};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The Pythons, by their minor versions.
pub(crate) const PYTHONS: [u32; 5] = [9, 10, 11, 12, 13];

/// The pytests, by their requirements files, each with the first Python that it runs on.
const PYTESTS: [(&str, u32); 4] = [("7.0", 9), ("7.4", 9), ("8.4", 9), ("9.2", 10)];

/// The Python and the pytest that the area `python` runs with, if `python3` is that version.
const NEWEST: &str = "9.2";

/// The share of the worker's tests that a pair runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    /// All: a change of Python can show in any of them.
    Whole,
    /// Those that are marked.
    Core,
    /// None: the area `python` runs all of them.
    Elsewhere,
}

/// One Python with one pytest.
#[derive(Clone, Copy)]
struct Pair {
    python: u32,
    pytest: &'static str,
}

/// Runs every pair whose Python this machine has.
pub(super) fn run() -> Result<Tally> {
    build::binary("debug")?;
    let usual = minor(Path::new("python3"));
    let pairs = PYTHONS.into_iter().flat_map(|python| pytests(python).map(move |pytest| Pair { python, pytest }));
    let mut waiting: Vec<(Pair, PathBuf)> = Vec::new();
    let mut sum = Tally::default();
    let mut rows = Vec::new();
    for pair in pairs {
        match find(pair.python) {
            Some(interpreter) => waiting.push((pair, interpreter)),
            None => {
                sum.skipped += 1;
                rows.push(row(pair, "absent".to_owned(), String::new()));
            }
        }
    }
    let ended = side_by_side(waiting, |(pair, interpreter)| {
        let Pair { python, pytest } = pair;
        let share = share(python, pytest, usual);
        let start = Instant::now();
        let (tally, output) = run_pair(&interpreter, pair, share)
            .with_context(|| format!("with Python 3.{python} and pytest {pytest}"))?;
        let result = format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
        let heading = ui::paint(ui::Colour::Bold, &format!("Python 3.{python}, pytest {pytest}: {share:?}"));
        println!("{heading}\n{output}");
        Ok((tally, row(pair, result, ui::duration(start.elapsed()))))
    })?;
    for (tally, row) in ended {
        sum.add(tally);
        rows.push(row);
    }
    if impact::PYTHONS.into_iter().any(|python| find(python).is_some()) {
        println!("{}", ui::paint(ui::Colour::Bold, "100 mutants"));
        sum.add(Tally::of(impact::run(&[])?));
    } else {
        sum.skipped += 1;
    }
    println!();
    print!("{}", ui::table(&["Python", "pytest", "", "time"], &rows));
    Ok(sum)
}

fn row(pair: Pair, result: String, time: String) -> Vec<String> {
    vec![format!("3.{}", pair.python), pair.pytest.to_owned(), result, time]
}

/// The environment of a pair.
fn venv(interpreter: &Path, Pair { python, pytest }: Pair) -> Result<Venv> {
    let list = paths::root().join(format!("xtask/requirements/pytest-{pytest}.txt"));
    let requirements = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    Venv::ensure_of(interpreter, &format!("python-3.{python}-pytest-{pytest}"), &requirements)
}

/// An environment in which functions can be recorded, with the newest pytest; `None` if this machine has no such Python.
pub(super) fn recording() -> Result<Option<Venv>> {
    let found = impact::PYTHONS.into_iter().find_map(|python| Some((python, find(python)?)));
    found.map(|(python, interpreter)| venv(&interpreter, Pair { python, pytest: NEWEST })).transpose()
}

/// Runs one pair; returns its result and its output.
fn run_pair(interpreter: &Path, pair: Pair, share: Share) -> Result<(Tally, String)> {
    let root = paths::root();
    let venv = venv(interpreter, pair)?;
    let worker = match share {
        Share::Whole => Some(vec!["tests"]),
        Share::Core => Some(vec!["tests", "-m", "core"]),
        Share::Elsewhere => None,
    };
    let mut commands = Vec::new();
    if let Some(arguments) = worker {
        commands.push(areas::pytest_command(&venv, &root.join("python"), &arguments)?);
    }
    commands.push(areas::pytest_command(&venv, &root, &["tests/pythons"])?);
    let (mut sum, mut all) = (Tally::default(), String::new());
    for command in commands {
        let (status, output) = process::capture(command)?;
        sum.add(Tally::from_pytest(&process::plain(&output)).honest(status.success()));
        all.push_str(&output);
    }
    Ok((sum, all))
}

/// The share of the worker's tests for a pair; `usual` is the Python of the area `python`.
fn share(python: u32, pytest: &str, usual: Option<u32>) -> Share {
    let newest = pytests(python).last() == Some(pytest);
    match newest {
        true if usual == Some(python) && pytest == NEWEST => Share::Elsewhere,
        true => Share::Whole,
        false => Share::Core,
    }
}

/// The pytests that run on a Python, in order.
pub(crate) fn pytests(python: u32) -> impl Iterator<Item = &'static str> {
    PYTESTS.into_iter().filter(move |(_, first)| python >= *first).map(|(pytest, _)| pytest)
}

/// An interpreter of that version: `python3` itself, one on the PATH, or one of pyenv's.
pub(crate) fn find(python: u32) -> Option<PathBuf> {
    let named = [PathBuf::from("python3"), PathBuf::from(format!("python3.{python}"))];
    named.into_iter().chain(of_pyenv(python)).find(|path| minor(path) == Some(python))
}

/// pyenv's interpreter of that version, in pyenv's own folder.
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
pub(crate) fn minor(interpreter: &Path) -> Option<u32> {
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
