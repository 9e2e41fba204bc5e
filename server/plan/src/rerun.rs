//! Which failures are repeated within a run.

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
}

/// Whether the test is run again after this outcome. `attempt` counts from 1, the first try.
#[must_use]
pub fn will_rerun(policy: &Policy, outcome: &Outcome, attempt: u32, known_flaky: bool) -> bool {
    policy.enabled && outcome.is_failure() && attempt <= policy.max_reruns && (known_flaky || !policy.only_flaky)
}
