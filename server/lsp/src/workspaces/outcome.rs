//! What outcomes mean to a reader: which are failures, how they and durations are written, and several as one.

use std::time::SystemTime;

use pytest_lens_protocol::TestOutcome;

use crate::workspaces::view::View;

/// Whether an outcome means that something is broken.
pub(crate) fn is_failure(outcome: &str) -> bool {
    matches!(outcome, "failed" | "error" | "timed_out" | "crashed")
}

/// A sign in front of an outcome.
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

/// A duration for a reader, from milliseconds.
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
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// How long ago something was, for a reader.
fn ago(at: u64, now: u64) -> String {
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
    let (minutes, days) = (at / 60_000 % 1440, at / 86_400_000);
    // Days are counted from the first of March of the year 0, so that leap days come last.
    let since = days + 719_468;
    let (era, day_of_era) = (since / 146_097, since % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// The last outcomes of an item and of all within it, as one.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// Outcomes with their number, worst first.
    pub(crate) counts: Vec<(String, usize)>,
    /// All durations together, in milliseconds.
    pub(crate) duration_ms: f64,
    /// A test whose output is worth a look: the first that failed, else the first.
    pub(crate) example: String,
    /// Where all of it is only remembered: of when the newest is, Unix time in milliseconds.
    pub(crate) as_of: Option<u64>,
}

/// The worst first.
const ORDER: [&str; 8] = ["crashed", "timed_out", "error", "failed", "xpassed", "passed", "xfailed", "skipped"];

impl Summary {
    /// Of an item; `None` where nothing has run.
    pub(crate) fn of(view: &View, id: &str) -> Option<Self> {
        let results: Vec<&TestOutcome> = view.results_within(id).collect();
        let first = results.first()?;
        let example = results.iter().find(|result| is_failure(&result.outcome)).unwrap_or(first);
        let mut summary = Summary { example: example.id.clone(), ..Summary::default() };
        for outcome in ORDER {
            let count = results.iter().filter(|result| result.outcome == outcome).count();
            if count > 0 {
                summary.counts.push((outcome.to_owned(), count));
            }
        }
        summary.as_of =
            results.iter().map(|result| result.as_of).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().max());
        summary.duration_ms = results.iter().map(|result| result.duration_ms).sum();
        Some(summary)
    }

    /// `✓ passed 12 ms`, `✗ 1 failed, 3 passed 20 ms`.
    pub(crate) fn text(&self) -> String {
        let sign = self.counts.first().map_or("○", |(worst, _)| sign(worst));
        let total: usize = self.counts.iter().map(|(_, count)| count).sum();
        let parts: Vec<String> = self
            .counts
            .iter()
            .map(|(outcome, count)| match total {
                1 => words(outcome).to_owned(),
                _ => format!("{count} {}", words(outcome)),
            })
            .collect();
        let when = self.as_of.map(|at| format!(" · {}", ago(at, now_ms()))).unwrap_or_default();
        format!("{sign} {} {}{when}", parts.join(", "), duration(self.duration_ms))
    }
}

/// `flaky 33 %` where an item is, or one within it.
pub(crate) fn flakiness(view: &View, id: &str) -> Option<String> {
    let flaky: Vec<_> = view.hints_within(id).filter(|hint| hint.is_flaky).collect();
    match flaky.as_slice() {
        [] => None,
        [only] => Some(format!("flaky {:.0} %", only.failure_rate * 100.0)),
        several => Some(format!("{} flaky", several.len())),
    }
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
