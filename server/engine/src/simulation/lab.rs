//! One scenario, played with the engine's own recorder, driver, pool, hub, cluster and history on a paused clock.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use pytest_lens_analysis::PytestSettings;
use pytest_lens_history::History;
use pytest_lens_protocol::{RayConfig, Settings};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::checks::{self, Violation};
use super::client;
use super::cluster::Cluster;
use super::faults;
use super::log_reader::{self, Seen};
use super::machine::Machine;
use super::records::Records;
use super::scenario::Scenario;
use super::worker::start_interpreter;
use crate::clock::Clock;
use crate::model::node::Analyses;
use crate::model::scope::Scope;
use crate::processes::activation::Activation;
use crate::processes::collected_session::{CollectOrder, CollectedSession, Collector, collect};
use crate::processes::exclusive_session::ExclusiveSession;
use crate::processes::hub::Hub;
use crate::processes::launcher::Launcher;
use crate::processes::mode::ModeRequest;
use crate::processes::pool::Pool;
use crate::processes::process::Process;
use crate::processes::ray_cluster::RayCluster;
use crate::processes::stdio_relay::StdioRelays;
use crate::processes::worker_protocol::{Purpose, WorkerOptions};
use crate::project::recorder::{Command, Recorder};
use crate::project::state::ProjectState;

/// The first moment of every scenario, Unix time in milliseconds.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// Far more than the longest of the engine's limits (15 minutes for a node): a run that has not ended by then never will.
const RUNS_LIMIT: Duration = Duration::from_secs(4 * 3600);

/// More than the longest time that a runner gets to end, and than a node is missed.
const SETTLED_AFTER: Duration = Duration::from_secs(200);

/// The engine's parts that a scenario uses.
pub(super) struct Lab {
    pub scenario: Arc<Scenario>,
    pub machine: Arc<Machine>,
    pub clock: Clock,
    pub state: Arc<ProjectState>,
    pub pool: Arc<Pool>,
    pub commands: mpsc::UnboundedSender<Command>,
    pub cluster: Option<(Arc<Cluster>, Arc<RayCluster>)>,
    pub records: Arc<Records>,
    /// The newest collected session, which several runs may use.
    collected: tokio::sync::Mutex<Option<Arc<CollectedSession>>>,
    /// Rules of the engine that were broken meanwhile.
    pub violations: Mutex<Vec<String>>,
}

/// The result of a scenario that broke no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Played {
    /// Number of events that were delivered to the engine.
    pub steps: u64,
    /// A hash over these events and the clients' log.
    pub digest: u64,
}

/// Plays a scenario. `folder`: for its files.
pub(super) fn play(scenario: Scenario, folder: &Path) -> Result<Played, Violation> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| Violation(error.to_string()))?;
    let played = runtime.block_on(act(Arc::new(scenario), folder));
    runtime.shutdown_background();
    played
}

async fn act(scenario: Arc<Scenario>, folder: &Path) -> Result<Played, Violation> {
    let root = folder.join("project");
    std::fs::create_dir_all(&root).map_err(|error| Violation(error.to_string()))?;
    let records = Records::new(&scenario, folder, &root);
    let lab = Lab::open(&scenario, &root, Arc::clone(&records)).await?;
    let keeping = tokio::spawn(Arc::clone(&records).keep(lab.clock, Arc::clone(&lab.machine)));
    let readers = [false, true].map(|leaves| tokio::spawn(log_reader::follow(Arc::clone(&lab), leaves)));
    let faults = tokio::spawn(faults::happen(Arc::clone(&lab)));
    let runs = (0..scenario.runs.len()).map(|number| tokio::spawn(client::run(Arc::clone(&lab), number)));
    let runs = futures::future::join_all(runs.collect::<Vec<_>>());
    let requested = timeout(RUNS_LIMIT, runs).await.map_err(|_| lab.hang())?;
    let mut ended = Vec::new();
    for run in requested {
        ended.push(run.map_err(|error| Violation(format!("a run's task failed: {error}")))??);
    }
    faults.abort();
    records.heal();
    sleep(SETTLED_AFTER).await;
    lab.state.log.close();
    let [whole, partial] = readers;
    let seen: Seen = whole.await.map_err(|error| Violation(error.to_string()))??;
    let other: Seen = partial.await.map_err(|error| Violation(error.to_string()))??;
    keeping.abort();
    if seen.digest != other.digest {
        return Err(Violation("a reader that came and went has seen another log".into()));
    }
    checks::all(&lab, &ended, &seen)?;
    let (steps, digest) = lab.machine.progress();
    records.check(&seen.attempts(), lab.clock.now_ms())?;
    Ok(Played { steps, digest: digest ^ seen.digest })
}

