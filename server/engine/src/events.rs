//! A context's event log: numbered without gaps by its one writer, read by any number of cursors.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use pytest_lens_protocol::{Event, EventPayload};
use tokio::sync::Notify;

/// Events kept at least; older ones go once the runs that they belong to are over.
const KEPT: usize = 50_000;

/// The most that one read returns.
const PAGE: usize = 2_000;

pub(crate) struct EventLog {
    inner: Mutex<Inner>,
    arrived: Notify,
}

struct Inner {
    events: VecDeque<Arc<Event>>,
    /// The number of the last event.
    last: u64,
    /// Nothing will be added any more.
    closed: bool,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        EventLog {
            inner: Mutex::new(Inner { events: VecDeque::new(), last: 0, closed: false }),
            arrived: Notify::new(),
        }
    }

    /// Appends an event. `may_forget`: no run is going on whose events must be kept.
    pub(crate) fn push(&self, payload: EventPayload, may_forget: bool) -> u64 {
        let seq = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.last += 1;
            let seq = inner.last;
            inner.events.push_back(Arc::new(Event { seq, payload }));
            if may_forget {
                while inner.events.len() > KEPT {
                    inner.events.pop_front();
                }
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

    /// Events behind `cursor`, a page at most, and the cursor behind them.
    pub(crate) fn read(&self, cursor: u64) -> (u64, Vec<Arc<Event>>) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let first = inner.last - inner.events.len() as u64;
        let skip = usize::try_from(cursor.saturating_sub(first)).unwrap_or(usize::MAX);
        let events: Vec<_> = inner.events.iter().skip(skip).take(PAGE).cloned().collect();
        (events.last().map_or(cursor.min(inner.last), |event| event.seq), events)
    }

    /// As [`EventLog::read`], but waits for a first event, `limit` at most.
    pub(crate) async fn wait(&self, cursor: u64, limit: std::time::Duration) -> (u64, Vec<Arc<Event>>) {
        let waiting = async {
            loop {
                let arrived = self.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                let (next, events) = self.read(cursor);
                if !events.is_empty() || self.is_closed() {
                    return (next, events);
                }
                arrived.await;
            }
        };
        tokio::time::timeout(limit, waiting).await.unwrap_or_else(|_| self.read(cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pytest_lens_protocol::TestsStarted;
    use std::time::Duration;

    fn payload(id: usize) -> EventPayload {
        EventPayload::TestStarted(TestsStarted { run_id: "r".into(), ids: vec![id.to_string()] })
    }

    #[test]
    fn readers_see_every_event_once_and_in_order() {
        let log = EventLog::new();
        for id in 0..5_000 {
            log.push(payload(id), true);
        }
        let (mut cursor, mut seen) = (0, Vec::new());
        loop {
            let (next, events) = log.read(cursor);
            if events.is_empty() {
                break;
            }
            seen.extend(events.iter().map(|event| event.seq));
            cursor = next;
        }
        assert_eq!(seen, (1..=5_000).collect::<Vec<u64>>());
    }

    #[test]
    fn old_events_go_and_the_gap_shows() {
        let log = EventLog::new();
        for id in 0..KEPT + 10 {
            log.push(payload(id), true);
        }
        assert_eq!(log.read(0).1[0].seq, 11);
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
        assert_eq!(reader.await.unwrap().0, 1);
    }
}
