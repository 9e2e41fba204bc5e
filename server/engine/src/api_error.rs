//! Refusals of requests.

use pytest_lens_protocol::{ErrorCode, Response};

/// The reason why a request is not carried out. It becomes an error response.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into() }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        Response::error(refusal.code, refusal.message)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Refuses a request that is invalid.
pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}
