//! Measures the history: a report over a million outcomes, and writing a run at the same time as it runs.

use super::projects::Generated;
use super::{Bench, Figure, median, milliseconds};
use anyhow::{Context, Result, bail};
use chores::process;
use pytest_lens_history::{Attempt, Failure, History, HistoryOptions, Location, Run, Source};
use pytest_lens_plan::outcome::Outcome;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A hundred runs of each test: enough that a tenth of them is flaky.
const RUNS: u32 = 100;

/// Reports and writes.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let project = bench.plain("small", 25, 40)?;
    let mut figures = reports(bench, &project)?;
    figures.push(writing(bench, &project)?);
    Ok(figures)
}

/// Rounds, the first of which warm up.
fn rounds(bench: &Bench) -> (usize, usize) {
    bench.pick((12, 2), (1, 0))
}

/// A report over a million outcomes: by request from a server that has them in memory, and from a command that reads
/// the file first.
fn reports(bench: &Bench, project: &Generated) -> Result<Vec<Figure>> {
    // Ten thousand tests.
    let tests = bench.pick(10_000, 100);
    let (rounds, warm_up) = rounds(bench);
    let state = bench.state.join("million");
    fill(&state, &project.root, tests)?;
    let mut cold = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        let told = command(&bench.binary, &project.root, &state).args(["flaky", "--json"]).output()?;
        cold.push(begun.elapsed());
        if told.stdout.iter().filter(|byte| **byte == b'\n').count() != (tests / 10) as usize {
            bail!("a tenth of the tests was to be flaky: {}", String::from_utf8_lossy(&told.stderr));
        }
    }
    let settings = json!({"pythonPath": bench.venv.python()});
    let mut client = editor::resume(&bench.binary, &project.root, &settings, &state)?;
    let mut warm = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        let report = client.execute("pytestLens.flakiness", json!({}))?;
        warm.push(begun.elapsed());
        if report["totalTracked"] != tests {
            bail!("{tests} tests were to be judged, but the report is of {}", report["totalTracked"]);
        }
    }
    client.shutdown()?;
    let typical = |mut times: Vec<Duration>| milliseconds(median(times.split_off(warm_up)));
    Ok(vec![
        Figure::limit("flakiness report, 1,000,000 outcomes, warm", typical(warm), 200.0, "ms"),
        Figure::limit("the same by a command, reading the file", typical(cold), 1000.0, "ms"),
    ])
}

/// The share of a run of a thousand tests that writing its outcomes takes, with a history of as many runs before it as
/// are kept.
fn writing(bench: &Bench, project: &Generated) -> Result<Figure> {
    let (rounds, warm_up) = rounds(bench);
    let state = bench.state.join("writing");
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    let mut shares = Vec::new();
    for _ in 0..rounds {
        let mut run = command(&bench.binary, &project.root, &state);
        run.args(["run", "--json"]).env("PYTEST_LENS_LOG", "pytest_lens_history=debug").env("NO_COLOR", "1");
        run.env(
            "VIRTUAL_ENV",
            bench.venv.python().parent().and_then(Path::parent).context("the interpreter has no folder")?,
        );
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
    let percent = median(shares.split_off(warm_up)).as_secs_f64() * 100.0;
    Ok(Figure::limit("writing the history, share of a run of 1,000", percent, 2.0, "%"))
}

fn command(binary: &Path, root: &Path, state: &Path) -> Command {
    let mut command = Command::new(binary);
    process::clean_python(&mut command);
    command.current_dir(root).env("XDG_STATE_HOME", state).env("XDG_CACHE_HOME", state);
    command
}

/// A million outcomes, a tenth of the tests flaky.
fn fill(state: &Path, root: &Path, tests: u32) -> Result<()> {
    if state.exists() {
        fs::remove_dir_all(state)?;
    }
    let history = History::open(Location::of(&state.join("pytest-lens"), root), HistoryOptions::default());
    let ids: Vec<Arc<str>> =
        (0..tests).map(|test| format!("tests/test_part_{:03}.py::test_{test}", test / 100).into()).collect();
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
