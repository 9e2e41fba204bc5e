//! The settings in a project's own files, for Python code that decides something before there is an engine.

use std::path::Path;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pytest_lens_analysis::FileSettings;

/// Reads the settings in a root's files: the valid ones as a dict, and a sentence for each mistake.
#[pyfunction]
pub(crate) fn file_settings<'py>(py: Python<'py>, root: String) -> PyResult<(Bound<'py, PyAny>, Vec<String>)> {
    let read = py.detach(|| FileSettings::of_root(Path::new(&root)));
    let given = pythonize::pythonize(py, &read.given.to_json());
    let given = given.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    Ok((given, read.problems.iter().map(ToString::to_string).collect()))
}
