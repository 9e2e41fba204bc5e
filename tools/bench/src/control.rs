//! Measures run control: outcomes of fake runners to one reader and to three over the socket, in memory that does not
//! grow; the delay until a test's start and its outcome are known; and the time until a killed run has left nothing
//! running.

use super::processes::{processor_time, resident};
use super::socket::{Client, Daemon};
use super::{Bench, Figure, median, milliseconds, percentile_99};
use anyhow::{Context, Result, bail};
use chores::paths;
use chores::venv::Venv;
use pytest_lens_protocol::{
    PROTOCOL_VERSION, Request, Response, SuiteEventPayload, SuiteOptions, SuiteSpec, SuiteStatus,
};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

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
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let daemon = Daemon::start(&bench.binary, &bench.state.join("control"))?;
    let (root, python) = project(&bench.venv, &bench.home.join("fake"))?;
    let mut client = Client::connect(&daemon.socket)?;
    let context_id = open(&mut client, &root, &python)?;
    let scene = Scene { daemon, context_id, outcomes: bench.pick(10_000, 200) };
    let mut figures = scene.three_readers(bench)?;
    figures.extend(scene.one_client(bench)?);
    let starts = (0..bench.pick(40, 2)).map(|_| scene.first_event()).collect::<Result<_>>()?;
    let start = milliseconds(median(starts));
    figures.push(Figure::limit("a test's start, from its runner to the reader", start, 5.0, "ms"));
    figures.push(killing(bench, &mut client)?);
    Ok(figures)
}

/// Opens a project with this interpreter.
fn open(client: &mut Client, root: &Path, python: &Path) -> Result<String> {
    let opened = client.ask(&Request::InitContext {
        protocol_version: PROTOCOL_VERSION,
        repo_path: root.to_string_lossy().into_owned(),
        python_path: Some(python.to_string_lossy().into_owned()),
        execution_mode: Some("embedded".into()),
        activated: None,
    })?;
    let Response::ContextReady { context_id, .. } = opened else { bail!("no context: {opened:?}") };
    Ok(context_id)
}

