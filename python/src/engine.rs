//! An engine in this process, or a daemon's, and the sessions with it.

use std::sync::Arc;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pytest_lens_engine::{Call, Connect, EngineConfig};
use pytest_lens_protocol::decode_request;
use tokio::runtime::Runtime;

use crate::waiting::wait;

/// An engine: it keeps Python processes warm, until it is closed.
#[pyclass(module = "pytest_lens._native", frozen)]
pub(crate) struct Engine {
    runtime: Arc<Runtime>,
    engine: Arc<pytest_lens_engine::Engine>,
}

#[pymethods]
impl Engine {
    /// Starts an engine of this process: for many runs, or only for one.
    #[new]
    #[pyo3(signature = (*, resident = true))]
    fn new(resident: bool) -> PyResult<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let engine = {
            let _inside = runtime.enter();
            pytest_lens_engine::Engine::start(EngineConfig { resident, ..EngineConfig::for_user() })
                .map_err(|error| PyOSError::new_err(format!("the engine did not start: {error}")))?
        };
        Ok(Engine { runtime: Arc::new(runtime), engine })
    }

    /// Opens a session: its calls are answered in order.
    fn session(&self) -> Session {
        Session { runtime: Arc::clone(&self.runtime), call: self.engine.session() }
    }

    /// Ends every process that the engine has started.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let engine = Arc::clone(&self.engine);
        wait(py, &self.runtime, async move { engine.shutdown().await })
    }
}

/// A session with an engine.
#[pyclass(module = "pytest_lens._native", frozen)]
pub(crate) struct Session {
    runtime: Arc<Runtime>,
    call: Arc<dyn Call>,
}

#[pymethods]
impl Session {
    /// Makes a call: a request as a dict, its answer as another. Raises `ValueError` for an invalid request.
    fn call<'py>(&self, py: Python<'py>, request: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let value: serde_json::Value =
            pythonize::depythonize(request).map_err(|error| PyTypeError::new_err(error.to_string()))?;
        // Decodes the wire form, because its decoder names the faulty field.
        let bytes =
            rmp_serde::to_vec_named(&value).map_err(|error| PyValueError::new_err(format!("no request: {error}")))?;
        let request = decode_request(&bytes).1.map_err(|error| PyValueError::new_err(error.to_string()))?;
        let call = Arc::clone(&self.call);
        let response = wait(py, &self.runtime, async move { call.call(request).await })?;
        pythonize::pythonize(py, &response).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }
}
