//! The transport: from the client's bytes to handlers, and back.

pub(crate) mod dispatch;
pub(crate) mod frames;
pub(crate) mod messages;
pub(crate) mod results;
pub(crate) mod spellings;
