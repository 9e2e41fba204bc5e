//! The parts of the summary that pytest's options ask for: warnings, output of passed tests, slowest tests, other
//! outcomes.

use std::collections::BTreeMap;
use std::time::Duration;

use pytest_lens_protocol::{Location, NodeId, TestOutcome};

use super::failures::captured;
use super::outcome_words::{paint, word};
use super::text::{colour_first_word, first_line, line, with_reason};
use crate::options::arguments::OutputOptions;
use crate::results::report::Report;
use crate::style::{Paint, Style};
use crate::timing::DURATIONS_MIN;

/// Whether the report must keep more outcomes than the failures.
pub(crate) fn wants_all(options: &OutputOptions) -> bool {
    options.durations.is_some() || letters(options).contains(['p', 'P', 's', 'x', 'X'])
}

/// The letters of `-r`; those that stand for several are expanded.
pub(crate) fn letters(options: &OutputOptions) -> String {
    let mut spelled = String::new();
    for letter in options.letters.as_deref().unwrap_or("fE").chars() {
        match letter {
            'a' => spelled.push_str("sxXEf"),
            'A' => spelled.push_str("PpsxXEf"),
            'N' => spelled.clear(),
            'F' | 'S' => spelled.push(letter.to_ascii_lowercase()),
            other => spelled.push(other),
        }
    }
    spelled
}

fn of<'a>(report: &'a Report, outcome: &str) -> impl Iterator<Item = &'a TestOutcome> {
    report.all.iter().flatten().filter(move |known| known.outcome == outcome)
}

/// The captured output of passed tests, for `-rP`.
pub(crate) fn passes(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    if !letters(options).contains('P') {
        return;
    }
    let mut printed = String::new();
    for outcome in of(report, "passed") {
        let mut own = String::new();
        captured(&mut own, outcome, options, style);
        if !own.is_empty() {
            let name = NodeId::new(&outcome.id).dotted();
            line(&mut printed, &style.paint(Paint::Green, &style.rule('_', &name)));
            printed.push_str(&own);
        }
    }
    if !printed.is_empty() {
        line(text, &style.rule('=', "PASSES"));
        text.push_str(&printed);
    }
}

/// The slowest tests, including their set-up and teardown.
pub(crate) fn slowest(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    let Some(count) = options.durations else { return };
    let least = options.durations_min.unwrap_or(if options.level() > 1 { Duration::ZERO } else { DURATIONS_MIN });
    let mut all: Vec<&TestOutcome> = report.all.iter().flatten().filter(|test| test.outcome != "not_run").collect();
    all.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    if count > 0 {
        all.truncate(count as usize);
    }
    let title = if count > 0 { format!("slowest {count} durations") } else { "slowest durations".to_owned() };
    line(text, &style.rule('=', &title));
    let known = all.len();
    all.retain(|test| test.duration_ms >= least.as_secs_f64() * 1000.0);
    for test in &all {
        line(text, &format!("{:.2}s {}", test.duration_ms / 1000.0, test.id));
    }
    if all.len() < known {
        let hidden = known - all.len();
        let least = least.as_secs_f64();
        line(text, &format!("({hidden} durations < {least}s hidden.  Use -vv to show these durations.)"));
    }
}

/// Number of warnings.
pub(crate) fn warned(report: &Report, options: &OutputOptions) -> usize {
    let of_run = report.end.iter().flat_map(|end| &end.warnings);
    if options.disable_warnings { 0 } else { of_run.map(|warning| warning.count).sum() }
}

/// The warnings of the run, each with its tests, as in pytest's summary.
pub(crate) fn warnings(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    if warned(report, options) == 0 {
        return;
    }
    line(text, &style.paint(Paint::Yellow, &style.rule('=', "warnings summary")));
    for warning in report.end.iter().flat_map(|end| &end.warnings) {
        warning.ids.iter().for_each(|id| line(text, id));
        let more = warning.count.saturating_sub(warning.ids.len().max(1));
        if more > 0 {
            line(text, &format!("... and {more} more"));
        }
        let said = format!("{}: {}", warning.category, warning.message.trim_end());
        let place = warning.location.as_ref().map(|place| {
            let path = place.uri.strip_prefix("file://").unwrap_or(&place.uri);
            format!("{path}:{}: ", place.range.start.line + 1)
        });
        line(text, &format!("  {}{}", place.unwrap_or_default(), said.replace('\n', "\n  ")));
        if let Some(source) = warning.location.as_ref().and_then(source_line) {
            line(text, &format!("    {source}"));
        }
        line(text, "");
    }
    line(text, "-- Docs: https://docs.pytest.org/en/stable/how-to/capture-warnings.html");
}

/// The line of the source that a location names, if it can be read.
fn source_line(location: &Location) -> Option<String> {
    let path = location.uri.strip_prefix("file://")?;
    let text = std::fs::read_to_string(path).ok()?;
    let source = text.lines().nth(usize::try_from(location.range.start.line).ok()?)?.trim();
    (!source.is_empty()).then(|| source.to_owned())
}

/// The tests that took long, slowest first.
pub(crate) fn slow(text: &mut String, report: &Report, style: Style) {
    let mut slow: Vec<&(String, f64)> = report.slow.iter().collect();
    slow.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (id, milliseconds) in slow {
        let short = format!("SLOW [{:.0}s] {id}", milliseconds / 1_000.0);
        line(text, &colour_first_word(&short, Paint::Yellow, style));
    }
}

/// The lines of the short summary for other outcomes than failures, in the order of the letters.
pub(crate) fn listed(report: &Report, letters: &str, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for letter in letters.chars() {
        let outcome = match letter {
            'p' => "passed",
            'x' => "xfailed",
            'X' => "xpassed",
            's' => {
                lines.extend(skipped(report, style));
                continue;
            }
            'R' => {
                let repeated = report.repeated.iter().map(|id| format!("RERUN {id}"));
                lines.extend(repeated.map(|short| colour_first_word(&short, Paint::Yellow, style)));
                continue;
            }
            _ => continue,
        };
        for test in of(report, outcome) {
            let short = format!("{} {}", word(outcome), test.id);
            let short = with_reason(&short, first_line(test.message.as_deref().unwrap_or_default()));
            lines.push(colour_first_word(&short, paint(outcome), style));
        }
    }
    lines
}

/// `SKIPPED [2] test_a.py:3: reason`: one line per place and reason.
fn skipped(report: &Report, style: Style) -> Vec<String> {
    let mut counts: BTreeMap<(&str, u32, String, &str), usize> = BTreeMap::new();
    for test in of(report, "skipped") {
        let file = NodeId::new(&test.id).file();
        let number = test.location.as_ref().map_or(0, |place| place.range.start.line);
        let place = test.location.as_ref().map_or_else(|| file.to_owned(), |place| report.place(place));
        let reason = first_line(test.message.as_deref().unwrap_or_default());
        *counts.entry((file, number, place, reason)).or_default() += 1;
    }
    let line = |((_, _, place, reason), count): ((&str, u32, String, &str), usize)| {
        colour_first_word(&format!("SKIPPED [{count}] {place}: {reason}"), Paint::Yellow, style)
    };
    counts.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_letters_mean_what_they_mean_to_pytest() {
        let spelled = |given: Option<&str>| {
            letters(&OutputOptions { letters: given.map(Into::into), ..OutputOptions::default() })
        };
        assert_eq!(spelled(None), "fE");
        assert_eq!(spelled(Some("a")), "sxXEf");
        assert_eq!(spelled(Some("fNs")), "s");
        assert_eq!(spelled(Some("SF")), "sf");
    }
}
