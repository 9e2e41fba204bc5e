//! Faults of a message, and the categories of error responses.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

/// The category of an [`crate::Response::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No context has this id, or it was shut down.
    ContextNotFound,
    /// pytest could not collect anything.
    CollectionFailed,
    /// The engine can't understand the request, or an argument is wrong; the message names it.
    InvalidRequest,
    /// The engine failed internally.
    InternalError,
    /// The operation took longer than its limit.
    Timeout,
    /// The engine found no usable Python, or no pytest >= 7 in it.
    PythonNotFound,
    /// Client and engine speak different protocol versions.
    VersionMismatch,
}

/// The reason why bytes are no message of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not MessagePack, or neither a map nor an array with a `type`.
    #[error("not a message: {0}; send a MessagePack map or array whose `type` is a string")]
    NotAMessage(String),
    /// This protocol has no message of this `type`.
    #[error("unknown type {found:?}{}", hint(.nearest))]
    UnknownType {
        /// The `type` that was sent.
        found: String,
        /// The known type that is most like it, if one is.
        nearest: Option<&'static str>,
    },
    /// A field is missing or has a wrong type.
    #[error("{message}: field `{field}`: {reason}")]
    Field {
        /// The message's `type`.
        message: String,
        /// The path of the field, e.g. `suites[0].test_url`.
        field: String,
        /// The fault, and the expected value.
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
