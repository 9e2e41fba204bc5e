//! The error of a command: one sentence that names the user's way out.

use pytest_lens_protocol::{ErrorCode, Response};

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandError {
    /// The category of the error.
    pub(crate) kind: ErrorKind,
    /// One sentence for the user.
    pub(crate) message: String,
    /// The engine's category, if the error comes from the engine.
    pub(crate) code: Option<ErrorCode>,
}

/// The category of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The client's arguments are wrong.
    Arguments,
    /// The request can't be carried out now.
    Failed,
    /// The engine no longer knows the context.
    ContextGone,
}

/// The result of a command.
pub(crate) type CommandResult<T> = Result<T, CommandError>;

impl CommandError {
    /// Creates an error for wrong arguments.
    pub(crate) fn arguments(message: impl Into<String>) -> Self {
        CommandError { kind: ErrorKind::Arguments, message: message.into(), code: None }
    }

    /// Creates an error for a request that can't be carried out now.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        CommandError { kind: ErrorKind::Failed, message: message.into(), code: None }
    }

    /// Creates an error for a wrong kind of answer from the engine.
    pub(crate) fn unexpected(request: &str, response: &Response) -> Self {
        let answer = response.tag();
        CommandError::failed(format!(
            "the engine answered `{request}` with `{answer}`: their versions differ, install the same version of both"
        ))
    }

    /// Converts an error response of the engine, whose message is written for users.
    pub(crate) fn from_engine(code: ErrorCode, message: String) -> Self {
        let kind = match code {
            ErrorCode::InvalidRequest => ErrorKind::Arguments,
            ErrorCode::ContextNotFound => ErrorKind::ContextGone,
            _ => ErrorKind::Failed,
        };
        CommandError { kind, message, code: Some(code) }
    }
}
