//! Finds the engine for a command: a daemon's, or one in this process.

use std::sync::Arc;

use pytest_lens_engine::{Connect, Engine, EngineConfig, Remote};

use crate::failure::Failure;
use crate::options::arguments::EngineAt;

/// How long an engine lives.
pub(crate) enum Lifetime {
    /// For many runs: it keeps processes ready.
    Resident,
    /// For one command.
    Short,
    /// For one run, whose tests use this process's terminal.
    Terminal,
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
        None => with_engine(Lifetime::Short, async |engine| work(engine).await),
    }
}

/// Works with an engine in this process; it and all its processes have ended when this returns.
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

/// Starts an engine in this process; an error is a sentence.
pub(crate) fn start(life: Lifetime) -> Result<Arc<Engine>, String> {
    let (resident, terminal) = (matches!(life, Lifetime::Resident), matches!(life, Lifetime::Terminal));
    let config = EngineConfig { resident, terminal, ..EngineConfig::for_user() };
    Engine::start(config).map_err(|error| format!("the engine did not start: {error}"))
}

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A read of standard input can't be canceled, and may never return.
    runtime.shutdown_background();
    result
}
