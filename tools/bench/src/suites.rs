//! Whole runs and listings as commands, start included, by turns with pytest and with other runners from PyPI.

use super::projects::Generated;
use super::{Figure, median};
use anyhow::{Context, Result, bail};
use chores::venv::Venv;
use chores::{paths, process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The runners to compare with. Plain pytest has an environment without them: installed plugins would slow it down.
pub(crate) const PEERS: &str = "execnet==2.1.2\niniconfig==2.3.1\nkarva==0.0.1a13\npackaging==26.3\npluggy==1.7.0\n\
                                pygments==2.21.0\npytest==9.2.0\npytest-xdist==3.8.0\nrtest==0.0.47\n";

/// Rounds, the first of which warm up.
const ROUNDS: usize = 6;
const WARM_UP: usize = 1;

/// A command that runs or lists tests.
struct Side {
    command: Command,
    /// A part of its output if it did its work.
    says: String,
}

/// Whole runs of `trivial`, and of the suites that `cargo xtask fidelity` has prepared.
pub(crate) fn runs(binary: &Path, venv: &Venv, peers: &Venv, trivial: &Generated, state: &Path) -> Result<Vec<Figure>> {
    let state = state.join("suites");
    let root = &trivial.root;
    let passed = format!("{} passed", trivial.tests);
    let own =
        |count: &str| Side { command: lens(binary, venv, root, &state, &["run", "-n", count]), says: passed.clone() };
    let pytest = |venv: &Venv, arguments: &[&str]| Side { command: plain(venv, root, arguments), says: passed.clone() };
    let karva = || Side { command: program(peers, root, "karva", &["test"]), says: "passed".into() };
    let times = by_turns([own("1"), own("2"), pytest(venv, &[]), pytest(peers, &["-p", "xdist", "-n", "2"]), karva()])?;
    let [one, two, plain_time, xdist, karva] = times;
    let name = format!("{} short tests", trivial.tests);
    let mut figures = vec![
        Figure::ratio(format!("{name}, 1 runner, to pytest"), one, plain_time, 1.0),
        Figure::ratio(format!("{name}, 2 runners, to the faster of pytest and xdist"), two, plain_time.min(xdist), 1.2),
        Figure::ratio(format!("{name}, 2 runners, to karva"), two, karva, 0.0),
    ];
    for (name, root, python) in prepared()? {
        let own = Side { command: lens_of(binary, &python, &root, &state), says: "passed".into() };
        let theirs = Side { command: pytest_of(&python, &root), says: "passed".into() };
        let [own, theirs] = by_turns([own, theirs])?;
        figures.push(Figure::ratio(format!("{name}, 1 runner, to pytest"), own, theirs, 1.0));
    }
    Ok(figures)
}

/// Listing the tests of `large` by their sources, against rtest's listing and pytest's.
pub(crate) fn listing(
    binary: &Path,
    venv: &Venv,
    peers: &Venv,
    large: &Generated,
    state: &Path,
) -> Result<Vec<Figure>> {
    let root = &large.root;
    let last = format!("test_part_{:03}.py::test_0", large.files - 1);
    let own =
        Side { command: lens(binary, venv, root, &state.join("listing"), &["list", "--static"]), says: last.clone() };
    let rtest = Side { command: program(peers, root, "rtest", &["--collect-only"]), says: last.clone() };
    let pytest = Side { command: plain(venv, root, &["--collect-only"]), says: last };
    let [own, rtest, pytest] = by_turns([own, rtest, pytest])?;
    Ok(vec![
        Figure::ratio(format!("listing {} tests by their sources, to rtest", large.tests), own, rtest, 1.0),
        Figure::ratio("the same, to `pytest --collect-only`", own, pytest, 100.0),
    ])
}

/// The median time of each command, measured by turns.
fn by_turns<const N: usize>(mut sides: [Side; N]) -> Result<[Duration; N]> {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..ROUNDS {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            let output = side.command.output().with_context(|| process::line(&side.command))?;
            let took = begun.elapsed();
            let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if !out.contains(&side.says) {
                bail!("`{}` was to say {:?}: {out}{errors}", process::line(&side.command), side.says);
            }
            if round >= WARM_UP {
                times.push(took);
            }
        }
    }
    Ok(times.map(median))
}

pub(crate) fn lens(binary: &Path, venv: &Venv, root: &Path, state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    venv.enter(&mut command);
    apart(&mut command, root, state).args(arguments);
    command
}

/// Its history, caches and sockets are apart from the user's.
fn apart<'a>(command: &'a mut Command, root: &Path, state: &Path) -> &'a mut Command {
    command.current_dir(root).env("NO_COLOR", "1").env("XDG_STATE_HOME", state).env("XDG_CACHE_HOME", state)
}

fn plain(venv: &Venv, root: &Path, arguments: &[&str]) -> Command {
    let mut command = venv.python_command();
    command.current_dir(root).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).args(arguments);
    command
}

fn program(venv: &Venv, root: &Path, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(venv.program(name));
    venv.enter(&mut command);
    command.current_dir(root).env("NO_COLOR", "1").args(arguments);
    command
}

/// The real suites that are there: name, folder, and the interpreter of their environment.
fn prepared() -> Result<Vec<(String, PathBuf, PathBuf)>> {
    let home = paths::target().join("fidelity");
    let mut found = Vec::new();
    for entry in fs::read_dir(&home).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let python = paths::target().join("venvs").join(format!("fidelity-{name}")).join("bin/python");
        let unpacked = fs::read_dir(entry.path().join("source")).into_iter().flatten().flatten();
        let folder = unpacked.map(|entry| entry.path()).find(|path| path.is_dir());
        if let Some(folder) = folder.filter(|_| python.exists()) {
            found.push((name, folder, python));
        }
    }
    found.sort();
    Ok(found)
}

fn lens_of(binary: &Path, python: &Path, root: &Path, state: &Path) -> Command {
    let mut command = Command::new(binary);
    process::clean_python(&mut command);
    apart(&mut command, root, state).args(["run", "-n", "1"]);
    if let Some(environment) = python.ancestors().nth(2) {
        command.env("VIRTUAL_ENV", environment);
    }
    command
}

fn pytest_of(python: &Path, root: &Path) -> Command {
    let mut command = Command::new(python);
    process::clean_python(&mut command);
    command.current_dir(root).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]);
    command
}
