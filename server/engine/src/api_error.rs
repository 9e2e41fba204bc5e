//! Refusals of requests.

use pytest_lens_protocol::{CollectError, ErrorCode, Response};

/// The reason why a request is not carried out. It becomes an error response.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub code: ErrorCode,
    pub message: String,
    /// The errors of collection that are the reason.
    pub errors: Vec<CollectError>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), errors: Vec::new() }
    }
}

impl Refusal {
    /// The refusal of a nested project, which it names.
    pub(crate) fn within(self, path: &str) -> Self {
        let message = if self.message.starts_with(path) { self.message } else { format!("{path}: {}", self.message) };
        Refusal { message, ..self }
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
