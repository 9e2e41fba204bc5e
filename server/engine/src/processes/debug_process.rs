//! A process that runs tests under debugpy: a fresh interpreter, never a fork, which waits for a debugger before it
//! loads anything of the project.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::processes::collected_session::CollectedSession;
use crate::processes::launcher::{Launcher, StartError};
use crate::processes::preload::Preload;
use crate::processes::process::{NoProcess, ProcessEvent};
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::{FromWorker, WorkerOptions};
use crate::timing::DEBUGPY_LIMIT;

/// Python's options: its frozen modules have no lines to step through.
const FLAGS: [&str; 2] = ["-X", "frozen_modules=off"];

/// A process that waits for its debugger, with its address.
pub(crate) struct DebugProcess {
    pub host: String,
    pub port: u16,
    /// The longest wait for the debugger.
    limit: Duration,
    until: Instant,
    runner: Mutex<Option<Runner>>,
}

impl DebugProcess {
    /// Starts the process for the tests of `collected`. Dropping it ends the process.
    pub(crate) async fn start(
        launcher: &Launcher,
        collected: &CollectedSession,
        run_disabled: bool,
        limit: Duration,
    ) -> Result<Self, StartError> {
        let base = Arc::new(launcher.start_with(&FLAGS, &Preload::default()).await?);
        let options = WorkerOptions { debug: true, run_disabled, ..collected.options.clone() };
        let mut runner = Runner::become_session(base, options).map_err(|error| StartError::Failed(error.message))?;
        let python = launcher.python();
        let python = python.display();
        let listening = async {
            while let Some(event) = runner.events.recv().await {
                match event {
                    ProcessEvent::Message(message) => match *message {
                        FromWorker::Listening { host, port } => return Ok((host, port)),
                        FromWorker::UsageError { message, .. } => return Err(StartError::Unusable(message)),
                        FromWorker::InternalError { message } => return Err(StartError::Failed(message)),
                        other => drop(runner.note(other)),
                    },
                    ProcessEvent::Exited(status) => {
                        return Err(StartError::Failed(format!("{python}, which was to start debugpy, {status}")));
                    }
                    ProcessEvent::Lost => {}
                }
            }
            Err(StartError::Failed(format!("{python}, which was to start debugpy, went away")))
        };
        let told = timeout(DEBUGPY_LIMIT, listening).await;
        let (host, port) = told.unwrap_or_else(|_| {
            let limit = DEBUGPY_LIMIT.as_secs();
            Err(StartError::Failed(format!("debugpy did not listen within {limit} s; look what {python} is busy with")))
        })?;
        Ok(DebugProcess { host, port, limit, until: Instant::now() + limit, runner: Mutex::new(Some(runner)) })
    }

    /// The deadline for the debugger.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Takes the process, once.
    pub(crate) fn take(&self) -> Result<Runner, NoProcess> {
        let runner = self.runner.lock().unwrap_or_else(PoisonError::into_inner).take();
        runner.ok_or_else(|| NoProcess::new("the process under the debugger has ended"))
    }

    /// The message for tests whose debugger did not come.
    pub(crate) fn no_debugger(&self) -> String {
        format!(
            "no debugger connected to {}:{} within {} s (debugTimeoutMs); debug the test again and connect sooner",
            self.host,
            self.port,
            self.limit.as_secs_f64()
        )
    }
}
