//! Memory: of the server with many tests, and of the processes of a run against those of plain pytest.

use super::processes::{proportional, resident, tree};
use super::projects::Generated;
use super::{Bench, Figure};
use anyhow::{Context, Result, bail};
use chores::process;
use pytest_lens_testkit::{LspClient, file_uri};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The deadline for anything.
const DEADLINE: Duration = Duration::from_secs(600);

/// The folder of the history and the caches for the runs.
const STATE: &str = "runs";

/// The test at the end of a file: its process waits, with everything in memory that a run needs.
const WAITING: &str = "


def test_waits_to_be_measured():
    import pathlib, time
    here = pathlib.Path(__file__)
    waits, goes_on = here.with_suffix('.waits'), here.with_suffix('.goes-on')
    waits.touch()
    while not goes_on.exists():
        time.sleep(0.01)
    waits.unlink()
    goes_on.unlink()
";

/// The server; runs that import nothing heavy, and pandas.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = vec![server(bench)?];
    for (name, imports) in [("bare", "nothing heavy"), ("heavy", "pandas")] {
        let project = if name == "bare" { bench.plain(name, 2, 500)? } else { bench.heavy(name, 2, 500)? };
        figures.extend(runs(bench, &project, imports)?);
    }
    Ok(figures)
}

/// The resident memory of the server's own process after collecting everything and running a file.
fn server(bench: &Bench) -> Result<Figure> {
    let project = bench.plain("medium", bench.pick(60, 2), 50)?;
    let settings = json!({"pythonPath": bench.venv.python()});
    let mut client = editor::start(&bench.binary, &project.root, &settings, &bench.state.join("memory"))?;
    client.execute("pytestLens.collect", json!({}))?;
    let uri = file_uri(&project.root.join(&project.file))?;
    let answer = client.execute("pytestLens.run", json!({"textDocument": {"uri": uri}}))?;
    let id = answer["runId"].clone();
    client.expect_where("pytestLens/runFinished", |it| it["runId"] == id)?;
    let megabytes = resident(client.process_id().context("the server is no child process")?)?;
    client.shutdown()?;
    Ok(Figure::limit(format!("server memory, {} tests", project.tests), megabytes, 50.0, "MB"))
}

/// The Python processes of a warm server's run in a project that was used before, while the last test of each runner runs, against as many plain pytests.
fn runs(bench: &Bench, project: &Generated, imports: &str) -> Result<Vec<Figure>> {
    let files: Vec<PathBuf> = (0..2).map(|number| project.test_file(number)).collect();
    for file in &files {
        fs::write(file, fs::read_to_string(file)? + WAITING)?;
    }
    // The first use of a project begins with an interpreter that knows nothing of its libraries.
    open_once(bench, project, &files)?;
    let mut figures = Vec::new();
    for runners in bench.pick(1, 2)..=2 {
        let files = &files[..runners];
        let (mut own, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..bench.pick(3, 1) {
            plain.push(of_pytests(bench, project, files)?);
            own.push(of_server(bench, project, files)?);
        }
        let what = format!("memory of a run by {runners}, imports {imports}");
        let [python, whole] = [0, 1].map(|part| middle(own.iter().map(|pair: &[f64; 2]| pair[part]).collect()));
        let plain = middle(plain);
        figures.push(Figure::multiple(format!("{what}: Python's, to pytest"), (python, plain), 1.3, "MB"));
        figures.push(Figure::limit("the same with the server", whole / plain, None::<f64>, "x"));
    }
    Ok(figures)
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Uses the project once, with no state of before.
fn open_once(bench: &Bench, project: &Generated, files: &[PathBuf]) -> Result<()> {
    let state = bench.state.join(STATE);
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    of_server(bench, project, files).map(drop)
}

/// The memory of the server's Python processes, and that of all its processes.
fn of_server(bench: &Bench, project: &Generated, files: &[PathBuf]) -> Result<[f64; 2]> {
    let settings = json!({"pythonPath": bench.venv.python(), "workers": files.len()});
    let mut client = editor::resume(&bench.binary, &project.root, &settings, &bench.state.join(STATE))?;
    client.execute("pytestLens.collect", json!({}))?;
    let ids: Vec<Value> = files.iter().filter_map(|file| relative(project, file)).map(Value::from).collect();
    let answer = client.execute("pytestLens.run", json!({"ids": ids}))?;
    let measured = while_they_wait(files, || {
        let server = client.process_id().context("the server is no child process")?;
        let all = tree(server);
        let (own, python) = all.split_first().context("the server is gone")?;
        let python = proportional(python)?;
        Ok([python, python + proportional(&[*own])?])
    })?;
    finish(client, &answer["runId"], project, files.len())?;
    Ok(measured)
}

fn relative(project: &Generated, file: &Path) -> Option<String> {
    Some(file.strip_prefix(&project.root).ok()?.to_str()?.to_owned())
}

/// Waits for the end of a run; all its tests must have passed.
fn finish(mut client: LspClient, run: &Value, project: &Generated, files: usize) -> Result<()> {
    let end = client.expect_where("pytestLens/runFinished", |it| it["runId"] == *run)?;
    let expected = project.tests / 2 * files + files;
    if end.params["counts"]["passed"] != expected {
        bail!("{expected} tests were to pass, but the run ended with {}", end.params);
    }
    client.shutdown()?;
    Ok(())
}

/// The memory of plain pytests at the same time, one for each file.
fn of_pytests(bench: &Bench, project: &Generated, files: &[PathBuf]) -> Result<f64> {
    let mut running: Vec<Child> = Vec::new();
    for file in files {
        let mut command: Command = bench.venv.python_command();
        command.current_dir(&project.root).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(file);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        running.push(command.spawn().with_context(|| process::line(command))?);
    }
    let measured = while_they_wait(files, || {
        let all: Vec<u32> = running.iter().flat_map(|pytest| tree(pytest.id())).collect();
        proportional(&all)
    });
    for mut pytest in running {
        let status = pytest.wait()?;
        if !status.success() {
            bail!("plain pytest ended with {status}");
        }
    }
    measured
}

/// Measures when each file's last test runs, and lets them go on.
fn while_they_wait<T>(files: &[PathBuf], measure: impl FnOnce() -> Result<T>) -> Result<T> {
    let end = Instant::now() + DEADLINE;
    while !files.iter().all(|file| file.with_extension("waits").exists()) {
        if Instant::now() > end {
            bail!("the last tests were not reached");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let measured = measure();
    for file in files {
        fs::write(file.with_extension("goes-on"), "")?;
    }
    measured
}
