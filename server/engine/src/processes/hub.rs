//! The connections of this engine's Python processes: one Unix socket in a private folder, and a table of the tasks
//! that wait for each process.
//!
//! The exit of a forked process is reported by the process that forked it, so exits are routed by name, whichever
//! connection reports them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use dashmap::DashMap;
use pytest_lens_platform::private;
use pytest_lens_platform::sockets::{LONGEST_PATH, WorkerListener, WorkerStream, accept_worker, listen_for_workers};
use tokio::sync::{mpsc, oneshot};

use crate::processes::engine_lock::{EngineLock, if_dead};
use crate::processes::frames::{self, Outgoing};
use crate::processes::liveness::Liveness;
use crate::processes::process::{Connection, ExitStatus, ProcessEvent};
use crate::processes::worker_protocol::{FromWorker, ToWorker};
use crate::timing::LAST_MESSAGES_GRACE;

pub(crate) struct Hub {
    folder: PathBuf,
    /// The address that the processes connect to.
    address: String,
    /// While this is held, other engines leave the folder alone.
    _engine_lock: EngineLock,
    token: String,
    next: AtomicU64,
    expected: Arc<DashMap<String, Expected>>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Expected {
    events: mpsc::UnboundedSender<ProcessEvent>,
    hello: Option<oneshot::Sender<Connection>>,
    /// Set by its hello.
    liveness: Option<Arc<Liveness>>,
    /// Its connection has ended, and all its messages were forwarded.
    lost: bool,
    /// Its exit, not forwarded yet.
    exit: Option<ExitStatus>,
}

impl Expected {
    /// Forwards the exit. No event follows it.
    fn tell_exit(&mut self) {
        if let Some(status) = self.exit.take() {
            self.hello = None;
            let _ = self.events.send(ProcessEvent::Exited(status));
        }
    }
}

/// A process that has not connected yet.
pub(crate) struct ExpectedProcess {
    pub id: String,
    pub hello: oneshot::Receiver<Connection>,
    pub events: mpsc::UnboundedReceiver<ProcessEvent>,
    pub registration: Registration,
}

/// Keeps a process's entry in the table; dropping it removes the entry.
pub(crate) struct Registration {
    id: String,
    expected: Arc<DashMap<String, Expected>>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.expected.remove(&self.id);
    }
}

impl Hub {
    /// Makes the private folder and listens in it.
    pub(crate) fn start() -> io::Result<Self> {
        let token = random_token()?;
        let (folder, engine_lock) = make_folder(places(), &format!("{PREFIX}{}-{}", std::process::id(), &token[..8]))?;
        let (listener, address) = listen_for_workers(&folder)?;
        let expected = Arc::new(DashMap::new());
        let accepting = tokio::spawn(accept(listener, token.clone(), Arc::clone(&expected)));
        Ok(Hub { folder, address, _engine_lock: engine_lock, token, next: AtomicU64::new(1), expected, accepting })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Expects a process, named after `role`, that is about to be started or forked.
    pub(crate) fn expect(&self, role: &str) -> ExpectedProcess {
        let id = format!("{role}-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let (events_tx, events) = mpsc::unbounded_channel();
        let (hello_tx, hello) = oneshot::channel();
        self.expected.insert(
            id.clone(),
            Expected { events: events_tx, hello: Some(hello_tx), liveness: None, lost: false, exit: None },
        );
        let registration = Registration { id: id.clone(), expected: Arc::clone(&self.expected) };
        ExpectedProcess { id, hello, events, registration }
    }

    /// Reports the exit of a process that this engine itself started.
    pub(crate) fn report_exit(&self, id: &str, status: ExitStatus) {
        route_exit(&self.expected, id, status);
    }
}

impl Hub {
    /// Accepts no more processes, and removes the folder.
    pub(crate) fn close(&self) {
        self.accepting.abort();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

const PREFIX: &str = "pytest-lens-";

const LOCK: &str = "lock";

/// The suffix of a folder that is being removed.
const SWEPT: &str = ".swept";

/// The user's runtime folder, and the temporary ones.
fn places() -> Vec<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    runtime.into_iter().chain([std::env::temp_dir(), private::temp_dir()]).collect()
}

/// Makes the private folder of this engine, in the first of `places` that is writable and whose path is short enough
/// for a socket. Removes the folders of killed engines there.
fn make_folder(places: Vec<PathBuf>, name: &str) -> io::Result<(PathBuf, EngineLock)> {
    let fits = |path: &PathBuf| path.join(name).join("engine.sock").as_os_str().len() <= LONGEST_PATH;
    let mut failures = Vec::new();
    for place in places.into_iter().filter(fits) {
        sweep(&place);
        let folder = place.join(name);
        match EngineLock::take(folder.join(LOCK)) {
            Ok(engine_lock) => return Ok((folder, engine_lock)),
            Err(error) => {
                tracing::warn!(%error, "the engine's socket goes elsewhere");
                failures.push(error.to_string());
            }
        }
    }
    Err(io::Error::other(format!(
        "there is no place for its socket ({}); set XDG_RUNTIME_DIR or TMPDIR to a folder of yours",
        failures.join("; ")
    )))
}

fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse::<u32>().ok());
        let made = entry.metadata().and_then(|data| data.modified()).ok();
        if owner.is_none() {
            continue;
        }
        if_dead(&entry.path().join(LOCK), made, || {
            // The name is free at once: an engine that is about to lock it makes another folder, which is not emptied.
            let mut swept = entry.path().into_os_string();
            swept.push(SWEPT);
            if fs::rename(entry.path(), &swept).is_ok() {
                let _ = fs::remove_dir_all(swept);
            }
        });
    }
}

