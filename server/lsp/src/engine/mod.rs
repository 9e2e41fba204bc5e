//! The connection of each folder to the engine.

pub(crate) mod apply_event;
pub(crate) mod collect;
pub(crate) mod configure;
pub(crate) mod connection;
pub(crate) mod event_log;
pub(crate) mod last_outcomes;
pub(crate) mod progress;
pub(crate) mod source_listing;
pub(crate) mod warnings;
