//! Batches the custom notifications: the first outcome leaves at once, under load one batch leaves every 16 ms.
//!
//! Pure: the clock is an argument.

use std::collections::HashMap;

use pytest_lens_protocol::EventPayload;
use serde_json::Value;
use tokio::time::Instant;

use crate::outgoing::notifications::notification;
use crate::timing::BATCH_WINDOW;

/// A notification to send: its method and parameters.
pub(crate) type Notice = (&'static str, Value);

/// The queues of all workspaces.
#[derive(Debug, Default)]
pub(crate) struct Batcher {
    queues: HashMap<String, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    seq: u64,
    revision: u64,
    waiting: Vec<EventPayload>,
    /// The time of the last notification.
    flushed: Option<Instant>,
    /// The time of the last outcomes.
    outcomes: Option<Instant>,
}

impl Batcher {
    /// Takes an event; returns the notifications to send now.
    pub(crate) fn push(&mut self, workspace: &str, payload: EventPayload, now: Instant) -> Vec<Notice> {
        let queue = self.queues.entry(workspace.to_owned()).or_default();
        let rested = |last: Option<Instant>| last.is_none_or(|last| now >= last + BATCH_WINDOW);
        let at_once = match &payload {
            EventPayload::TestOutcome(_) => rested(queue.outcomes),
            EventPayload::TestStarted(_) | EventPayload::Output(_) => rested(queue.flushed),
            _ => true,
        };
        if matches!(payload, EventPayload::RunStarted(_)) {
            // A run's first outcome leaves at once, even shortly after the last run's.
            queue.outcomes = None;
        }
        queue.add(payload);
        if at_once { queue.flush(workspace, now) } else { Vec::new() }
    }

    /// The time at which a waiting event is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queues.values().filter_map(Queue::deadline).min()
    }

    /// The notifications that are due now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Notice> {
        let due = self.queues.iter_mut().filter(|(_, queue)| queue.deadline().is_some_and(|at| at <= now));
        due.flat_map(|(workspace, queue)| queue.flush(workspace, now)).collect()
    }
}

impl Queue {
    fn deadline(&self) -> Option<Instant> {
        if self.waiting.is_empty() { None } else { self.flushed.map(|at| at + BATCH_WINDOW) }
    }

    /// Joins an event to a waiting one of its kind, if the client can't notice the change of order.
    fn add(&mut self, payload: EventPayload) {
        for waiting in self.waiting.iter_mut().rev() {
            match (waiting, &payload) {
                (EventPayload::TestStarted(old), EventPayload::TestStarted(new)) if old.run_id == new.run_id => {
                    old.ids.extend(new.ids.iter().cloned());
                    return;
                }
                (EventPayload::TestOutcome(old), EventPayload::TestOutcome(new)) if old.run_id == new.run_id => {
                    old.outcomes.extend(new.outcomes.iter().cloned());
                    return;
                }
                // A test's events may pass those of another test, but not its own start or, if it is repeated, its own
                // outcome.
                (EventPayload::TestOutcome(old), EventPayload::TestStarted(new))
                    if !old.outcomes.iter().any(|outcome| new.ids.contains(&outcome.id)) => {}
                (EventPayload::Output(_), EventPayload::TestStarted(_)) => {}
                (EventPayload::TestStarted(old), EventPayload::TestOutcome(new))
                    if !new.outcomes.iter().any(|outcome| old.ids.contains(&outcome.id)) => {}
                (EventPayload::Output(old), EventPayload::Output(new))
                    if old.run_id == new.run_id && old.id == new.id && old.stream == new.stream =>
                {
                    old.text.push_str(&new.text);
                    return;
                }
                // An outcome never passes its test's output, nor does output pass an outcome.
                _ => break,
            }
        }
        self.waiting.push(payload);
    }

