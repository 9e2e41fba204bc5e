//! `pytest-lens lsp`: the language server on standard input and output.

use std::sync::Arc;

use pytest_lens_engine::{Answer, Call, Connect};
use pytest_lens_protocol::{ErrorCode, Request, Response};

use crate::failure::{Failure, exit};
use crate::signals;

/// Serves until the client leaves, or the system asks to end. A client that leaves without `shutdown` is a failure, as
/// LSP says.
pub async fn serve(connect: Arc<dyn Connect>) -> Result<i32, Failure> {
    let mut asks = signals::listen()?;
    let serving = pytest_lens_lsp::serve(connect, tokio::io::stdin(), tokio::io::stdout());
    tokio::select! {
        was_shut_down = serving => Ok(if was_shut_down { exit::OK } else { exit::FAILED }),
        Some(_) = asks.recv() => Ok(exit::OK),
    }
}

/// What stands for an engine that could not be started: it answers each call with the reason, and lenses and tree come
/// from the sources.
#[derive(Debug, Clone)]
pub struct Unavailable(pub String);

impl Connect for Unavailable {
    fn session(&self) -> Arc<dyn Call> {
        Arc::new(self.clone())
    }
}

impl Call for Unavailable {
    fn call(&self, _: Request) -> Answer<'_> {
        let answer = Response::Error { code: ErrorCode::InternalError, message: self.0.clone() };
        Box::pin(std::future::ready(answer))
    }
}
