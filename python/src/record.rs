//! Records a run of another program (`pytest --lens`) in the history of a project.

use std::path::Path;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pytest_lens_engine::EngineConfig;
use pytest_lens_history::{Attempt, Fingerprints, History, HistoryOptions, Location, Run, Source};

/// The longest time that writing may take: another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);

/// The fingerprint of a project's present code. `None` if the root is no folder.
#[pyfunction]
pub(crate) fn fingerprint(py: Python<'_>, root: String) -> Option<String> {
    py.detach(|| Path::new(&root).is_dir().then(|| Fingerprints::default().of(Path::new(&root)).to_string()))
}

/// Records a run: node id, outcome, duration in milliseconds and number of each attempt, in order. Returns a sentence
/// if it could not be written. Raises `ValueError` for an unknown outcome.
#[pyfunction]
pub(crate) fn record(
    py: Python<'_>,
    root: String,
    code: Option<String>,
    attempts: Vec<(String, String, f64, u32)>,
) -> PyResult<Option<String>> {
    let source = Source::of_command(std::env::var("CI").ok().as_deref());
    let mut run = Run::new(source, code.map(Into::into));
    for (id, outcome, duration_ms, attempt) in attempts {
        let outcome = outcome.parse().map_err(|_| PyValueError::new_err(format!("{outcome:?} is no outcome")))?;
        run.attempts.push(Attempt { id: id.into(), outcome, attempt, duration_ms, failure: None });
    }
    Ok(py.detach(|| {
        let history = History::open(
            Location::of(&EngineConfig::for_user().state_dir, Path::new(&root)),
            HistoryOptions::default(),
        );
        history.record(run);
        let written = history.flush(PATIENCE);
        let late = || format!("the history {} is locked by another program", history.location().file.display());
        history.trouble().or_else(|| (!written).then(late))
    }))
}