fn random_token() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reports the exit of a process, after all its own messages.
fn route_exit(expected: &Arc<DashMap<String, Expected>>, id: &str, status: ExitStatus) {
    let Some(mut entry) = expected.get_mut(id) else { return };
    entry.exit = Some(status);
    if entry.lost {
        entry.tell_exit();
        return;
    }
    drop(entry);
    let (expected, id) = (Arc::clone(expected), id.to_owned());
    tokio::spawn(async move {
        tokio::time::sleep(LAST_MESSAGES_GRACE).await;
        if let Some(mut entry) = expected.get_mut(&id) {
            entry.tell_exit();
        }
    });
}

async fn accept(listener: WorkerListener, token: String, expected: Arc<DashMap<String, Expected>>) {
    while let Ok(stream) = accept_worker(&listener).await {
        tokio::spawn(serve(stream, token.clone(), Arc::clone(&expected)));
    }
}

/// Serves one process's connection, from its hello to its end.
async fn serve(stream: WorkerStream, token: String, expected: Arc<DashMap<String, Expected>>) {
    let (mut incoming, outgoing) = match frames::split(stream) {
        Ok(both) => both,
        Err(error) => return tracing::error!(%error, "the connection of a process can't be read"),
    };
    let Ok(Some(FromWorker::Hello { token: theirs, host, pid, parent, node })) = incoming.next().await else { return };
    if theirs != token {
        tracing::warn!(host, "a process with a wrong token was turned away");
        return;
    }
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(write_out(outgoing, receiver));
    let liveness = Arc::new(Liveness::of(pid));
    let end = if node.is_some() {
        ExitStatus {
            note: Some("was lost: the cluster's driver has ended".into()),
            was_lost: true,
            ..ExitStatus::default()
        }
    } else {
        ExitStatus::default()
    };
    let events = {
        let Some(mut entry) = expected.get_mut(&host) else { return };
        let Some(hello) = entry.hello.take() else { return };
        entry.liveness = Some(Arc::clone(&liveness));
        if hello.send(Connection { pid, node, sender, liveness: Arc::clone(&liveness) }).is_err() {
            return;
        }
        entry.events.clone()
    };
    let ending = watch_end(Arc::clone(&liveness), host.clone(), parent, Arc::clone(&expected), end);
    tokio::spawn(ending);
    loop {
        let event = match incoming.next().await {
            Ok(Some(FromWorker::Exited { host, code, signal })) => {
                route_exit(&expected, &host, ExitStatus { code, signal, ..ExitStatus::default() });
                continue;
            }
            Ok(Some(FromWorker::ForkFailed { host, message, errno })) => {
                route_exit(&expected, &host, ExitStatus { note: Some(message), errno, ..ExitStatus::default() });
                continue;
            }
            Ok(Some(FromWorker::LostRemote { host, message })) => {
                route_exit(
                    &expected,
                    &host,
                    ExitStatus { note: Some(message), was_lost: true, ..ExitStatus::default() },
                );
                continue;
            }
            Ok(Some(FromWorker::Forked { .. })) => continue,
            Ok(Some(message)) => ProcessEvent::Message(Box::new(message)),
            Ok(None) => break,
            Err(error) => {
                tracing::error!(host, %error, "a worker's frame can't be read");
                break;
            }
        };
        if events.send(event).is_err() {
            break;
        }
    }
    liveness.set_ended();
    let _ = events.send(ProcessEvent::Lost);
    if let Some(mut entry) = expected.get_mut(&host) {
        entry.lost = true;
        entry.tell_exit();
    }
}

