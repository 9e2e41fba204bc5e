//! The engine behind a Unix socket: where a daemon listens, how it serves its clients, and how a client reaches it.
//!
//! Each connection is a session. Requests and answers are the frames of `pytest_lens_protocol`; the answers come in the
//! order of the requests, each in the shape in which it was asked for.

mod address;
mod client;
mod connection;
mod server;

pub use address::{Address, AddressError, default_socket};
pub use client::Remote;
pub use server::{End, serve};
