//! Outcomes and durations in words for users.

use std::time::SystemTime;

use jiff::Timestamp;
use pytest_lens_protocol::RunCounts;

/// Whether an outcome is a failure.
pub(crate) fn is_failure(outcome: &str) -> bool {
    matches!(outcome, "failed" | "error" | "timed_out" | "crashed")
}

/// Adds an outcome to the counts of its run.
pub(crate) fn count(counts: &mut RunCounts, outcome: &str) {
    let place = match outcome {
        "passed" | "xpassed" => &mut counts.passed,
        "skipped" | "xfailed" => &mut counts.skipped,
        "error" | "crashed" => &mut counts.errors,
        "not_run" => &mut counts.not_run,
        _ => &mut counts.failed,
    };
    *place += 1;
    counts.total += usize::from(outcome != "not_run");
}

/// The sign before an outcome.
pub(crate) fn sign(outcome: &str) -> &'static str {
    match outcome {
        "passed" | "xpassed" => "✓",
        "skipped" | "xfailed" | "not_run" => "○",
        _ => "✗",
    }
}

/// An outcome in words.
pub(crate) fn words(outcome: &str) -> &str {
    match outcome {
        "timed_out" => "timed out",
        "xfailed" => "failed as expected",
        "xpassed" => "passed unexpectedly",
        "not_run" => "not run",
        other => other,
    }
}

/// A duration for users, from milliseconds.
pub(crate) fn duration(ms: f64) -> String {
    if ms < 1.0 {
        "<1 ms".into()
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if ms < 59_995.0 {
        format!("{:.2} s", ms / 1000.0)
    } else {
        format!("{:.0} min {:02.0} s", (ms / 60_000.0).floor(), (ms % 60_000.0) / 1000.0)
    }
}

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A relative time for users.
pub(crate) fn ago(at: u64, now: u64) -> String {
    let minutes = now.saturating_sub(at) / 60_000;
    let (count, unit) = match minutes {
        0 => return "just now".into(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s} ago")
}

/// A date and a time in UTC, from Unix time in milliseconds: `2026-11-25 14:03 UTC`.
pub(crate) fn date(at: u64) -> String {
    let at = i64::try_from(at).ok().and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(Timestamp::MAX);
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v8_times_read_well() {
        let now = 1_800_000_000_000;
        let all = [0, 60_000, 3_540_000, 3_600_000, 90_000_000].map(|past| ago(now - past, now));
        assert_eq!(all, ["just now", "1 minute ago", "59 minutes ago", "1 hour ago", "1 day ago"]);
        let dates = [0, 951_782_400_000, 1_709_164_800_000, 1_764_079_380_000].map(date);
        let expected = ["1970-01-01 00:00 UTC", "2000-02-29 00:00 UTC", "2024-02-29 00:00 UTC", "2025-11-25 14:03 UTC"];
        assert_eq!(dates, expected);
    }

    #[test]
    fn durations_read_well() {
        let all = [0.2, 1.0, 12.4, 999.4, 1000.0, 59_000.0, 61_000.0].map(duration);
        assert_eq!(all, ["<1 ms", "1 ms", "12 ms", "999 ms", "1.00 s", "59.00 s", "1 min 01 s"]);
    }
}
