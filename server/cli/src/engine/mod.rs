//! The engine as the commands use it.

pub(crate) mod client;
pub(crate) mod history;
pub(crate) mod inventory;
pub(crate) mod shards;
pub(crate) mod start;
pub(crate) mod unavailable;
