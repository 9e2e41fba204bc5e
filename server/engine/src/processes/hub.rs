//! The connections of this engine's Python processes: one Unix socket in a private folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use pytest_lens_platform::private;
use pytest_lens_platform::sockets::{LONGEST_PATH, WorkerListener, WorkerStream, accept_worker, listen_for_workers};
use tokio::sync::mpsc;

use crate::processes::engine_lock::{EngineLock, if_dead};
use crate::processes::frames::{self, Outgoing};
use crate::processes::liveness::Liveness;
use crate::processes::process::{Connection, ExitStatus};
use crate::processes::roster::{ExpectedProcess, Newcomer, Roster};
use crate::processes::worker_protocol::{FromWorker, ToWorker};

pub(crate) struct Hub {
    roster: Roster,
    door: Option<Door>,
}

/// The socket, and the task that accepts processes there.
struct Door {
    folder: PathBuf,
    /// The address that the processes connect to.
    address: String,
    /// While this is held, other engines leave the folder alone.
    _engine_lock: EngineLock,
    token: String,
    accepting: tokio::task::JoinHandle<()>,
}

impl Hub {
    /// Makes the private folder and listens in it.
    pub(crate) fn start() -> io::Result<Self> {
        let token = random_token()?;
        let (folder, engine_lock) = make_folder(places(), &format!("{PREFIX}{}-{}", std::process::id(), &token[..8]))?;
        let (listener, address) = listen_for_workers(&folder)?;
        let roster = Roster::default();
        let accepting = tokio::spawn(accept(listener, token.clone(), roster.clone()));
        Ok(Hub { roster, door: Some(Door { folder, address, _engine_lock: engine_lock, token, accepting }) })
    }

    /// One that no process reaches from outside, for the simulation.
    #[cfg(test)]
    pub(crate) fn without_door(roster: Roster) -> Self {
        Hub { roster, door: None }
    }

    pub(crate) fn address(&self) -> &str {
        self.door.as_ref().map_or("", |door| &door.address)
    }

    pub(crate) fn token(&self) -> &str {
        self.door.as_ref().map_or("", |door| &door.token)
    }

    /// Expects a process, named after `role`, that is about to be started or forked.
    pub(crate) fn expect(&self, role: &str) -> ExpectedProcess {
        self.roster.expect(role)
    }

    /// Reports the exit of a process that this engine itself started.
    pub(crate) fn report_exit(&self, id: &str, status: ExitStatus) {
        self.roster.report_exit(id, status);
    }

    /// Accepts no more processes, and removes the folder.
    pub(crate) fn close(&self) {
        if let Some(door) = &self.door {
            door.accepting.abort();
            let _ = fs::remove_dir_all(&door.folder);
        }
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

async fn accept(listener: WorkerListener, token: String, roster: Roster) {
    while let Ok(stream) = accept_worker(&listener).await {
        tokio::spawn(serve(stream, token.clone(), roster.clone()));
    }
}

/// Serves one process's connection, from its hello to its end.
async fn serve(stream: WorkerStream, token: String, roster: Roster) {
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
    let connection = Connection { pid, node, sender, liveness: Arc::new(Liveness::of(pid)) };
    let Some(line) = roster.connect(Newcomer { host, parent, connection }) else { return };
    loop {
        match incoming.next().await {
            Ok(Some(message)) => {
                if !line.take(message) {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::error!(host = line.host, %error, "a worker's frame can't be read");
                break;
            }
        }
    }
    line.close();
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
