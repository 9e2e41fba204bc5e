//! The failures of a run in few words: one line for each kind of failure, and the way to it for the first few.

use std::path::Path;

use pytest_lens_protocol::{Location, NodeId, Phase, TestOutcome};

use crate::paths::path_of_uri;
use crate::results::report::FileError;
use crate::terminal::text::first_line;

/// Kinds of failures with a line of their own.
const LINES: usize = 40;

/// Failures with details.
const DETAILED: usize = 3;

/// Tests named in one line.
const NAMED: usize = 5;

/// Frames shown of one traceback.
const FRAMES: usize = 4;

/// Lines shown of one message.
const MESSAGE_LINES: usize = 6;

/// Characters of a line.
const WIDTH: usize = 160;

/// Tests that failed in the same way, in the order of their outcomes.
struct Kind<'a> {
    first: &'a TestOutcome,
    ids: Vec<&'a str>,
}

/// Tests with the same outcome, message and failing line are of one kind.
fn kinds(failures: &[TestOutcome]) -> Vec<Kind<'_>> {
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for failure in failures {
        let line = failure.frames.last().map(|frame| &frame.location).or(failure.location.as_ref());
        let line = line.map(|place| (place.uri.as_str(), place.range.start.line));
        let key = (failure.outcome.as_str(), failure.message.as_deref().unwrap_or_default(), line);
        let place = *places.entry(key).or_insert_with(|| {
            kinds.push(Kind { first: failure, ids: Vec::new() });
            kinds.len() - 1
        });
        if let Some(kind) = kinds.get_mut(place) {
            kind.ids.push(&failure.id);
        }
    }
    kinds
}

/// A line for each file that could not be collected and for each kind of failure; details of the first few.
pub(super) fn write(text: &mut String, errors: &[FileError], failures: &[TestOutcome], root: &Path) {
    for error in errors.iter().take(LINES) {
        let message = cut(&brief(without_place(&error.message, &error.path, root)));
        text.push_str(&format!("- {}:{} can't be collected: {message}\n", error.path, error.line));
    }
    let kinds = kinds(failures);
    let mut last = "";
    for (at, kind) in kinds.iter().enumerate().take(LINES) {
        let function = NodeId::new(&kind.first.id).function().as_str();
        // Cases of one function that fail at the same line differ only in their parameters and messages.
        text.push_str(&format!("- {}\n", line(kind, root, at >= DETAILED && function == last)));
        if at < DETAILED {
            text.push_str(&details(kind.first, root));
        }
        last = function;
    }
    let left = errors.len().saturating_sub(LINES) + kinds.len().saturating_sub(LINES);
    if left > 0 {
        text.push_str(&format!("- and {left} more\n"));
    }
}

/// `t.py::test_x:12 AssertionError: assert 1 == 2`. `is_short`: the line before names the function.
fn line(kind: &Kind<'_>, root: &Path, is_short: bool) -> String {
    let Kind { first, ids } = kind;
    let file = NodeId::new(&first.id).file();
    let place = match &first.location {
        Some(place) if path_of_uri(&place.uri, root) == file => format!(":{}", place.range.start.line + 1),
        Some(place) => format!(" ({})", shown(place, root)),
        None => String::new(),
    };
    let how = match (first.outcome.as_str(), first.phase) {
        ("failed", _) => String::new(),
        ("error", Some(phase)) => format!("error{}: ", in_phase(first, phase)),
        (other, _) => format!("{}: ", other.replace('_', " ")),
    };
    let message = cut(first_line(first.message.as_deref().unwrap_or("no reason is known")));
    let alike = match ids.split_first() {
        Some((_, [])) | None => String::new(),
        Some((_, others)) => format!(" [and {} alike: {}]", others.len(), names(first, others)),
    };
    let id = NodeId::new(&first.id).parameters().filter(|_| is_short).unwrap_or(&first.id);
    format!("{id}{place} {how}{message}{alike}")
}

