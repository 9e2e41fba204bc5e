//! Whether a test is flaky, from what happened to it before.
//!
//! A pass and a failure on the same code prove it. An outcome that flips while the code changes
//! is only a suspicion: a test that broke and was repaired looks the same.
//!
//! The first rule is the definition that research and other runners share. Luo, Hariri, Eloussi and Marinov ("An
//! Empirical Analysis of Flaky Tests", FSE 2014) call a test flaky whose outcome is not determined by the code; Bell et
//! al. ("DeFlaker", ICSE 2018) separate flaky failures from regressions by whether the code changed in between; Lam et
//! al. ("iDFlakies", ICST 2019) rerun unchanged code. nextest, Playwright, Surefire and Gradle report a test as flaky
//! if it fails and then passes when it is repeated within a run: that is the same rule, since a run's code does not
//! change. CI services that know outcomes only use the second rule and count flips (Kowalczyk et al., "Modeling and
//! Ranking Flaky Tests at Apple", ICSE-SEIP 2020, call it the flip rate). Flips can't distinguish a repair from
//! flakiness, so they are only a suspicion.

use std::num::NonZeroU32;

use pytest_lens_protocol::Hint;

pub use pytest_lens_protocol::Evidence;

use crate::outcome::Outcome;

/// The most outcomes in [`Verdict::recent_outcomes`].
pub const RECENT: usize = 20;

/// One execution of a test; each attempt within a run is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// How it ended.
    pub outcome: Outcome,
    /// A number for the fingerprint of the code that it ran on; `None` if that is unknown, as in imported runs.
    pub code: Option<NonZeroU32>,
    /// The run that it was part of.
    pub run: u32,
}

/// The reliability of a test, from the runs in the window.
///
/// Passed and xpassed are passes; failed, error, timed out and crashed are failures. Other outcomes are neither: they
/// neither flip nor end a series of passes or failures.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Proven flaky: a pass and a failure on the same code.
    pub is_flaky: bool,
    /// Suspected: it flipped, but not provably on the same code. Never set together with `is_flaky`.
    pub unstable: bool,
    /// The evidence for `is_flaky` or `unstable`.
    pub evidence: Option<Evidence>,
    /// Failures by executions, 0 to 1; 0 without executions.
    pub failure_rate: f64,
    /// Number of times that a pass followed a failure, or a failure a pass.
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

impl Verdict {
    /// The verdict on the test `id`, as clients receive it.
    #[must_use]
    pub fn hint(&self, id: &str) -> Hint {
        Hint {
            id: id.to_owned(),
            is_flaky: self.is_flaky,
            failure_rate: self.failure_rate,
            flips: self.flips,
            total_runs: self.total_runs,
            consecutive_failures: self.consecutive_failures,
            consecutive_passes: self.consecutive_passes,
            recent_outcomes: self.recent_outcomes.iter().map(|outcome| outcome.as_str().to_owned()).collect(),
            evidence: self.evidence,
        }
    }
}

/// Judges a test by its last `window` runs (at least one); runs may have overlapped. `observations` come oldest first;
/// `not_run` is no observation and is skipped.
///
/// Suits some hundred observations of each of ten thousand tests: it reads each once, from the newest on, and keeps
/// runs and codes in lists, which are faster than maps at this size.
#[must_use]
pub fn judge(observations: &[Observation], window: usize) -> Verdict {
    let window = window.max(1);
    let mut runs: Vec<u32> = Vec::with_capacity(window.min(observations.len()));
    let mut codes = Codes::default();
    let mut recent_outcomes = Vec::new();
    let (mut failures, mut executions, mut flips, mut in_a_row) = (0, 0, 0, 0);
    let (mut newest, mut later) = (None, None);
    for seen in observations.iter().rev().filter(|seen| seen.outcome != Outcome::NotRun) {
        if !runs.contains(&seen.run) {
            if runs.len() >= window {
                continue;
            }
            runs.push(seen.run);
        }
        if recent_outcomes.len() < RECENT {
            recent_outcomes.push(seen.outcome);
        }
        executions += u32::from(seen.outcome != Outcome::Skipped);
        let failed = seen.outcome.is_failure();
        failures += u32::from(failed);
        if !failed && !seen.outcome.is_pass() {
            continue;
        }
        codes.saw(seen.code, failed);
        flips += u32::from(later.is_some_and(|later| later != failed));
        in_a_row += u32::from(flips == 0);
        newest = newest.or(Some(failed));
        later = Some(failed);
    }
    recent_outcomes.reverse();
    let is_flaky = codes.proven;
    let unstable = !is_flaky && flips > 0;

    Verdict {
        is_flaky,
        unstable,
        evidence: match (is_flaky, unstable) {
            (true, _) => Some(Evidence::SameCode),
            (false, true) => Some(Evidence::AcrossChanges),
            (false, false) => None,
        },
        failure_rate: if executions == 0 { 0.0 } else { f64::from(failures) / f64::from(executions) },
        flips,
        total_runs: executions,
        consecutive_failures: if newest == Some(true) { in_a_row } else { 0 },
        consecutive_passes: if newest == Some(false) { in_a_row } else { 0 },
        recent_outcomes,
    }
}

/// For each code, whether a test failed on it. A code with both results is proof.
#[derive(Default)]
struct Codes {
    known: Vec<(NonZeroU32, bool)>,
    proven: bool,
}

impl Codes {
    fn saw(&mut self, code: Option<NonZeroU32>, failed: bool) {
        let Some(code) = code.filter(|_| !self.proven) else { return };
        match self.known.iter().rev().find(|(known, _)| *known == code) {
            Some((_, before)) => self.proven = *before != failed,
            None => self.known.push((code, failed)),
        }
    }
}
