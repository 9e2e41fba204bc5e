//! Drives the product from outside, for tests and chores: a language client that waits with deadlines.
//!
//! Development only; nothing that is shipped depends on it.
#![warn(unreachable_pub)]

mod framing;
mod lsp_client;
mod server_requests;

pub use framing::{read_frame, write_frame};
pub use lsp_client::{LspClient, Message, ResponseError, file_uri};
