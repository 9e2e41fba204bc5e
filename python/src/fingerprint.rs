//! The fingerprint of a project's code, for runs of another program (`pytest --lens`) that the engine records.

use std::path::Path;

use pyo3::prelude::*;
use pytest_lens_history::Fingerprints;

/// The fingerprint of a project's present code. `None` if the root is no folder.
#[pyfunction]
pub(crate) fn fingerprint(py: Python<'_>, root: String) -> Option<String> {
    py.detach(|| Path::new(&root).is_dir().then(|| Fingerprints::default().of(Path::new(&root)).to_string()))
}
