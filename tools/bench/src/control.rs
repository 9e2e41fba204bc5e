//! Measures run control: outcomes of fake runners to three readers over the socket, in memory that does not grow; the
//! delay until a test's start is known; and the time until a killed run has left nothing running.

use super::server::resident;
use super::socket::{Client, Daemon};
use super::{Figure, median};
use anyhow::{Context, Result, bail};
use chores::paths;
use chores::venv::Venv;
use pytest_lens_protocol::{
    PROTOCOL_VERSION, Request, Response, SuiteEventPayload, SuiteOptions, SuiteSpec, SuiteStatus,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Outcomes of a run.
const OUTCOMES: usize = 10_000;
/// Runs before the first that counts: by then the log holds as much as it ever does. The history remembers the last 200
/// attempts of a test, in memory that doubles when it is full: after 16 of them, and again only after 32.
const WARM_UP: usize = 18;
/// Runs that count.
const RUNS: usize = 12;
/// Runs of a single test, for the latency.
const STARTS: usize = 40;
/// Number of runs that are killed.
const KILLS: usize = 5;

/// The deadline for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// A test with fifty grandchildren: orphans that ignore all signals that can be ignored, half of them in sessions of
/// their own.
const BREEDING: &str = "\
import os, pathlib, signal, time

def test_breeds():
    folder = pathlib.Path('grandchildren')
    folder.mkdir()
    for n in range(50):
        if os.fork() == 0:
            if n % 2:
                os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                (folder / str(os.getpid())).touch()
                time.sleep(600)
            os._exit(0)
    time.sleep(600)
";

/// All figures, over one daemon.
pub(crate) fn measure(binary: &Path, venv: &Venv, home: &Path) -> Result<Vec<Figure>> {
    let daemon = Daemon::start(binary, &home.join("state"))?;
    let (root, python) = project(venv, &home.join("fake"))?;
    let mut client = Client::connect(&daemon.socket)?;
    let opened = client.ask(&Request::InitContext {
        protocol_version: PROTOCOL_VERSION,
        repo_path: root.to_string_lossy().into_owned(),
        python_path: Some(python.to_string_lossy().into_owned()),
        execution_mode: Some("embedded".into()),
    })?;
    let Response::ContextReady { context_id, .. } = opened else { bail!("no context: {opened:?}") };

    let (mut times, mut before) = (Vec::new(), 0.0);
    for run in 0..WARM_UP + RUNS {
        if run == WARM_UP {
            before = resident(daemon.id())?;
        }
        times.push(one_run(&daemon, &context_id)?);
    }
    let growth = (resident(daemon.id())? - before).max(0.0);
    let seconds = median(times.split_off(WARM_UP)).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "ten thousand")]
    let rate = OUTCOMES as f64 / seconds;
    let rate = Figure::rate("outcomes a second, fake runners to three readers", rate, 10_000.0);
    let memory = Figure::limit("daemon memory, growth over 120,000 outcomes", growth, 5.0, "MB");

    let mut latencies = Vec::new();
    for _ in 0..STARTS {
        latencies.push(first_event(&daemon, &context_id)?);
    }
    let latency = median(latencies).as_secs_f64() * 1e3;
    let latency = Figure::limit("a test's start, from its runner to the reader", latency, 5.0, "ms");
    Ok(vec![rate, memory, latency, killing(&mut client, venv, &home.join("killed"))?])
}

