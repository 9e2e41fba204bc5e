//! The language server: LSP on one side, an engine's sessions on the other. Only this crate knows LSP.
//!
//! Handlers change and read one state ([`state`]) and never wait for a test; the engine's events are folded into it by
//! one task per folder ([`connection`], [`apply`]), and everything for the client leaves through one task
//! ([`publisher`]). [`server`], [`publisher`] and [`transport`] are the only files that know the LSP framework.

mod actions;
mod apply;
mod batch;
mod collecting;
mod commands;
mod connection;
mod diagnostics;
mod disk;
mod documents;
mod encoding;
mod error;
mod features;
mod findings;
mod folders;
mod frames;
mod hints;
mod hover;
mod lens;
mod lines;
mod live;
mod messages;
mod notifications;
mod outcome;
mod outline;
mod overlay;
mod pages;
mod paths;
mod places;
mod progress;
mod publisher;
mod reducer;
mod remembered;
mod server;
mod settings;
mod sources;
mod state;
mod telling;
mod text;
mod transport;
mod tree;
mod warned;
mod workspace;

pub use server::serve;
