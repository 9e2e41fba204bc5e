//! A client of the engine: opens the context of a root, and reads its event log.

use std::path::Path;
use std::sync::Arc;

use pytest_lens_engine::{Call, Connect, activated};
use pytest_lens_protocol::{CollectError, Event, EventPayload, PROTOCOL_VERSION, Request, Response};

use crate::failure::Failure;

/// A session with the engine, and the context that it opened.
pub(crate) struct Client {
    /// The session, for requests.
    pub session: Arc<dyn Call>,
    /// The context's id, for every request.
    pub context_id: String,
    is_shared: bool,
}

impl Client {
    /// Opens the context of a root.
    pub(crate) async fn open(connect: &dyn Connect, root: &Path, mode: Option<String>) -> Result<Self, Failure> {
        let session = connect.session();
        let request = Request::InitContext {
            protocol_version: PROTOCOL_VERSION,
            repo_path: root.display().to_string(),
            python_path: None,
            execution_mode: mode,
            activated: connect.is_shared().then(activated),
        };
        match session.call(request).await {
            Response::ContextReady { context_id, .. } => {
                Ok(Client { session, context_id, is_shared: connect.is_shared() })
            }
            other => Err(Failure::of_response(other)),
        }
    }

    /// A client of a daemon, for a context that is open.
    pub(crate) fn of_daemon(session: Arc<dyn Call>, context_id: String) -> Self {
        Client { session, context_id, is_shared: true }
    }

    /// The log: of an engine in this process from its beginning, of a daemon from now on.
    pub(crate) fn log(&self) -> Log {
        Log { cursor: if self.is_shared { u64::MAX } else { 0 } }
    }

    /// Brings the inventory up to date.
    pub(crate) async fn collect(&self) -> Result<Collected, Failure> {
        match self.session.call(Request::Collect { context_id: self.context_id.clone(), force: false }).await {
            Response::CollectionComplete { node_count, duration_ms } => Ok(Collected { node_count, duration_ms }),
            other => Err(Failure::of_response(other)),
        }
    }

    /// The present errors of collection.
    pub(crate) async fn collect_errors(&self) -> Result<Vec<CollectError>, Failure> {
        // Also a daemon's log says from its beginning which there are.
        let mut log = Log { cursor: 0 };
        let mut errors = Vec::new();
        loop {
            let events = log.next(self, 0).await?;
            if events.is_empty() {
                return Ok(errors);
            }
            for event in &events {
                if let EventPayload::Inventory(delta) = &event.payload {
                    errors.clone_from(&delta.errors);
                }
            }
        }
    }
}

/// The result of a collection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Collected {
    /// Number of tests in the inventory.
    pub node_count: usize,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
}

/// A position in a context's event log.
#[derive(Debug)]
pub(crate) struct Log {
    cursor: u64,
}

impl Log {
    /// The events since the last call; waits up to `wait_ms` milliseconds for the first.
    pub(crate) async fn next(&mut self, client: &Client, wait_ms: u64) -> Result<Vec<Arc<Event>>, Failure> {
        let request = Request::GetEvents { context_id: client.context_id.clone(), cursor: self.cursor, wait_ms };
        match client.session.call(request).await {
            Response::Events { cursor, events } => {
                self.cursor = cursor;
                Ok(events)
            }
            other => Err(Failure::of_response(other)),
        }
    }
}
