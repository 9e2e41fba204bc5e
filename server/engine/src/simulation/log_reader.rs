//! Clients that read the event log from cursors: one that stays, and one that goes away and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_plan::outcome::Outcome;
use pytest_lens_protocol::{Event, EventPayload, RunEnd, TestOutcome};
use tokio::time::sleep;

use super::checks::Violation;
use super::lab::Lab;
use super::records::SeenAttempt;
use crate::project::event_log::Read;

/// A run as a reader has seen it.
#[derive(Debug, Default)]
pub(super) struct SeenRun {
    pub total: usize,
    /// How often each test has started.
    pub starts: BTreeMap<String, u32>,
    /// Outcomes in their order, those that announce another attempt included.
    pub outcomes: Vec<TestOutcome>,
    /// The final outcomes, by their places among all.
    pub last: BTreeMap<String, usize>,
    pub end: Option<RunEnd>,
}

/// All that a reader has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub runs: BTreeMap<String, SeenRun>,
    pub digest: u64,
}

/// Reads the log until it is closed. `leaves`: with pauses, and each page from its cursor twice.
pub(super) async fn follow(lab: Arc<Lab>, leaves: bool) -> Result<Seen, Violation> {
    let (mut cursor, mut seen, mut random) = (0, Seen::default(), lab.machine.random());
    loop {
        let is_closed = lab.state.log.is_closed();
        let read = lab.state.log.wait(cursor, Duration::from_secs(300)).await;
        let Read::Events(next, events) = read else {
            return Err(Violation(format!("events after {cursor} were dropped while their runs went on")));
        };
        if events.is_empty() && is_closed {
            return Ok(seen);
        }
        if leaves && random.percent(40) {
            // The answer was lost with the client.
            sleep(random.ms(3_000)).await;
            continue;
        }
        for event in &events {
            cursor += 1;
            if event.seq != cursor {
                return Err(Violation(format!("event {} comes where {cursor} was expected", event.seq)));
            }
            seen.take(event)?;
        }
        if next != cursor {
            return Err(Violation("a page of the log does not end at its cursor".into()));
        }
    }
}

impl Seen {
    /// Takes the next event. The order of a run's events is checked here.
    fn take(&mut self, event: &Event) -> Result<(), Violation> {
        match &event.payload {
            EventPayload::RunStarted(start) => {
                let run = SeenRun { total: start.total, ..SeenRun::default() };
                self.add(&[&start.run_id]);
                if self.runs.insert(start.run_id.clone(), run).is_some() {
                    return Err(Violation(format!("{} starts twice", start.run_id)));
                }
            }
            EventPayload::TestStarted(tests) => {
                let run = self.open(&tests.run_id)?;
                for id in &tests.ids {
                    if run.last.contains_key(id) {
                        return Err(Violation(format!("{}: {id} starts after its final outcome", tests.run_id)));
                    }
                    *run.starts.entry(id.clone()).or_default() += 1;
                }
                tests.ids.iter().for_each(|id| self.add(&["start", id]));
            }
            EventPayload::TestOutcome(told) => {
                let run = self.open(&told.run_id)?;
                for outcome in &told.outcomes {
                    if run.last.contains_key(&outcome.id) {
                        return Err(Violation(format!("{}: {} has two final outcomes", told.run_id, outcome.id)));
                    }
                    if !outcome.will_rerun {
                        run.last.insert(outcome.id.clone(), run.outcomes.len());
                    }
                    run.outcomes.push(outcome.clone());
                }
                for outcome in &told.outcomes {
                    let message = outcome.message.as_deref().unwrap_or_default();
                    self.add(&[&outcome.id, &outcome.outcome, message, &outcome.attempt.to_string()]);
                }
            }
            EventPayload::RunFinished(end) => {
                self.add(&[&end.run_id, &format!("{:?} {:?}", end.status, end.message)]);
                let run = self.open(&end.run_id)?;
                run.end = Some(end.clone());
            }
            EventPayload::Inventory(_)
            | EventPayload::Output(_)
            | EventPayload::FlakinessHint(_)
            | EventPayload::StaleOutcomes(_) => {}
        }
        Ok(())
    }

    /// A run that has started and not ended.
    fn open(&mut self, run: &str) -> Result<&mut SeenRun, Violation> {
        let found = self.runs.get_mut(run).filter(|run| run.end.is_none());
        found.ok_or_else(|| Violation(format!("{run} has an event before its start or after its end")))
    }

    fn add(&mut self, parts: &[&str]) {
        for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The attempts of each run, as the history counts them.
    pub(super) fn attempts(&self) -> BTreeMap<String, Vec<SeenAttempt>> {
        let of_run = |run: &SeenRun| {
            let mut last: BTreeMap<&str, u32> = BTreeMap::new();
            let mut attempts = Vec::new();
            for told in &run.outcomes {
                let outcome: Outcome = told.outcome.parse().unwrap_or(Outcome::Error);
                let is_new = last.insert(&told.id, told.attempt) != Some(told.attempt);
                if outcome != Outcome::NotRun && is_new {
                    attempts.push(SeenAttempt { id: told.id.clone(), attempt: told.attempt, outcome });
                }
            }
            attempts
        };
        self.runs.iter().map(|(id, run)| (id.clone(), of_run(run))).collect()
    }
}
