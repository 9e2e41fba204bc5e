//! Runs one side: plain pytest with the recorder, or `pytest-lens run --json`.

use super::Way;
use super::events::{Told, read_events};
use super::prepare::Prepared;
use super::sharing::Sharing;
use anyhow::{Context, Result, bail};
use chores::{paths, process};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Outcomes by node id; several if an id occurs several times.
pub(crate) type Verdicts = BTreeMap<String, Vec<String>>;

/// Longer than any suite takes; a run that hangs must not hang the comparison.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// A run of plain pytest.
pub(crate) struct PlainRun {
    /// The outcomes that the recorder wrote.
    pub verdicts: Verdicts,
    /// pytest's exit status.
    pub exit: i32,
    /// From start to end of the process.
    pub time: Duration,
}

/// A run of `pytest-lens run`.
pub(crate) struct LensRun {
    /// The outcomes in the events.
    pub told: Told,
    /// Whether the engine shared the session that collected; `None` if its log does not say.
    pub sharing: Option<Sharing>,
    /// The exit status; `None` if a signal ended it, or the deadline.
    pub exit: Option<i32>,
    /// From start to end of the process.
    pub time: Duration,
    /// Path of the events.
    pub log: PathBuf,
}

/// Runs `python -m pytest` with the recorder.
pub(crate) fn plain(prepared: &Prepared, inject: bool, number: u32) -> Result<PlainRun> {
    let record = prepared.logs.join(format!("plain-{number}.jsonl"));
    let log = prepared.logs.join(format!("plain-{number}.txt"));
    if record.exists() {
        fs::remove_file(&record)?;
    }
    let mut command = prepared.venv.python_command();
    command.args(["-m", "pytest", "-p", "lens_recorder"]).args(&prepared.args);
    command.current_dir(&prepared.root).env("LENS_RECORD", &record);
    surroundings(&mut command, prepared, inject);
    let (exit, time) = timed(command, &log, &log)?;
    let Some(exit) = exit.filter(|exit| matches!(exit, 0 | 1)) else {
        bail!("plain pytest could not run the suite {}; see {}", prepared.name, log.display());
    };
    Ok(PlainRun { verdicts: read_record(&record)?, exit, time })
}

/// Runs `pytest-lens run` in one way.
pub(crate) fn lens(prepared: &Prepared, inject: bool, binary: &Path, way: &Way) -> Result<LensRun> {
    let log = prepared.logs.join(format!("{}-{}.jsonl", way.mode, way.workers));
    let mut command = Command::new(binary);
    prepared.venv.enter(&mut command);
    command.arg("run").arg("--root").arg(&prepared.root);
    command.args(["--json", "--mode", &way.mode, "-n", &way.workers.to_string()]);
    command.args(&prepared.args);
    surroundings(&mut command, prepared, inject);
    command.env("PYTEST_LENS_LOG", "pytest_lens_engine=info");
    let (exit, time) = timed(command, &log, &log.with_extension("stderr.txt"))?;
    let text = fs::read(&log)?;
    let mut told = read_events(&String::from_utf8_lossy(&text));
    let said = fs::read(log.with_extension("stderr.txt"))?;
    let said = String::from_utf8_lossy(&said);
    if told.verdicts.is_empty() {
        // Without any verdict only the reason helps.
        told.complaints.extend(said.lines().map(str::to_owned));
    }
    Ok(LensRun { told, sharing: Sharing::of_log(&said), exit, time, log })
}

/// The environment that both sides share: the path of the plugins, their names, and separate folders for state.
fn surroundings(command: &mut Command, prepared: &Prepared, inject: bool) {
    command.env("PYTHONPATH", paths::root().join("tests/fidelity"));
    if inject {
        command.env("PYTEST_ADDOPTS", "-p lens_inject");
    }
    // The user's own history and caches stay out of it.
    command.env("XDG_STATE_HOME", prepared.logs.join("state"));
    command.env("XDG_CACHE_HOME", prepared.logs.join("cache"));
}

/// Runs a command with its output in files; the exit status is `None` if it had to be killed.
fn timed(mut command: Command, stdout: &Path, stderr: &Path) -> Result<(Option<i32>, Duration)> {
    let file = File::create(stdout)?;
    let errors = match stderr == stdout {
        true => file.try_clone()?,
        false => File::create(stderr)?,
    };
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("could not start `{}`", process::line(&command)))?;
    let status = process::wait_until(&mut child, start + DEADLINE)?;
    Ok((status.and_then(|status| status.code()), start.elapsed()))
}

#[derive(Deserialize)]
struct Recorded {
    id: String,
    outcome: String,
}

fn read_record(path: &Path) -> Result<Verdicts> {
    let text = fs::read_to_string(path).with_context(|| format!("no record in {}", path.display()))?;
    let mut verdicts = Verdicts::new();
    for line in text.lines() {
        let Recorded { id, outcome } = serde_json::from_str(line)?;
        verdicts.entry(id).or_default().push(outcome);
    }
    Ok(verdicts)
}
