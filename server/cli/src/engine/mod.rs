//! The engine as a client sees it, and where it runs.

pub(crate) mod client;
pub(crate) mod history;
pub(crate) mod inventory;
pub(crate) mod shards;
pub(crate) mod start;
pub(crate) mod unavailable;