/// From a kill until none of fifty grandchildren is left.
fn killing(bench: &Bench, client: &mut Client) -> Result<Figure> {
    let root = &bench.home.join("killed");
    fs::create_dir_all(root)?;
    fs::write(root.join("test_fake.py"), BREEDING)?;
    let context_id = open(client, root, &bench.venv.python())?;
    let folder = root.join("grandchildren");
    let mut times = Vec::new();
    for _ in 0..bench.pick(5, 1) {
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
    Ok(Figure::limit("kill of a run with 50 grandchildren", milliseconds(median(times)), 1_000.0, "ms"))
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

/// A daemon whose project has fake runners.
struct Scene {
    daemon: Daemon,
    context_id: String,
    /// Outcomes of a run.
    outcomes: usize,
}

/// A run as a reader saw it.
struct Seen {
    /// From the first event to the end.
    took: Duration,
    /// The names of the cases, and when each was over.
    names: Vec<String>,
    over: Vec<(u32, u64)>,
}

impl Scene {
    fn three_readers(&self, bench: &Bench) -> Result<Vec<Figure>> {
        // By the first run that counts the log holds as much as it ever does. The history remembers the last 200
        // attempts of a test, in memory that doubles when it is full: after 16 of them, and again only after 32.
        let (warm_up, runs) = bench.pick((18, 12), (0, 1));
        let (mut times, mut before) = (Vec::new(), 0.0);
        for run in 0..warm_up + runs {
            if run == warm_up {
                before = resident(self.daemon.id())?;
            }
            times.push(self.run(3)?.1.into_iter().map(|seen| seen.took).max().unwrap_or_default());
        }
        let growth = (resident(self.daemon.id())? - before).max(0.0);
        let rate = self.rate(times.split_off(warm_up));
        let outcomes = runs * self.outcomes;
        Ok(vec![
            Figure::rate("outcomes a second, fake runners to three readers", rate, 10_000.0),
            Figure::limit(format!("daemon memory, growth over {outcomes} outcomes"), growth, 5.0, "MB"),
        ])
    }

    fn one_client(&self, bench: &Bench) -> Result<Vec<Figure>> {
        let runs = bench.pick(12, 1);
        let (mut times, mut delays) = (Vec::new(), Vec::new());
        let before = processor_time(self.daemon.id())?;
        for _ in 0..runs {
            let (suite, seen) = self.run(1)?;
            for seen in seen {
                delays.extend(self.delays(&suite, &seen)?);
                times.push(seen.took);
            }
        }
        let used = processor_time(self.daemon.id())? - before;
        let each = used.as_secs_f64() * 1e6 / (runs * self.outcomes) as f64;
        let slowest = milliseconds(percentile_99(delays));
        Ok(vec![
            Figure::rate("outcomes a second, fake runners to one client", self.rate(times), 30_000.0),
            Figure::limit("the same: an outcome, from its runner to the client, p99", slowest, 25.0, "ms"),
            Figure::limit("the same: the daemon's processor time for each", each, None::<f64>, "µs"),
        ])
    }

    fn rate(&self, times: Vec<Duration>) -> f64 {
        self.outcomes as f64 / median(times).as_secs_f64()
    }

    /// One run, from its first event to the end at each of so many readers. Its client ends with it.
    fn run(&self, readers: usize) -> Result<(Ended, Vec<Seen>)> {
        let mut owner = Client::connect(&self.daemon.socket)?;
        let suite = build(&mut owner, &self.context_id, self.outcomes, 2)?;
        let readers: Vec<_> = (0..readers)
            .map(|_| {
                let mut client = Client::connect(&self.daemon.socket)?;
                let (suite, outcomes) = (suite.clone(), self.outcomes);
                Ok(std::thread::spawn(move || read(&mut client, &suite, outcomes)))
            })
            .collect::<Result<_>>()?;
        let mut seen = Vec::new();
        for reader in readers {
            seen.push(reader.join().map_err(|_| anyhow::anyhow!("a reader broke down"))??);
        }
        Ok((Ended { owner, suite }, seen))
    }

    /// How long each outcome took from its runner to the reader.
    fn delays(&self, ended: &Ended, seen: &Seen) -> Result<Vec<Duration>> {
        let began = self.began(ended)?;
        let delay = |(case, at): &(u32, u64)| {
            let name = seen.names.get(*case as usize)?;
            Some(Duration::from_nanos(at.saturating_sub(*began.get(name)?)))
        };
        let delays: Vec<Duration> = seen.over.iter().filter_map(delay).collect();
        if delays.len() != self.outcomes {
            bail!("{} outcomes were to have a time, but only {} have", self.outcomes, delays.len());
        }
        Ok(delays)
    }

    /// When each test began: the fake runner's message is the time by the machine's clock.
    fn began(&self, ended: &Ended) -> Result<HashMap<String, u64>> {
        let mut client = Client::connect(&self.daemon.socket)?;
        let progress = Request::GetRunProgress { context_id: self.context_id.clone(), run_id: ended.suite.clone() };
        let Response::RunProgress { results, .. } = client.ask(&progress)? else { bail!("no progress") };
        results.into_iter().map(|result| Ok((result.node_id, result.message.context("no message")?.parse()?))).collect()
    }

    /// From the moment at which a runner begins a test until a reader knows it.
    fn first_event(&self) -> Result<Duration> {
        let mut client = Client::connect(&self.daemon.socket)?;
        let suite = build(&mut client, &self.context_id, 1, 1)?;
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
        let began = self.began(&Ended { owner: client, suite })?.into_values().next().context("no outcome")?;
        Ok(Duration::from_nanos(heard.context("no start was told")?.saturating_sub(began)))
    }
}

/// A run that is over, remembered as long as its client is there.
struct Ended {
    #[expect(dead_code, reason = "its end would end the run")]
    owner: Client,
    suite: String,
}

fn read(client: &mut Client, suite: &str, outcomes: usize) -> Result<Seen> {
    let mut start = None;
    let mut seen = Seen { took: Duration::ZERO, names: Vec::new(), over: Vec::new() };
    loop {
        let events = match client.ask(&Request::GetSuiteEvents { suite_id: suite.to_owned() })? {
            Response::SuiteEvents { events } => events,
            other => bail!("no events: {other:?}"),
        };
        let start = *start.get_or_insert_with(Instant::now);
        let now = now_ns();
        for event in events {
            match event.payload {
                SuiteEventPayload::CaseFound { test_case_name, .. } => seen.names.push(test_case_name),
                SuiteEventPayload::CaseStopped { identifier, .. } => seen.over.push((identifier, now)),
                SuiteEventPayload::SuiteStopped { status: SuiteStatus::Passed } if seen.over.len() == outcomes => {
                    return Ok(Seen { took: start.elapsed(), ..seen });
                }
                SuiteEventPayload::SuiteStopped { status } => bail!("{} outcomes, and {status:?}", seen.over.len()),
                _ => {}
            }
        }
    }
}

/// The machine's monotonic clock, which all processes have in common.
fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanoseconds = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanoseconds).unwrap_or_default()
}
