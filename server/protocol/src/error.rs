//! What can be wrong with a message, and the categories that an error response puts it in.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

/// The category of an [`crate::Response::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No such context, or it was shut down.
    ContextNotFound,
    /// Nothing could be collected.
    CollectionFailed,
    /// The request can't be understood, or an argument is wrong; the message names it.
    InvalidRequest,
    /// A fault of the engine itself.
    InternalError,
    /// The operation took longer than it may.
    Timeout,
    /// No usable Python, or no pytest >= 7 in it.
    PythonNotFound,
    /// Client and engine speak different protocol versions.
    VersionMismatch,
}

/// Bytes that are no message of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not MessagePack, or neither a map nor an array with a `type`.
    #[error("not a message: {0}; send a MessagePack map or array whose `type` is a string")]
    NotAMessage(String),
    /// The `type` is none of this protocol's.
    #[error("unknown type {found:?}{}", hint(.nearest))]
    UnknownType {
        /// The `type` that was sent.
        found: String,
        /// A known type that looks alike.
        nearest: Option<&'static str>,
    },
    /// A field is missing or has a wrong type.
    #[error("{message}: field `{field}`: {reason}")]
    Field {
        /// The message's `type`.
        message: String,
        /// The path of the field, e.g. `suites[0].test_url`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |known| format!("; did you mean {known:?}?"))
}

impl DecodeError {
    pub(crate) fn unknown_type(found: &str, known: &[&'static str]) -> Self {
        let bare = |tag: &str| tag.replace('_', "").to_ascii_lowercase();
        let meant = bare(found);
        let shared = |tag: &str| bare(tag).chars().zip(meant.chars()).take_while(|(a, b)| a == b).count();
        let nearest = known.iter().copied().max_by_key(|tag| (shared(tag), Reverse(tag.len())));
        let nearest = nearest.filter(|tag| shared(tag) >= 3);
        let mut found = found.to_owned();
        if found.len() > 64 {
            found = found.chars().take(64).collect::<String>() + "…";
        }
        DecodeError::UnknownType { found, nearest }
    }
}
