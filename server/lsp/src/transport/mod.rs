//! Between the bytes of the client and the handlers.

pub(crate) mod dispatch;
pub(crate) mod frames;
pub(crate) mod messages;
