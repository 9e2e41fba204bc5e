//! How clients reach the engine: sessions, on which they make calls, in process or over a socket alike.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use pytest_lens_protocol::{Request, Response};

/// The future of one call's answer.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// One client's session: its calls are answered in order, so a client that wants to wait for events and do something
/// else meanwhile opens two.
pub trait Call: Send + Sync {
    /// Carries out one request. What goes wrong is [`Response::Error`].
    fn call(&self, request: Request) -> Answer<'_>;
}

/// A way to an engine: this process's own, or a daemon's.
pub trait Connect: Send + Sync {
    /// Opens a session.
    fn session(&self) -> Arc<dyn Call>;

    /// Whether others use the same engine: its projects are not this client's to end, and it may go and come back.
    fn is_shared(&self) -> bool {
        false
    }
}
