//! Gets an engine for a command: a daemon's, or one of this process's own.

use std::sync::Arc;

use pytest_lens_engine::{Connect, Engine, EngineConfig, Remote};

use crate::failure::Failure;
use crate::options::arguments::EngineAt;

/// What an engine is for.
pub(crate) enum Lifetime {
    /// Runs will come: processes are kept ready for them.
    Resident,
    /// One command.
    Short,
    /// One run, whose tests have this process's terminal.
    Terminal,
}

/// Does something with the engine that was asked for: a daemon's, or this process's own.
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
        None => with_engine(Lifetime::Short, async |engine| work(engine).await),
    }
}

/// Does something with an engine of this process's own, which is gone, with all that it started, afterwards.
pub(crate) fn with_engine<T>(
    life: Lifetime,
    work: impl AsyncFnOnce(Arc<Engine>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(async {
        let engine = start(life).map_err(Failure::internal)?;
        let result = work(Arc::clone(&engine)).await;
        engine.shutdown().await;
        result
    })
}

/// Starts an engine of this process's own, or says why there is none.
pub(crate) fn start(life: Lifetime) -> Result<Arc<Engine>, String> {
    let (resident, terminal) = (matches!(life, Lifetime::Resident), matches!(life, Lifetime::Terminal));
    let config = EngineConfig { resident, terminal, ..EngineConfig::for_user() };
    Engine::start(config).map_err(|error| format!("the engine did not start: {error}"))
}

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A read of standard input can't be cancelled, and must not be waited for.
    runtime.shutdown_background();
    result
}
