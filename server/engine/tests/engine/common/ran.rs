//! A context's event log as a client reads it, and a run as the log shows it.

use std::collections::HashMap;
use std::sync::Arc;

use pytest_lens_engine::Call;
use pytest_lens_protocol::{
    Event, EventPayload, InventoryDelta, Output, Request, Response, RunEnd, RunEndStatus, RunStart, TestOutcome,
};

use super::in_time;

/// A cursor over the events, from the first on.
pub(crate) struct Log {
    session: Arc<dyn Call>,
    context: String,
    cursor: u64,
    /// Every event read so far.
    pub events: Vec<Arc<Event>>,
}

impl Log {
    pub(crate) fn new(session: Arc<dyn Call>, context: &str) -> Self {
        Log { session, context: context.to_owned(), cursor: 0, events: Vec::new() }
    }

    async fn read(&mut self, wait_ms: u64) {
        let request = Request::GetEvents { context_id: self.context.clone(), cursor: self.cursor, wait_ms };
        match self.session.call(request).await {
            Response::Events { cursor, events } => {
                for event in &events {
                    assert_eq!(event.seq, self.events.len() as u64 + 1, "events are numbered without gaps");
                    self.events.push(Arc::clone(event));
                }
                self.cursor = cursor;
            }
            other => panic!("no events: {other:?}"),
        }
    }

    /// Waits until `find` finds something among all events so far.
    pub(crate) async fn until<T>(&mut self, what: &str, find: impl Fn(&EventPayload) -> Option<T>) -> T {
        let mut looked_at = 0;
        in_time(what, async {
            loop {
                let found = self.events[looked_at..].iter().find_map(|event| find(&event.payload));
                looked_at = self.events.len();
                match found {
                    Some(found) => return found,
                    None => self.read(60_000).await,
                }
            }
        })
        .await
    }

    /// Waits for the start of a test.
    pub(crate) async fn started(&mut self, id: &str) {
        let find = |payload: &EventPayload| match payload {
            EventPayload::TestStarted(started) => started.ids.iter().any(|own| own == id).then_some(()),
            _ => None,
        };
        self.until(&format!("the start of {id}"), find).await;
    }

    /// Every inventory delta that is there.
    pub(crate) async fn deltas(&mut self) -> Vec<InventoryDelta> {
        self.read(0).await;
        let delta = |event: &Arc<Event>| match &event.payload {
            EventPayload::Inventory(delta) => Some(delta.clone()),
            _ => None,
        };
        self.events.iter().filter_map(delta).collect()
    }
}

/// A run that is over.
pub(crate) struct Ran {
    pub begun: RunStart,
    pub end: RunEnd,
    /// Ids, in the order in which they were started.
    pub started: Vec<String>,
    /// Every attempt, in order.
    pub attempts: Vec<TestOutcome>,
    pub output: Vec<Output>,
}

