//! A project's event log: numbered without gaps by its one writer, read by any number of cursors. Older events are
//! packed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pytest_lens_protocol::{Event, EventPayload};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::runs::packed::{decode, encode};
use crate::timing::EVENTS_KEPT;

/// The log keeps at least this many events. Older ones are dropped when their runs are over.
const KEPT: usize = 50_000;

/// Limit for the weight of all events, in bytes. Above it, events are dropped that readers had time to read.
const WEIGHT_KEPT: usize = 8 * 1024 * 1024;

/// The newest events are not packed, since most readers are near the end of the log.
const UNPACKED: usize = 512;

/// Events in one block; a block of heavy events has fewer.
const BLOCK: usize = 256;

/// Limit for the weight of the events that are not packed while nobody uses the project, in bytes.
const WEIGHT_AT_REST: usize = 1024 * 1024;

/// The most events in one answer.
const PAGE: usize = 2_000;

/// The approximate limit of one answer in bytes. A frame holds several times as much.
const PAGE_WEIGHT: usize = 8 * 1024 * 1024;

pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    arrived: Notify,
}

/// Consecutive events, packed.
struct Block {
    /// The time of the last event.
    at: Instant,
    weight: usize,
    /// The number of its events.
    count: usize,
    bytes: Box<[u8]>,
}

impl Block {
    /// Its events, numbered from `last` on; `None` if they can't be decoded.
    fn events_after(&self, last: u64) -> Option<Vec<Arc<Event>>> {
        let payloads: Vec<EventPayload> = decode(&self.bytes)?;
        let events = (last + 1..).zip(payloads).map(|(seq, payload)| Arc::new(Event { seq, payload }));
        Some(events.collect())
    }
}

struct Inner {
    /// The oldest events.
    packed: VecDeque<Arc<Block>>,
    /// The events after the packed ones.
    events: VecDeque<Arc<Event>>,
    /// The time and the weight of each unpacked event.
    notes: VecDeque<(Instant, usize)>,
    /// The weight of all events.
    weight: usize,
    /// The number of the last event.
    last: u64,
    /// No more events will be added.
    closed: bool,
}

/// The events after a reader's cursor.
#[derive(Debug, PartialEq)]
pub(crate) enum Read {
    /// A page of events, and the cursor after them.
    Events(u64, Vec<Arc<Event>>),
    /// The cursor is not in the log: the events after it were dropped, or it is beyond the end, as the cursor of an
    /// earlier log may be. The reader needs the current state, and continues from here.
    Lost(u64),
}

impl Inner {
    fn push(&mut self, event: Event) {
        let weight = weight_of(&event.payload);
        self.weight += weight;
        self.notes.push_back((Instant::now(), weight));
        self.events.push_back(Arc::new(event));
    }

    /// The number of the last dropped event.
    fn dropped(&self) -> u64 {
        self.last - (self.packed_count() + self.events.len()) as u64
    }

    fn packed_count(&self) -> usize {
        self.packed.iter().map(|block| block.count).sum()
    }

    /// Drops the oldest events while there are too many.
    fn forget(&mut self, now: Instant) {
        let mut left = self.packed_count() + self.events.len();
        while let Some(block) = self.packed.front() {
            let is_read = now.duration_since(block.at) >= EVENTS_KEPT;
            left -= block.count;
            if left < KEPT && (self.weight <= WEIGHT_KEPT || !is_read) {
                return;
            }
            self.weight -= block.weight;
            self.packed.pop_front();
        }
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

/// Writes an event to the debug log, where a run can be followed by its id.
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
        EventPayload::StaleOutcomes(told) => {
            tracing::debug!(seq, stale = told.stale.len(), fresh = told.fresh.len(), "outcomes became stale or fresh");
        }
        EventPayload::Output(_) | EventPayload::FlakinessHint(_) => {}
    }
}

impl EventLog {
    pub(crate) fn new() -> Self {
        EventLog {
            inner: Mutex::new(Inner {
                packed: VecDeque::new(),
                events: VecDeque::new(),
                notes: VecDeque::new(),
                weight: 0,
                last: 0,
                closed: false,
            }),
            arrived: Notify::new(),
        }
    }

    /// Appends an event. `may_forget`: no current run needs the older events.
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

