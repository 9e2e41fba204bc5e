//! Decides which tests are repeated within a run: those that failed, or, to see whether they ever fail, those that
//! passed.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// The rules for repeating.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether anything is repeated at all.
    pub enabled: bool,
    /// The most repeats of a test: with 2 it has up to three attempts.
    pub max_reruns: u32,
    /// Repeat only tests that are known to be flaky.
    pub only_flaky: bool,
    /// Milliseconds to wait before each repetition.
    pub delay_ms: u32,
    /// Repeat tests that pass instead, until one does not.
    pub until_failure: bool,
}

impl Policy {
    /// Repeats tests that pass until each ran `most` times.
    #[must_use]
    pub fn until_failure(most: u32) -> Self {
        Policy { enabled: true, max_reruns: most.saturating_sub(1), until_failure: true, ..Policy::default() }
    }
}

/// Whether the test is run again after this outcome. `attempt` counts from 1, the first try.
#[must_use]
pub fn will_rerun(policy: &Policy, outcome: &Outcome, attempt: u32, known_flaky: bool) -> bool {
    if !policy.enabled || attempt > policy.max_reruns {
        return false;
    }
    if policy.until_failure { outcome.is_pass() } else { outcome.is_failure() && (known_flaky || !policy.only_flaky) }
}