impl Ran {
    /// Waits for the end, and checks what the log promises of every run.
    pub(crate) async fn wait(mut log: Log, run_id: &str) -> Self {
        let end = log
            .until("the end of the run", |payload| match payload {
                EventPayload::RunFinished(end) if end.run_id == run_id => Some(end.clone()),
                _ => None,
            })
            .await;
        let mut begun = None;
        let mut ran = Ran {
            begun: RunStart { run_id: String::new(), total: 0, ids: None, deselected: 0, ..RunStart::default() },
            end,
            started: Vec::new(),
            attempts: Vec::new(),
            output: Vec::new(),
        };
        let mut running: HashMap<String, usize> = HashMap::new();
        let mut ends = 0;
        for event in &log.events {
            let (its_run, is_begin) = match &event.payload {
                EventPayload::RunStarted(told) => (&told.run_id, true),
                EventPayload::TestStarted(told) => (&told.run_id, false),
                EventPayload::TestOutcome(told) => (&told.run_id, false),
                EventPayload::Output(told) => (&told.run_id, false),
                EventPayload::RunFinished(told) => (&told.run_id, false),
                EventPayload::Inventory(_) | EventPayload::FlakinessHint(_) | EventPayload::StaleOutcomes(_) => {
                    continue;
                }
            };
            if its_run != run_id {
                continue;
            }
            if let (EventPayload::RunStarted(told), Some(RunStart { total, ids, deselected, errors, .. })) =
                (&event.payload, &mut begun)
            {
                // More of its tests, or of their errors, are known.
                assert!(
                    (told.total > *total || !told.errors.is_empty()) && ids.is_none() == told.ids.is_none(),
                    "{event:?}"
                );
                (*total, *deselected) = (told.total, told.deselected);
                errors.extend(told.errors.iter().cloned());
                ids.iter_mut().for_each(|ids| ids.extend(told.ids.iter().flatten().cloned()));
                continue;
            }
            assert_eq!(begun.is_none(), is_begin, "its beginning is before everything else: {event:?}");
            assert_eq!(ends, 0, "nothing follows the end: {event:?}");
            match &event.payload {
                EventPayload::RunStarted(told) => begun = Some(told.clone()),
                EventPayload::TestStarted(told) => {
                    for id in &told.ids {
                        *running.entry(id.clone()).or_default() += 1;
                        ran.started.push(id.clone());
                    }
                }
                EventPayload::TestOutcome(told) => {
                    for outcome in &told.outcomes {
                        let starts = running.entry(outcome.id.clone()).or_default();
                        // A pass that another attempt was to follow is reported again if none did.
                        let is_again = ran.attempts.iter().any(|told| {
                            (&told.id, told.attempt, told.will_rerun) == (&outcome.id, outcome.attempt, true)
                        });
                        assert!(
                            *starts > 0 || outcome.outcome == "not_run" || is_again,
                            "an outcome without a start: {outcome:?}"
                        );
                        *starts = starts.saturating_sub(1);
                        ran.attempts.push(outcome.clone());
                    }
                }
                EventPayload::Output(told) => ran.output.push(told.clone()),
                EventPayload::RunFinished(_) => ends += 1,
                EventPayload::Inventory(_) | EventPayload::FlakinessHint(_) | EventPayload::StaleOutcomes(_) => {}
            }
        }
        ran.begun = begun.unwrap();
        ran.check();
        ran
    }

    fn check(&self) {
        let finals: Vec<&TestOutcome> = self.finals().collect();
        assert_eq!(finals.len(), self.begun.total, "one final outcome for each selected test: {:?}", self.outcomes());
        let counts = self.end.counts;
        assert_eq!(counts.passed + counts.failed + counts.skipped + counts.errors, counts.total);
        assert_eq!(counts.total + counts.not_run, self.begun.total);
        let count = |names: &[&str]| finals.iter().filter(|outcome| names.contains(&outcome.outcome.as_str())).count();
        assert_eq!(counts.passed, count(&["passed", "xpassed"]));
        assert_eq!(counts.failed, count(&["failed", "timed_out"]));
        assert_eq!(counts.skipped, count(&["skipped", "xfailed"]));
        assert_eq!(counts.errors, count(&["error", "crashed"]));
        let mut once: Vec<&str> = finals.iter().map(|outcome| outcome.id.as_str()).collect();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), finals.len(), "each test once: {:?}", self.outcomes());
    }

    pub(crate) fn finals(&self) -> impl Iterator<Item = &TestOutcome> {
        self.attempts.iter().filter(|outcome| !outcome.will_rerun)
    }

    /// Final outcomes, as `id outcome`, in the order of their ids.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let mut told: Vec<String> =
            self.finals().map(|outcome| format!("{} {}", outcome.id, outcome.outcome)).collect();
        told.sort_unstable();
        told
    }

    /// The final outcome of a test, by the end of its id.
    pub(crate) fn of(&self, id: &str) -> &TestOutcome {
        let found: Vec<&TestOutcome> = self.finals().filter(|outcome| outcome.id.ends_with(id)).collect();
        match found.as_slice() {
            [one] => one,
            _ => panic!("{} tests end with {id:?}: {:#?}", found.len(), self.outcomes()),
        }
    }

    pub(crate) fn status(&self) -> RunEndStatus {
        self.end.status
    }
}
