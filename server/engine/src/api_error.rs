//! Refusals of requests.

use pytest_lens_protocol::{CollectError, ErrorCode, Response, SessionExit};

/// The reason why a request is not carried out. It becomes an error response.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub code: ErrorCode,
    pub message: String,
    /// The errors of collection that are the reason.
    pub errors: Vec<CollectError>,
    /// How pytest ended its session, if that is the reason.
    pub session_exit: Option<SessionExit>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Refusal { code, message: message.into(), errors: Vec::new(), session_exit: None }
    }
}

impl Refusal {
    /// The refusal of a nested project, which it names.
    pub(crate) fn within(self, path: &str) -> Self {
        let message = if self.message.starts_with(path) { self.message } else { format!("{path}: {}", self.message) };
        Refusal { message, ..self }
    }

    /// The answer for a client that knows our additions to the base protocol.
    pub(crate) fn with_additions(self) -> Response {
        let Refusal { code, message, session_exit, .. } = self;
        Response::Error { code, message, session_exit }
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
