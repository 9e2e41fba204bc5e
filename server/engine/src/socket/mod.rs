//! The engine behind a Unix socket: where a daemon listens, how it serves its clients, and how a client reaches it.
//!
//! Each connection is a session. Requests and answers are the frames of `pytest_lens_protocol`; the answers come in the
//! order of the requests, each in the shape in which it was asked for.

mod client;
mod connection;
mod place;
mod serve;

pub use client::Remote;
pub use place::{Place, PlaceError, default_socket};
pub use serve::{End, serve};
