//! `pytest-lens flaky`: the tests that can't be trusted, by the history. Never starts Python.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{Hint, Outcome};

use crate::engine::history::{History, history};
use crate::failure::{Failure, exit};
use crate::style::{Paint, Style};

/// Prints the flaky tests of a root, for people or as JSON.
pub(crate) async fn flaky(
    connect: Arc<dyn Connect>,
    root: &Path,
    json: bool,
    out: &mut dyn Write,
    style: Style,
) -> Result<i32, Failure> {
    let history = history(&*connect, root).await?;
    if let Some(trouble) = &history.trouble {
        // If standard error is closed, nobody reads it.
        let _ = writeln!(std::io::stderr(), "pytest-lens: {trouble}");
    }
    let text = if json { lines(&history)? } else { page(&history, root, style) };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(exit::OK)
}

/// For scripts: one JSON object per test, flaky ones first.
fn lines(history: &History) -> Result<String, Failure> {
    let mut text = String::new();
    for test in history.flaky.iter().chain(&history.unstable) {
        let line = serde_json::to_string(test).map_err(|error| Failure::internal(error.to_string()))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// For people: a table, or one sentence if nothing is flaky.
fn page(history: &History, root: &Path, style: Style) -> String {
    let tracked = history.tracked;
    if tracked == 0 {
        let root = root.display();
        return format!("No outcome of a test in {root} is recorded yet: `pytest-lens run` records them.\n");
    }
    let tests = |count: usize| if count == 1 { "1 test".to_owned() } else { format!("{count} tests") };
    if history.flaky.is_empty() && history.unstable.is_empty() {
        return format!("No flaky tests among {} with recorded outcomes.\n", tests(tracked));
    }
    let rows: Vec<&Hint> = history.flaky.iter().chain(&history.unstable).collect();
    let drawn = rows.iter().map(|test| test.recent_outcomes.len()).max().unwrap_or_default();
    let width = drawn.max(HEAD.len());
    let mut text = style.paint(Paint::Bold, &format!("failed  flips  runs  {HEAD:width$}  evidence        test"));
    text.push('\n');
    for test in rows {
        let percent = format!("{:.0} %", test.failure_rate * 100.0);
        let marks: String = test.recent_outcomes.iter().map(|outcome| mark(outcome, style)).collect();
        let gap = " ".repeat(width - test.recent_outcomes.len());
        let (evidence, paint) =
            if test.is_flaky { ("same code", Paint::Red) } else { ("across changes", Paint::Yellow) };
        let evidence = style.paint(paint, &format!("{evidence:14}"));
        let (id, flips, runs) = (&test.id, test.flips, test.total_runs);
        text.push_str(&format!("{percent:>6}  {flips:>5}  {runs:>4}  {marks}{gap}  {evidence}  {id}\n"));
    }
    let (flaky, unstable, stable) = (history.flaky.len(), history.unstable.len(), history.stable);
    let tracked = tests(tracked);
    text.push_str(&format!(
        "\nOf {tracked} with a history, {flaky} flaky (passed and failed on the same code), {unstable} unstable (only \
         across changes of code), {stable} stable.\n"
    ));
    text
}

const HEAD: &str = "last outcomes";

/// One outcome: a colored mark if colors are in use, else pytest's letter.
fn mark(outcome: &str, style: Style) -> String {
    // An engine of another version may know more outcomes.
    let Ok(outcome) = outcome.parse() else { return "?".to_owned() };
    let (letter, paint) = match outcome {
        Outcome::Passed => ('.', Paint::Green),
        Outcome::XPassed => ('X', Paint::Green),
        Outcome::Failed => ('F', Paint::Red),
        Outcome::Error => ('E', Paint::Red),
        Outcome::TimedOut => ('T', Paint::Red),
        Outcome::Crashed => ('C', Paint::Red),
        Outcome::Skipped | Outcome::NotRun => ('s', Paint::Yellow),
        Outcome::XFailed => ('x', Paint::Yellow),
    };
    if style.colour { style.paint(paint, "■") } else { letter.to_string() }
}

#[cfg(test)]
mod tests {
    use pytest_lens_protocol::Evidence;

    use super::*;

    fn test(id: &str, outcomes: &[Outcome], is_flaky: bool) -> Hint {
        Hint {
            id: id.into(),
            is_flaky,
            evidence: Some(if is_flaky { Evidence::SameCode } else { Evidence::AcrossChanges }),
            failure_rate: 1.0 / 3.0,
            flips: 2,
            total_runs: 3,
            consecutive_failures: 0,
            consecutive_passes: 1,
            recent_outcomes: outcomes.iter().map(|outcome| outcome.as_str().to_owned()).collect(),
        }
    }

    fn recorded() -> History {
        let all: Vec<Outcome> = Outcome::ALL.into_iter().chain(Outcome::ALL).collect();
        History {
            flaky: vec![test("tests/test_a.py::test_x", &all, true)],
            unstable: vec![test("tests/test_b.py::T::test_y[1-é]", &[Outcome::Failed, Outcome::Passed], false)],
            stable: 7,
            tracked: 9,
            ..History::default()
        }
    }

    #[test]
    fn a_table_for_people() {
        insta::assert_snapshot!(page(&recorded(), Path::new("/repo"), Style::PLAIN), @"
        failed  flips  runs  last outcomes       evidence        test
          33 %      2     3  .FsExXTCs.FsExXTCs  same code       tests/test_a.py::test_x
          33 %      2     3  F.                  across changes  tests/test_b.py::T::test_y[1-é]

        Of 9 tests with a history, 1 flaky (passed and failed on the same code), 1 unstable (only across changes of code), 7 stable.
        ");
        let colour = page(&recorded(), Path::new("/repo"), Style { colour: true, ..Style::PLAIN });
        assert!(colour.contains("\x1b[31m■\x1b[0m\x1b[32m■\x1b[0m  "), "{colour}");
    }

    #[test]
    fn a_line_for_scripts() {
        insta::assert_snapshot!(lines(&recorded()).unwrap(), @r#"
        {"id":"tests/test_a.py::test_x","isFlaky":true,"failureRate":0.3333333333333333,"flips":2,"totalRuns":3,"consecutiveFailures":0,"consecutivePasses":1,"recentOutcomes":["passed","failed","skipped","error","xfailed","xpassed","timed_out","crashed","not_run","passed","failed","skipped","error","xfailed","xpassed","timed_out","crashed","not_run"],"evidence":"same_code"}
        {"id":"tests/test_b.py::T::test_y[1-é]","isFlaky":false,"failureRate":0.3333333333333333,"flips":2,"totalRuns":3,"consecutiveFailures":0,"consecutivePasses":1,"recentOutcomes":["failed","passed"],"evidence":"across_changes"}
        "#);
    }

    #[test]
    fn nothing_flaky_is_one_sentence() {
        let text = |history: &History| page(history, Path::new("/repo"), Style::PLAIN);
        let stable = History { stable: 1, tracked: 1, ..History::default() };
        insta::assert_snapshot!(text(&History::default()) + &text(&stable), @"
        No outcome of a test in /repo is recorded yet: `pytest-lens run` records them.
        No flaky tests among 1 test with recorded outcomes.
        ");
    }
}
