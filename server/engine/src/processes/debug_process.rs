//! A process that runs tests under debugpy: a fresh interpreter, never a fork, which waits for a debugger before it
//! loads anything of the project.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pytest_lens_analysis::PytestSettings;
use tokio::time::{Instant, timeout, timeout_at};

use crate::model::scope::Scope;
use crate::processes::collected_session::CollectedSession;
use crate::processes::launcher::{Launcher, StartError};
use crate::processes::pool::Pool;
use crate::processes::preload::Preload;
use crate::processes::process::{NoProcess, ProcessEvent};
use crate::processes::process_tree::KillOnDrop;
use crate::processes::runner::Runner;
use crate::processes::worker_protocol::{FromWorker, Role, WorkerOptions};
use crate::timing::DEBUGPY_LIMIT;

/// Python's options: its frozen modules have no lines to step through.
const FLAGS: [&str; 2] = ["-X", "frozen_modules=off"];

/// A process that waits for its debugger, with its address.
pub(crate) struct DebugProcess {
    pub host: String,
    pub port: u16,
    /// Its session determines which tests there are, since each collection may find others.
    pub determines_tests: bool,
    options: WorkerOptions,
    /// The longest wait for the debugger.
    limit: Duration,
    until: Instant,
    is_attached: AtomicBool,
    waiting: Mutex<Option<Waiting>>,
    /// Why there is no process any more.
    failure: Mutex<String>,
}

/// A process that no run has taken. While it waits for its debugger, it does not notice the end of its connection, so it
/// is killed if nobody takes it: the client may leave before it has the answer, or stop the run before it begins.
struct Waiting {
    runner: Runner,
    untaken: KillOnDrop,
}

impl Waiting {
    fn new(runner: Runner) -> Self {
        let untaken = KillOnDrop(Some(runner.pid()));
        Waiting { runner, untaken }
    }

    fn take(mut self) -> Runner {
        self.untaken.0 = None;
        self.runner
    }
}

impl DebugProcess {
    /// Starts the process for the tests of `collected`. Dropping this ends the process, unless a run has taken it.
    pub(crate) async fn start(
        launcher: &Launcher,
        collected: &CollectedSession,
        run_disabled: bool,
        limit: Duration,
    ) -> Result<Self, StartError> {
        let base = Arc::new(launcher.start_with(&FLAGS, &Preload::default()).await?);
        let options = WorkerOptions { debug: true, run_disabled, ..collected.options.clone() };
        let determines_tests = !collected.reasons.is_empty();
        let role = if determines_tests { Role::Collected } else { Role::Session };
        let runner =
            Runner::become_session(base, role, options.clone()).map_err(|error| StartError::Failed(error.message))?;
        let mut waiting = Waiting::new(runner);
        let python = launcher.python();
        let python = python.display();
        let listening = async {
            while let Some(event) = waiting.runner.events.recv().await {
                match event {
                    ProcessEvent::Message(message) => match *message {
                        FromWorker::Listening { host, port } => return Ok((host, port)),
                        FromWorker::UsageError { message, .. } => return Err(StartError::Unusable(message)),
                        FromWorker::InternalError { message, .. } => return Err(StartError::Failed(message)),
                        other => drop(waiting.runner.note(other)),
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
        Ok(DebugProcess {
            host,
            port,
            determines_tests,
            options,
            limit,
            until: Instant::now() + limit,
            is_attached: AtomicBool::new(false),
            waiting: Mutex::new(Some(waiting)),
            failure: Mutex::new("the process under the debugger has ended".into()),
        })
    }

    /// The deadline for the debugger, until it has attached.
    pub(crate) fn until(&self) -> Option<Instant> {
        (!self.is_attached.load(Ordering::Relaxed)).then_some(self.until)
    }

    /// Waits until the debugger has attached and the session has collected. `None`, if that fails: [`DebugProcess::take`] then
    /// has the reason. Dropping the future ends the process.
    pub(crate) async fn collect(
        &self,
        pool: &Pool,
        scope: &Scope,
        settings: &Arc<PytestSettings>,
    ) -> Option<CollectedSession> {
        let mut waiting = self.waiting().take()?;
        let attached = async {
            loop {
                match waiting.runner.events.recv().await {
                    Some(ProcessEvent::Message(message)) if matches!(*message, FromWorker::Attached {}) => return true,
                    Some(ProcessEvent::Message(_)) => {}
                    Some(ProcessEvent::Lost | ProcessEvent::Exited(_)) | None => return false,
                }
            }
        };
        match timeout_at(self.until, attached).await {
            Ok(true) => self.is_attached.store(true, Ordering::Relaxed),
            Ok(false) => return None,
            Err(_) => {
                *self.waiting() = Some(waiting);
                return None;
            }
        }
        let Waiting { runner, untaken } = waiting;
        let (process, base) = runner.into_parts();
        let base = base?;
        match pool.collect_debugged(process, Arc::clone(&base), scope, self.options.clone(), settings).await {
            Ok((collected, exclusive)) => {
                let runner = exclusive.take()?.of_base(base);
                *self.waiting() = Some(Waiting { runner, untaken });
                Some(collected)
            }
            Err(failure) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure.to_string();
                None
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the process, once.
    pub(crate) fn take(&self) -> Result<Runner, NoProcess> {
        let waiting = self.waiting().take();
        waiting
            .map(Waiting::take)
            .ok_or_else(|| NoProcess::new(self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()))
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
