//! The engine for Python: the extension module behind the package `pytest_lens`, as thin as possible.
//! `pytest_lens/engine.py` has the public API.

mod engine;
mod fingerprint;
mod settings;
mod waiting;

use pyo3::prelude::*;
use pytest_lens_protocol::{PROTOCOL_VERSION, Request};

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<engine::Engine>()?;
    module.add_class::<engine::Session>()?;
    module.add_function(wrap_pyfunction!(fingerprint::fingerprint, module)?)?;
    module.add_function(wrap_pyfunction!(settings::file_settings, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("PROTOCOL_VERSION", PROTOCOL_VERSION)?;
    module.add("REQUESTS", Request::TAGS)
}
