//! All messages to the client.

pub(crate) mod batch;
pub(crate) mod notifications;
pub(crate) mod pages;
pub(crate) mod publisher;
