//! What outcomes mean to a reader: which are failures, how they and durations are written, and several as one.

use pytest_lens_protocol::TestOutcome;

use crate::reducer::View;

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

/// The last outcomes of an item and of all within it, as one.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// Outcomes with their number, worst first.
    pub(crate) counts: Vec<(String, usize)>,
    /// All durations together, in milliseconds.
    pub(crate) duration_ms: f64,
    /// A test whose output is worth a look: the first that failed, else the first.
    pub(crate) example: String,
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
        format!("{sign} {} {}", parts.join(", "), duration(self.duration_ms))
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
    fn durations_read_well() {
        let all = [0.2, 1.0, 12.4, 999.4, 1000.0, 59_000.0, 61_000.0].map(duration);
        assert_eq!(all, ["<1 ms", "1 ms", "12 ms", "999 ms", "1.00 s", "59.00 s", "1 min 01 s"]);
    }
}