/// ` in call`; a teardown that fails after its test has failed is the second phase.
pub(crate) fn in_phase(outcome: &TestOutcome, phase: Phase) -> String {
    match outcome.before_teardown.as_deref() {
        Some("failed") => format!(" in call and {phase}"),
        Some("error") => format!(" in setup and {phase}"),
        _ => format!(" in {phase}"),
    }
}

/// The first few of these ids, without the file if it is that of `first`.
fn names(first: &TestOutcome, others: &[&str]) -> String {
    let file = NodeId::new(&first.id).file();
    let short = |id: &&str| id.strip_prefix(file).and_then(|rest| rest.strip_prefix("::")).unwrap_or(id).to_owned();
    let mut named: Vec<String> = others.iter().take(NAMED).map(short).collect();
    if others.len() > NAMED {
        named.push("...".into());
    }
    named.join(", ")
}

/// The lines of code from the test to the failure, and the rest of the message.
fn details(failure: &TestOutcome, root: &Path) -> String {
    let mut text = String::new();
    let skipped = failure.frames.len().saturating_sub(FRAMES);
    for (at, frame) in failure.frames.iter().enumerate() {
        // The test's own frame, and the last ones.
        if at > 0 && at <= skipped {
            continue;
        }
        let code = frame.text.as_deref().unwrap_or_default().trim();
        // The line above names the place of the failure.
        let place = Some(shown(&frame.location, root)).filter(|_| failure.location.as_ref() != Some(&frame.location));
        // A test that was killed has a place only.
        if !code.is_empty() {
            text.push_str(&format!("  {}> {}\n", place.unwrap_or_default(), cut(code)));
        } else if let Some(place) = place {
            text.push_str(&format!("  {place}\n"));
        }
    }
    let message = failure.message.as_deref().unwrap_or_default();
    let rest = message.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).skip(1);
    for line in rest.take(MESSAGE_LINES) {
        text.push_str(&format!("  E {}\n", cut(line)));
    }
    for subtest in failure.subtests.iter().filter(|subtest| subtest.outcome == "failed").take(NAMED) {
        let message = cut(first_line(subtest.message.as_deref().unwrap_or_default()));
        text.push_str(&format!("  subtest {}: {message}\n", subtest.label));
    }
    text
}

/// `path:line`, relative to the root if it is below it.
pub(super) fn shown(place: &Location, root: &Path) -> String {
    format!("{}:{}", path_of_uri(&place.uri, root), place.range.start.line + 1)
}

/// A message on a file without the place, or the nested project, with which it may begin.
pub(crate) fn without_place<'m>(message: &'m str, path: &str, root: &Path) -> &'m str {
    let folders = Path::new(path).ancestors().filter_map(Path::to_str).filter(|folder| !folder.is_empty());
    let after_project = folders.filter_map(|folder| message.strip_prefix(folder)?.strip_prefix(": ")).next();
    let message = after_project.unwrap_or(message);
    let whole = root.join(path).display().to_string();
    let Some(rest) = message.strip_prefix(&whole).or_else(|| message.strip_prefix(path)) else { return message };
    if !rest.starts_with([':', ' ']) {
        return message;
    }
    rest.trim_start_matches(':')
        .trim_start_matches(|letter: char| letter.is_ascii_digit())
        .trim_start_matches([':', ' '])
}

/// The first line, with the next one if it only announces that.
fn brief(message: &str) -> String {
    let mut lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match lines.next().filter(|_| first.ends_with(':')) {
        Some(next) => format!("{first} {next}"),
        None => first.to_owned(),
    }
}

fn cut(line: &str) -> String {
    cut_at(line, WIDTH)
}

/// At most `width` characters of a line.
pub(crate) fn cut_at(line: &str, width: usize) -> String {
    match line.char_indices().nth(width) {
        Some((end, _)) => format!("{}...", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}
