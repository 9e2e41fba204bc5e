//! Starts interpreters of one context: fresh ones, warm and ready to fork or to become a session themselves.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pytest_lens_protocol::OutputStream;
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};

use crate::hub::Hub;
use crate::process::{Arrived, ExitStatus, FORK_LIMIT, Process, ProcessEvent};
use crate::procs::kill_tree;
use crate::snapshot::Snapshot;
use crate::wire::{Boot, FromWorker, Ready, Role, ToWorker, WorkerOptions};
use crate::worker_files::boot_program;

/// How long an interpreter may take to start, pytest and the preloaded modules included.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// Text that a process of the context printed outside of pytest's capture.
pub(crate) type Printed = (OutputStream, String);

/// What every interpreter of a context is started with.
pub(crate) struct Launcher {
    pub hub: Arc<Hub>,
    pub root: PathBuf,
    pub python: PathBuf,
    pub worker_dir: PathBuf,
    pub cache_dir: PathBuf,
    pub tmp_dir: PathBuf,
    pub env: Mutex<BTreeMap<String, String>>,
    pub output: mpsc::UnboundedSender<Printed>,
    /// Who passes on what the interpreters print: each can be asked to pass on what there is.
    pub relays: Mutex<Vec<mpsc::UnboundedSender<oneshot::Sender<()>>>>,
    /// The interpreters that this context has started and that have not ended, by pid.
    pub alive: Mutex<HashMap<u32, watch::Receiver<bool>>>,
}

/// A warm interpreter: pytest and some third-party modules are loaded, nothing of the project is.
pub(crate) struct Base {
    pub process: Process,
    pub ready: Ready,
    snapshot: Mutex<Snapshot>,
    events: Mutex<Option<mpsc::UnboundedReceiver<ProcessEvent>>>,
}

impl Base {
    /// Whether the disk still holds what this interpreter has loaded, and it is alive.
    pub(crate) fn is_fresh(&self) -> bool {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let dead = events.as_mut().is_none_or(|events| {
            std::iter::from_fn(|| events.try_recv().ok())
                .any(|event| matches!(event, ProcessEvent::Lost | ProcessEvent::Exited(_)))
        });
        drop(events);
        !dead && self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).is_fresh()
    }

    /// Turns the interpreter itself into a session or a collection: the same process, name and connection, but it can't
    /// be forked any more. Once only.
    pub(crate) fn become_role(&self, role: Role, options: WorkerOptions) -> Result<Arrived, String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner).take();
        let events = events.ok_or("the interpreter is in use")?;
        self.process.send(ToWorker::Become { host: self.process.id.clone(), role, options });
        Ok((self.process.clone(), events))
    }

    /// Forks it.
    pub(crate) async fn fork(&self, hub: &Hub, role: Role, options: WorkerOptions) -> Result<Arrived, String> {
        let awaited = hub.expect(if role == Role::Session { "session" } else { "collected" });
        self.process.send(ToWorker::Fork { host: awaited.id.clone(), role, options: Some(options) });
        Process::arrive(awaited, FORK_LIMIT).await
    }
}

/// Why an interpreter did not become ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StartError {
    /// It can't run pytest: the sentence says what to do.
    #[error("{0}")]
    Unusable(String),
    /// It failed otherwise.
    #[error("{0}")]
    Failed(String),
}

