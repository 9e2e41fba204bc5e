//! Finds the engine for a command: a daemon's, or one in this process.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_engine::{Connect, Engine, EngineConfig, Remote};
use pytest_lens_platform::signals;

use crate::failure::Failure;
use crate::options::arguments::EngineAt;

/// The end of an engine that takes longer is explained.
const PATIENCE: Duration = Duration::from_secs(2);

const ENDING: &str = "pytest-lens: waiting for exit handlers, threads or fixtures of the tests; Ctrl-C ends them";

/// How long an engine lives.
pub(crate) enum Lifetime {
    /// For many runs: it keeps processes ready.
    Resident,
    /// For one command.
    Short,
    /// For one run, whose tests use this process's terminal. `takes_variable`: pytest reads `PYTEST_ADDOPTS` by itself.
    Terminal { takes_variable: bool },
    /// For many runs of many clients, each with a `PYTEST_ADDOPTS` of its own.
    Daemon,
}

/// Works with the engine that the user chose: a daemon's, or one in this process.
pub(crate) fn with<T>(
    at: &EngineAt,
    work: impl AsyncFnOnce(Arc<dyn Connect>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match &at.connect {
        Some(socket) => block_on(async {
            let daemon = Remote::new(socket);
            daemon.probe().await.map_err(Failure::usage)?;
            work(Arc::new(daemon)).await
        }),
        None => with_engine_in(Lifetime::Short, at.folder.as_deref(), async |engine| work(engine).await),
    }
}

/// Works with an engine in this process; it and all its processes have ended when this returns.
pub(crate) fn with_engine<T>(
    life: Lifetime,
    work: impl AsyncFnOnce(Arc<Engine>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    with_engine_in(life, None, work)
}

/// As [`with_engine`]; the tests run in this folder.
pub(crate) fn with_engine_in<T>(
    life: Lifetime,
    folder: Option<&Path>,
    work: impl AsyncFnOnce(Arc<Engine>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(async {
        let engine = start(life, folder).map_err(Failure::internal)?;
        let result = work(Arc::clone(&engine)).await;
        end(&engine).await;
        result
    })
}

/// Ends an engine. Tests may have left work to the end of their processes that takes long: then it says so, and a signal
/// ends that.
async fn end(engine: &Engine) {
    let mut shutdown = std::pin::pin!(engine.shutdown());
    let Ok(mut signals) = signals::listen() else { return shutdown.await };
    let mut is_announced = false;
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            () = tokio::time::sleep(PATIENCE), if !is_announced => {
                is_announced = true;
                // If standard error is closed, nobody reads it.
                let _ = writeln!(std::io::stderr(), "{ENDING}");
            }
            Some(_) = signals.recv() => engine.hurry(),
        }
    }
}

/// Starts an engine in this process; an error is a sentence.
pub(crate) fn start(life: Lifetime, folder: Option<&Path>) -> Result<Arc<Engine>, String> {
    let config = EngineConfig {
        resident: matches!(life, Lifetime::Resident | Lifetime::Daemon),
        terminal: matches!(life, Lifetime::Terminal { .. }),
        folder: folder.map(Path::to_owned),
        takes_addopts: !matches!(life, Lifetime::Daemon | Lifetime::Terminal { takes_variable: false }),
        ..EngineConfig::for_user()
    };
    Engine::start(config).map_err(|error| format!("the engine did not start: {error}"))
}

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        signals::survive_large_files()?;
        work.await
    });
    // A read of standard input can't be canceled, and may never return.
    runtime.shutdown_background();
    result
}
