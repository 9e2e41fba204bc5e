//! `explain_failure`: one test, run once more with its local variables, and everything that is known of its failure.

use std::path::Path;
use std::time::Duration;

use pytest_lens_protocol::{Frame, NodeId, RunOptions, TestOutcome};
use rmcp::RoleServer;
use rmcp::service::RequestContext;
use similar::TextDiff;
use tokio::time::Instant;

use super::arguments::ExplainFailure;
use super::run::{Wanted, follow, watch};
use super::workplace::Workplace;
use crate::failure::Failure;
use crate::options::selectors;
use crate::paths::path_of_uri;
use crate::results::report::Report;
use crate::terminal::agent::answer::{Remarks, answer, bounded};
use crate::terminal::agent::failures::{cut_at, in_phase};
use crate::terminal::agent::verdict::Facts;
use crate::terminal::text::{count_of, first_line};

/// Seconds that the test may take.
const TIME_LIMIT: u64 = 300;

/// Frames shown: the test's own, and the last ones.
const FRAMES: usize = 6;

/// Frames of one outcome: of more, the worker sends the first and the last ones.
const KEPT: usize = 200;

/// Lines of source around the executed one.
const AROUND: usize = 2;

/// Local variables of one frame, and the characters of each.
const LOCALS: usize = 12;
const LOCAL_WIDTH: usize = 200;

/// Lines of a message and of a diff.
const LINES: usize = 40;

/// Characters of one of these lines.
const WIDTH: usize = 500;

/// Characters of a line of pytest's own text: it may list all fixtures.
const WIDTH_OF_TEXT: usize = 2_000;

/// Characters of one page of captured output.
const PAGE: usize = 4_000;

pub(super) async fn explain_failure(
    workplace: &Workplace,
    given: ExplainFailure,
    context: &RequestContext<RoleServer>,
) -> Result<String, Failure> {
    let root = &workplace.root;
    let ids = selectors::node_ids(root, std::slice::from_ref(&given.id))?;
    let Some(id) = ids.first().filter(|id| id.contains("::")).cloned() else {
        return Err(Failure::usage(format!(
            "`{}` is no test: give a node id such as `tests/test_a.py::test_b`",
            given.id
        )));
    };
    let page = given.page.unwrap_or(1).max(1);
    if page > 1 {
        let Some(outcome) = workplace.explained(&id) else {
            return Err(Failure::usage(format!("page {page} follows page 1: ask for `{id}` without a page first")));
        };
        return output(&outcome, page);
    }
    let project = workplace.project().await?;
    let earlier = project.follower.failure(&id);
    let mut report = Report::new(root, ids.clone());
    let options = RunOptions { arguments: vec!["--showlocals".into(), "--tb=short".into()], ..RunOptions::default() };
    let wanted = Wanted { ids, options, time_limit: TIME_LIMIT };
    let code = watch(workplace).await?;
    let deadline = Instant::now() + Duration::from_secs(wanted.time_limit);
    let (ending, code, changed) = follow(workplace, &project, wanted, deadline, code, &mut report, context).await?;
    let Some(outcome) = report.failures.first() else {
        let facts = Facts::of(&report, ending, changed.code);
        let remarks = Remarks { code: Some(code.name()), notes: before(earlier, root) };
        return Ok(answer(&report, root, &facts, &remarks));
    };
    let mut text = explanation(outcome, root);
    if !changed.code.is_empty() {
        text.push_str(&format!("changed while the test ran: {}\n", changed.code.join(", ")));
    }
    let others = report.failures.len() - 1;
    if others > 0 {
        let (cases, fail) = (count_of(others, "other case"), if others == 1 { "fails" } else { "fail" });
        text.push_str(&format!("{cases} of {id} {fail} as well\n"));
    }
    let mut text = bounded(text, "");
    text.push_str(&output(outcome, 1)?);
    workplace.set_explained(TestOutcome { id, ..outcome.clone() });
    Ok(text)
}

/// On a test that passes alone: the failure before.
fn before(earlier: Option<TestOutcome>, root: &Path) -> Vec<String> {
    let Some(earlier) = earlier else { return Vec::new() };
    let message = first_line(earlier.message.as_deref().unwrap_or_default()).to_owned();
    let place = earlier.location.map_or_else(String::new, |place| {
        format!(" at {}:{}", path_of_uri(&place.uri, root), place.range.start.line + 1)
    });
    vec![format!(
        "it failed before{place}: {message}; now it ran alone: the code has changed since, or it depends on other tests, on \
         time or on chance"
    )]
}

