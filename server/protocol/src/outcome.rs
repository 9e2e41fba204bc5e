//! The outcome of a test and the phase that decided it, for every crate.
//!
//! Messages carry the outcome as text, so that peers of different versions may know different words; schemas name the
//! type, so that other languages get a union.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// It passed.
    #[serde(rename = "passed")]
    Passed,
    /// Its call, or one of its subtests, failed; or it passed where a strict xfail forbids it.
    #[serde(rename = "failed")]
    Failed,
    /// It was skipped.
    #[serde(rename = "skipped")]
    Skipped,
    /// Its set-up or teardown failed.
    #[serde(rename = "error")]
    Error,
    /// It failed, as its xfail mark says.
    #[serde(rename = "xfailed")]
    XFailed,
    /// It passed although its xfail mark, not a strict one, says otherwise.
    #[serde(rename = "xpassed")]
    XPassed,
    /// It took longer than allowed.
    #[serde(rename = "timed_out")]
    TimedOut,
    /// Its process ended while the test ran.
    #[serde(rename = "crashed")]
    Crashed,
    /// It was selected and never ran to an end: stopped, killed, over maxfail, vanished.
    #[serde(rename = "not_run")]
    NotRun,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 9] = [
        Self::Passed,
        Self::Failed,
        Self::Skipped,
        Self::Error,
        Self::XFailed,
        Self::XPassed,
        Self::TimedOut,
        Self::Crashed,
        Self::NotRun,
    ];

    /// The protocol's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Error => "error",
            Self::XFailed => "xfailed",
            Self::XPassed => "xpassed",
            Self::TimedOut => "timed_out",
            Self::Crashed => "crashed",
            Self::NotRun => "not_run",
        }
    }

    /// Whether the outcome makes a run fail, counts for `maxfail` and can be repeated.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Error | Self::TimedOut | Self::Crashed)
    }

    /// Whether the outcome counts as passed.
    #[must_use]
    pub fn is_pass(self) -> bool {
        matches!(self, Self::Passed | Self::XPassed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A phase of pytest's run of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Setting up its fixtures.
    Setup,
    /// The test function itself.
    Call,
    /// Tearing down its fixtures.
    Teardown,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Setup => "setup",
            Self::Call => "call",
            Self::Teardown => "teardown",
        })
    }
}

/// A word that names no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown outcome '{0}': expected passed, failed, skipped, error, xfailed, xpassed, timed_out, \
     crashed or not_run"
)]
pub struct UnknownOutcome(pub String);

impl FromStr for Outcome {
    type Err = UnknownOutcome;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name).ok_or_else(|| UnknownOutcome(name.to_owned()))
    }
}
