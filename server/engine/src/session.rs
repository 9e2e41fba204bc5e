//! The way into the engine: sessions, on which clients make calls, in process or over a socket.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use pytest_lens_protocol::{Request, Response};

/// The future of one call's answer.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// One client's session. Its calls are answered in order, so a client that waits for events and makes other calls
/// meanwhile opens two.
pub trait Call: Send + Sync {
    /// Carries out one request. A failure is [`Response::Error`].
    fn call(&self, request: Request) -> Answer<'_>;
}

/// A connection to an engine: this process's own, or a daemon's.
pub trait Connect: Send + Sync {
    /// Opens a session.
    fn session(&self) -> Arc<dyn Call>;

    /// Returns whether other clients use the same engine: this client must not end its projects, and the engine may go
    /// and come back.
    fn is_shared(&self) -> bool {
        false
    }
}