/// Message, difference and frames.
fn explanation(outcome: &TestOutcome, root: &Path) -> String {
    let phase = outcome.phase.map_or_else(String::new, |phase| in_phase(outcome, phase));
    let mut text = format!("{}{phase}: {}\n", outcome.outcome.to_uppercase().replace('_', " "), outcome.id);
    let message = outcome.message.as_deref().unwrap_or("no reason is known");
    push_lines(&mut text, message.trim_end());
    let longrepr = outcome.longrepr.as_deref().unwrap_or_default();
    if outcome.frames.is_empty() && longrepr.trim() != message.trim() {
        // Of a missing fixture, say, pytest's own text names the place, and the fixtures that there are.
        for line in longrepr.lines().filter(|line| !line.trim().is_empty()).take(LINES) {
            text.push_str(&format!("{}\n", cut_at(line, WIDTH_OF_TEXT)));
        }
    }
    for line in members(longrepr).into_iter().chain(causes(longrepr)).take(LINES) {
        push_lines(&mut text, &line);
    }
    if let (Some(expected), Some(actual)) = (&outcome.expected, &outcome.actual)
        && (expected.contains('\n') || actual.contains('\n'))
    {
        text.push_str("difference (- expected, + actual):\n");
        push_lines(&mut text, &TextDiff::from_lines(expected, actual).unified_diff().context_radius(2).to_string());
    }
    let locals = locals_of(&outcome.frames, longrepr);
    let skipped = outcome.frames.len().saturating_sub(FRAMES);
    for (at, frame) in outcome.frames.iter().enumerate() {
        if at == 1 && skipped > 0 {
            let least = if outcome.frames.len() >= KEPT { "at least " } else { "" };
            text.push_str(&format!("... {least}{} ...\n", count_of(skipped, "frame")));
        }
        if at == 0 || at > skipped {
            push_frame(&mut text, frame, root, locals.get(at).map_or(&[], Vec::as_slice));
        }
    }
    for subtest in outcome.subtests.iter().filter(|subtest| subtest.outcome == "failed") {
        text.push_str(&format!("subtest {}: {}\n", subtest.label, subtest.message.as_deref().unwrap_or_default()));
    }
    text
}

fn push_lines(text: &mut String, lines: &str) {
    // The options of the agent's own command line do not reach this run.
    let all = || lines.lines().filter(|line| !line.trim_start().starts_with("Use -v to get"));
    for line in all().take(LINES) {
        text.push_str(&format!("{}\n", cut_at(line, WIDTH)));
    }
    let left = all().count().saturating_sub(LINES);
    if left > 0 {
        let is_cut = lines.contains(" characters left out ...]");
        text.push_str(&if is_cut { "... more lines\n".into() } else { format!("... {left} more lines\n") });
    }
}

