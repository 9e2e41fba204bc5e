//! The daemon's loop: accepts clients, and decides when to end.

use std::sync::Arc;
use std::time::Duration;

use pytest_lens_platform::sockets::{Stream, check_own};
use tokio::task::JoinSet;

use super::address::Address;
use super::connection::{ConnectionEnd, serve_connection};
use crate::engine::Engine;
use crate::session::Connect;
use crate::timing::ACCEPT_PAUSE;

/// The reason why a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its own process asked it to.
    Requested,
    /// A client sent `shutdown` without a context.
    Shutdown,
    /// It had neither a client nor a run for the whole idle time.
    Idle,
}

/// Serves clients until the future `asked` completes, a client ends the daemon, or it has been idle for too long. On
/// return the socket is removed and all processes of the engine have ended.
pub async fn serve(
    engine: &Arc<Engine>,
    mut address: Address,
    idle: Option<Duration>,
    asked: impl Future<Output = ()>,
) -> End {
    let mut connections = JoinSet::new();
    tokio::pin!(asked);
    let end = loop {
        // A run can begin only while a client is connected, so each connection restarts the idle time.
        let is_empty = connections.is_empty();
        let idling = async {
            match idle {
                Some(limit) if is_empty => {
                    engine.wait_idle().await;
                    tokio::time::sleep(limit).await;
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = &mut asked => break End::Requested,
            accepted = address.accept() => match accepted {
                Ok(stream) if is_own(&stream) => {
                    connections.spawn(serve_connection(stream, engine.session()));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a client could not be let in");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => if matches!(ended, Ok(ConnectionEnd::Shutdown)) { break End::Shutdown },
            () = idling => break End::Idle,
        }
    };
    address.close();
    connections.shutdown().await;
    engine.shutdown().await;
    end
}

/// Returns whether the other side is a process of this user.
pub(super) fn is_own(stream: &Stream) -> bool {
    let checked = check_own(stream);
    if let Err(why) = &checked {
        tracing::warn!(why, "a process was turned away");
    }
    checked.is_ok()
}
