//! Reads a project's event log from now on, for every tool: errors of collection, the last failure of each test, and
//! the events of runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{CollectError, Event, EventPayload, TestOutcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::engine::client::{Client, Log};
use crate::failure::Failure;
use crate::paths::path_of_uri;
use crate::results::report::is_failure;
use crate::timing::EVENTS_WAIT_MS;

/// The most failures that are kept.
const KEPT: usize = 2_000;

/// A project, as its log says.
#[derive(Debug)]
pub(super) struct Follower {
    /// The context's id, for every request.
    pub context_id: String,
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    errors: Vec<CollectError>,
    failures: HashMap<String, TestOutcome>,
    readers: Vec<UnboundedSender<Arc<Event>>>,
    has_ended: bool,
}

impl Follower {
    /// Opens the context of a root and follows its log.
    pub(super) async fn open(connect: &dyn Connect, root: &Path) -> Result<Arc<Self>, Failure> {
        let client = Client::open(connect, root, None).await?;
        let follower = Arc::new(Follower {
            context_id: client.context_id.clone(),
            root: root.to_owned(),
            state: Mutex::default(),
        });
        let mut log = client.log();
        // The first answer is the present inventory.
        follower.apply(&log.next(&client, 0).await?);
        tokio::spawn(Arc::clone(&follower).follow(client, log));
        Ok(follower)
    }

    async fn follow(self: Arc<Self>, client: Client, mut log: Log) {
        while let Ok(events) = log.next(&client, EVENTS_WAIT_MS).await {
            self.apply(&events);
        }
        let mut state = self.state();
        state.has_ended = true;
        state.readers.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, events: &[Arc<Event>]) {
        let mut state = self.state();
        for event in events {
            state.readers.retain(|reader| reader.send(Arc::clone(event)).is_ok());
            match &event.payload {
                EventPayload::Inventory(delta) => state.errors.clone_from(&delta.errors),
                EventPayload::TestOutcome(tests) => {
                    for outcome in tests.outcomes.iter().filter(|outcome| !outcome.will_rerun) {
                        if !is_failure(&outcome.outcome) {
                            state.failures.remove(&outcome.id);
                        } else if state.failures.len() < KEPT || state.failures.contains_key(&outcome.id) {
                            state.failures.insert(outcome.id.clone(), outcome.clone());
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the log can't be read any more: the daemon or the context has gone.
    pub(super) fn has_ended(&self) -> bool {
        self.state().has_ended
    }

    /// The events from now on; they end with the log.
    pub(super) fn events(&self) -> UnboundedReceiver<Arc<Event>> {
        let (sender, receiver) = unbounded_channel();
        let mut state = self.state();
        if !state.has_ended {
            state.readers.push(sender);
        }
        receiver
    }

    /// The present errors of collection. Of a file that was deleted since, no error counts.
    pub(super) fn errors(&self) -> Vec<CollectError> {
        let exists = |error: &&CollectError| self.root.join(path_of_uri(&error.uri, &self.root)).exists();
        self.state().errors.iter().filter(exists).cloned().collect()
    }

    /// The last failure of a test, if its last outcome since this follows is one.
    pub(super) fn failure(&self, id: &str) -> Option<TestOutcome> {
        self.state().failures.get(id).cloned()
    }
}
