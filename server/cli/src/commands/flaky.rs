//! `pytest-lens flaky`: which tests can't be trusted, from the history alone, or as a daemon knows it. Never starts
//! Python by itself.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pytest_lens_engine::{Connect, EngineConfig};
use pytest_lens_history::{History, Options, Place, Report};
use pytest_lens_plan::flaky::{self, Verdict};
use pytest_lens_plan::outcome::Outcome;
use pytest_lens_protocol::{Request, Response, Settings};

use crate::engine::client::Client;
use crate::failure::{Failure, exit};
use crate::style::{Paint, Style};

/// How long the history may take to be read: it is a file on this machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints a report.
pub fn print(report: &Report, root: &Path, json: bool, out: &mut dyn Write, style: Style) -> Result<i32, Failure> {
    let text = if json { lines(report)? } else { page(report, root, style) };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(exit::OK)
}

/// Asks an engine, which has settings of its own.
pub async fn asked(connect: Arc<dyn Connect>, root: &Path) -> Result<Report, Failure> {
    let client = Client::open(&*connect, root, None).await?;
    let request = Request::GetFlakinessReport { context_id: client.context_id.clone() };
    let (flaky, unstable, stable, tracked) = match client.session.call(request).await {
        Response::FlakinessReport { flaky_tests, unstable_tests, stable_count, total_tracked } => {
            (flaky_tests, unstable_tests, stable_count, total_tracked)
        }
        other => return Err(Failure::of_response(other)),
    };
    let mut report = Report { stable, tracked, ..Report::default() };
    for (tests, evidence) in [(flaky, flaky::Evidence::SameCode), (unstable, flaky::Evidence::AcrossChanges)] {
        for test in tests {
            let verdict = verdict_of(&client, &test.node_id, evidence).await?;
            let into = if verdict.is_flaky { &mut report.flaky } else { &mut report.unstable };
            into.push((test.node_id.into(), verdict));
        }
    }
    Ok(report)
}

async fn verdict_of(client: &Client, id: &str, evidence: flaky::Evidence) -> Result<Verdict, Failure> {
    let request = Request::GetTestFlakiness { context_id: client.context_id.clone(), node_id: id.to_owned() };
    match client.session.call(request).await {
        Response::TestFlakiness {
            failure_rate,
            is_flaky,
            flaky_streak,
            consecutive_failures,
            consecutive_passes,
            total_runs,
            recent_outcomes,
            ..
        } => Ok(Verdict {
            is_flaky,
            unstable: !is_flaky,
            evidence: Some(evidence),
            failure_rate,
            flips: flaky_streak,
            total_runs,
            consecutive_failures,
            consecutive_passes,
            recent_outcomes: recent_outcomes.iter().filter_map(|outcome| outcome.parse().ok()).collect(),
        }),
        other => Err(Failure::of_response(other)),
    }
}

/// Reads the history of a root.
pub fn read(root: &Path) -> Result<Report, Failure> {
    let place = Place::of(&EngineConfig::for_user().state_dir, root);
    if !place.file.exists() {
        return Ok(Report::default());
    }
    let window = Settings::default().flaky.window as usize;
    let history = History::open(place, Options::default());
    let loaded = history.wait_loaded(PATIENCE);
    if let Some(trouble) = history.trouble() {
        // Where standard error is gone, there is nobody to tell.
        let _ = writeln!(std::io::stderr(), "pytest-lens: {trouble}");
    } else if !loaded {
        let file = history.place().file.display();
        return Err(Failure::internal(format!("the history {file} is locked by another program; try again later")));
    }
    Ok(history.report(window))
}