    /// Drops older events that readers had time to read, if there are too many. No current run may need them.
    pub(crate) fn forget(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).forget(Instant::now());
    }

    /// Packs all but the newest events. Blocks.
    pub(crate) fn pack(&self) {
        while self.pack_oldest(|inner| if inner.events.len() < UNPACKED + BLOCK { 0 } else { BLOCK }) {}
    }

    /// Packs all events if they are heavy: nobody uses the project at present. Blocks.
    pub(crate) fn pack_heavy(&self) {
        let heavy = |inner: &Inner| {
            let weight: usize = inner.notes.iter().map(|(_, weight)| weight).sum();
            if weight < WEIGHT_AT_REST { 0 } else { inner.events.len() }
        };
        self.pack_oldest(heavy);
    }

    /// Packs as many of the oldest events into a block; whether it did so.
    fn pack_oldest(&self, count: impl Fn(&Inner) -> usize) -> bool {
        let lock = || self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (oldest, at, weight) = {
                let inner = lock();
                let count = count(&inner);
                let Some(&(at, _)) = count.checked_sub(1).and_then(|last| inner.notes.get(last)) else { return false };
                let weight: usize = inner.notes.iter().take(count).map(|(_, weight)| weight).sum();
                let oldest: Vec<_> = inner.events.iter().take(count).cloned().collect();
                (oldest, at, weight)
            };
            let payloads: Vec<&EventPayload> = oldest.iter().map(|event| &event.payload).collect();
            let Some(bytes) = encode(&payloads) else { return false };
            let mut inner = lock();
            if inner.events.front().map(|event| event.seq) != oldest.first().map(|event| event.seq) {
                // Another call has packed or dropped these events.
                continue;
            }
            let count = oldest.len();
            inner.events.drain(..count);
            inner.notes.drain(..count);
            let packed = bytes.len().min(weight);
            inner.weight = inner.weight - weight + packed;
            inner.packed.push_back(Arc::new(Block { at, weight: packed, count, bytes: bytes.into() }));
            return true;
        }
    }

    /// The number of the last event.
    pub(crate) fn last(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// Closes the log, and answers waiting readers.
    pub(crate) fn close(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.arrived.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// The events after `cursor`.
    pub(crate) fn read(&self, cursor: u64) -> Read {
        let (packed, unpacked) = {
            let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let dropped = inner.dropped();
            if cursor < dropped {
                return Read::Lost(dropped);
            }
            if cursor > inner.last {
                return Read::Lost(inner.last);
            }
            let (mut end, mut room) = (dropped, PAGE);
            let mut blocks = Vec::new();
            for block in &inner.packed {
                let before = end;
                end += block.count as u64;
                if end > cursor && room > 0 {
                    blocks.push((before, Arc::clone(block)));
                    room = room.saturating_sub(block.count);
                }
            }
            let skip = usize::try_from(cursor.saturating_sub(end)).unwrap_or(usize::MAX);
            let events: Vec<_> = inner.events.iter().skip(skip).take(room).cloned().collect();
            (blocks, events)
        };
        let mut found = Vec::new();
        for (before, block) in packed {
            let Some(events) = block.events_after(before) else {
                tracing::error!("packed events can't be read any more");
                return Read::Lost(before + block.count as u64);
            };
            found.extend(events.into_iter().filter(|event| event.seq > cursor));
        }
        found.extend(unpacked);
        found.truncate(PAGE);
        let mut weight = 0;
        let light = |event: &Arc<Event>| {
            let before = weight;
            weight += weight_of(&event.payload);
            before == 0 || weight <= PAGE_WEIGHT
        };
        let events: Vec<_> = found.into_iter().take_while(light).collect();
        Read::Events(events.last().map_or(cursor, |event| event.seq), events)
    }

    /// As [`EventLog::read`], but waits up to `limit` for a first event.
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

/// The approximate size of an event on the wire, in bytes.
fn weight_of(payload: &EventPayload) -> usize {
    /// The size of the field names and numbers of an event or item.
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
        EventPayload::StaleOutcomes(told) => {
            BASE + told.stale.iter().chain(&told.fresh).map(String::len).sum::<usize>()
        }
        EventPayload::RunStarted(run) => BASE + run.ids.iter().flatten().map(String::len).sum::<usize>(),
        _ => BASE,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use pytest_lens_protocol::OutputStream::Stdout;
    use pytest_lens_protocol::{InventoryDelta, ItemKind, Output, TestItem, TestOutcome, TestOutcomes, TestsStarted};

    use super::*;
    use crate::model::item::outline_item;

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

    #[tokio::test(start_paused = true)]
    async fn r4_large_changes_of_the_tree_are_kept_no_longer_than_readers_need() {
        let log = EventLog::new();
        for _ in 0..20 {
            let label = "x".repeat(1024 * 1024).into();
            let item = TestItem { label, ..outline_item(Path::new("/"), "a.py", ItemKind::File) };
            let delta = InventoryDelta { upserts: vec![Arc::new(item)], ..InventoryDelta::default() };
            log.push(EventPayload::Inventory(delta), true);
        }
        tokio::time::advance(EVENTS_KEPT / 2).await;
        log.forget();
        assert_eq!(events(log.read(0)).0, 7, "a page");
        tokio::time::advance(EVENTS_KEPT).await;
        log.forget();
        assert_eq!(log.read(0), Read::Lost(13));
    }

    #[test]
    fn r4_packed_events_are_read_as_before() {
        let log = EventLog::new();
        let count = 2 * PAGE + 3 * BLOCK;
        for id in 0..count {
            let outcome = TestOutcome {
                id: format!("test_a.py::test_{id}"),
                outcome: "failed".into(),
                duration_ms: 0.1 + id as f64,
                stdout: Some("text".into()),
                ..TestOutcome::default()
            };
            log.push(EventPayload::TestOutcome(TestOutcomes { run_id: "r".into(), outcomes: vec![outcome] }), true);
            log.push(
                EventPayload::Inventory(InventoryDelta { revision: id as u64, ..InventoryDelta::default() }),
                true,
            );
        }
        let cursors = [0, 1, 255, 256, 257, 2_000, 2 * count as u64 - 600, 2 * count as u64];
        let before = cursors.map(|cursor| log.read(cursor));
        log.pack();
        let inner = log.inner.lock().unwrap();
        assert!(inner.events.len() < UNPACKED + BLOCK && inner.packed.len() > 10);
        assert!(inner.packed.iter().map(|block| block.bytes.len()).sum::<usize>() < 60 * 2 * count);
        drop(inner);
        for (cursor, read) in cursors.into_iter().zip(before) {
            let (_, before) = events(read);
            let (end, after) = events(log.read(cursor));
            assert_eq!(after, before[..after.len()], "after {cursor}");
            assert_eq!(end, cursor + after.len() as u64);
            assert_eq!(after.is_empty(), before.is_empty());
        }
        log.inner.lock().unwrap().forget(Instant::now());
        log.push(payload(0), true);
        assert_eq!(events(log.read(2 * count as u64)).1.len(), 1, "numbers go on");
    }

    #[test]
    fn heavy_events_are_packed_at_rest_and_read_as_before() {
        let log = EventLog::new();
        let output = |size: usize| {
            let (run_id, text) = ("r".into(), "x".repeat(size));
            EventPayload::Output(Output { run_id, id: None, stream: Stdout, text })
        };
        log.push(output(WEIGHT_AT_REST / 2), true);
        log.pack_heavy();
        assert_eq!(log.inner.lock().unwrap().packed_count(), 0, "they are light");
        for round in 1..4 {
            log.push(output(WEIGHT_AT_REST), true);
            log.push(payload(round), true);
            let before = events(log.read(0)).1;
            log.pack_heavy();
            assert_eq!(log.inner.lock().unwrap().events.len(), 0);
            assert!(log.inner.lock().unwrap().weight < WEIGHT_AT_REST);
            log.push(payload(0), true);
            for cursor in 0..before.len() {
                let after = events(log.read(cursor as u64)).1;
                assert_eq!(after[..before.len() - cursor], before[cursor..], "after {cursor}");
                assert_eq!(after.len(), before.len() - cursor + 1);
            }
        }
        assert_eq!(log.last(), 10);
    }

    #[test]
    fn r4_whole_blocks_go_when_there_are_too_many_events() {
        let log = EventLog::new();
        for id in 0..KEPT + BLOCK + 10 {
            log.push(payload(id), false);
        }
        log.pack();
        log.push(payload(0), true);
        let Read::Lost(dropped) = log.read(0) else { panic!("nothing was dropped") };
        assert!(dropped <= BLOCK as u64);
        assert_eq!(events(log.read(dropped)).1[0].seq, dropped + 1);
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
