//! The word and the color of each outcome.

use crate::results::report::is_failure;
use crate::style::Paint;

/// pytest's word for an outcome, if it has one.
pub(crate) fn word(outcome: &str) -> &str {
    match outcome {
        "passed" => "PASSED",
        "failed" => "FAILED",
        "skipped" => "SKIPPED",
        "error" => "ERROR",
        "xfailed" => "XFAIL",
        "xpassed" => "XPASS",
        "timed_out" => "TIMEOUT",
        "crashed" => "CRASHED",
        "not_run" => "NOT RUN",
        other => other,
    }
}

/// The color of an outcome.
pub(crate) fn paint(outcome: &str) -> Paint {
    match outcome {
        "passed" => Paint::Green,
        outcome if is_failure(outcome) => Paint::Red,
        _ => Paint::Yellow,
    }
}
