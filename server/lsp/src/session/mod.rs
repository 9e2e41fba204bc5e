//! The state of one client, and the kinds of access to it.

pub(crate) mod cancels;
pub(crate) mod client_capabilities;
pub(crate) mod file_names;
pub(crate) mod handlers;
pub(crate) mod live_tree;
pub(crate) mod message;
pub(crate) mod narrow;
pub(crate) mod state;