impl Launcher {
    /// Starts an interpreter and waits until it is warm.
    pub(crate) async fn start(&self, preload: Vec<String>) -> Result<Base, StartError> {
        let awaited = self.hub.expect("base");
        let id = awaited.id.clone();
        let boot = Boot {
            socket: self.hub.socket().to_string_lossy().into(),
            token: self.hub.token().into(),
            host: id.clone(),
            root: self.root.to_string_lossy().into(),
            cache_dir: self.cache_dir.to_string_lossy().into(),
            tmp_dir: self.tmp_dir.to_string_lossy().into(),
            preload,
            harmless: Vec::new(),
        };
        let boot = serde_json::to_string(&boot).map_err(|error| StartError::Failed(error.to_string()))?;
        let mut command = Command::new(&self.python);
        command
            .arg("-c")
            .arg(boot_program(&self.worker_dir))
            .current_dir(&self.root)
            .envs(&*self.env.lock().unwrap_or_else(PoisonError::into_inner))
            .env("PYTEST_LENS_BOOT", boot)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        // An engine that is itself run by pytest must not pass that run off as the tests' own.
        for name in ["PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"] {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|error| {
            StartError::Unusable(format!(
                "the Python interpreter {} can't be started ({error}); set pytestLens.pythonPath to one that works",
                self.python.display()
            ))
        })?;
        let pid = child.id();
        let heard = Arc::new(Mutex::new(String::new()));
        let stdout = child.stdout.take().and_then(|pipe| pipe.into_owned_fd().ok());
        let stderr = child.stderr.take().and_then(|pipe| pipe.into_owned_fd().ok());
        for (pipe, stream) in [(stdout, OutputStream::Stdout), (stderr, OutputStream::Stderr)] {
            let Some(pipe) = pipe.and_then(|pipe| pipe::Receiver::from_owned_fd(pipe).ok()) else { continue };
            let (asks, asked) = mpsc::unbounded_channel();
            self.relays.lock().unwrap_or_else(PoisonError::into_inner).push(asks);
            let heard = (stream == OutputStream::Stderr).then(|| Arc::clone(&heard));
            tokio::spawn(Relay { pipe, stream, to: self.output.clone(), heard, pending: Vec::new() }.work(asked));
        }
        let hub = Arc::clone(&self.hub);
        let (ended, ending) = watch::channel(false);
        if let Some(pid) = pid {
            let mut alive = self.alive.lock().unwrap_or_else(PoisonError::into_inner);
            alive.retain(|_, ended| !*ended.borrow());
            alive.insert(pid, ending);
        }
        tokio::spawn(async move {
            let status = child.wait().await.map(|status| ExitStatus {
                code: status.code(),
                signal: std::os::unix::process::ExitStatusExt::signal(&status),
                note: None,
            });
            hub.report_exit(&id, status.unwrap_or_default());
            ended.send_replace(true);
        });
        let said = || {
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let last = heard.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
            if last.is_empty() { last } else { format!(": {last}") }
        };
        let kill = || {
            if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
                kill_tree(pid);
            }
        };
        let (process, mut events) = Process::arrive(awaited, BOOT_LIMIT).await.map_err(|error| {
            kill();
            StartError::Failed(format!("{}: {error}{}", self.python.display(), said()))
        })?;
        let waiting = async {
            while let Some(event) = events.recv().await {
                match event {
                    ProcessEvent::Message(message) => match *message {
                        FromWorker::Ready(ready) => return Ok(*ready),
                        FromWorker::Fatal { code, message } if code == "boot_failed" => {
                            return Err(StartError::Failed(message));
                        }
                        FromWorker::Fatal { message, .. } => return Err(StartError::Unusable(message)),
                        _ => {}
                    },
                    ProcessEvent::Exited(status) => {
                        return Err(StartError::Failed(format!("{} {status}{}", self.python.display(), said())));
                    }
                    ProcessEvent::Lost => {}
                }
            }
            Err(StartError::Failed("the Python process went away".into()))
        };
        let ready = tokio::time::timeout(BOOT_LIMIT, waiting).await.unwrap_or_else(|_| {
            kill();
            Err(StartError::Failed(format!(
                "{} did not get pytest loaded within {} s; look for a slow sitecustomize or plugin",
                self.python.display(),
                BOOT_LIMIT.as_secs()
            )))
        })?;
        let snapshot = Mutex::new(Snapshot::new(ready.files.clone(), ready.dirs.clone()));
        Ok(Base { process, ready, snapshot, events: Mutex::new(Some(events)) })
    }
}

impl Launcher {
    /// Waits until every interpreter has ended; their connections are closed already. What does not go by itself
    /// within `limit` is killed.
    pub(crate) async fn all_gone(&self, limit: Duration) {
        let alive = std::mem::take(&mut *self.alive.lock().unwrap_or_else(PoisonError::into_inner));
        let until = tokio::time::Instant::now() + limit;
        for (pid, mut ended) in alive {
            if tokio::time::timeout_at(until, ended.wait_for(|ended| *ended)).await.is_err()
                && let Ok(root) = i32::try_from(pid)
            {
                kill_tree(root);
                let _ = tokio::time::timeout(limit, ended.wait_for(|ended| *ended)).await;
            }
        }
    }
}

impl Launcher {
    /// Has everything passed on that was printed so far.
    pub(crate) async fn flush_output(&self) {
        let asked: Vec<_> = {
            let mut relays = self.relays.lock().unwrap_or_else(PoisonError::into_inner);
            relays.retain(|relay| !relay.is_closed());
            relays
                .iter()
                .map(|relay| {
                    let (done, answer) = oneshot::channel();
                    let _ = relay.send(done);
                    answer
                })
                .collect()
        };
        for answer in asked {
            let _ = tokio::time::timeout(Duration::from_millis(200), answer).await;
        }
    }
}

/// Passes on what a process prints.
struct Relay {
    pipe: pipe::Receiver,
    stream: OutputStream,
    to: mpsc::UnboundedSender<Printed>,
    /// Keeps the beginning, for error messages.
    heard: Option<Arc<Mutex<String>>>,
    /// A character cut in two, waiting for its rest.
    pending: Vec<u8>,
}

impl Relay {
    /// Until the pipe's end. Who asks is answered when everything that was in the pipe has been passed on.
    async fn work(mut self, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        loop {
            let answer = tokio::select! {
                ready = self.pipe.readable() => match ready {
                    Ok(()) => None,
                    Err(_) => return,
                },
                Some(answer) = asked.recv() => Some(answer),
            };
            let open = self.read_all(answer.is_some());
            if let Some(answer) = answer {
                let _ = answer.send(());
            }
            if !open {
                return;
            }
        }
    }

    /// Passes on all that is there; `false` at the end.
    ///
    /// `directly`: asks the pipe itself. What was written this moment is in it before the runtime has heard of it.
    fn read_all(&mut self, directly: bool) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = if directly {
                nix::unistd::read(&self.pipe, &mut buffer).map_err(std::io::Error::from)
            } else {
                self.pipe.try_read(&mut buffer)
            };
            match read {
                Ok(0) => return false,
                Ok(length) => {
                    self.pending.extend_from_slice(&buffer[..length]);
                    if !self.pass_on() {
                        return false;
                    }
                }
                Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
            }
        }
    }

    fn pass_on(&mut self) -> bool {
        let whole = match std::str::from_utf8(&self.pending) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.pending.len(),
        };
        let text = String::from_utf8_lossy(&self.pending[..whole]).into_owned();
        self.pending.drain(..whole);
        if let Some(heard) = &self.heard {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() < 64 * 1024 {
                heard.push_str(&text);
            }
        }
        self.to.send((self.stream, text)).is_ok()
    }
}