impl Lab {
    async fn open(scenario: &Arc<Scenario>, root: &Path, records: Arc<Records>) -> Result<Arc<Self>, Violation> {
        let machine = Machine::new(Arc::clone(scenario));
        let hub = Arc::new(Hub::without_door(machine.roster.clone()));
        let starting = Arc::clone(&machine);
        let (printed, heard) = mpsc::unbounded_channel();
        let launcher = Launcher {
            hub: Arc::clone(&hub),
            root: root.to_owned(),
            python: ArcSwap::from_pointee("python".into()),
            worker_dir: root.join("worker"),
            cache_dir: root.join("cache"),
            tmp_dir: root.join("tmp"),
            next_run_folder: AtomicU32::default(),
            terminal: false,
            takes_addopts: true,
            folder: None,
            activation: Activation::default(),
            env: Mutex::default(),
            relays: StdioRelays::new(printed),
            alive: Mutex::new(Some(HashMap::new())),
            simulated: Some(Box::new(move |name| start_interpreter(&starting, &name))),
        };
        let analyses = Arc::new(Analyses::default());
        let pool = Arc::new(Pool::new(launcher, scenario.mode, Arc::clone(&analyses), false));
        let clock = Clock::Simulated { epoch_ms: EPOCH_MS, begun: Instant::now() };
        let history: Arc<History> = records.history();
        let (settings, pytest) = (Settings::default(), PytestSettings::default());
        let state = Arc::new(ProjectState::new(root.to_owned(), pytest, settings, history, analyses));
        let (commands, mailbox) = mpsc::unbounded_channel();
        tokio::spawn(Recorder::new(Arc::clone(&state), clock).work(mailbox, heard));
        let told = commands.clone();
        state.history.listen(move |changed| told.send(Command::Recorded(changed.clone())).is_ok());
        let cluster = if scenario.nodes.is_empty() { None } else { Some(connect(&machine, &hub, root).await?) };
        Ok(Arc::new(Lab {
            scenario: Arc::clone(scenario),
            machine,
            clock,
            state,
            pool,
            commands,
            cluster,
            records,
            collected: tokio::sync::Mutex::default(),
            violations: Mutex::default(),
        }))
    }

    /// A collected session for a run, as the pool makes one where none is present; `None` if its processes end.
    pub(super) async fn session(&self) -> Option<(Arc<CollectedSession>, ExclusiveSession)> {
        let mut kept = self.collected.lock().await;
        if let Some(collected) = kept.as_ref().filter(|collected| collected.is_shared() && collected.is_usable()) {
            return Some((Arc::clone(collected), ExclusiveSession::default()));
        }
        for _ in 0..3 {
            let Ok(base) = self.pool.base().await else { continue };
            let by = if self.scenario.mode == ModeRequest::Subprocess { Collector::Base } else { Collector::Fork };
            let order = CollectOrder {
                scope: Scope::All,
                options: WorkerOptions::default(),
                root: self.state.root.clone(),
                variables: Default::default(),
                settings: Arc::default(),
                analyses: Arc::clone(&self.state.analyses),
                limit: Duration::from_secs(60),
                by,
                purpose: Purpose::Run,
                exiting: self.pool.exiting.clone(),
                window: None,
                crash_inputs: Default::default(),
            };
            if let Ok((collected, exclusive)) = collect(&self.pool.launcher.hub, base, order).await {
                let collected = Arc::new(collected);
                *kept = Some(Arc::clone(&collected));
                return Some((collected, exclusive));
            }
        }
        None
    }

    /// The runs that have not ended, and the live processes.
    fn hang(&self) -> Violation {
        let open = self.state.runs.iter().filter(|run| !run.is_over());
        let runs: Vec<String> =
            open.map(|run| format!("{} ({} of {} tests over)", run.key(), run.state().completed, run.total)).collect();
        Violation(format!("{runs:?} did not end; alive: {:?}", self.machine.names()))
    }

    /// Notes that a rule was broken.
    pub(super) fn breaks(&self, rule: String) {
        self.violations.lock().expect("no panic").push(rule);
    }

    /// The tests of a run that the others' clients requested as well.
    pub(super) fn is_shared_with_others(&self, number: usize, test: usize) -> bool {
        let others = self.scenario.runs.iter().enumerate().filter(|(other, _)| *other != number);
        others.map(|(_, run)| run.selected.iter().collect::<BTreeSet<_>>()).any(|tests| tests.contains(&test))
    }
}

/// Starts the driver of the cluster, and connects to it.
async fn connect(
    machine: &Arc<Machine>,
    hub: &Arc<Hub>,
    root: &Path,
) -> Result<(Arc<Cluster>, Arc<RayCluster>), Violation> {
    let awaited = hub.expect("cluster");
    let gone = || Violation("the simulated cluster did not start".into());
    let cluster = Cluster::start(machine, &awaited.id).ok_or_else(gone)?;
    let arrived = Process::arrive(awaited, Duration::from_secs(1), None).await.map_err(|_| gone())?;
    let facts = ("simulated".to_owned(), cluster.cpus());
    let ray = RayCluster::over(arrived, Arc::clone(hub), root.to_owned(), RayConfig::default(), facts);
    Ok((cluster, Arc::new(ray)))
}

/// A sender without receivers, for what nobody follows.
pub(super) fn watched<T>(value: T) -> watch::Sender<T> {
    watch::Sender::new(value)
}
