//! A scripted engine: gives scripted answers, keeps the requests, and sends the events that a test emits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use pytest_lens_engine::{Answer, Call, Connect};
use pytest_lens_protocol::{ErrorCode, Event, EventPayload, Request, Response};
use tokio::sync::watch;

/// The reaction to a request.
enum Scripted {
    Answer(Box<Response>),
    Silence,
    Panic,
    /// As if it were not scripted, when the test lets it.
    Held(tokio::sync::oneshot::Receiver<()>),
}

#[derive(Default)]
struct Inner {
    /// The events of each context.
    logs: HashMap<String, Vec<Arc<Event>>>,
    asked: Vec<Request>,
    scripted: HashMap<&'static str, VecDeque<Scripted>>,
    runs: usize,
}

/// The engine; clones share its state.
#[derive(Clone)]
pub(crate) struct FakeEngine {
    inner: Arc<Mutex<Inner>>,
    moved: Arc<watch::Sender<u64>>,
}

impl FakeEngine {
    pub(crate) fn new() -> Self {
        FakeEngine { inner: Arc::default(), moved: Arc::new(watch::Sender::new(0)) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Scripts the answer to the next request of this type.
    pub(crate) fn script(&self, tag: &'static str, response: Response) {
        self.inner().scripted.entry(tag).or_default().push_back(Scripted::Answer(Box::new(response)));
    }

    /// Refuses the next request of this type.
    pub(crate) fn refuse(&self, tag: &'static str, code: ErrorCode, message: &str) {
        self.script(tag, Response::error(code, message));
    }

    /// Never answers the next request of this type.
    pub(crate) fn hang(&self, tag: &'static str) {
        self.inner().scripted.entry(tag).or_default().push_back(Scripted::Silence);
    }

    /// Holds the next request of this type until the test drops the returned sender.
    pub(crate) fn hold(&self, tag: &'static str) -> tokio::sync::oneshot::Sender<()> {
        let (release, held) = tokio::sync::oneshot::channel();
        self.inner().scripted.entry(tag).or_default().push_back(Scripted::Held(held));
        release
    }

    /// Makes the next request of this type panic in its caller.
    pub(crate) fn panic(&self, tag: &'static str) {
        self.inner().scripted.entry(tag).or_default().push_back(Scripted::Panic);
    }

    /// Adds events to a context's log.
    pub(crate) fn emit(&self, context: &str, payloads: impl IntoIterator<Item = EventPayload>) {
        {
            let mut inner = self.inner();
            let log = inner.logs.entry(context.to_owned()).or_default();
            for payload in payloads {
                let seq = log.len() as u64 + 1;
                log.push(Arc::new(Event { seq, payload }));
            }
        }
        self.moved.send_modify(|count| *count += 1);
    }

    /// Removes the events of a context, as if it were a new one.
    pub(crate) fn forget_events(&self, context: &str) {
        self.inner().logs.remove(context);
    }

    /// Every request of this type so far.
    pub(crate) fn asked(&self, tag: &str) -> Vec<Request> {
        self.inner().asked.iter().filter(|request| request.tag() == tag).cloned().collect()
    }

    async fn answer(&self, request: Request) -> Response {
        let scripted = {
            let mut inner = self.inner();
            inner.asked.push(request.clone());
            inner.scripted.get_mut(request.tag()).and_then(VecDeque::pop_front)
        };
        match scripted {
            Some(Scripted::Answer(response)) => return *response,
            Some(Scripted::Silence) => return std::future::pending().await,
            Some(Scripted::Panic) => panic!("{} was to panic", request.tag()),
            Some(Scripted::Held(held)) => drop(held.await),
            None => {}
        }
        match request {
            Request::InitContext { repo_path, .. } => {
                let name = repo_path.rsplit('/').next().unwrap_or_default();
                let context_id = format!("context-{name}");
                Response::ContextReady { protocol_version: 1, context_id, inventory_hash: String::new() }
            }
            Request::GetEvents { context_id, cursor, wait_ms } => self.events(&context_id, cursor, wait_ms).await,
            Request::RunStream { node_ids, .. } => {
                let mut inner = self.inner();
                inner.runs += 1;
                Response::RunStarted { run_id: format!("run-{}", inner.runs), total_tests: node_ids.len().max(1) }
            }
            Request::Collect { .. } => Response::CollectionComplete { node_count: 3, duration_ms: 1 },
            Request::StopRun { .. } | Request::KillRun { .. } => Response::ControlAck,
            Request::Shutdown { .. } => Response::ShutdownAck,
            Request::GetLastOutcomes { .. } => Response::Events { cursor: 0, events: Vec::new() },
            Request::GetLastFailed { .. } => Response::TestList { node_ids: Vec::new() },
            Request::ConfigureContext { settings, .. } => {
                Response::ConfigAck { config_type: "settings".into(), config: settings }
            }
            other => Response::error(ErrorCode::InvalidRequest, format!("`{}` was not scripted", other.tag())),
        }
    }

    async fn events(&self, context: &str, cursor: u64, wait_ms: u64) -> Response {
        let mut moved = self.moved.subscribe();
        loop {
            {
                let inner = self.inner();
                let log = inner.logs.get(context).map_or(&[][..], Vec::as_slice);
                let events: Vec<_> = log.iter().filter(|event| event.seq > cursor).cloned().collect();
                if !events.is_empty() || wait_ms == 0 {
                    let end = log.len() as u64;
                    return Response::Events { cursor: end.max(cursor), events };
                }
            }
            // Answers when there is an event; the waiting time has no effect, because there is always another event or
            // the test's end.
            let _ = moved.changed().await;
        }
    }
}

struct Session(FakeEngine);

impl Call for Session {
    fn call(&self, request: Request) -> Answer<'_> {
        Box::pin(self.0.answer(request))
    }
}

impl Connect for FakeEngine {
    fn session(&self) -> Arc<dyn Call> {
        Arc::new(Session(self.clone()))
    }
}
