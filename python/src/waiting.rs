//! Waits for the engine without blocking Python: other threads run in the meantime, and Ctrl-C works.

use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Runtime;

/// The interval at which a waiting thread checks for signals.
const GLANCE: Duration = Duration::from_millis(50);

/// Waits for a future's result, or until a signal's handler raises.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    runtime: &Runtime,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<T> {
    let (done, result) = channel();
    let task = runtime.spawn(async move {
        // After a signal nobody waits for the result.
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
