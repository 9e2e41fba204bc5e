//! A fake engine for tests: it answers as a script says, and keeps the requests.

use std::sync::{Arc, Mutex, PoisonError};

use pytest_lens_engine::{Answer, Call, Connect};
use pytest_lens_protocol::{CollectError, Event, EventPayload, InventoryDelta, Range, Request, Response};
use tokio::sync::Notify;

/// Answers a request.
type Script = dyn Fn(&Request) -> Response + Send + Sync;

/// A fake engine. It answers `init_context` and `get_events` itself if the script answers `Pong`.
#[derive(Clone)]
pub(crate) struct Fake {
    script: Arc<Script>,
    silent_on: &'static str,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    events: Mutex<Vec<EventPayload>>,
    asked: Mutex<Vec<Request>>,
    changed: Notify,
}

impl Fake {
    /// The script answers `Pong` to requests that it leaves to the fake.
    pub(crate) fn new(script: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Self {
        Fake { script: Arc::new(script), silent_on: "", state: Arc::default() }
    }

    /// Appends events to the log.
    pub(crate) fn with_events(self, events: Vec<EventPayload>) -> Self {
        self.push(events);
        self
    }

    /// Appends events to the log.
    pub(crate) fn push(&self, events: Vec<EventPayload>) {
        self.state.events.lock().unwrap_or_else(PoisonError::into_inner).extend(events);
        self.state.changed.notify_waiters();
    }

    /// Makes it never answer this request.
    pub(crate) fn silent_on(self, tag: &'static str) -> Self {
        Fake { silent_on: tag, ..self }
    }

    /// Waits until this request has come.
    pub(crate) async fn until_asked(&self, tag: &str) {
        loop {
            let changed = self.state.changed.notified();
            if self.asked().iter().any(|request| request.tag() == tag) {
                return;
            }
            changed.await;
        }
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn events(&self, cursor: u64, wait_ms: u64) -> Response {
        loop {
            let changed = self.state.changed.notified();
            let events = self.state.events.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let later: Vec<_> = (1..)
                .zip(events)
                .filter(|(seq, _)| *seq > cursor)
                .map(|(seq, payload)| Arc::new(Event { seq, payload }))
                .collect();
            if !later.is_empty() || wait_ms == 0 {
                return Response::Events { cursor: cursor + later.len() as u64, events: later };
            }
            changed.await;
        }
    }
}

impl Connect for Fake {
    fn session(&self) -> Arc<dyn Call> {
        Arc::new(self.clone())
    }
}

impl Call for Fake {
    fn call(&self, request: Request) -> Answer<'_> {
        self.state.asked.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        self.state.changed.notify_waiters();
        Box::pin(async move {
            if request.tag() == self.silent_on {
                std::future::pending::<()>().await;
            }
            match ((self.script)(&request), request) {
                (Response::Pong, Request::InitContext { .. }) => Response::ContextReady {
                    protocol_version: 1,
                    context_id: "c".into(),
                    inventory_hash: String::new(),
                },
                (Response::Pong, Request::GetEvents { cursor, wait_ms, .. }) => self.events(cursor, wait_ms).await,
                (answer, _) => answer,
            }
        })
    }
}

/// An inventory event with these errors.
pub(crate) fn inventory(errors: Vec<CollectError>) -> EventPayload {
    EventPayload::Inventory(InventoryDelta { revision: 1, errors, ..InventoryDelta::default() })
}

/// An error of collection; the line counts from 1.
pub(crate) fn collect_error(path: &str, line: u32, message: &str) -> CollectError {
    CollectError { uri: format!("file://{path}"), range: Range::of_line(line), message: message.into(), longrepr: None }
}
