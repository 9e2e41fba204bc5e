//! A Ray cluster, reached by a driver process in the project's interpreter. A runner on a node has a connection to the
//! engine like a local one, so that nothing above knows the difference.
//!
//! Ray starts processes and carries messages. The order and completeness of events come from the driver's own numbers
//! (`worker/cluster`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pytest_lens_protocol::RayConfig;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::processes::cluster_protocol::RemoteOrder;
use crate::processes::code_snapshot::CodeSnapshots;
use crate::processes::hub::Hub;
use crate::processes::launcher::{Launcher, StartError};
use crate::processes::process::{Arrival, NoProcess, Process, ProcessEvent};
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::{FromWorker, ToWorker, WorkerOptions};
use crate::timing::{CLUSTER_LIMIT, NODE_LIMIT, SNAPSHOT_LIMIT};

/// How often a snapshot is taken again if files change meanwhile.
const ATTEMPTS: usize = 10;

/// A connected cluster.
pub(crate) struct RayCluster {
    /// The settings that it was made with.
    pub config: RayConfig,
    /// Ray's version.
    pub version: String,
    driver: Process,
    hub: Arc<Hub>,
    /// The number of CPUs of all nodes.
    cpus: watch::Receiver<usize>,
    /// Why it can't be used any more.
    failure: Arc<Mutex<Option<String>>>,
    snapshots: tokio::sync::Mutex<Snapshots>,
}

struct Snapshots {
    code: Arc<Mutex<CodeSnapshots>>,
    taken: mpsc::UnboundedReceiver<Taken>,
}

/// The driver's answer to a snapshot.
struct Taken {
    id: String,
    moved: Vec<String>,
    files: usize,
    bytes: u64,
}

/// A snapshot that the driver has.
#[derive(Debug, Clone)]
pub(crate) struct TakenSnapshot {
    pub id: String,
    /// Number of its files, and of their bytes.
    pub files: usize,
    pub bytes: u64,
}

/// The common properties of all runners of a run on a cluster.
#[derive(Clone)]
pub(crate) struct RemoteSession {
    pub snapshot: String,
    /// The collection may be forked.
    pub is_shared: bool,
    pub env: BTreeMap<String, String>,
    pub preload: Vec<String>,
    pub unfit: Vec<String>,
    pub collect_limit: Duration,
}

impl RayCluster {
    /// Starts the driver, and waits until it is connected to the cluster.
    ///
    /// # Errors
    ///
    /// A sentence: Ray is missing, or no cluster answers.
    pub(crate) async fn connect(launcher: &Launcher, root: PathBuf, config: RayConfig) -> Result<Self, StartError> {
        let ((driver, mut events), mut starting) = launcher.start_driver(&config).await?;
        let (version, cpus) = match timeout(CLUSTER_LIMIT, ready(&mut events)).await {
            Ok(ready) => ready?,
            Err(_) => {
                let limit = CLUSTER_LIMIT.as_secs();
                return Err(StartError::Failed(format!("the Ray cluster did not answer within {limit} s")));
            }
        };
        starting.0 = None;
        tracing::info!(version, cpus, "connected to a Ray cluster");
        let hub = Arc::clone(&launcher.hub);
        Ok(RayCluster::over((driver, events), hub, root, config, (version, cpus)))
    }

    /// The cluster behind a driver that is connected to it.
    pub(crate) fn over(
        (driver, events): Arrival,
        hub: Arc<Hub>,
        root: PathBuf,
        config: RayConfig,
        (version, cpus): (String, usize),
    ) -> Self {
        let (cpus_tx, cpus) = watch::channel(cpus);
        let (taken_tx, taken) = mpsc::unbounded_channel();
        let failure: Arc<Mutex<Option<String>>> = Arc::default();
        tokio::spawn(follow(events, cpus_tx, taken_tx, Arc::clone(&failure)));
        let snapshots =
            tokio::sync::Mutex::new(Snapshots { code: Arc::new(Mutex::new(CodeSnapshots::new(root))), taken });
        RayCluster { config, version, driver, hub, cpus, failure, snapshots }
    }

    /// Why it can't be used any more; `None` while it can.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of CPUs of all nodes, which changes when nodes join or leave.
    pub(crate) fn cpus(&self) -> watch::Receiver<usize> {
        self.cpus.clone()
    }