/// The exceptions in a group, by pytest's text of it: the last line of each numbered part.
fn members(longrepr: &str) -> Vec<String> {
    let mut members: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in longrepr.lines().filter_map(|line| line.trim_start().strip_prefix(['|', '+'])) {
        let rest = line.trim_start_matches(['-', '+', ' ']);
        let number = rest.split(' ').next().unwrap_or_default();
        if line.starts_with('-') {
            is_inside = !number.is_empty() && number.chars().all(|letter| letter.is_ascii_digit());
            members.extend(is_inside.then(String::new));
            continue;
        }
        // The traceback of a member is indented further than its exception.
        let is_exception = line.strip_prefix(' ').is_some_and(|rest| rest.starts_with(char::is_alphabetic));
        if is_inside
            && is_exception
            && !line.trim_start().starts_with("Traceback (")
            && let Some(member) = members.last_mut()
        {
            *member = format!("  in the group: {}", line.trim());
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

/// The exceptions before the last one, by pytest's text: those from which it was raised, or while they were handled.
fn causes(longrepr: &str) -> Vec<String> {
    const LINKS: [(&str, &str); 2] = [
        ("The above exception was the direct cause of the following exception:", "raised from"),
        ("During handling of the above exception, another exception occurred:", "raised while handling"),
    ];
    let mut causes = Vec::new();
    let mut last = None;
    for line in longrepr.lines() {
        if let Some(message) = line.strip_prefix("E   ") {
            last = last.or(Some(message.trim()));
        } else if line.trim().is_empty() || line.starts_with("E  ") {
            continue;
        } else if let Some((_, how)) = LINKS.iter().find(|(text, _)| line.trim() == *text) {
            causes.extend(last.take().map(|message| format!("  {how}: {message}")));
        } else {
            last = None;
        }
    }
    causes.reverse();
    causes
}

fn push_frame(text: &mut String, frame: &Frame, root: &Path, locals: &[String]) {
    let path = path_of_uri(&frame.location.uri, root);
    let number = frame.location.range.start.line + 1;
    text.push_str(&format!("{path}:{number} in {}\n", frame.name));
    let source = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
    let at = number as usize;
    let around = source.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut has_source = false;
    for (line, code) in around.skip(at.saturating_sub(AROUND + 1)).take_while(|(line, _)| *line <= at) {
        let mark = if line == at { ">" } else { " " };
        text.push_str(&format!("{mark} {code}\n"));
        has_source = true;
    }
    if let Some(code) = frame.text.as_ref().filter(|_| !has_source) {
        text.push_str(&format!("> {code}\n"));
    }
    for local in locals.iter().take(LOCALS) {
        let shown: String = local.chars().take(LOCAL_WIDTH).collect();
        text.push_str(&format!("    {shown}\n"));
    }
    let left = locals.len().saturating_sub(LOCALS);
    if left > 0 {
        text.push_str(&format!("    ... {}\n", count_of(left, "more variable")));
    }
}

/// The local variables of each frame. The text may have tracebacks of other exceptions before that of the frames, so
/// both are read from their ends.
fn locals_of(frames: &[Frame], longrepr: &str) -> Vec<Vec<String>> {
    let mut entries = locals(longrepr);
    let mut found = Vec::with_capacity(frames.len());
    for frame in frames.iter().rev() {
        let key = (frame.location.range.start.line + 1, frame.name.as_str());
        let at = entries.iter().rposition(|(line, name, _)| (*line, name.as_str()) == key);
        found.push(at.map(|at| entries.split_off(at).swap_remove(0).2).unwrap_or_default());
    }
    found.reverse();
    found
}

/// The entries of pytest's short traceback, in its order, by line and function: the indented `name = value` lines that
/// follow `path:line: in function`.
fn locals(longrepr: &str) -> Vec<(u32, String, Vec<String>)> {
    let mut found: Vec<(u32, String, Vec<String>)> = Vec::new();
    for line in longrepr.lines() {
        if let Some((place, function)) = line.split_once(": in ")
            && let Some(number) = place.rsplit(':').next().and_then(|number| number.parse().ok())
        {
            found.push((number, function.trim().to_owned(), Vec::new()));
            continue;
        }
        let is_local = line.strip_prefix("        ").is_some_and(|rest| {
            let name = rest.split_once(" = ").map_or("", |(name, _)| name.trim_end());
            !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
        });
        if is_local && let Some((_, _, locals)) = found.last_mut() {
            let (name, value) = line.trim().split_once(" = ").unwrap_or_default();
            locals.push(format!("{} = {value}", name.trim_end()));
        }
    }
    found
}

/// One page of the captured output.
fn output(outcome: &TestOutcome, page: usize) -> Result<String, Failure> {
    let mut captured = String::new();
    for (stream, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr), ("log", &outcome.log)] {
        if let Some(text) = text.as_deref().filter(|text| !text.trim().is_empty()) {
            captured.push_str(&format!("captured {stream}:\n{}\n", text.trim_end()));
        }
    }
    let letters: Vec<char> = captured.chars().collect();
    let pages = letters.len().div_ceil(PAGE).max(1);
    if page > pages {
        let name = NodeId::new(&outcome.id).name();
        return Err(Failure::usage(format!("there is no page {page} of the output of `{name}`: the last is {pages}")));
    }
    let mut text: String = letters.iter().skip((page - 1) * PAGE).take(PAGE).collect();
    if pages > 1 {
        text.push_str(&format!("\noutput page {page} of {pages}\n"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locals_are_found_in_a_short_traceback() {
        let text = "t.py:8: in test_x\n    assert total(rows) == 3\nE   AssertionError: assert 4 == 3\nE    +  where 4\n        \
                    rows       = [1, 3]\n        text       = 'a = b'\nsub/core.py:2: in total\n    return x\n        \
                    x = 1";
        let found = locals(text);
        let entry = |line, name: &str, locals: &[&str]| {
            (line, name.to_owned(), locals.iter().map(|&local| local.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(found[0], entry(8, "test_x", &["rows = [1, 3]", "text = 'a = b'"]));
        assert_eq!(found[1], entry(2, "total", &["x = 1"]));
    }

    #[test]
    fn long_output_comes_in_pages() {
        let outcome = TestOutcome { stdout: Some("x".repeat(9_000)), ..TestOutcome::default() };
        let pages: Vec<_> =
            (1..=4).map(|page| output(&outcome, page).map(|text| text.matches('x').count()).ok()).collect();
        assert_eq!(pages, [Some(3_983), Some(4_000), Some(1_017), None]);
        assert_eq!(output(&TestOutcome::default(), 1).ok(), Some(String::new()));
    }
}
