//! The outcomes of earlier runs, kept in memory while the engine lives: durations and flakiness come from them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use pytest_lens_plan::flaky::{self, Observation, Verdict, judge};
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_protocol::{Evidence, Hint};

/// Observations kept of a test: a window of runs, with room for their repeats.
const KEPT: usize = 200;

#[derive(Debug, Clone)]
struct Seen {
    outcome: Outcome,
    code: Option<Arc<str>>,
    run: u64,
    attempt: u32,
    duration_ms: f64,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    tests: HashMap<Arc<str>, VecDeque<Seen>>,
    executed: u64,
    total_ms: f64,
}

/// One attempt of one test.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub id: Arc<str>,
    pub outcome: Outcome,
    pub attempt: u32,
    pub duration_ms: f64,
}

impl History {
    /// Takes in an attempt; `code` names the sources that it ran on.
    pub(crate) fn record(&mut self, run: u64, code: Option<&Arc<str>>, attempt: &Attempt) {
        if attempt.outcome == Outcome::NotRun {
            return;
        }
        self.executed += 1;
        self.total_ms += attempt.duration_ms;
        let seen = self.tests.entry(Arc::clone(&attempt.id)).or_default();
        seen.push_back(Seen {
            outcome: attempt.outcome,
            code: code.cloned(),
            run,
            attempt: attempt.attempt,
            duration_ms: attempt.duration_ms,
        });
        if seen.len() > KEPT {
            seen.pop_front();
        }
    }

    /// What is known of a test's flakiness; `None` where it never ran.
    pub(crate) fn verdict(&self, id: &str, window: usize) -> Option<Verdict> {
        let seen = self.tests.get(id)?;
        let observations: Vec<Observation> = seen
            .iter()
            .map(|seen| Observation {
                outcome: seen.outcome,
                fingerprint: seen.code.as_deref(),
                run: seen.run,
                attempt: seen.attempt,
            })
            .collect();
        Some(judge(&observations, window))
    }

    pub(crate) fn hint(&self, id: &str, window: usize) -> Option<Hint> {
        self.verdict(id, window).map(|verdict| hint_of(id, &verdict))
    }

    /// Every test with a history.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.tests.keys()
    }

    /// The last duration of a test that ran to its end.
    pub(crate) fn duration_ms(&self, id: &str) -> Option<f64> {
        let seen = self.tests.get(id)?;
        seen.iter().rev().find(|seen| seen.outcome != Outcome::Skipped).map(|seen| seen.duration_ms)
    }

    /// Tests executed, and their mean duration in milliseconds.
    pub(crate) fn totals(&self) -> (u64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a count of executed tests is far below 2^52")]
        let mean = if self.executed == 0 { 0.0 } else { self.total_ms / self.executed as f64 };
        (self.executed, mean)
    }
}

fn hint_of(id: &str, verdict: &Verdict) -> Hint {
    Hint {
        id: id.to_owned(),
        is_flaky: verdict.is_flaky,
        failure_rate: verdict.failure_rate,
        flips: verdict.flips,
        total_runs: verdict.total_runs,
        consecutive_failures: verdict.consecutive_failures,
        consecutive_passes: verdict.consecutive_passes,
        recent_outcomes: verdict.recent_outcomes.iter().map(|outcome| outcome.as_str().to_owned()).collect(),
        evidence: verdict.evidence.map(|evidence| match evidence {
            flaky::Evidence::SameCode => Evidence::SameCode,
            flaky::Evidence::AcrossChanges => Evidence::AcrossChanges,
        }),
    }
}
