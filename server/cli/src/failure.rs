//! Why a command came to nothing, and the exit statuses, which are pytest's.

use pytest_lens_protocol::{ErrorCode, Response};

/// pytest's exit statuses.
pub(crate) mod exit {
    /// All is well.
    pub(crate) const OK: i32 = 0;
    /// Tests failed (of `doctor`: something is wrong).
    pub(crate) const FAILED: i32 = 1;
    /// Interrupted, or errors in collection.
    pub(crate) const INTERRUPTED: i32 = 2;
    /// A fault of our own.
    pub(crate) const INTERNAL: i32 = 3;
    /// The command can't be carried out as it was given.
    pub(crate) const USAGE: i32 = 4;
    /// No test was collected, or none selected.
    pub(crate) const NO_TESTS: i32 = 5;
}

/// Why a command came to nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A sentence for standard error, and the exit status.
    Message {
        /// Names the thing at fault, and the way out.
        sentence: String,
        /// One of [`exit`].
        status: i32,
    },
    /// The help or the version was asked for.
    Help(String),
    /// Whoever read standard output has gone: there is nothing to say, and nobody to say it to.
    Pipe,
}

impl Failure {
    /// The arguments or the project don't allow it.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Failure::Message { sentence: sentence.into(), status: exit::USAGE }
    }

    /// A fault of our own.
    pub(crate) fn internal(sentence: impl Into<String>) -> Self {
        Failure::Message { sentence: sentence.into(), status: exit::INTERNAL }
    }

    /// What the engine answered instead of what was asked for.
    pub(crate) fn of_response(response: Response) -> Self {
        match response {
            Response::Error { code: ErrorCode::InternalError, message } => Failure::internal(message),
            Response::Error { message, .. } => Failure::usage(message),
            other => Failure::internal(format!("the engine gave an answer to another question: `{}`", other.tag())),
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
