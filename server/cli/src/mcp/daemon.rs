//! Finds the daemon, or starts one: agents come and go, and the warm engine stays for the next.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use pytest_lens_engine::{Connect, Remote, default_socket};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::failure::Failure;
use crate::timing::{DAEMON_IDLE_SECONDS, DAEMON_START_LIMIT};

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

/// Starts a daemon, and returns when it, or one that was started at the same time, listens.
async fn start(socket: &Path) -> Result<(), Failure> {
    let failed = |error: String| Failure::internal(format!("the daemon did not start: {error}"));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg("daemon").arg("--socket").arg(socket).arg("--idle-timeout").arg(DAEMON_IDLE_SECONDS.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let mut lines = BufReader::new(child.stderr.take().ok_or_else(|| failed("no output".to_owned()))?).lines();
    let reading = async {
        let mut last = String::new();
        while let Ok(Some(line)) = lines.next_line().await {
            // Of two daemons that start at the same time, one gives way.
            if line.contains("listening on") || line.contains("listens on") {
                return Ok(());
            }
            last = line;
        }
        Err(failed(last.trim_start_matches("pytest-lens: ").to_owned()))
    };
    let too_late = failed(format!("it was not ready within {} s", DAEMON_START_LIMIT.as_secs()));
    tokio::time::timeout(DAEMON_START_LIMIT, reading).await.unwrap_or(Err(too_late))?;
    tokio::spawn(async move {
        while let Ok(Some(_)) = lines.next_line().await {}
        // It is this process's child until this process ends.
        let _ = child.wait().await;
    });
    Ok(())
}
