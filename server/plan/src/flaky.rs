//! Whether a test is flaky, from what happened to it before.
//!
//! A pass and a failure on the same code prove it. An outcome that flips while the code changes
//! is only a suspicion: a test that broke and was repaired looks the same.

use std::collections::{HashMap, HashSet};

use crate::outcome::Outcome;

/// How many outcomes [`Verdict::recent_outcomes`] shows.
pub const RECENT: usize = 20;

/// One execution of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation<'a> {
    /// How it ended.
    pub outcome: Outcome,
    /// The code that it ran on; none where that is unknown, as in imported runs.
    pub fingerprint: Option<&'a str>,
    /// The run that it was part of.
    pub run: u64,
    /// Which try within the run, from 1. Each is an observation of its own.
    pub attempt: u32,
}

/// What speaks against a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// It passed and failed on the same code.
    SameCode,
    /// It passed and failed, the code having changed in between as far as is known.
    AcrossChanges,
}

impl Evidence {
    /// The protocol's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameCode => "same_code",
            Self::AcrossChanges => "across_changes",
        }
    }
}

/// What is known of a test's reliability, over the window alone.
///
/// Passed and xpassed are passes; failed, error, timed out and crashed are failures. The rest is
/// neither: it flips nothing and ends no row of passes or failures.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Proven: a pass and a failure on the same code.
    pub is_flaky: bool,
    /// Suspected: it flipped, never provably on the same code. Not set together with `is_flaky`.
    pub unstable: bool,
    /// What `is_flaky` or `unstable` rests on.
    pub evidence: Option<Evidence>,
    /// Failures by executions, 0 to 1; 0 without executions.
    pub failure_rate: f64,
    /// How often a pass followed a failure or the reverse.
    pub flips: u32,
    /// Executions: each attempt counts, a skipped test does not.
    pub total_runs: u32,
    /// Failures since the last pass.
    pub consecutive_failures: u32,
    /// Passes since the last failure.
    pub consecutive_passes: u32,
    /// The last outcomes, skipped ones included, oldest first, at most [`RECENT`].
    pub recent_outcomes: Vec<Outcome>,
}

/// Judges a test by its last `window` runs (at least one). `observations` come oldest first;
/// `not_run` is no observation and is passed over.
#[must_use]
pub fn judge(observations: &[Observation<'_>], window: usize) -> Verdict {
    let seen = last_runs(observations, window.max(1));
    let failures = seen.iter().filter(|seen| seen.outcome.is_failure()).count();
    let executions = seen.iter().filter(|seen| seen.outcome != Outcome::Skipped).count();

    // Of each fingerprint: seen to pass, seen to fail.
    let mut by_code: HashMap<&str, (bool, bool)> = HashMap::new();
    let mut flips = 0;
    let mut last_failed = None;
    let mut in_a_row = 0;
    for seen in &seen {
        let failed = seen.outcome.is_failure();
        if !failed && !seen.outcome.is_pass() {
            continue;
        }
        if let Some(code) = seen.fingerprint {
            let (passes, fails) = by_code.entry(code).or_default();
            *(if failed { fails } else { passes }) = true;
        }
        if last_failed.is_some_and(|last| last != failed) {
            flips += 1;
            in_a_row = 0;
        }
        in_a_row += 1;
        last_failed = Some(failed);
    }
    let is_flaky = by_code.values().any(|(passes, fails)| *passes && *fails);
    let unstable = !is_flaky && flips > 0;

    Verdict {
        is_flaky,
        unstable,
        evidence: match (is_flaky, unstable) {
            (true, _) => Some(Evidence::SameCode),
            (false, true) => Some(Evidence::AcrossChanges),
            (false, false) => None,
        },
        failure_rate: rate(failures, executions),
        flips,
        total_runs: u32::try_from(executions).unwrap_or(u32::MAX),
        consecutive_failures: if last_failed == Some(true) { in_a_row } else { 0 },
        consecutive_passes: if last_failed == Some(false) { in_a_row } else { 0 },
        recent_outcomes: seen[seen.len().saturating_sub(RECENT)..].iter().map(|seen| seen.outcome).collect(),
    }
}

/// The observations of the last runs, oldest first. Runs may have overlapped.
fn last_runs<'a, 'b>(observations: &'b [Observation<'a>], window: usize) -> Vec<&'b Observation<'a>> {
    let mut runs = HashSet::new();
    let mut seen: Vec<_> = observations
        .iter()
        .rev()
        .filter(|seen| seen.outcome != Outcome::NotRun)
        .filter(|seen| runs.contains(&seen.run) || (runs.len() < window && runs.insert(seen.run)))
        .collect();
    seen.reverse();
    seen
}

fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
