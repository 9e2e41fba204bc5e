//! Starts interpreters of one project: fresh ones, warm and ready to be forked or to become a session themselves.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use pytest_lens_platform::processes::{ending_signal, set_own_group, stay_stoppable};
use pytest_lens_platform::stdio::OutputPipe;
use pytest_lens_protocol::{OutputStream, RayConfig};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::processes::activation::Activation;
use crate::processes::cluster_protocol::ClusterBoot;
use crate::processes::disk_snapshot::{FolderIdentity, Snapshot};
use crate::processes::hub::Hub;
use crate::processes::liveness::{Liveness, stopped_too_long};
use crate::processes::preload::Preload;
use crate::processes::process::{Arrival, ExitStatus, NoProcess, Process, ProcessEvent, is_exhaustion};
use crate::processes::process_tree::{KillOnDrop, ProcessHandle, await_all, descendants, kill_tree};
use crate::processes::project_files;
use crate::processes::stdio_relay::StdioRelays;
use crate::processes::wire_reads::Counted;
use crate::processes::worker_files::{DRIVER, INTERPRETER, TOO_OLD, forget_compiled, program_of};
use crate::processes::worker_protocol::{Boot, FromWorker, Purpose, Ready, Role, ToWorker, WorkerOptions};
use crate::timing::{BOOT_LIMIT, FORK_LIMIT, KEEPER_LIMIT};

/// Interpreters by pid, each with a signal for its end.
pub(crate) type Alive = HashMap<u32, watch::Receiver<bool>>;

/// The options with which every interpreter of a project is started.
pub(crate) struct Launcher {
    pub hub: Arc<Hub>,
    pub root: PathBuf,
    /// The interpreter in use.
    pub python: ArcSwap<PathBuf>,
    pub worker_dir: PathBuf,
    pub cache_dir: PathBuf,
    pub tmp_dir: PathBuf,
    /// The number of the next run's folder in it.
    pub next_run_folder: AtomicU32,
    /// Interpreters share this process's standard streams and process group.
    pub terminal: bool,
    /// Sessions read `PYTEST_ADDOPTS` of this process's environment.
    pub takes_addopts: bool,
    /// The folder in which its sessions run, if that is not the root.
    pub folder: Option<PathBuf>,
    /// The environment of the client that opened the project.
    pub activation: Activation,
    pub env: Mutex<BTreeMap<String, String>>,
    pub relays: StdioRelays,
    /// The live interpreters of this project; `None` after it has closed.
    pub alive: Mutex<Option<Alive>>,
    /// Starts a simulated interpreter of this name instead.
    #[cfg(test)]
    pub simulated: Option<Box<dyn Fn(String) + Send + Sync>>,
}

/// A warm interpreter: pytest and some third-party modules are loaded, and nothing of the project.
pub(crate) struct Base {
    pub process: Process,
    pub ready: Ready,
    /// The folder in which it was started.
    root: FolderIdentity,
    snapshot: Mutex<Snapshot>,
    /// The start of the last comparison that found no change.
    compared: Mutex<Option<Instant>>,
    events: Mutex<Option<mpsc::UnboundedReceiver<ProcessEvent>>>,
}

impl Base {
    /// An interpreter that is `ready`, and was started in the folder `root`.
    pub(crate) fn new((process, events): Arrival, ready: Ready, root: FolderIdentity) -> Self {
        let snapshot = Mutex::new(Snapshot::new(ready.read.clone()));
        Base { process, ready, root, snapshot, compared: Mutex::default(), events: Mutex::new(Some(events)) }
    }

