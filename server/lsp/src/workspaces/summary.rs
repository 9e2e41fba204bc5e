//! Sums up the outcomes of some items and of all items within them.

use std::collections::BTreeMap;

use pytest_lens_protocol::{Hint, TestOutcome};

use crate::workspaces::outcome::{ago, duration, is_failure, now_ms, sign, words};
use crate::workspaces::view::View;

/// The last outcomes of some items and of all items within them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Summary {
    /// Numbers of tests by outcome, worst first.
    pub(crate) counts: Vec<(String, usize)>,
    /// The sum of the durations, in milliseconds.
    pub(crate) duration_ms: f64,
    /// The test whose output is shown: the first that failed, otherwise the first.
    pub(crate) example: String,
    /// If all outcomes come from the history, the time of the newest, Unix time in milliseconds.
    pub(crate) as_of: Option<u64>,
    /// The number of outcomes that are older than a change that can reach their tests.
    pub(crate) stale: usize,
}

/// The order of outcomes, worst first.
const ORDER: [&str; 8] = ["crashed", "timed_out", "error", "failed", "xpassed", "passed", "xfailed", "skipped"];

impl Summary {
    /// The summary of some items; `None` if no test in them has run.
    pub(crate) fn of<'a>(view: &'a View, ids: impl IntoIterator<Item = &'a String>) -> Option<Self> {
        let results = results_of(view, ids);
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
        summary.stale = results.iter().filter(|result| view.is_stale(&result.id)).count();
        summary.duration_ms = results.iter().map(|result| result.duration_ms).sum();
        Some(summary)
    }

    /// `✓ passed 12 ms`, `✗ 1 failed, 3 passed 20 ms · 2 stale`.
    pub(crate) fn text(&self) -> String {
        let sign = match self.counts.first() {
            // A pass that says nothing about the present code has no check mark.
            Some((worst, _)) if self.stale > 0 && !is_failure(worst) => "◌",
            Some((worst, _)) => sign(worst),
            None => "○",
        };
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
        let stale = self.stale_text().map(|text| format!(" · {text}")).unwrap_or_default();
        format!("{sign} {} {}{when}{stale}", parts.join(", "), duration(self.duration_ms))
    }

    /// `stale`, or how many of several outcomes are.
    pub(crate) fn stale_text(&self) -> Option<String> {
        let total: usize = self.counts.iter().map(|(_, count)| count).sum();
        match self.stale {
            0 => None,
            all if all == total => Some("stale".into()),
            some => Some(format!("{some} stale")),
        }
    }
}

/// The results of some items and of all items within them, each once.
pub(crate) fn results_of<'a>(view: &'a View, ids: impl IntoIterator<Item = &'a String>) -> Vec<&'a TestOutcome> {
    let results = ids.into_iter().flat_map(|id| view.results_within(id));
    once(results.map(|result| (&*result.id, result)))
}

/// The flakiness of some items and of all items within them, each once.
pub(crate) fn hints_of<'a>(view: &'a View, ids: impl IntoIterator<Item = &'a String>) -> Vec<&'a Hint> {
    let hints = ids.into_iter().flat_map(|id| view.hints_within(id));
    once(hints.map(|hint| (&*hint.id, hint)))
}

/// A class and its test can share a line, if one call makes both.
fn once<'a, T>(found: impl Iterator<Item = (&'a str, T)>) -> Vec<T> {
    found.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// `flaky 33 %` if one of these items, or one within them, is flaky.
pub(crate) fn flakiness<'a>(view: &'a View, ids: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let mut flaky = hints_of(view, ids);
    flaky.retain(|hint| hint.is_flaky);
    match flaky.as_slice() {
        [] => None,
        [only] => Some(format!("flaky {:.0} %", only.failure_rate * 100.0)),
        several => Some(format!("{} flaky", several.len())),
    }
}
