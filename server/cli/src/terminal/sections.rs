//! The parts of the summary that pytest's options ask for: warnings, output of passed tests, slowest tests, other
//! outcomes.

use std::collections::BTreeMap;
use std::time::Duration;

use pytest_lens_protocol::{Location, NodeId, Phase, TestOutcome};

use super::entries::{self, Section};
use super::failures::{captured, failure, in_line_style, reason};
use super::statuses::{Status, is_in, statuses};
use super::text::{before_teardown, colour_first_word, first_line, line, with_reason};
use crate::options::arguments::OutputOptions;
use crate::results::report::{Report, is_failure};
use crate::style::{Paint, Style};
use crate::timing::DURATIONS_MIN;

/// Whether the report must keep more outcomes than the failures.
pub(crate) fn wants_all(options: &OutputOptions) -> bool {
    options.durations.is_some() || options.xfail_tb || letters(options).contains(['p', 'P', 's', 'x', 'X', 'r', 'R'])
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
    let all = report.all.iter().flatten();
    all.filter(move |known| match known.statuses {
        Some(_) => is_in(known, outcome),
        None => known.outcome == outcome,
    })
}

/// As [`of`], with the tests whose teardown failed after that outcome: pytest lists them there, too.
fn of_call<'a>(report: &'a Report, outcome: &str) -> impl Iterator<Item = &'a TestOutcome> {
    report.all.iter().flatten().filter(move |known| is_in(known, outcome))
}

/// The captured output of passed tests, for `-rP` and `-rX`.
pub(super) fn passes(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    let letters = letters(options);
    for (letter, outcome, title) in [('P', "passed", "PASSES"), ('X', "xpassed", "XPASSES")] {
        let tests: Vec<_> = of_call(report, outcome).collect();
        if !letters.contains(letter) || options.tb() == Some("no") || tests.is_empty() {
            continue;
        }
        line(text, &style.rule('=', title));
        for test in tests {
            let (of_teardown, own): (Vec<_>, Vec<_>) =
                entries::sections(test).into_iter().partition(Section::is_of_teardown);
            if !own.is_empty() {
                let name = NodeId::new(&test.id).dotted();
                line(text, &style.paint(Paint::Green, &style.rule('_', &name)));
                // A hook lists a failure as a pass.
                if let Some(longrepr) = test.longrepr.as_deref().filter(|_| test.statuses.is_some()) {
                    reason(text, longrepr, style);
                }
            }
            captured(text, own, options, style);
            if before_teardown(test).is_none() {
                captured(text, of_teardown, options, style);
            }
        }
    }
}

/// The reports of tests that are expected to fail, for `--xfail-tb`.
pub(super) fn expected_failures(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    let tests: Vec<_> = of(report, "xfailed").collect();
    if !options.xfail_tb || options.tb() == Some("no") || tests.is_empty() {
        return;
    }
    line(text, &style.rule('=', "XFAILURES"));
    for test in tests {
        for mut entry in entries::entries(test) {
            entry.title = NodeId::new(&test.id).dotted();
            match options.tb() {
                Some("line") => in_line_style(text, &entry, options, style),
                _ => failure(text, &entry, report, options, style),
            }
        }
    }
}

/// The attempts of tests that pytest-rerunfailures repeated, as its own section lists them for `-rR`.
pub(super) fn repeated(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    if !letters(options).contains(['r', 'R']) {
        return;
    }
    let attempts = |test| statuses(test).into_iter().map(move |it| format!("{} {}", it.paint(it.word, style), test.id));
    let tests = of(report, "rerun").filter(|test| test.statuses.is_some());
    let lines: Vec<String> = tests.flat_map(attempts).collect();
    if !lines.is_empty() {
        line(text, &style.rule('=', "rerun test summary info"));
        lines.iter().for_each(|attempt| line(text, attempt));
    }
}