    /// Returns whether its loaded files are unchanged, and it is alive.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_fresh_since(Instant::now())
    }

    /// The same for a request of this time.
    pub(crate) fn is_fresh_since(&self, requested: Instant) -> bool {
        let unused = self.events.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        unused && self.process.is_usable() && self.is_unchanged_since(requested)
    }

    /// As [`Base::is_unchanged`], unless it was compared since a request.
    pub(crate) fn is_unchanged_since(&self, requested: Instant) -> bool {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if compared.is_none_or(|begun| begun < requested) {
            let begun = Instant::now();
            *compared = self.is_unchanged().then_some(begun);
        }
        compared.is_some()
    }

    /// Returns whether its loaded files, the interpreter itself and the installed packages are unchanged, and the root
    /// is still the folder in which it was started.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.root.holds() && self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).is_fresh()
    }

    /// Its own inputs: loaded files, the interpreter, installed packages.
    pub(crate) fn ground(&self) -> Snapshot {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The interpreter's version, and the names and versions of its libraries. Blocks.
    pub(crate) fn libraries(&self) -> String {
        let folders = self.ready.read.dirs.iter().filter(|folder| matches!(folder.4, Counted::Installed));
        let entries = folders.flat_map(|folder| std::fs::read_dir(&folder.0).into_iter().flatten().flatten());
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut libraries: Vec<String> =
            names.filter(|name| name.ends_with(".dist-info") || name.ends_with(".egg-info")).collect();
        libraries.sort_unstable();
        format!("{}\n{}", self.ready.python, libraries.join("\n"))
    }

    /// Turns the interpreter into a session or a collection: the same process, name and connection. Possible once;
    /// afterwards it can't be forked.
    pub(crate) fn become_role(
        &self,
        role: Role,
        options: WorkerOptions,
        purpose: Purpose,
    ) -> Result<Arrival, NoProcess> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        let events = events.ok_or_else(|| NoProcess::new("the interpreter is in use"))?;
        self.process.send(ToWorker::Become { host: self.process.id.clone(), role, options, purpose });
        Ok((self.process.clone(), events))
    }

    /// Forks it.
    pub(crate) async fn fork(
        &self,
        hub: &Hub,
        role: Role,
        options: WorkerOptions,
        purpose: Purpose,
    ) -> Result<Arrival, NoProcess> {
        let awaited = hub.expect(if role == Role::Session { "session" } else { "collected" });
        self.process.send(ToWorker::Fork { host: awaited.id.clone(), role, options: Some(options), purpose });
        Process::arrive(awaited, FORK_LIMIT, Some(&self.process)).await
    }
}

/// Processes whose end is awaited.
pub(crate) struct Family {
    interpreters: HashMap<u32, watch::Receiver<bool>>,
    descendants: Vec<ProcessHandle>,
}

/// The reason why an interpreter did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StartError {
    /// It can't run pytest: the sentence says what to do.
    #[error("{0}")]
    Unusable(String),
    /// The machine has no more processes, memory or open files.
    #[error("{0}")]
    Exhausted(String),
    /// Another failure.
    #[error("{0}")]
    Failed(String),
}

impl From<StartError> for NoProcess {
    fn from(error: StartError) -> Self {
        NoProcess { is_exhaustion: matches!(error, StartError::Exhausted(_)), ..NoProcess::new(error.to_string()) }
    }
}

/// Returns whether damaged compiled files can cause such a failure.
fn is_cut(message: &str) -> bool {
    ["EOFError", "marshal", "bad magic number"].iter().any(|sign| message.contains(sign))
}

/// The beginning of an interpreter's stderr.
#[derive(Default)]
struct Stderr(Arc<Mutex<String>>);

impl Stderr {
    /// Its line on a fatal error of Python, or else its last line, as the end of a sentence; empty if nothing was printed.
    fn last_line(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let fatal = lines.clone().find(|line| line.starts_with("Fatal Python error: "));
        let last = fatal.or_else(|| lines.next_back());
        last.map_or_else(String::new, |line| format!(": {line}"))
    }
}

/// The process between the engine and an interpreter ends with it; a test may have stopped it.
async fn await_keeper_exit(keeper: i32, kept: Arc<Liveness>, mut ended: watch::Receiver<bool>) {
    kept.ended().await;
    if timeout(KEEPER_LIMIT, ended.wait_for(|ended| *ended)).await.is_err() {
        kill_tree(keeper);
    }
}

impl Launcher {
    /// The interpreter in use.
    pub(crate) fn python(&self) -> PathBuf {
        (**self.python.load()).clone()
    }

    /// Starts an interpreter and waits until it is warm.
    pub(crate) async fn start(&self, preload: &Preload) -> Result<Base, StartError> {
        self.start_with(&[], preload).await
    }

    /// Starts an interpreter with options of Python's own, and waits until it is warm.
    pub(crate) async fn start_with(&self, flags: &[&str], preload: &Preload) -> Result<Base, StartError> {
        match self.try_start(flags, preload).await {
            // The compiled files of the worker were cut off, by a full disk for instance.
            Err(StartError::Failed(message)) if is_cut(&message) && forget_compiled(&self.worker_dir) => {
                tracing::warn!(message, "the worker's compiled files were damaged, and are made again");
                self.try_start(flags, preload).await
            }
            started => started,
        }
    }

