//! The history of a project. The engine needs no context for it, and starts no Python.

use std::path::Path;

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{Hint, Request, Response};

use crate::failure::Failure;

/// A project's history.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The file that holds it.
    pub file: String,
    /// Whether that file exists.
    pub exists: bool,
    /// Number of recorded outcomes.
    pub outcomes: usize,
    /// Number of tests with a recorded outcome.
    pub tracked: usize,
    /// Number of those that are neither flaky nor unstable.
    pub stable: usize,
    /// Tests that passed and failed on the same code.
    pub flaky: Vec<Hint>,
    /// Tests that passed and failed across changes of code only.
    pub unstable: Vec<Hint>,
    /// The fault of the file, as a sentence.
    pub trouble: Option<String>,
    /// Damaged files that were set aside.
    pub set_aside: Vec<String>,
}

/// Requests the history of a root.
pub(crate) async fn history(connect: &dyn Connect, root: &Path) -> Result<History, Failure> {
    match connect.session().call(Request::GetHistory { repo_path: root.display().to_string() }).await {
        Response::History { file, exists, outcomes, tracked, stable, flaky, unstable, trouble, set_aside } => {
            Ok(History { file, exists, outcomes, tracked, stable, flaky, unstable, trouble, set_aside })
        }
        other => Err(Failure::of_response(other)),
    }
}