/// The slowest phases of tests, as pytest lists them.
pub(crate) fn slowest(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    let Some(count) = options.durations else { return };
    let least = options.durations_min.unwrap_or(if options.level() > 1 { Duration::ZERO } else { DURATIONS_MIN });
    let tests = report.all.iter().flatten().filter(|test| test.outcome != "not_run");
    let mut all: Vec<(f64, &str, &str)> = tests.flat_map(phases).collect();
    if all.is_empty() {
        return;
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let listed = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    match count {
        0 => {}
        1.. => all.truncate(listed),
        _ => all.truncate(all.len().saturating_sub(listed)),
    }
    let title = if count == 0 { "slowest durations".to_owned() } else { format!("slowest {count} durations") };
    line(text, &style.rule('=', &title));
    let known = all.len();
    all.retain(|(milliseconds, ..)| *milliseconds >= least.as_secs_f64() * 1000.0);
    for (milliseconds, phase, id) in &all {
        let id = report.id_of_root(id);
        line(text, &format!("{:.2}s {phase:<8} {id}", milliseconds / 1000.0));
    }
    if all.len() < known {
        let hidden = known - all.len();
        let way_out = if options.durations_min.is_none() { "  Use -vv to show these durations." } else { "" };
        line(text, "");
        line(text, &format!("({hidden} durations < {}s hidden.{way_out})", least.as_secs_f64()));
    }
}

/// The durations of a test's phases, in milliseconds. Of a test whose process ended, only the whole is known.
fn phases(test: &TestOutcome) -> Vec<(f64, &'static str, &str)> {
    let Some(known) = test.phase_durations else { return vec![(test.duration_ms, "call", &test.id)] };
    let phases = [(known.call, "call"), (known.setup, "setup"), (known.teardown, "teardown")];
    phases.into_iter().filter_map(|(duration, phase)| Some((duration?, phase, &*test.id))).collect()
}

/// Number of warnings.
pub(crate) fn warned(report: &Report) -> usize {
    report.end.iter().flat_map(|end| &end.warnings).map(|warning| warning.count).sum()
}

/// The warnings of the run, as in pytest's summary: each with its tests or, if it came often, their files.
pub(crate) fn warnings(text: &mut String, report: &Report, options: &OutputOptions, style: Style) {
    if options.disable_warnings || warned(report) == 0 {
        return;
    }
    line(text, &style.paint(Paint::Yellow, &style.rule('=', "warnings summary")));
    for warning in report.end.iter().flat_map(|end| &end.warnings) {
        if let Some(place) = warning.location.as_ref().filter(|_| warning.ids.is_empty()) {
            line(text, &report.place(place));
        }
        if warning.files.is_empty() {
            warning.ids.iter().for_each(|id| line(text, id));
        }
        for file in &warning.files {
            line(text, &format!("{}: {} warning{}", file.path, file.count, if file.count == 1 { "" } else { "s" }));
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

/// The lines of the short summary for other outcomes than failures.
pub(super) fn listed(report: &Report, letter: char, options: &OutputOptions, style: Style) -> Vec<String> {
    let outcome = match letter {
        'p' => "passed",
        'x' => "xfailed",
        'X' => "xpassed",
        's' if options.no_fold_skipped => return skipped_one_by_one(report, style),
        's' => return skipped(report, style),
        'R' => {
            let repeated = report.repeated.iter().map(|id| format!("RERUN {id}"));
            return repeated.map(|short| colour_first_word(&short, Paint::Yellow, style)).collect();
        }
        _ => return Vec::new(),
    };
    let lines = |test| {
        let found = statuses(test).into_iter().filter(move |status| status.category == outcome);
        found.map(move |status| listed_line(test, &status, style))
    };
    report.all.iter().flatten().flat_map(lines).collect()
}

/// `XFAIL at setup of id - reason`.
fn listed_line(test: &TestOutcome, status: &Status<'_>, style: Style) -> String {
    let known = status.phase.filter(|phase| *phase != Phase::Call).or(test.phase.filter(|_| test.statuses.is_none()));
    let phase = known.filter(|_| status.category == "xfailed").map(|phase| format!("at {phase} of "));
    let reason = match status.reason {
        // A hook lists a failure as something else.
        None if is_failure(&test.outcome) && status.phase.is_some() && status.phase == test.phase => {
            test.message.as_deref().map(first_line)
        }
        known => known,
    };
    let short = format!(" {}{}", phase.unwrap_or_default(), test.id);
    status.paint(status.word, style) + &with_reason(&short, reason.unwrap_or_default().trim_end())
}

/// `SKIPPED [2] test_a.py:3: reason`: one line per place and reason; first those of whole files.
fn skipped(report: &Report, style: Style) -> Vec<String> {
    let mut counts: BTreeMap<(&str, u32, String, &str), usize> = BTreeMap::new();
    for test in of(report, "skipped") {
        let file = NodeId::new(&test.id).file();
        // Of a skip in the teardown the place is not known.
        let late = test.statuses.iter().flatten().find(|it| it.category == "skipped" && it.phase == Phase::Teardown);
        let location = test.location.as_ref().filter(|_| late.is_none());
        let number = location.map_or(0, |place| place.range.start.line);
        let place = location.map_or_else(|| file.to_owned(), |place| report.place(place));
        let said = late.map_or(&test.message, |status| &status.reason);
        let reason = said.as_deref().unwrap_or_default().trim_end();
        *counts.entry((file, number, place, reason)).or_default() += 1;
    }
    let files = report.skipped_files.iter().map(|file| {
        let place = if file.line > 0 { format!("{}:{}", file.path, file.line) } else { file.path.clone() };
        format!("SKIPPED [1] {place}: {}", file.reason.trim_end())
    });
    let named = of(report, "skipped").next().and_then(|test| test.statuses.as_ref());
    let named = named.and_then(|statuses| statuses.iter().find(|status| status.category == "skipped"));
    let word = named.map_or("SKIPPED", |status| &*status.word);
    let tests = counts.into_iter().map(|((_, _, place, reason), count)| format!("{word} [{count}] {place}: {reason}"));
    files.chain(tests).map(|short| colour_first_word(&short, Paint::Yellow, style)).collect()
}

/// `SKIPPED id - Skipped: reason`, for `--no-fold-skipped`.
fn skipped_one_by_one(report: &Report, style: Style) -> Vec<String> {
    let files = report.skipped_files.iter().map(|file| (&*file.path, &*file.reason));
    let tests = of(report, "skipped").map(|test| (&*test.id, test.message.as_deref().unwrap_or_default()));
    let short = files.chain(tests).map(|(id, reason)| format!("SKIPPED {id} - Skipped: {}", reason.trim_end()));
    short.map(|short| colour_first_word(&short, Paint::Yellow, style)).collect()
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
