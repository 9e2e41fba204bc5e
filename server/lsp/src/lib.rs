//! The language server: LSP on one side, an engine's sessions on the other. Only this crate knows LSP.
//!
//! Handlers change and read one state ([`session`]) and never wait for a test; the engine's events are folded into it
//! by one task per folder ([`engine`]), and everything for the client leaves through one task ([`outgoing`]).
//! [`server`], [`outgoing`] and [`transport`] are the only places that know the LSP framework.
#![warn(unreachable_pub)]

mod commands;
mod documents;
mod engine;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod outgoing;
mod paths;
mod requests;
mod server;
mod server_capabilities;
mod session;
mod sync;
mod timing;
mod transport;
mod workspaces;

pub use server::serve;
