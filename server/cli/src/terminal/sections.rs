//! What the end of a run tells besides failures, where pytest's options ask for it: the slowest tests, and outcomes of
//! other kinds.

use std::collections::BTreeMap;
use std::time::Duration;

use pytest_lens_protocol::TestOutcome;

use super::failures::captured;
use super::outcome_words::{paint, word};
use super::text::{colour_first_word, first_line, line, with_reason};
use crate::options::arguments::OutputOptions;
use crate::results::report::Report;
use crate::style::{Paint, Style};
use crate::timing::DURATIONS_MIN;

/// Whether more than the failures is to be kept of a run.
pub(crate) fn wants_all(look: &OutputOptions) -> bool {
    look.durations.is_some() || letters(look).contains(['p', 'P', 's', 'x', 'X'])
}

/// The letters of `-r`, with those that stand for several spelled out.
pub(crate) fn letters(look: &OutputOptions) -> String {
    let mut spelled = String::new();
    for letter in look.letters.as_deref().unwrap_or("fE").chars() {
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

/// What the tests that passed printed, for `-rP`.
pub(crate) fn passes(text: &mut String, report: &Report, look: &OutputOptions, style: Style) {
    if !letters(look).contains('P') {
        return;
    }
    let mut printed = String::new();
    for outcome in of(report, "passed") {
        let mut own = String::new();
        captured(&mut own, outcome, look, style);
        if !own.is_empty() {
            let name = outcome.id.split_once("::").map_or(&*outcome.id, |(_, test)| test).replace("::", ".");
            line(&mut printed, &style.paint(Paint::Green, &style.rule('_', &name)));
            printed.push_str(&own);
        }
    }
    if !printed.is_empty() {
        line(text, &style.rule('=', "PASSES"));
        text.push_str(&printed);
    }
}

/// The slowest tests, set-up and teardown included.
pub(crate) fn slowest(text: &mut String, report: &Report, look: &OutputOptions, style: Style) {
    let Some(count) = look.durations else { return };
    let least = look.durations_min.unwrap_or(if look.verbose > 1 { Duration::ZERO } else { DURATIONS_MIN });
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

/// How many warnings there were.
pub(crate) fn warned(report: &Report, look: &OutputOptions) -> usize {
    let of_run = report.end.iter().flat_map(|end| &end.warnings);
    if look.disable_warnings { 0 } else { of_run.map(|warning| warning.count).sum() }
}

/// The warnings of the run, each with the tests that it came in, as in pytest's summary.
pub(crate) fn warnings(text: &mut String, report: &Report, look: &OutputOptions, style: Style) {
    if warned(report, look) == 0 {
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
        line(text, "");
    }
}

/// The lines of the short summary that are of no failure, in the order of the letters.
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

/// `SKIPPED [2] test_a.py: reason`: those of one file with one reason together.
fn skipped(report: &Report, style: Style) -> Vec<String> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for test in of(report, "skipped") {
        let file = test.id.split("::").next().unwrap_or(&test.id);
        *counts.entry((file, first_line(test.message.as_deref().unwrap_or_default()))).or_default() += 1;
    }
    let told = |((file, reason), count): ((&str, &str), usize)| {
        colour_first_word(&format!("SKIPPED [{count}] {file}: {reason}"), Paint::Yellow, style)
    };
    counts.into_iter().map(told).collect()
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
