//! The project's own interpreter, for a command that needs to know something of its pytest before the engine starts.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The interpreter in which the tests of a root run. Blocks; it may be called from anywhere.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn python(root: &Path) -> Result<PathBuf, Failure> {
    let find = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(pytest_lens_engine::find_python(root)).map_err(Failure::usage)
    };
    // A thread that belongs to a runtime can't wait for another one.
    std::thread::scope(|scope| scope.spawn(find).join()).unwrap_or_else(|cause| std::panic::resume_unwind(cause))
}
