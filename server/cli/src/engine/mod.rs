//! The engine as the commands use it.

pub mod client;
pub mod history;
pub mod inventory;
pub mod shards;
pub mod start;
pub mod unavailable;
