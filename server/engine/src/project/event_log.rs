//! A project's event log: numbered without gaps by its one writer, read by any number of cursors.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pytest_lens_protocol::{Event, EventPayload};
use tokio::sync::Notify;

use crate::timing::EVENTS_KEPT;

/// Events kept at least; older ones go once the runs that they belong to are over.
const KEPT: usize = 50_000;

/// What outcomes and output in it may weigh; above that, what readers have had time for goes too.
const WEIGHT_KEPT: usize = 8 * 1024 * 1024;

/// The most that one read returns.
const PAGE: usize = 2_000;

/// What one read returns weighs about this much at most: many times it fits a frame.
const PAGE_WEIGHT: usize = 8 * 1024 * 1024;

pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    arrived: Notify,
}

struct Inner {
    events: VecDeque<Arc<Event>>,
    /// When each came, and what it weighs.
    notes: VecDeque<(Instant, usize)>,
    /// What all of them weigh.
    weight: usize,
    /// The number of the last event.
    last: u64,
    /// Nothing will be added any more.
    closed: bool,
}

/// What a reader finds behind its cursor.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    /// Events, a page at most, and the cursor behind them.
    Events(u64, Vec<Arc<Event>>),
    /// The cursor is not in what is kept: events behind it were dropped, or it lies beyond the end, as that of an
    /// earlier log may. The reader needs the present state, and goes on from here.
    Lost(u64),
}

impl Inner {
    fn push(&mut self, event: Event) {
        // The items of an inventory live in that, however many events tell of them.
        let weight = match &event.payload {
            EventPayload::Inventory(_) => 0,
            payload => weight_of(payload),
        };
        self.weight += weight;
        self.notes.push_back((Instant::now(), weight));
        self.events.push_back(Arc::new(event));
    }

    /// Drops what is too much.
    fn forget(&mut self, now: Instant) {
        while let Some(&(at, weight)) = self.notes.front() {
            let is_read = now.duration_since(at) >= EVENTS_KEPT;
            if self.events.len() <= KEPT && (self.weight <= WEIGHT_KEPT || !is_read) {
                return;
            }
            self.weight -= weight;
            self.notes.pop_front();
            self.events.pop_front();
        }
    }
}

/// Writes an event to the log for people, where they ask for it: a run can be followed there by its id.
fn trace(seq: u64, payload: &EventPayload) {
    match payload {
        EventPayload::RunStarted(run) => tracing::debug!(seq, run = run.run_id, tests = run.total, "run started"),
        EventPayload::TestStarted(tests) => {
            tracing::debug!(seq, run = tests.run_id, tests = ?tests.ids, "tests started")
        }
        EventPayload::TestOutcome(told) => {
            for it in &told.outcomes {
                let (test, outcome, attempt, ms) = (&it.id, &it.outcome, it.attempt, it.duration_ms);
                tracing::debug!(seq, run = told.run_id, test, outcome, attempt, ms, "test outcome");
            }
        }
        EventPayload::RunFinished(end) => {
            tracing::debug!(seq, run = end.run_id, status = ?end.status, ms = end.duration_ms, "run finished");
        }
        EventPayload::Inventory(delta) => {
            let (items, gone, errors) = (delta.upserts.len(), delta.removed.len(), delta.errors.len());
            tracing::debug!(seq, delta.revision, items, gone, errors, "inventory changed");
        }
        EventPayload::Output(_) | EventPayload::FlakinessHint(_) => {}
    }
}

impl EventLog {
    pub(crate) fn new() -> Self {
        EventLog {
            inner: Mutex::new(Inner {
                events: VecDeque::new(),
                notes: VecDeque::new(),
                weight: 0,
                last: 0,
                closed: false,
            }),
            arrived: Notify::new(),
        }
    }

    /// Appends an event. `may_forget`: no run is going on whose events must be kept.
    pub(crate) fn push(&self, payload: EventPayload, may_forget: bool) -> u64 {
        let seq = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.last += 1;
            let seq = inner.last;
            trace(seq, &payload);
            inner.push(Event { seq, payload });
            if may_forget {
                inner.forget(Instant::now());
            }
            seq
        };
        self.arrived.notify_waiters();
        seq
    }

    /// Nothing will be added any more: whoever waits is answered.
    pub(crate) fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.arrived.notify_waiters();
    }

    fn is_closed(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// What lies behind `cursor`.
    pub(crate) fn read(&self, cursor: u64) -> Read {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let first = inner.last - inner.events.len() as u64;
        if cursor < first {
            return Read::Lost(first);
        }
        if cursor > inner.last {
            return Read::Lost(inner.last);
        }
        let skip = usize::try_from(cursor - first).unwrap_or(usize::MAX);
        let mut weight = 0;
        let light = |event: &&Arc<Event>| {
            let before = weight;
            weight += weight_of(&event.payload);
            before == 0 || weight <= PAGE_WEIGHT
        };
        let events: Vec<_> = inner.events.iter().skip(skip).take(PAGE).take_while(light).cloned().collect();
        Read::Events(events.last().map_or(cursor, |event| event.seq), events)
    }

    /// As [`EventLog::read`], but waits for a first event, `limit` at most.
    pub(crate) async fn wait(&self, cursor: u64, limit: Duration) -> Read {
        let waiting = async {
            loop {
                let arrived = self.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                let is_closed = self.is_closed();
                match self.read(cursor) {
                    Read::Events(_, events) if events.is_empty() && !is_closed => arrived.await,
                    found => return found,
                }
            }
        };
        tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| self.read(cursor))
    }
}

