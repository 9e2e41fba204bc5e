//! `pytest-lens lsp`: the language server on standard input and output.

use std::sync::Arc;

use pytest_lens_engine::Connect;
use pytest_lens_platform::signals;

use crate::failure::{Failure, exit};

/// Serves until the client leaves or the system ends the process. A client that leaves without `shutdown` is a failure,
/// as the LSP specification says.
pub(crate) async fn serve(connect: Arc<dyn Connect>) -> Result<i32, Failure> {
    let mut signals = signals::listen()?;
    let serving = pytest_lens_lsp::serve(connect, tokio::io::stdin(), tokio::io::stdout());
    tokio::select! {
        was_shut_down = serving => Ok(if was_shut_down { exit::OK } else { exit::FAILED }),
        Some(_) = signals.recv() => Ok(exit::OK),
    }
}