    async fn try_start(&self, flags: &[&str], preload: &Preload) -> Result<Base, StartError> {
        let root = FolderIdentity::of(&self.root);
        let awaited = self.hub.expect("base");
        #[cfg(test)]
        if let Some(start) = &self.simulated {
            start(awaited.id.clone());
            let failed = |error: NoProcess| StartError::Failed(error.to_string());
            let (process, mut events) = Process::arrive(awaited, BOOT_LIMIT, None).await.map_err(failed)?;
            let ready = self.ready(&process, &mut events, &Stderr::default()).await?;
            return Ok(Base::new((process, events), ready, root));
        }
        let program = program_of(&self.worker_dir, INTERPRETER);
        let mut command = self.command(flags, &program, self.boot(&awaited.id, preload)?);
        let (ended, ending) = watch::channel(false);
        let kept = ending.clone();
        let child = self.spawn(&mut command, ending)?;
        let mut starting = KillOnDrop(child.id().and_then(|pid| i32::try_from(pid).ok()));
        let printed = self.watch_child(child, awaited.id.clone(), ended);
        let (process, mut events) = match Process::arrive(awaited, BOOT_LIMIT, None).await {
            Ok(arrived) => arrived,
            Err(error) => {
                self.relays.flush().await;
                let said = printed.last_line();
                return Err(match said.find(TOO_OLD) {
                    Some(at) => StartError::Unusable(said[at..].to_owned()),
                    None => StartError::Failed(format!("{}: {error}{said}", self.python().display())),
                });
            }
        };
        if let Some(keeper) = starting.0 {
            tokio::spawn(await_keeper_exit(keeper, process.liveness(), kept));
        }
        let ready = tokio::select! {
            ready = self.ready(&process, &mut events, &printed) => ready,
            () = tokio::time::sleep(BOOT_LIMIT) => Err(StartError::Failed(format!(
                "{} did not get pytest loaded within {} s; look for a slow sitecustomize or plugin",
                self.python().display(),
                BOOT_LIMIT.as_secs()
            ))),
            () = stopped_too_long(process.pid) => {
                let status = ExitStatus { was_stopped: true, ..ExitStatus::default() };
                Err(StartError::Failed(format!("{} {status}", self.python().display())))
            }
        }?;
        starting.0 = None;
        Ok(Base::new((process, events), ready, root))
    }

    /// The start message for an interpreter, as JSON.
    fn boot(&self, id: &str, preload: &Preload) -> Result<String, StartError> {
        let boot = Boot {
            socket: self.hub.address().into(),
            token: self.hub.token().into(),
            host: id.to_owned(),
            root: self.root.to_string_lossy().into(),
            cache_dir: self.cache_dir.to_string_lossy().into(),
            tmp_dir: self.tmp_dir.to_string_lossy().into(),
            terminal: self.terminal,
            folder: self.folder.as_ref().map(|folder| folder.to_string_lossy().into()),
            preload: preload.modules.clone(),
            harmless: Vec::new(),
            unsafe_names: preload.unfit.iter().cloned().collect(),
        };
        serde_json::to_string(&boot).map_err(|error| StartError::Failed(error.to_string()))
    }

    /// Starts the driver of a cluster. Its first message follows; until then the guard ends it.
    pub(crate) async fn start_driver(&self, config: &RayConfig) -> Result<(Arrival, KillOnDrop), StartError> {
        let awaited = self.hub.expect("cluster");
        let boot = ClusterBoot {
            socket: self.hub.address().into(),
            token: self.hub.token().into(),
            host: awaited.id.clone(),
            root: self.root.to_string_lossy().into(),
            cache_dir: self.cache_dir.to_string_lossy().into(),
            tmp_dir: self.tmp_dir.to_string_lossy().into(),
            address: config.address.clone(),
            packages: config.packages.clone(),
        };
        let boot = serde_json::to_string(&boot).map_err(|error| StartError::Failed(error.to_string()))?;
        let mut command = self.command(&[], &program_of(&self.worker_dir, DRIVER), boot);
        let (ended, ending) = watch::channel(false);
        let child = self.spawn(&mut command, ending)?;
        let starting = KillOnDrop(child.id().and_then(|pid| i32::try_from(pid).ok()));
        let printed = self.watch_child(child, awaited.id.clone(), ended);
        let arrived = Process::arrive(awaited, BOOT_LIMIT, None).await;
        let said = || printed.last_line();
        let arrived =
            arrived.map_err(|error| StartError::Failed(format!("the cluster's driver: {error}{}", said())))?;
        Ok((arrived, starting))
    }