/// Makes sure that the end of a process is reported if no process is left that could report it: its parent may have
/// ended before or with it, or be stopped. `end`: what is known of its end then.
async fn watch_end(
    liveness: Arc<Liveness>,
    host: String,
    parent: Option<String>,
    expected: Arc<DashMap<String, Expected>>,
    end: ExitStatus,
) {
    liveness.end().await;
    liveness.set_ended();
    let parent_of = |parent: &str| expected.get(parent).and_then(|entry| entry.liveness.clone());
    let orphaned = async {
        match parent.as_deref().and_then(parent_of) {
            Some(parent) => parent.ended().await,
            None => std::future::pending().await,
        }
    };
    let is_orphaned = tokio::time::timeout(LAST_MESSAGES_GRACE, orphaned).await.is_ok();
    let unknown = expected.get(&host).is_some_and(|entry| entry.exit.is_none());
    if unknown {
        route_exit(&expected, &host, if is_orphaned { ExitStatus::orphaned() } else { end });
    }
}

async fn write_out(mut outgoing: Outgoing, mut messages: mpsc::UnboundedReceiver<ToWorker>) {
    while let Some(message) = messages.recv().await {
        if outgoing.send(&message).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r18_a_runtime_folder_of_no_use_is_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let (folder, _engine_lock) =
            make_folder(vec![file.clone(), home.path().to_owned()], "pytest-lens-1-a").unwrap();
        assert_eq!(folder, home.path().join("pytest-lens-1-a"));
        let error = make_folder(vec![file], "pytest-lens-1-a").unwrap_err().to_string();
        assert!(error.contains("file/pytest-lens-1-a") && error.contains("XDG_RUNTIME_DIR"), "{error}");
    }

    #[test]
    fn r2_sockets_of_dead_engines_are_swept() {
        let home = tempfile::tempdir().unwrap();
        let place = || vec![home.path().to_owned()];
        let (live, _engine_lock) = make_folder(place(), "pytest-lens-2-live").unwrap();
        // The pid of a live process.
        let dead = home.path().join("pytest-lens-1-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("engine.sock"), "").unwrap();
        let other = home.path().join("pytest-lens-of-somebody");
        fs::create_dir(&other).unwrap();
        let _new = make_folder(place(), "pytest-lens-3-new").unwrap();
        assert_eq!([live.exists(), dead.exists(), other.exists()], [true, false, true]);
    }

    #[test]
    fn r2_folders_of_engines_that_start_at_once_stay() {
        let home = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for engine in 0..8 {
                let home = home.path();
                scope.spawn(move || {
                    for start in 0..50 {
                        let name = format!("pytest-lens-{engine}-{start}");
                        let (folder, _engine_lock) = make_folder(vec![home.to_owned()], &name).unwrap();
                        sweep(home);
                        assert!(folder.join(LOCK).exists());
                        fs::remove_dir_all(folder).unwrap();
                    }
                });
            }
        });
        let left: Vec<_> = fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.path()).collect();
        assert_eq!(left, Vec::<PathBuf>::new());
    }
}
