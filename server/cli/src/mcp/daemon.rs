//! Finds the daemon, or starts one: agents come and go, and the warm engine stays for the next.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use pytest_lens_engine::{Connect, Remote, default_socket};
use pytest_lens_platform::{private, processes};
use tokio::process::Command;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::timing::{DAEMON_IDLE_SECONDS, DAEMON_POLL_INTERVAL, DAEMON_START_LIMIT};

/// The daemon that serves this user.
#[derive(Debug)]
pub(super) struct Daemon {
    socket: PathBuf,
    /// The user named the socket, so the daemon behind it is the user's to start.
    is_named: bool,
}

impl Daemon {
    /// At the user's socket, or the default one.
    pub(super) fn new(named: Option<PathBuf>) -> Result<Self, Failure> {
        let is_named = named.is_some();
        let socket = named.map_or_else(default_socket, Ok).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Daemon { socket, is_named })
    }

    /// A daemon that accepts connections.
    pub(super) async fn connect(&self) -> Result<Arc<dyn Connect>, Failure> {
        let remote = Remote::new(&self.socket);
        if let Err(reason) = remote.probe().await {
            if self.is_named {
                return Err(Failure::usage(reason));
            }
            start(&self.socket).await?;
            remote.probe().await.map_err(Failure::internal)?;
        }
        Ok(Arc::new(remote))
    }
}

/// Starts a daemon, and returns when it, or one that was started at the same time, accepts connections.
async fn start(socket: &Path) -> Result<(), Failure> {
    let failed = |error: String| Failure::internal(format!("the daemon did not start: {error}"));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    // Not a pipe to this process, which ends first.
    let log = socket.with_extension("log");
    let output = private::file_options().create(true).write(true).truncate(true).open(&log);
    let output = output.map_err(|error| failed(format!("{} can't be written: {error}", log.display())))?;
    let mut command = Command::new(program);
    command.arg("daemon").arg("--socket").arg(socket).arg("--idle-timeout").arg(DAEMON_IDLE_SECONDS.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
    processes::set_own_group(&mut command);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let deadline = Instant::now() + DAEMON_START_LIMIT;
    loop {
        if Remote::new(socket).probe().await.is_ok() {
            // It is this process's child until this process ends.
            tokio::spawn(async move { child.wait().await.is_ok() });
            return Ok(());
        }
        let has_ended = child.try_wait().is_ok_and(|status| status.is_some());
        // Of two daemons that start at the same time, one gives way; the other is found above.
        if has_ended && Remote::new(socket).probe().await.is_err() {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let last = text.lines().last().unwrap_or("it ended at once");
            return Err(failed(last.trim_start_matches("pytest-lens: ").to_owned()));
        }
        if Instant::now() > deadline {
            return Err(failed(format!("it was not ready within {} s", DAEMON_START_LIMIT.as_secs())));
        }
        tokio::time::sleep(DAEMON_POLL_INTERVAL).await;
    }
}