    fn command(&self, flags: &[&str], program: &str, boot: String) -> Command {
        let mut command = Command::new(self.python());
        if !self.takes_addopts {
            // The settings may have one.
            command.env_remove("PYTEST_ADDOPTS");
        }
        self.activation.apply(&mut command);
        command
            .args(flags)
            .arg("-c")
            .arg(program)
            .current_dir(&self.root)
            .envs(&*self.env.lock().unwrap_or_else(PoisonError::into_inner))
            .env("PYTEST_LENS_BOOT", boot);
        if self.terminal {
            stay_stoppable(command.as_std_mut());
        } else {
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            set_own_group(&mut command);
        }
        // An engine that is run by pytest must not pass that run off as the tests' own.
        for name in ["PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"] {
            command.env_remove(name);
        }
        command
    }

    /// Forwards an interpreter's output, and reports its end. Returns the beginning of its stderr.
    fn watch_child(&self, mut child: Child, id: String, ended: watch::Sender<bool>) -> Stderr {
        let stderr = Stderr::default();
        if let Some(pipe) = child.stdout.take().and_then(|pipe| OutputPipe::of_stdout(pipe).ok()) {
            self.relays.pass_on(pipe, OutputStream::Stdout, None);
        }
        if let Some(pipe) = child.stderr.take().and_then(|pipe| OutputPipe::of_stderr(pipe).ok()) {
            self.relays.pass_on(pipe, OutputStream::Stderr, Some(Arc::clone(&stderr.0)));
        }
        let hub = Arc::clone(&self.hub);
        tokio::spawn(async move {
            let status = child.wait().await.map(|status| ExitStatus {
                code: status.code(),
                signal: ending_signal(status),
                ..ExitStatus::default()
            });
            hub.report_exit(&id, status.unwrap_or_default());
            ended.send_replace(true);
        });
        stderr
    }

    /// Waits until a connected interpreter is warm.
    async fn ready(
        &self,
        process: &Process,
        events: &mut mpsc::UnboundedReceiver<ProcessEvent>,
        printed: &Stderr,
    ) -> Result<Ready, StartError> {
        while let Some(event) = events.recv().await {
            match event {
                ProcessEvent::Message(message) => match *message {
                    FromWorker::Ready(ready) => {
                        tracing::debug!(pid = process.pid, pytest = ready.pytest, "an interpreter is ready");
                        return Ok(*ready);
                    }
                    FromWorker::Fatal { code, message } if code == "boot_failed" => {
                        return Err(StartError::Failed(message));
                    }
                    FromWorker::Fatal { message, .. } => return Err(StartError::Unusable(message)),
                    _ => {}
                },
                ProcessEvent::Exited(status) => {
                    let said = printed.last_line();
                    return Err(StartError::Failed(format!("{} {status}{said}", self.python().display())));
                }
                ProcessEvent::Lost => {}
            }
        }
        Err(StartError::Failed("the Python process went away".into()))
    }

    /// Starts the process, unless the project has closed and nobody waits for it.
    fn spawn(&self, command: &mut Command, ending: watch::Receiver<bool>) -> Result<Child, StartError> {
        let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(alive) = alive.as_mut() else {
            return Err(StartError::Failed("the context was shut down".into()));
        };
        let child = command.spawn().map_err(|error| {
            if let Some(gone) = project_files::gone(&self.root) {
                return StartError::Failed(gone);
            }
            let python = self.python();
            let why = format!("the Python interpreter {} can't be started ({error})", python.display());
            if error.raw_os_error().is_some_and(is_exhaustion) {
                return StartError::Exhausted(format!("{why}; end other processes, and try again"));
            }
            StartError::Unusable(format!("{why}; set pytestLens.pythonPath to one that works"))
        })?;
        alive.retain(|_, ended| !*ended.borrow());
        alive.extend(child.id().map(|pid| (pid, ending)));
        Ok(child)
    }

    /// Starts no more interpreters. Returns the live ones and all processes below them, for [`Launcher::all_gone`].
    pub(crate) fn family(&self) -> Family {
        let alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let roots = alive.keys().filter_map(|&pid| i32::try_from(pid).ok());
        let descendants = roots.flat_map(descendants).filter_map(ProcessHandle::of).collect();
        Family { interpreters: alive, descendants }
    }

    /// Waits until every process of `family` has ended; their connections are already closed. Kills those that are left
    /// after `limit`.
    pub(crate) async fn all_gone(family: Family, limit: Duration) {
        let until = Instant::now() + limit;
        for (pid, mut ended) in family.interpreters {
            if timeout_at(until, ended.wait_for(|ended| *ended)).await.is_err()
                && let Ok(root) = i32::try_from(pid)
            {
                kill_tree(root);
                let _ = timeout(limit, ended.wait_for(|ended| *ended)).await;
            }
        }
        // A runner ends after the process that it was forked from, and has no parent then.
        let _ = tokio::task::spawn_blocking(move || await_all(&family.descendants, limit)).await;
    }
}