/// For scripts: a test a line, flaky ones first.
fn lines(report: &Report) -> Result<String, Failure> {
    let mut text = String::new();
    for (id, verdict) in report.flaky.iter().chain(&report.unstable) {
        let line = serde_json::to_string(&verdict.hint(id)).map_err(|error| Failure::internal(error.to_string()))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// For people.
fn page(report: &Report, root: &Path, style: Style) -> String {
    let tracked = report.tracked;
    if tracked == 0 {
        let root = root.display();
        return format!("No outcome of a test in {root} is recorded yet: `pytest-lens run` records what it runs.\n");
    }
    let tests = |count: usize| if count == 1 { "1 test".to_owned() } else { format!("{count} tests") };
    if report.flaky.is_empty() && report.unstable.is_empty() {
        return format!("Nothing is flaky: {} with a history, and no outcome flipped.\n", tests(tracked));
    }
    let rows: Vec<&(_, Verdict)> = report.flaky.iter().chain(&report.unstable).collect();
    let drawn = rows.iter().map(|(_, verdict)| verdict.recent_outcomes.len()).max().unwrap_or_default();
    let width = drawn.max(HEAD.len());
    let mut text = style.paint(Paint::Bold, &format!("failed  flips  runs  {HEAD:width$}  evidence        test"));
    text.push('\n');
    for (id, verdict) in rows {
        let percent = format!("{:.0} %", verdict.failure_rate * 100.0);
        let marks: String = verdict.recent_outcomes.iter().map(|outcome| mark(*outcome, style)).collect();
        let gap = " ".repeat(width - verdict.recent_outcomes.len());
        let (evidence, paint) =
            if verdict.is_flaky { ("same code", Paint::Red) } else { ("across changes", Paint::Yellow) };
        let evidence = style.paint(paint, &format!("{evidence:14}"));
        let (flips, runs) = (verdict.flips, verdict.total_runs);
        text.push_str(&format!("{percent:>6}  {flips:>5}  {runs:>4}  {marks}{gap}  {evidence}  {id}\n"));
    }
    let (flaky, unstable, stable) = (report.flaky.len(), report.unstable.len(), report.stable);
    let tracked = tests(tracked);
    text.push_str(&format!(
        "\nOf {tracked} with a history, {flaky} flaky (passed and failed on the same code), {unstable} unstable (only \
         across changes of code), {stable} stable.\n"
    ));
    text
}

const HEAD: &str = "last outcomes";

/// One outcome: a coloured mark where there are colours, else pytest's letter.
fn mark(outcome: Outcome, style: Style) -> String {
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
    use super::*;

    fn verdict(outcomes: &[Outcome], is_flaky: bool) -> Verdict {
        Verdict {
            is_flaky,
            unstable: !is_flaky,
            evidence: Some(if is_flaky { flaky::Evidence::SameCode } else { flaky::Evidence::AcrossChanges }),
            failure_rate: 1.0 / 3.0,
            flips: 2,
            total_runs: 3,
            consecutive_failures: 0,
            consecutive_passes: 1,
            recent_outcomes: outcomes.to_vec(),
        }
    }

    fn report() -> Report {
        let all: Vec<Outcome> = Outcome::ALL.into_iter().chain(Outcome::ALL).collect();
        Report {
            flaky: vec![("tests/test_a.py::test_x".into(), verdict(&all, true))],
            unstable: vec![(
                "tests/test_b.py::T::test_y[1-é]".into(),
                verdict(&[Outcome::Failed, Outcome::Passed], false),
            )],
            stable: 7,
            tracked: 9,
        }
    }

    #[test]
    fn a_table_for_people() {
        insta::assert_snapshot!(page(&report(), Path::new("/repo"), Style::PLAIN), @"
        failed  flips  runs  last outcomes       evidence        test
          33 %      2     3  .FsExXTCs.FsExXTCs  same code       tests/test_a.py::test_x
          33 %      2     3  F.                  across changes  tests/test_b.py::T::test_y[1-é]

        Of 9 tests with a history, 1 flaky (passed and failed on the same code), 1 unstable (only across changes of code), 7 stable.
        ");
        let colour = page(&report(), Path::new("/repo"), Style { colour: true, ..Style::PLAIN });
        assert!(colour.contains("\x1b[31m■\x1b[0m\x1b[32m■\x1b[0m  "), "{colour}");
    }

    #[test]
    fn a_line_for_scripts() {
        insta::assert_snapshot!(lines(&report()).unwrap(), @r#"
        {"id":"tests/test_a.py::test_x","isFlaky":true,"failureRate":0.3333333333333333,"flips":2,"totalRuns":3,"consecutiveFailures":0,"consecutivePasses":1,"recentOutcomes":["passed","failed","skipped","error","xfailed","xpassed","timed_out","crashed","not_run","passed","failed","skipped","error","xfailed","xpassed","timed_out","crashed","not_run"],"evidence":"same_code"}
        {"id":"tests/test_b.py::T::test_y[1-é]","isFlaky":false,"failureRate":0.3333333333333333,"flips":2,"totalRuns":3,"consecutiveFailures":0,"consecutivePasses":1,"recentOutcomes":["failed","passed"],"evidence":"across_changes"}
        "#);
    }

    #[test]
    fn nothing_flaky_is_one_sentence() {
        let told = |report: &Report| page(report, Path::new("/repo"), Style::PLAIN);
        let stable = Report { stable: 1, tracked: 1, ..Report::default() };
        insta::assert_snapshot!(told(&Report::default()) + &told(&stable), @"
        No outcome of a test in /repo is recorded yet: `pytest-lens run` records what it runs.
        Nothing is flaky: 1 test with a history, and no outcome flipped.
        ");
    }
}