    fn flush(&mut self, workspace: &str, now: Instant) -> Vec<Notice> {
        self.flushed = Some(now);
        let mut notices = Vec::with_capacity(self.waiting.len());
        for mut payload in self.waiting.drain(..) {
            match &mut payload {
                EventPayload::TestOutcome(_) => self.outcomes = Some(now),
                EventPayload::Inventory(delta) => {
                    // The server adds deltas of its own (live buffers), so it numbers the notifications itself.
                    self.revision += 1;
                    delta.revision = self.revision;
                }
                _ => {}
            }
            self.seq += 1;
            notices.push(notification(&payload, workspace, self.seq));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pytest_lens_protocol::{RunStart, TestOutcome, TestOutcomes, TestsStarted};

    use std::time::Duration;

    use super::*;

    fn started(id: &str) -> EventPayload {
        EventPayload::TestStarted(TestsStarted { run_id: "r".into(), ids: vec![id.into()] })
    }

    fn outcome(id: &str) -> EventPayload {
        let outcome = TestOutcome { id: id.into(), outcome: "passed".into(), attempt: 1, ..TestOutcome::default() };
        EventPayload::TestOutcome(TestOutcomes { run_id: "r".into(), outcomes: vec![outcome] })
    }

    fn run_start() -> EventPayload {
        EventPayload::RunStarted(RunStart {
            run_id: "r".into(),
            total: 1,
            ids: None,
            deselected: 0,
            ..RunStart::default()
        })
    }

    fn methods(notices: &[Notice]) -> Vec<&str> {
        notices.iter().map(|(method, _)| *method).collect()
    }

    #[test]
    fn the_first_outcome_leaves_at_once() {
        let mut batcher = Batcher::default();
        let start = Instant::now();
        assert_eq!(methods(&batcher.push("w", run_start(), start)), ["pytestLens/runStarted"]);
        let soon = start + Duration::from_millis(3);
        assert!(batcher.push("w", started("a"), soon).is_empty());
        let notices = batcher.push("w", outcome("a"), soon);
        assert_eq!(methods(&notices), ["pytestLens/testStarted", "pytestLens/testOutcome"]);
    }

    #[test]
    fn under_load_a_batch_waits_for_its_window_and_no_longer() {
        let mut batcher = Batcher::default();
        let start = Instant::now();
        batcher.push("w", run_start(), start);
        batcher.push("w", started("a"), start);
        batcher.push("w", outcome("a"), start);
        for id in ["b", "c"] {
            assert!(batcher.push("w", started(id), start).is_empty());
            assert!(batcher.push("w", outcome(id), start).is_empty());
        }
        let deadline = batcher.deadline().expect("something waits");
        assert_eq!(deadline, start + BATCH_WINDOW);
        assert!(batcher.due(start).is_empty());
        let notices = batcher.due(deadline);
        assert_eq!(methods(&notices), ["pytestLens/testStarted", "pytestLens/testOutcome"]);
        assert_eq!(notices[0].1["ids"], serde_json::json!(["b", "c"]));
        assert_eq!(notices[1].1["outcomes"].as_array().map(Vec::len), Some(2));
        assert_eq!(batcher.deadline(), None);
    }

    proptest! {
        #[test]
        fn numbers_are_gapless_and_every_test_starts_before_it_ends(
            steps in proptest::collection::vec((0u64..20, 0usize..4), 1..60),
        ) {
            let mut batcher = Batcher::default();
            let mut now = Instant::now();
            let mut sent = batcher.push("w", run_start(), now);
            for (at, (pause, kind)) in steps.iter().enumerate() {
                now += Duration::from_millis(*pause);
                sent.extend(batcher.due(now));
                let id = format!("t{at}");
                sent.extend(batcher.push("w", started(&id), now));
                if *kind > 0 {
                    sent.extend(batcher.push("w", outcome(&id), now));
                }
            }
            sent.extend(batcher.due(now + BATCH_WINDOW));
            let mut begun = std::collections::HashSet::new();
            let mut ended = 0;
            for (at, (method, params)) in sent.iter().enumerate() {
                prop_assert_eq!(params["seq"].as_u64(), Some(at as u64 + 1));
                for id in params["ids"].as_array().into_iter().flatten() {
                    begun.insert(id.clone());
                }
                if *method == crate::outgoing::notifications::TEST_OUTCOME {
                    for outcome in params["outcomes"].as_array().into_iter().flatten() {
                        prop_assert!(begun.contains(&outcome["id"]));
                        ended += 1;
                    }
                }
            }
            prop_assert_eq!(begun.len(), steps.len());
            prop_assert_eq!(ended, steps.iter().filter(|(_, kind)| *kind > 0).count());
        }
    }
}