/// About how many bytes an event takes on the wire.
fn weight_of(payload: &EventPayload) -> usize {
    /// Of an event's or item's field names and numbers.
    const BASE: usize = 256;
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match payload {
        EventPayload::Inventory(delta) => {
            let items = delta.upserts.iter().map(|item| BASE + 2 * item.id.len() + item.uri.len() + item.label.len());
            let errors = delta.errors.iter().map(|error| BASE + error.message.len());
            items.chain(errors).sum()
        }
        EventPayload::TestOutcome(told) => {
            let outcomes = told.outcomes.iter().map(|outcome| {
                let texts = [
                    &outcome.message,
                    &outcome.expected,
                    &outcome.actual,
                    &outcome.longrepr,
                    &outcome.stdout,
                    &outcome.stderr,
                    &outcome.log,
                ];
                BASE + texts.into_iter().map(text).sum::<usize>()
            });
            outcomes.sum()
        }
        EventPayload::Output(output) => BASE + output.text.len(),
        EventPayload::RunStarted(run) => BASE + run.ids.iter().flatten().map(String::len).sum::<usize>(),
        _ => BASE,
    }
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::OutputStream::Stdout;
    use pytest_lens_protocol::{Output, TestsStarted};

    use super::*;

    #[test]
    fn r4_a_log_is_bounded_by_its_weight_once_readers_had_time() {
        let log = EventLog::new();
        let text = "x".repeat(1024 * 1024);
        for _ in 0..20 {
            let (run_id, stream) = ("run".into(), Stdout);
            let output = Output { run_id, id: None, stream, text: text.clone() };
            log.push(EventPayload::Output(output), true);
        }
        let mut inner = log.inner.lock().unwrap();
        assert_eq!(inner.events.len(), 20, "they are fresh");
        inner.forget(Instant::now() + EVENTS_KEPT);
        assert_eq!(inner.events.len(), 7);
        assert!(inner.weight <= WEIGHT_KEPT && inner.notes.len() == 7);
        drop(inner);
        assert_eq!(log.read(0), Read::Lost(13));
    }

    fn payload(id: usize) -> EventPayload {
        EventPayload::TestStarted(TestsStarted { run_id: "r".into(), ids: vec![id.to_string()] })
    }

    fn events(read: Read) -> (u64, Vec<Arc<Event>>) {
        match read {
            Read::Events(cursor, events) => (cursor, events),
            Read::Lost(cursor) => panic!("lost, to go on from {cursor}"),
        }
    }

    #[test]
    fn readers_see_every_event_once_and_in_order() {
        let log = EventLog::new();
        for id in 0..5_000 {
            log.push(payload(id), true);
        }
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            let (next, events) = events(log.read(cursor));
            if events.is_empty() {
                break;
            }
            seen.extend(events.iter().map(|event| event.seq));
            cursor = next;
        }
        assert_eq!(seen, (1..=5_000).collect::<Vec<u64>>());
    }

    #[test]
    fn whoever_is_behind_what_is_kept_or_beyond_the_end_is_lost() {
        let log = EventLog::new();
        assert_eq!(log.read(0), Read::Events(0, Vec::new()));
        for id in 0..KEPT + 10 {
            log.push(payload(id), true);
        }
        assert_eq!(log.read(9), Read::Lost(10));
        assert_eq!(events(log.read(10)).1[0].seq, 11);
        let end = KEPT as u64 + 10;
        assert_eq!(log.read(end), Read::Events(end, Vec::new()));
        assert_eq!(log.read(end + 1), Read::Lost(end));
        assert_eq!(log.read(u64::MAX), Read::Lost(end));
    }

    #[test]
    fn a_page_of_heavy_events_is_short_but_never_empty() {
        let log = EventLog::new();
        for size in [PAGE_WEIGHT * 2, PAGE_WEIGHT / 2, PAGE_WEIGHT / 4, PAGE_WEIGHT] {
            let text = "x".repeat(size);
            log.push(EventPayload::Output(Output { run_id: "r".into(), id: None, stream: Stdout, text }), true);
        }
        assert_eq!([0, 1, 3].map(|cursor| events(log.read(cursor)).0), [1, 3, 4]);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let log = Arc::new(EventLog::new());
        let reader = tokio::spawn({
            let log = Arc::clone(&log);
            async move { log.wait(0, Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        log.push(payload(0), true);
        assert_eq!(events(reader.await.unwrap()).0, 1);
    }
}