/// From a kill until none of fifty grandchildren is left.
fn killing(client: &mut Client, venv: &Venv, root: &Path) -> Result<Figure> {
    fs::create_dir_all(root)?;
    fs::write(root.join("test_fake.py"), BREEDING)?;
    let opened = client.ask(&Request::InitContext {
        protocol_version: PROTOCOL_VERSION,
        repo_path: root.to_string_lossy().into_owned(),
        python_path: Some(venv.python().to_string_lossy().into_owned()),
        execution_mode: Some("embedded".into()),
    })?;
    let Response::ContextReady { context_id, .. } = opened else { bail!("no context: {opened:?}") };
    let folder = root.join("grandchildren");
    let mut times = Vec::new();
    for _ in 0..KILLS {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let suite_id = start(client, &context_id, SuiteOptions::default())?;
        let pids = born(&folder)?;
        let start = Instant::now();
        client.ask(&Request::KillSuite { suite_id })?;
        while pids.iter().any(|pid| lives(pid)) {
            if start.elapsed() > DEADLINE {
                bail!("grandchildren of a killed run live on");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        times.push(start.elapsed());
    }
    let time = median(times).as_secs_f64() * 1e3;
    Ok(Figure::limit("kill of a run with 50 grandchildren", time, 1_000.0, "ms"))
}

/// Waits until all grandchildren are gone.
fn born(folder: &Path) -> Result<Vec<String>> {
    let start = Instant::now();
    while start.elapsed() < DEADLINE {
        let found: Vec<String> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        if found.len() == 50 {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("the test did not start its grandchildren")
}

/// Whether a process is more than an entry that its parent has not reaped yet.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// A project for the fake interpreter, and that.
fn project(venv: &Venv, home: &Path) -> Result<(PathBuf, PathBuf)> {
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    let root = home.join("project");
    fs::create_dir_all(&root)?;
    fs::write(root.join("test_fake.py"), "")?;
    let python = home.join("python");
    let worker = paths::root().join("server/testkit/fake_worker.py");
    let text = format!("#!/bin/sh\nexec '{}' -S -E '{}' \"$@\"\n", venv.python().display(), worker.display());
    fs::write(&python, text)?;
    let made = Command::new("chmod").arg("755").arg(&python).status()?;
    if !made.success() {
        bail!("{} can't be made executable", python.display());
    }
    Ok((root, python))
}

/// Builds a run of this many tests that pass.
fn build(client: &mut Client, context_id: &str, count: usize, parallel: u16) -> Result<String> {
    let options = SuiteOptions {
        arguments: Some(vec![format!("--scenario={}", serde_json::json!({ "count": count }))]),
        parallel: Some(parallel),
        ..SuiteOptions::default()
    };
    start(client, context_id, options)
}

/// Builds a run of one suite, and returns the suite's id.
fn start(client: &mut Client, context_id: &str, options: SuiteOptions) -> Result<String> {
    let built = client.ask(&Request::BuildRun {
        context_id: context_id.to_owned(),
        suites: vec![SuiteSpec { test_url: "test_fake.py".into(), options: Some(options) }],
        scheduling_options: None,
    })?;
    match built {
        Response::RunBuilt { suite_ids, .. } => suite_ids.into_iter().next().context("a run without a suite"),
        other => bail!("no run: {other:?}"),
    }
}

/// One run, from its first event to the end at each of three readers. Its client ends with it.
fn one_run(daemon: &Daemon, context_id: &str) -> Result<Duration> {
    let mut owner = Client::connect(&daemon.socket)?;
    let suite = build(&mut owner, context_id, OUTCOMES, 2)?;
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut client = Client::connect(&daemon.socket)?;
            let suite = suite.clone();
            Ok(std::thread::spawn(move || read(&mut client, &suite)))
        })
        .collect::<Result<_>>()?;
    let mut longest = Duration::ZERO;
    for reader in readers {
        let took = reader.join().map_err(|_| anyhow::anyhow!("a reader broke down"))??;
        longest = longest.max(took);
    }
    Ok(longest)
}

fn read(client: &mut Client, suite: &str) -> Result<Duration> {
    let (mut start, mut stops) = (None, 0);
    loop {
        let events = match client.ask(&Request::GetSuiteEvents { suite_id: suite.to_owned() })? {
            Response::SuiteEvents { events } => events,
            other => bail!("no events: {other:?}"),
        };
        let start = *start.get_or_insert_with(Instant::now);
        for event in &events {
            match event.payload {
                SuiteEventPayload::CaseStopped { .. } => stops += 1,
                SuiteEventPayload::SuiteStopped { status: SuiteStatus::Passed } if stops == OUTCOMES => {
                    return Ok(start.elapsed());
                }
                SuiteEventPayload::SuiteStopped { status } => bail!("{stops} outcomes, and {status:?}"),
                _ => {}
            }
        }
    }
}

/// From the moment at which a runner begins a test until a reader knows it.
fn first_event(daemon: &Daemon, context_id: &str) -> Result<Duration> {
    let mut client = Client::connect(&daemon.socket)?;
    let suite = build(&mut client, context_id, 1, 1)?;
    let mut heard = None;
    loop {
        let events = match client.ask(&Request::GetSuiteEvents { suite_id: suite.clone() })? {
            Response::SuiteEvents { events } if events.is_empty() => break,
            Response::SuiteEvents { events } => events,
            other => bail!("no events: {other:?}"),
        };
        if events.iter().any(|event| matches!(event.payload, SuiteEventPayload::CaseStarted { .. })) {
            heard.get_or_insert_with(now_ns);
        }
    }
    let progress = Request::GetRunProgress { context_id: context_id.to_owned(), run_id: suite };
    let Response::RunProgress { results, .. } = client.ask(&progress)? else { bail!("no progress") };
    // The fake runner's message is the time by the same clock.
    let began: u64 = results.first().and_then(|result| result.message.as_deref()).context("no message")?.parse()?;
    Ok(Duration::from_nanos(heard.context("no start was told")?.saturating_sub(began)))
}

/// The machine's monotonic clock, which all processes have in common.
fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanoseconds = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanoseconds).unwrap_or_default()
}
