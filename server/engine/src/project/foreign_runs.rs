//! Runs of other processes (a terminal's `pytest --lens`, another engine), read from the history. They are reported as
//! ordinary runs, so that editors show them.

use pytest_lens_history::{Attempt, Run};
use pytest_lens_plan::outcome::{Counts, run_status};
use pytest_lens_protocol::{EventPayload, RunEnd, RunStart, TestOutcome, TestOutcomes};

use crate::model::outcome::{counts_of, status_of};

/// Outcomes in one event.
const PIECE: usize = 500;

/// The message of a failure if the history keeps nothing but the outcome.
const NO_DETAILS: &str = "it failed in another process, which keeps no details: run it here to see them";

/// The events of a run that another process recorded. An imported run makes none, since its code may differ.
pub(crate) fn events(run: &Run) -> Vec<EventPayload> {
    if run.is_imported || run.attempts.is_empty() {
        return Vec::new();
    }
    let run_id = format!("recorded-{}", run.uid);
    let outcomes = outcomes(&run.attempts);
    let last = outcomes.iter().filter(|(_, told)| !told.will_rerun);
    let ids: Vec<String> = last.clone().map(|(_, told)| told.id.clone()).collect();
    let mut counts = Counts::default();
    last.for_each(|(attempt, _)| counts.add(attempt.outcome));
    let duration_ms = run.attempts.iter().map(|attempt| attempt.duration_ms).sum();
    let started =
        RunStart { run_id: run_id.clone(), total: ids.len(), ids: Some(ids), deselected: 0, ..RunStart::default() };
    let ended = RunEnd {
        run_id: run_id.clone(),
        status: status_of(run_status(&counts, false, false, false, false, false)),
        counts: counts_of(&counts),
        duration_ms,
        message: None,
        debug_data: None,
        warnings: Vec::new(),
        timings: None,
        summaries: Vec::new(),
        exit_status: None,
    };
    let told: Vec<TestOutcome> = outcomes.into_iter().map(|(_, told)| told).collect();
    let pieces = told
        .chunks(PIECE)
        .map(|piece| EventPayload::TestOutcome(TestOutcomes { run_id: run_id.clone(), outcomes: piece.to_vec() }));
    std::iter::once(EventPayload::RunStarted(started))
        .chain(pieces)
        .chain(std::iter::once(EventPayload::RunFinished(ended)))
        .collect()
}

/// Each attempt; `will_rerun` is set for those that another attempt followed.
fn outcomes(attempts: &[Attempt]) -> Vec<(&Attempt, TestOutcome)> {
    let mut last = std::collections::HashMap::new();
    for attempt in attempts {
        let known = last.entry(&*attempt.id).or_insert(attempt.attempt);
        *known = attempt.attempt.max(*known);
    }
    let told = |attempt: &Attempt| TestOutcome {
        id: attempt.id.to_string(),
        outcome: attempt.outcome.as_str().to_owned(),
        duration_ms: attempt.duration_ms,
        attempt: attempt.attempt,
        will_rerun: last.get(&*attempt.id).is_some_and(|last| *last > attempt.attempt),
        message: attempt.outcome.is_failure().then(|| {
            let failure = attempt.failure.as_ref();
            failure.map_or_else(|| NO_DETAILS.to_owned(), |failure| failure.message.to_string())
        }),
        ..TestOutcome::default()
    };
    attempts.iter().map(|attempt| (attempt, told(attempt))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use pytest_lens_history::Source;
    use pytest_lens_plan::outcome::Outcome;

    use super::*;

    fn run(attempts: &[(&str, Outcome, u32)]) -> Run {
        let attempts = attempts.iter().map(|&(id, outcome, attempt)| Attempt {
            id: Arc::from(id),
            outcome,
            attempt,
            duration_ms: 2.0,
            failure: None,
        });
        Run { attempts: attempts.collect(), ..Run::new(Source::Ci, None) }
    }

    #[test]
    fn a_run_is_told_with_one_final_outcome_of_each_test() {
        let run = run(&[
            ("a", Outcome::Failed, 1),
            ("a", Outcome::Passed, 2),
            ("b", Outcome::Skipped, 1),
            ("c", Outcome::Error, 1),
        ]);
        let events = events(&run);
        let [EventPayload::RunStarted(started), EventPayload::TestOutcome(told), EventPayload::RunFinished(end)] =
            events.as_slice()
        else {
            panic!("{events:?}")
        };
        assert_eq!(started.ids.as_deref(), Some(&["a".to_owned(), "b".into(), "c".into()][..]));
        assert_eq!(told.outcomes.iter().map(|told| told.will_rerun).collect::<Vec<_>>(), [true, false, false, false]);
        assert_eq!((end.counts.total, end.counts.passed, end.counts.skipped, end.counts.errors), (3, 1, 1, 1));
        assert_eq!((end.duration_ms, end.run_id == started.run_id), (8.0, true));
    }

    #[test]
    fn a_run_of_another_machine_is_not_told() {
        let imported = Run { is_imported: true, ..run(&[("a", Outcome::Failed, 1)]) };
        assert_eq!(events(&imported), []);
    }
}
