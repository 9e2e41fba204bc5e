//! Outcomes, their counts, and the status and exit code of a run.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use pytest_lens_protocol::{Outcome, UnknownOutcome};

/// Numbers of tests by outcome. `passed`, `failed`, `skipped` and `errors` add up to `total`; the others, except
/// `not_run`, count a part of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All tests that ended, without `not_run`.
    pub total: usize,
    /// Passed, xpassed included.
    pub passed: usize,
    /// Failed, timed out included.
    pub failed: usize,
    /// Skipped, xfailed included.
    pub skipped: usize,
    /// Errors, crashed included.
    pub errors: usize,
    /// Of the skipped.
    pub xfailed: usize,
    /// Of the passed.
    pub xpassed: usize,
    /// Of the failed.
    pub timed_out: usize,
    /// Of the errors.
    pub crashed: usize,
    /// Selected, but without a result.
    pub not_run: usize,
}

impl Counts {
    /// Counts one final outcome.
    pub fn add(&mut self, outcome: Outcome) {
        self.change(outcome, |count| *count = count.saturating_add(1));
    }

    /// Takes back one outcome that was counted.
    pub fn remove(&mut self, outcome: Outcome) {
        self.change(outcome, |count| *count = count.saturating_sub(1));
    }

    fn change(&mut self, outcome: Outcome, change: impl Fn(&mut usize)) {
        let (group, kind) = match outcome {
            Outcome::NotRun => return change(&mut self.not_run),
            Outcome::Passed => (&mut self.passed, None),
            Outcome::XPassed => (&mut self.passed, Some(&mut self.xpassed)),
            Outcome::Failed => (&mut self.failed, None),
            Outcome::TimedOut => (&mut self.failed, Some(&mut self.timed_out)),
            Outcome::Skipped => (&mut self.skipped, None),
            Outcome::XFailed => (&mut self.skipped, Some(&mut self.xfailed)),
            Outcome::Error => (&mut self.errors, None),
            Outcome::Crashed => (&mut self.errors, Some(&mut self.crashed)),
        };
        change(group);
        if let Some(kind) = kind {
            change(kind);
        }
        change(&mut self.total);
    }
}

impl FromIterator<Outcome> for Counts {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            counts.add(outcome);
        }
        counts
    }
}

/// The status of a run that is over, as in `runFinished`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Nothing failed.
    Passed,
    /// At least one test failed.
    Failed,
    /// The user stopped it.
    Stopped,
    /// The user killed its processes.
    Killed,
    /// The run as a whole took longer than its limit.
    TimedOut,
    /// The engine or pytest failed internally.
    InternalError,
}

impl RunStatus {
    /// The protocol's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::TimedOut => "timed_out",
            Self::InternalError => "internal_error",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status of a run that is over. A reason that cut it short outranks the outcomes of its tests, in this order: an
/// internal error, a kill, the time limit, a stop. `incomplete`: part of it could not be collected. An incomplete run,
/// or one in which a selected test did not run, has not passed.
#[must_use]
pub fn run_status(
    counts: &Counts,
    stopped: bool,
    killed: bool,
    timed_out: bool,
    internal: bool,
    incomplete: bool,
) -> RunStatus {
    if internal {
        RunStatus::InternalError
    } else if killed {
        RunStatus::Killed
    } else if timed_out {
        RunStatus::TimedOut
    } else if stopped {
        RunStatus::Stopped
    } else if counts.failed + counts.errors + counts.not_run > 0 || incomplete {
        RunStatus::Failed
    } else {
        RunStatus::Passed
    }
}

/// pytest's exit status for a run: 0 passed, 1 failed (or out of time), 2 interrupted or collection
/// errors, 3 internal error, 5 nothing collected. 4, a usage error, has no run.
///
/// `collection_errors`: number of files that could not be collected.
#[must_use]
pub fn exit_code(status: RunStatus, counts: &Counts, collection_errors: usize) -> i32 {
    match status {
        RunStatus::InternalError => 3,
        RunStatus::Stopped | RunStatus::Killed => 2,
        _ if collection_errors > 0 => 2,
        RunStatus::Failed | RunStatus::TimedOut => 1,
        RunStatus::Passed if counts.total + counts.not_run == 0 => 5,
        RunStatus::Passed => 0,
    }
}
