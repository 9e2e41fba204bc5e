//! Which tests are repeated within a run: those that failed, or, to find out whether they ever do, those that passed.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;

/// The rules for repeating.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether anything is repeated at all.
    pub enabled: bool,
    /// How often a test is repeated at most: with 2 it has three attempts.
    pub max_reruns: u32,
    /// Repeat only tests that are known to be flaky.
    pub only_flaky: bool,
    /// Milliseconds to wait before each repetition.
    pub delay_ms: u32,
    /// Repeat what passes instead, until something does not.
    pub until_failure: bool,
}

impl Policy {
    /// Repeats what passes until it ran `most` times.
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
