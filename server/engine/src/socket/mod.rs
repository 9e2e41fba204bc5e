//! The engine behind a Unix socket: the daemon's address, its server, and the client.
//!
//! Each connection is a session. Requests and answers are frames of `pytest_lens_protocol`; answers come in the order
//! of the requests, each in the shape of its request.

mod address;
mod client;
mod connection;
mod server;

pub use address::{Address, AddressError, default_socket};
pub use client::Remote;
pub use server::{End, serve};
