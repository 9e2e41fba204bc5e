//! Whole runs and listings as commands, start included, by turns with pytest and with other runners from PyPI.

use super::{Bench, Figure, median};
use anyhow::{Context, Result, bail};
use chores::venv::Venv;
use chores::{paths, process};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The runners to compare with. Plain pytest has an environment without them: installed plugins would slow it down.
pub(crate) const PEERS: &str = "execnet==2.1.2\niniconfig==2.3.1\nkarva==0.0.1a13\npackaging==26.3\npluggy==1.7.0\n\
                                pygments==2.21.0\npytest==9.2.0\npytest-xdist==3.8.0\nrtest==0.0.47\n";

/// Commands that start at the same time, and run or list tests.
struct Side(Vec<Work>);

struct Work {
    command: Command,
    /// A part of its output if it did its work.
    says: String,
}

impl Side {
    fn new(command: Command, says: &str) -> Self {
        Side(vec![Work { command, says: says.to_owned() }])
    }

    /// The time until the last command has ended.
    fn run(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let mut running = Vec::new();
        for Work { command, .. } in &mut self.0 {
            let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
            running.push(child.with_context(|| process::line(command))?);
        }
        let mut outputs = Vec::new();
        for child in running {
            // Tests that pass print little: the output of another one fits its pipe meanwhile.
            outputs.push(child.wait_with_output()?);
        }
        let took = begun.elapsed();
        for (Work { command, says }, output) in self.0.iter().zip(outputs) {
            let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            if !out.contains(says) {
                bail!("`{}` was to say {says:?}: {out}{errors}", process::line(command));
            }
        }
        Ok(took)
    }
}

/// Whole runs of short tests, and of the suites that `cargo xtask fidelity` has prepared.
pub(crate) fn runs(bench: &Bench) -> Result<Vec<Figure>> {
    let (files, each) = bench.pick((50, 100), (4, 5));
    let project = bench.plain("trivial", files, each)?;
    let (root, venv) = (&project.root, &bench.venv);
    let passed = |tests: usize| format!("{tests} passed");
    let own = |count: &str| Side::new(lens(bench, root, "suites", &["run", "-n", count]), &passed(project.tests));
    let half = |files: Range<usize>| {
        let tests = files.len() * each;
        let names: Vec<PathBuf> = files.map(|file| project.test_file(file)).collect();
        let mut command = plain(venv, root, &[]);
        command.args(names);
        Work { command, says: passed(tests) }
    };
    let halves = Side(vec![half(0..files / 2), half(files / 2..files)]);
    let pytest = Side::new(plain(venv, root, &[]), &passed(project.tests));
    let mut sides = vec![own("1"), own("2"), pytest, halves];
    if let Some(peers) = bench.peers()? {
        sides.push(Side::new(plain(&peers, root, &["-p", "xdist", "-n", "2"]), &passed(project.tests)));
        sides.push(Side::new(program(&peers, root, "karva", &["test"]), "passed"));
    }
    let times = by_turns(bench, sides)?;
    let [one, two, plain_time, halves, others @ ..] = &times[..] else { bail!("a side was not measured") };
    let (one, two, plain_time) = (*one, *two, *plain_time);
    let name = format!("{} short tests", project.tests);
    let seconds = (two.as_secs_f64(), halves.as_secs_f64());
    let mut figures = vec![
        Figure::ratio(format!("{name}, 1 runner, to pytest"), one, plain_time, 1.0),
        Figure::multiple(format!("{name}, 2 runners, to two pytests with a half each"), seconds, 1.15, "s"),
    ];
    if let [xdist, karva] = *others {
        let fastest = plain_time.min(xdist);
        figures.push(Figure::ratio(format!("{name}, 2 runners, to the faster of pytest and xdist"), two, fastest, 1.2));
        figures.push(Figure::ratio(format!("{name}, 2 runners, to karva"), two, karva, None::<f64>));
    }
    if bench.is_short {
        return Ok(figures);
    }
    for (name, root, python) in prepared()? {
        let own = Side::new(lens_of(bench, &python, &root), "passed");
        let theirs = Side::new(pytest_of(&python, &root), "passed");
        let times = by_turns(bench, vec![own, theirs])?;
        if let [own, theirs] = times[..] {
            figures.push(Figure::ratio(format!("{name}, 1 runner, to pytest"), own, theirs, 1.0));
        }
    }
    Ok(figures)
}

/// Listing tests by their sources, against rtest's listing and pytest's.
pub(crate) fn listing(bench: &Bench) -> Result<Vec<Figure>> {
    let project = bench.plain("large", bench.pick(400, 4), 50)?;
    let root = &project.root;
    let last = format!("test_part_{:03}.py::test_0", project.files - 1);
    let own = Side::new(lens(bench, root, "listing", &["list", "--static"]), &last);
    let pytest = Side::new(plain(&bench.venv, root, &["--collect-only"]), &last);
    let mut sides = vec![own, pytest];
    if let Some(peers) = bench.peers()? {
        sides.push(Side::new(program(&peers, root, "rtest", &["--collect-only"]), &last));
    }
    let times = by_turns(bench, sides)?;
    let [own, pytest, others @ ..] = &times[..] else { bail!("a side was not measured") };
    let what = format!("listing {} tests by their sources, to", project.tests);
    let mut figures = vec![Figure::ratio(format!("{what} `pytest --collect-only`"), *own, *pytest, 100.0)];
    figures.extend(others.first().map(|rtest| Figure::ratio(format!("{what} rtest"), *own, *rtest, 1.0)));
    Ok(figures)
}

/// The median time of each side, measured by turns.
fn by_turns(bench: &Bench, mut sides: Vec<Side>) -> Result<Vec<Duration>> {
    let (rounds, warm_up) = bench.pick((6, 1), (1, 0));
    let mut times = vec![Vec::new(); sides.len()];
    for round in 0..rounds {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let took = side.run()?;
            if round >= warm_up {
                times.push(took);
            }
        }
    }
    Ok(times.into_iter().map(median).collect())
}

pub(crate) fn lens(bench: &Bench, root: &Path, state: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(&bench.binary);
    bench.venv.enter(&mut command);
    apart(&mut command, root, &bench.state.join(state)).args(arguments);
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

fn lens_of(bench: &Bench, python: &Path, root: &Path) -> Command {
    let mut command = Command::new(&bench.binary);
    process::clean_python(&mut command);
    apart(&mut command, root, &bench.state.join("suites")).args(["run", "-n", "1"]);
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
