//! The reason why a command failed, and the exit statuses, which are pytest's.

use pytest_lens_protocol::{ErrorCode, Response};

/// pytest's exit statuses.
pub(crate) mod exit {
    /// Success.
    pub(crate) const OK: i32 = 0;
    /// Tests failed; `doctor` found something wrong.
    pub(crate) const FAILED: i32 = 1;
    /// The command was interrupted, or files could not be collected.
    pub(crate) const INTERRUPTED: i32 = 2;
    /// A bug or a fault of the system.
    pub(crate) const INTERNAL: i32 = 3;
    /// The arguments or the project do not allow the command.
    pub(crate) const USAGE: i32 = 4;
    /// No test was collected or selected.
    pub(crate) const NO_TESTS: i32 = 5;
}

/// The reason why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A sentence for standard error, and the exit status.
    Message {
        /// Names the culprit and the way out.
        sentence: String,
        /// One of [`exit`].
        status: i32,
    },
    /// The user asked for the help or the version: this text.
    Help(String),
    /// Standard output is closed: nobody reads a message either.
    Pipe,
}

impl Failure {
    /// The arguments or the project do not allow the command.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Failure::Message { sentence: sentence.into(), status: exit::USAGE }
    }

    /// A bug or a fault of the system.
    pub(crate) fn internal(sentence: impl Into<String>) -> Self {
        Failure::Message { sentence: sentence.into(), status: exit::INTERNAL }
    }

    /// The engine refused a request, or gave an answer of another kind.
    pub(crate) fn of_response(response: Response) -> Self {
        match response {
            Response::Error { code: ErrorCode::InternalError, message, .. } => Failure::internal(message),
            Response::Error { message, .. } => Failure::usage(message),
            other => Failure::internal(format!(
                "the engine's answer `{}` does not fit the request; use a daemon of the same version",
                other.tag()
            )),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::Pipe
        } else {
            Failure::internal(format!("the output can't be written: {error}"))
        }
    }
}
