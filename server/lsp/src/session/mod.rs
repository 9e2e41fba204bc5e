//! The state of one client, and what changes it and reads it.

pub(crate) mod client_capabilities;
pub(crate) mod narrow;
pub(crate) mod state;
