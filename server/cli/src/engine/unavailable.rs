//! Stands in for an engine that could not be started.

use std::sync::Arc;

use pytest_lens_engine::{Answer, Call, Connect};
use pytest_lens_protocol::{ErrorCode, Request, Response};

/// An engine that could not be started. It answers each call with the reason; lenses and tree come from the sources.
#[derive(Debug, Clone)]
pub(crate) struct Unavailable(pub String);

impl Connect for Unavailable {
    fn session(&self) -> Arc<dyn Call> {
        Arc::new(self.clone())
    }
}

impl Call for Unavailable {
    fn call(&self, _: Request) -> Answer<'_> {
        let answer = Response::error(ErrorCode::InternalError, self.0.clone());
        Box::pin(std::future::ready(answer))
    }
}
