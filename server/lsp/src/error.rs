//! The error of a command: one sentence that says what the user can do.

use pytest_lens_protocol::{ErrorCode, Response};

/// A command that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandError {
    /// Whose fault it is.
    pub(crate) kind: ErrorKind,
    /// One sentence for the user.
    pub(crate) message: String,
    /// What the engine calls it, where it comes from there.
    pub(crate) code: Option<ErrorCode>,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The client's: its arguments.
    Arguments,
    /// The world's: what was asked for can't be done now.
    Failed,
    /// The engine no longer knows the context.
    ContextGone,
}

/// The result of a command.
pub(crate) type CommandResult<T> = Result<T, CommandError>;

impl CommandError {
    /// The arguments are wrong.
    pub(crate) fn arguments(message: impl Into<String>) -> Self {
        CommandError { kind: ErrorKind::Arguments, message: message.into(), code: None }
    }

    /// It can't be done now.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        CommandError { kind: ErrorKind::Failed, message: message.into(), code: None }
    }

    /// The engine answered with something else than it should have.
    pub(crate) fn unexpected(request: &str, response: &Response) -> Self {
        let answer = response.tag();
        CommandError::failed(format!(
            "the engine answered `{request}` with `{answer}`: client and engine do not fit, install one version of both"
        ))
    }

    /// From an error response of the engine, whose message is made for users.
    pub(crate) fn from_engine(code: ErrorCode, message: String) -> Self {
        let kind = match code {
            ErrorCode::InvalidRequest => ErrorKind::Arguments,
            ErrorCode::ContextNotFound => ErrorKind::ContextGone,
            _ => ErrorKind::Failed,
        };
        CommandError { kind, message, code: Some(code) }
    }
}
