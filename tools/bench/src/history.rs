//! Measures the history: a report over a million outcomes, and writing a run at the same time as it runs.

use super::projects::Generated;
use super::{Figure, median};
use anyhow::{Context, Result, bail};
use chores::process;
use chores::venv::Venv;
use pytest_lens_history::{Attempt, Failure, History, HistoryOptions, Location, Run, Source};
use pytest_lens_plan::outcome::Outcome;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Ten thousand tests, a hundred runs of each.
const TESTS: u32 = 10_000;
const RUNS: u32 = 100;

/// Rounds, the first of which warm up.
const ROUNDS: usize = 12;
const WARM_UP: usize = 2;

/// A report over a million outcomes: by request from a server that has them in memory, and from a command that reads
/// the file first.
pub(crate) fn reports(binary: &Path, venv: &Venv, project: &Generated, state: &Path) -> Result<Vec<Figure>> {
    let state = state.join("million");
    fill(&state, &project.root)?;
    let mut cold = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let told = command(binary, &project.root, &state).args(["flaky", "--json"]).output()?;
        cold.push(begun.elapsed());
        if told.stdout.iter().filter(|byte| **byte == b'\n').count() != (TESTS / 10) as usize {
            bail!("a tenth of the tests was to be flaky: {}", String::from_utf8_lossy(&told.stderr));
        }
    }
    let settings = json!({"pythonPath": venv.python()});
    let mut client = editor::resume(binary, &project.root, &settings, &state)?;
    let mut warm = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let report = client.execute("pytestLens.flakiness", json!({}))?;
        warm.push(begun.elapsed());
        if report["totalTracked"] != TESTS {
            bail!("{TESTS} tests were to be judged, but the report is of {}", report["totalTracked"]);
        }
    }
    client.shutdown()?;
    let milliseconds = |mut times: Vec<Duration>| median(times.split_off(WARM_UP)).as_secs_f64() * 1e3;
    Ok(vec![
        Figure::limit("flakiness report, 1,000,000 outcomes, warm", milliseconds(warm), 200.0, "ms"),
        Figure::limit("the same by a command, reading the file", milliseconds(cold), 1000.0, "ms"),
    ])
}

/// The share of a run of a thousand tests that writing its outcomes takes, with a history of as many runs before it as
/// are kept.
pub(crate) fn writing(binary: &Path, venv: &Venv, project: &Generated, state: &Path) -> Result<Figure> {
    let state = state.join("writing");
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    let mut shares = Vec::new();
    for _ in 0..ROUNDS {
        let mut run = command(binary, &project.root, &state);
        run.args(["run", "--json"]).env("PYTEST_LENS_LOG", "pytest_lens_history=debug").env("NO_COLOR", "1");
        run.env("VIRTUAL_ENV", venv.python().parent().and_then(Path::parent).context("the interpreter has no folder")?);
        let told = run.output()?;
        let (out, log) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        let end = out.lines().last().context("the run told nothing")?;
        let end: serde_json::Value = serde_json::from_str(end)?;
        let ran = end["durationMs"].as_f64().with_context(|| format!("no run has ended: {log}"))?;
        let written = log.lines().filter_map(|line| line.split_once("micros=")).map(|(_, rest)| rest);
        let micros =
            written.filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u64>().ok());
        let micros: u64 = micros.sum();
        if micros == 0 {
            bail!("nothing was written: {log}");
        }
        shares.push(Duration::from_micros((micros as f64 / ran * 1e3) as u64));
    }
    // A share as a duration: so many microseconds of a second.
    let percent = median(shares.split_off(WARM_UP)).as_secs_f64() * 100.0;
    Ok(Figure::limit("writing the history, share of a run of 1,000", percent, 2.0, "%"))
}

fn command(binary: &Path, root: &Path, state: &Path) -> Command {
    let mut command = Command::new(binary);
    process::clean_python(&mut command);
    command.current_dir(root).env("XDG_STATE_HOME", state).env("XDG_CACHE_HOME", state);
    command
}

/// A million outcomes, a tenth of the tests flaky.
fn fill(state: &Path, root: &Path) -> Result<()> {
    if state.exists() {
        fs::remove_dir_all(state)?;
    }
    let history = History::open(Location::of(&state.join("pytest-lens"), root), HistoryOptions::default());
    let ids: Vec<Arc<str>> =
        (0..TESTS).map(|test| format!("tests/test_part_{:03}.py::test_{test}", test / 100).into()).collect();
    for number in 0..RUNS {
        let why = Arc::new(Failure::new(&"assert left == right\n".repeat(20), None));
        // Twenty runs on each state of the code.
        let mut run = Run::new(Source::Editor, Some(format!("{:032x}", number / 20).into()));
        run.started_ms -= u64::from(RUNS - number) * 60_000;
        let fails = |test: usize| test.is_multiple_of(10) && number.is_multiple_of(7);
        run.attempts.extend(ids.iter().enumerate().map(|(test, id)| Attempt {
            id: Arc::clone(id),
            outcome: if fails(test) { Outcome::Failed } else { Outcome::Passed },
            attempt: 1,
            duration_ms: 1.5,
            failure: fails(test).then(|| Arc::clone(&why)),
        }));
        history.record(run);
        if number % 10 == 9 && !history.flush(Duration::from_secs(300)) {
            bail!("the history was not written: {:?}", history.trouble());
        }
    }
    Ok(())
}