    /// Takes a snapshot of the files on the disk, and gives it to the driver.
    ///
    /// # Errors
    ///
    /// A sentence, if files change all the time, or the driver is gone.
    pub(crate) async fn snapshot(&self) -> Result<TakenSnapshot, String> {
        let mut snapshots = self.snapshots.lock().await;
        let mut moved = Vec::new();
        for _ in 0..ATTEMPTS {
            let (code, driver) = (Arc::clone(&snapshots.code), self.driver.clone());
            // Taken and sent in one go: the next snapshot is sent as changes from this one.
            let taking = tokio::task::spawn_blocking(move || {
                let change = code.lock().unwrap_or_else(PoisonError::into_inner).take();
                let id = change.id.clone();
                driver.send(ToWorker::Snapshot(change));
                id
            });
            let id = taking.await.map_err(|error| error.to_string())?;
            let answer = loop {
                match timeout(SNAPSHOT_LIMIT, snapshots.taken.recv()).await {
                    // An earlier request may have been given up.
                    Ok(Some(taken)) if taken.id != id => {}
                    Ok(Some(taken)) => break taken,
                    Ok(None) => return Err(self.failure().unwrap_or_else(gone)),
                    Err(_) => return Err("the cluster's driver does not answer".into()),
                }
            };
            if answer.moved.is_empty() {
                return Ok(TakenSnapshot { id, files: answer.files, bytes: answer.bytes });
            }
            snapshots.code.lock().unwrap_or_else(PoisonError::into_inner).forget();
            moved = answer.moved;
        }
        let file = moved.into_iter().next().unwrap_or_default();
        Err(format!("{file} changes all the time, so that no snapshot can be taken for the cluster"))
    }

    /// Starts a runner on a node, as soon as one has room for it. Dropping the future gives it up.
    pub(crate) async fn runner(&self, session: &RemoteSession, options: WorkerOptions) -> Result<Runner, NoProcess> {
        let awaited = self.hub.expect("remote");
        let mut unused = GiveUp { driver: &self.driver, host: Some(awaited.id.clone()) };
        let RemoteSession { snapshot, is_shared, env, preload, unfit, collect_limit } = session.clone();
        self.driver.send(ToWorker::StartRemote(Box::new(RemoteOrder {
            host: awaited.id.clone(),
            snapshot,
            is_shared,
            // Inputs of tests are recorded by paths and processes of this machine.
            options: WorkerOptions { record: false, ..options },
            env,
            preload,
            unfit,
            collect_limit: collect_limit.as_secs_f64(),
        })));
        let arrived = Process::arrive(awaited, NODE_LIMIT, Some(&self.driver)).await?;
        unused.host = None;
        Ok(Runner::on_node(arrived, self.driver.clone()))
    }
}

/// Gives up a runner that nobody waits for any more.
struct GiveUp<'a> {
    driver: &'a Process,
    host: Option<String>,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        if let Some(host) = self.host.take() {
            self.driver.send(ToWorker::KillRemote { host });
        }
    }
}

fn gone() -> String {
    "the cluster's driver has ended".into()
}

/// Waits until the driver is connected to the cluster.
async fn ready(events: &mut mpsc::UnboundedReceiver<ProcessEvent>) -> Result<(String, usize), StartError> {
    while let Some(event) = events.recv().await {
        match event {
            ProcessEvent::Message(message) => match *message {
                FromWorker::ClusterReady { cpus, version } => return Ok((version, cpus)),
                FromWorker::Fatal { message, .. } => return Err(StartError::Unusable(message)),
                _ => {}
            },
            ProcessEvent::Exited(status) => return Err(StartError::Failed(format!("the cluster's driver {status}"))),
            ProcessEvent::Lost => {}
        }
    }
    Err(StartError::Failed(gone()))
}

/// Reads the driver's messages until its end.
async fn follow(
    mut events: mpsc::UnboundedReceiver<ProcessEvent>,
    cpus_tx: watch::Sender<usize>,
    taken_tx: mpsc::UnboundedSender<Taken>,
    failure: Arc<Mutex<Option<String>>>,
) {
    while let Some(event) = events.recv().await {
        match event {
            ProcessEvent::Message(message) => match *message {
                FromWorker::ClusterSize { cpus } => drop(cpus_tx.send_replace(cpus)),
                FromWorker::SnapshotTaken { id, moved, files, bytes } => {
                    let _ = taken_tx.send(Taken { id, moved, files, bytes });
                }
                _ => {}
            },
            ProcessEvent::Lost => break,
            ProcessEvent::Exited(_) => break,
        }
    }
    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(gone());
}
