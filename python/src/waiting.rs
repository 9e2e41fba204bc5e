//! Waiting for the engine without holding up Python: other threads run meanwhile, and Ctrl-C works.

use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Runtime;

/// How often a waiting thread looks for signals.
const GLANCE: Duration = Duration::from_millis(50);

/// Waits for a future's result. A signal whose handler raises gives it up.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    runtime: &Runtime,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<T> {
    let (done, result) = channel();
    let task = runtime.spawn(async move {
        // Nobody listens any more where a signal came first.
        let _ = done.send(future.await);
    });
    let mut result = result;
    loop {
        let (received, back) = py.detach(move || (result.recv_timeout(GLANCE), result));
        result = back;
        match received {
            Ok(value) => return Ok(value),
            Err(RecvTimeoutError::Disconnected) => return Err(PyRuntimeError::new_err("the engine failed inside")),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(raised) = py.check_signals() {
                    task.abort();
                    return Err(raised);
                }
            }
        }
    }
}
