//! Runs against a fake engine: the printed text, the requests, and the exit status.

mod like_pytest;
mod options;

use std::path::Path;

use pytest_lens_engine::Connect;
use pytest_lens_platform::signals::Signal;
use pytest_lens_protocol::{
    CollectError, ErrorCode, EventPayload, FailedReport, FileSkip, FileWarnings, Frame, Location, Output, OutputStream,
    Phase, PluginSummary, Range, Request, Response, RunCounts, RunEnd, RunEndStatus, RunStart, Subtest, TestNodeInfo,
    TestOutcome, TestOutcomes, TestsStarted, Warning,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::once;
use crate::failure::Failure;
use crate::options::arguments::{Command, Run};
use crate::options::parse::parse;
use crate::style::Style;
use crate::testing::{Fake, collect_error, inventory};

fn options(line: &str) -> Run {
    match parse(format!("pytest-lens run {line}").split_whitespace().map(Into::into)) {
        Ok(Command::Run(run)) => *run,
        other => panic!("{other:?}"),
    }
}

fn started(total: usize) -> EventPayload {
    EventPayload::RunStarted(RunStart { run_id: "r".into(), total, ids: None, deselected: 0, ..RunStart::default() })
}

/// The start of a run whose collection had these errors.
fn started_with(total: usize, errors: Vec<CollectError>) -> EventPayload {
    EventPayload::RunStarted(RunStart { run_id: "r".into(), total, errors, ..RunStart::default() })
}

fn outcomes(outcomes: Vec<TestOutcome>) -> EventPayload {
    EventPayload::TestOutcome(TestOutcomes { run_id: "r".into(), outcomes })
}

fn outcome(id: &str, outcome: &str) -> TestOutcome {
    TestOutcome { id: id.into(), outcome: outcome.into(), duration_ms: 1.0, attempt: 1, ..TestOutcome::default() }
}

fn finished(status: RunEndStatus, counts: RunCounts) -> EventPayload {
    EventPayload::RunFinished(RunEnd {
        run_id: "r".into(),
        status,
        counts,
        duration_ms: 123.4,
        message: None,
        debug_data: None,
        warnings: Vec::new(),
        timings: None,
        summaries: Vec::new(),
        exit_status: None,
    })
}

fn counts(passed: usize, failed: usize) -> RunCounts {
    RunCounts { total: passed + failed, passed, failed, ..RunCounts::default() }
}

/// An engine that accepts a run and sends these events.
fn playing(events: Vec<EventPayload>) -> Fake {
    let fake = Fake::new(|request| match request {
        Request::RunStream { .. } => Response::RunStarted { run_id: "r".into(), total_tests: 0 },
        Request::StopRun { .. } | Request::KillRun { .. } => Response::ControlAck,
        _ => Response::Pong,
    });
    fake.with_events(events)
}

/// One run; returns its exit status.
async fn follow(
    connect: &dyn Connect,
    root: &Path,
    options: &Run,
    out: &mut dyn std::io::Write,
    style: Style,
    mut signals: UnboundedReceiver<Signal>,
) -> Result<i32, Failure> {
    Ok(once(connect, root, options, out, style, &mut signals).await?.status())
}

async fn play_with(fake: &Fake, line: &str) -> (String, Result<i32, Failure>) {
    let (_sender, receiver) = unbounded_channel();
    let mut out = Vec::new();
    let result = follow(fake, Path::new("/"), &options(line), &mut out, Style::PLAIN, receiver).await;
    (String::from_utf8(out).unwrap(), result)
}

/// The printed text, and the exit status.
async fn play(events: Vec<EventPayload>, line: &str) -> (String, i32) {
    let (text, result) = play_with(&playing(events), line).await;
    (text, result.unwrap_or_else(|failure| panic!("{failure:?}")))
}

/// A run with an outcome of every kind.
fn of_all_kinds() -> Vec<EventPayload> {
    let place = |line| Location { uri: "file:///repo/t.py".into(), range: Range::of_line(line) };
    let longrepr =
        "    def test_bad():\n        x = 1\n>       assert x == 2\nE       assert 1 == 2\n\nt.py:7: AssertionError\n";
    vec![
        inventory(vec![]),
        EventPayload::RunStarted(RunStart {
            run_id: "another".into(),
            total: 1,
            ids: None,
            deselected: 0,
            ..RunStart::default()
        }),
        started(11),
        EventPayload::TestStarted(TestsStarted { run_id: "r".into(), ids: vec!["t.py::test_ok".into()] }),
        outcomes(vec![
            outcome("t.py::test_ok", "passed"),
            TestOutcome {
                message: Some("AssertionError: assert 1 == 2".into()),
                longrepr: Some(longrepr.into()),
                stdout: Some("to standard output\n".into()),
                log: Some("WARNING  root:t.py:5 careful\n".into()),
                ..outcome("t.py::TestA::test_bad[1-x]", "failed")
            },
        ]),
        EventPayload::Output(Output {
            run_id: "r".into(),
            id: None,
            stream: OutputStream::Stdout,
            text: "printed with -s\n".into(),
        }),
        outcomes(vec![
            TestOutcome { message: Some("not on Linux".into()), ..outcome("t.py::test_skip", "skipped") },
            TestOutcome {
                phase: Some(Phase::Setup),
                message: Some("RuntimeError: no database".into()),
                longrepr: Some("E   RuntimeError: no database".into()),
                ..outcome("t.py::test_setup", "error")
            },
            outcome("t.py::test_xfail", "xfailed"),
            outcome("t.py::test_xpass", "xpassed"),
            TestOutcome {
                message: Some("still running after 2 s".into()),
                frames: vec![Frame { name: "wait".into(), location: place(40), text: Some("time.sleep(9)".into()) }],
                ..outcome("t.py::test_slow", "timed_out")
            },
            TestOutcome { message: Some("ended by SIGSEGV".into()), ..outcome("t.py::test_crash", "crashed") },
            TestOutcome { will_rerun: true, ..outcome("t.py::test_flaky", "failed") },
            TestOutcome { attempt: 2, ..outcome("t.py::test_flaky", "passed") },
            TestOutcome {
                message: Some("1 subtest failed".into()),
                longrepr: Some("E   assert 0".into()),
                subtests: vec![Subtest {
                    label: "[i=1]".into(),
                    outcome: "failed".into(),
                    message: Some("assert 0".into()),
                }],
                ..outcome("t.py::test_subs", "failed")
            },
            TestOutcome { message: Some("over maxfail".into()), ..outcome("t.py::test_never", "not_run") },
        ]),
        finished(
            RunEndStatus::Failed,
            RunCounts { total: 10, passed: 3, failed: 3, skipped: 2, errors: 2, not_run: 1 },
        ),
    ]
}

#[tokio::test]
async fn lines_and_summary_of_a_run_with_everything_in_it() {
    let (text, status) = play(of_all_kinds(), "-v").await;
    assert_eq!(status, 1);
    insta::assert_snapshot!(text, @"
    t.py::test_ok PASSED                                                     [  9%]
    t.py::TestA::test_bad[1-x] FAILED                                        [ 18%]
    printed with -s
    t.py::test_skip SKIPPED (not on Linux)                                   [ 27%]
    t.py::test_setup ERROR                                                   [ 36%]
    t.py::test_xfail XFAIL                                                   [ 45%]
    t.py::test_xpass XPASS                                                   [ 54%]
    t.py::test_slow TIMEOUT                                                  [ 63%]
    t.py::test_crash CRASHED                                                 [ 72%]
    t.py::test_flaky RERUN                                                   [ 72%]
    t.py::test_flaky PASSED                                                  [ 81%]
    t.py::test_subs SUBFAILED[i=1]                                           [ 90%]
    t.py::test_subs FAILED                                                   [ 90%]
    t.py::test_never NOT RUN (over maxfail)                                  [100%]

    ==================================== ERRORS ====================================
    _________________________ ERROR at setup of test_setup _________________________
    E   RuntimeError: no database
    =================================== FAILURES ===================================
    _____________________________ TestA.test_bad[1-x] ______________________________

        def test_bad():
            x = 1
    >       assert x == 2
    E       assert 1 == 2

    t.py:7: AssertionError
    ------------------------------- Captured stdout --------------------------------
    to standard output
    --------------------------------- Captured log ---------------------------------
    WARNING  root:t.py:5 careful
    _____________________________ test_slow: timed out _____________________________
    /repo/t.py:40: in wait
        time.sleep(9)
    E   still running after 2 s
    _____________________________ test_crash: crashed ______________________________
    E   ended by SIGSEGV
    __________________________________ test_subs ___________________________________
    E   assert 0
    =========================== short test summary info ============================
    FAILED t.py::TestA::test_bad[1-x] - AssertionError: assert 1 == 2
    TIMEOUT t.py::test_slow - still running after 2 s
    CRASHED t.py::test_crash - ended by SIGSEGV
    FAILED t.py::test_subs - 1 subtest failed
    ERROR t.py::test_setup - RuntimeError: no database
    = 3 failed, 1 timed out, 1 crashed, 2 passed, 1 skipped, 1 not run, 1 xfailed, 1 xpassed, 1 error, 1 rerun in 0.12s =
    ");
}

#[tokio::test]
async fn json_has_this_runs_events_and_nothing_else() {
    let (text, status) = play(of_all_kinds(), "--json").await;
    assert_eq!(status, 1);
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["runStarted", "testStarted", "testOutcome", "output", "testOutcome", "runFinished"]);
    assert_eq!(lines[0].to_string(), r#"{"event":"runStarted","runId":"r","total":11}"#);
    assert_eq!(lines[2]["outcomes"][1]["id"], "t.py::TestA::test_bad[1-x]");
}

#[tokio::test]
async fn a_run_where_all_is_well_is_short() {
    let events = vec![
        started(2),
        outcomes(vec![outcome("t.py::test_a", "passed"), outcome("t.py::test_b", "passed")]),
        finished(RunEndStatus::Passed, counts(2, 0)),
    ];
    let (text, status) = play(events, "").await;
    assert_eq!(status, 0);
    insta::assert_snapshot!(text, @"
    t.py ..                                                                  [100%]

    ============================== 2 passed in 0.12s ===============================
    ");
}

#[tokio::test]
async fn nothing_selected_is_status_5() {
    let (text, status) = play(vec![started(0), finished(RunEndStatus::Passed, counts(0, 0))], "-k nothing").await;
    assert_eq!(status, 5);
    insta::assert_snapshot!(text, @"============================ no tests ran in 0.12s =============================");
}

#[tokio::test]
async fn a_file_that_does_not_import_is_told_and_is_status_2() {
    let error = collect_error("/etc/test_b.py", 3, "ModuleNotFoundError: No module named 'nope'");
    let run = vec![
        started_with(1, vec![error]),
        outcomes(vec![outcome("etc/t.py::test_a", "passed")]),
        finished(RunEndStatus::Passed, counts(1, 0)),
    ];
    let (text, status) = play(run, "").await;
    assert_eq!(status, 2);
    insta::assert_snapshot!(text, @"
    etc/t.py .                                                               [100%]

    ==================================== ERRORS ====================================
    ________________________ ERROR collecting etc/test_b.py ________________________
    etc/test_b.py:3:
    ModuleNotFoundError: No module named 'nope'
    =========================== short test summary info ============================
    ERROR etc/test_b.py - ModuleNotFoundError: No module named 'nope'
    ========================== 1 passed, 1 error in 0.12s ==========================
    ");
}

#[tokio::test]
async fn a_file_that_breaks_or_is_mended_while_a_run_goes_on_does_not_change_its_report() {
    let error = || vec![collect_error("/etc/test_b.py", 3, "SyntaxError: no")];
    let run = |start: EventPayload, meanwhile: EventPayload| {
        let rest = [outcomes(vec![outcome("etc/t.py::test_a", "passed")]), meanwhile];
        [&[start], &rest[..], &[finished(RunEndStatus::Passed, counts(1, 0))]].concat()
    };
    let (text, status) = play(run(started(1), inventory(error())), "-q").await;
    assert_eq!((status, text.lines().last()), (0, Some("1 passed in 0.12s")), "{text}");
    let before = [&[inventory(error())], &run(started(1), inventory(vec![]))[..]].concat();
    assert_eq!(play(before, "").await.1, 0, "its own collection succeeded");
    let (text, status) = play(run(started_with(1, error()), inventory(vec![])), "-q").await;
    assert_eq!((status, text.lines().last()), (2, Some("1 passed, 1 error in 0.12s")), "{text}");
}

#[tokio::test]
async fn only_broken_files_that_were_asked_for_keep_a_run_from_beginning() {
    let fake = || {
        let fake = Fake::new(move |request| match request {
            Request::RunStream { .. } => Response::error(ErrorCode::CollectionFailed, "etc/t.py can't be collected"),
            _ => Response::Pong,
        });
        fake.with_events(vec![inventory(vec![collect_error("/etc/t.py", 1, "no"), collect_error("/u.py", 1, "no")])])
    };
    let (text, result) = play_with(&fake(), "/etc").await;
    assert_eq!(result.unwrap(), 2);
    assert!(text.contains("ERROR etc/t.py") && !text.contains("u.py"), "{text}");
}

/// A run that is refused with this message, while these errors hold.
async fn refused(message: &'static str, errors: Vec<CollectError>) -> (String, Result<i32, Failure>) {
    let fake = Fake::new(move |request| match request {
        Request::RunStream { .. } => Response::error(ErrorCode::CollectionFailed, message),
        _ => Response::Pong,
    });
    play_with(&fake.with_events(vec![inventory(errors)]), "").await
}

#[tokio::test]
async fn a_conftest_above_what_is_selected_keeps_pytest_from_starting() {
    for (path, line, expected) in [
        ("/etc/conftest.py", "/etc", 4),
        ("/etc/conftest.py", "/etc/passwd --continue-on-collection-errors", 4),
        ("/etc/conftest.py", "", 2),
        ("/etc/ssl/conftest.py", "/etc", 2),
        ("/etc/my_conftest.py", "/etc", 2),
    ] {
        let errors = vec![collect_error(path, 1, "ZeroDivisionError: no")];
        let (text, status) =
            play(vec![started_with(0, errors), finished(RunEndStatus::Passed, counts(0, 0))], line).await;
        assert_eq!(status, expected, "{path} {line}: {text}");
    }
}

#[tokio::test]
async fn a_file_that_keeps_a_run_from_beginning_is_shown() {
    let errors = vec![collect_error("/t.py", 1, "SyntaxError: no"), collect_error("/u.py", 2, "ImportError: no")];
    let (text, result) = refused("t.py can't be collected: SyntaxError: no; mend it", errors).await;
    assert_eq!(result.unwrap(), 2);
    insta::assert_snapshot!(text, @"
    ==================================== ERRORS ====================================
    ____________________________ ERROR collecting t.py _____________________________
    t.py:1:
    SyntaxError: no
    ____________________________ ERROR collecting u.py _____________________________
    u.py:2:
    ImportError: no
    =========================== short test summary info ============================
    ERROR t.py - SyntaxError: no
    ERROR u.py - ImportError: no
    !!!!!!!!!!!!!!!!!!! Interrupted: 2 errors during collection !!!!!!!!!!!!!!!!!!!!
    =================================== 2 errors ===================================
    ");
}

#[tokio::test]
async fn a_run_that_has_only_errors_of_collection_is_interrupted_as_in_pytest() {
    let end = || match finished(RunEndStatus::Failed, counts(0, 0)) {
        EventPayload::RunFinished(end) => {
            let message = Some("1 file could not be collected: t.py:1: SyntaxError: no".into());
            EventPayload::RunFinished(RunEnd { message, ..end })
        }
        other => other,
    };
    let events = || vec![started_with(0, vec![collect_error("/t.py", 1, "SyntaxError: no")]), end()];
    let (text, status) = play(events(), "-q").await;
    assert!(text.contains("!! Interrupted: 1 error during collection !!"), "{text}");
    assert!(!text.contains("could not be collected"), "{text}");
    assert_eq!((status, text.lines().last()), (2, Some("1 error in 0.12s")));
    let (text, status) = play(events(), "-q --continue-on-collection-errors").await;
    assert!(!text.contains("!!"), "{text}");
    assert_eq!((status, text.lines().last()), (1, Some("1 error in 0.12s")));
}

#[tokio::test]
async fn what_keeps_pytest_from_starting_is_one_sentence() {
    for errors in [vec![], vec![collect_error("/", 1, "RuntimeError: boom")]] {
        match refused("conftest.py raises; mend it", errors).await {
            (text, Err(Failure::Message { sentence, status: 4 })) => {
                assert_eq!((text.as_str(), sentence.as_str()), ("", "conftest.py raises; mend it"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn refusals_are_told_and_have_pytests_status() {
    for (code, expected) in
        [(ErrorCode::PythonNotFound, 4), (ErrorCode::InvalidRequest, 4), (ErrorCode::InternalError, 3)]
    {
        let fake = Fake::new(move |request| match request {
            Request::InitContext { .. } => Response::error(code, "this is why"),
            _ => Response::Pong,
        });
        match play_with(&fake, "").await.1 {
            Err(Failure::Message { sentence, status }) => {
                assert_eq!((sentence.as_str(), status), ("this is why", expected));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_end_has_its_status() {
    let ends = [
        (RunEndStatus::TimedOut, counts(1, 1), 1),
        (RunEndStatus::InternalError, counts(1, 0), 3),
        (RunEndStatus::Stopped, counts(1, 0), 2),
        (RunEndStatus::Killed, counts(1, 1), 2),
        (RunEndStatus::Passed, counts(1, 1), 1),
        // P9: no test failed, but coverage is too low.
        (RunEndStatus::Failed, counts(1, 0), 1),
    ];
    for (status, counts, expected) in ends {
        assert_eq!(play(vec![started(2), finished(status, counts)], "").await.1, expected, "{status:?}");
    }
}

#[tokio::test]
async fn what_was_typed_is_what_is_asked() {
    let fake = playing(vec![started(0), finished(RunEndStatus::Passed, counts(0, 0))]);
    play_with(&fake, "./etc/../etc/passwd::T::t[a] -k k -m m -n 3 --maxfail 2 --mode subprocess").await.1.unwrap();
    // A CI service may run these tests.
    let asked = format!("{:#?}", &fake.asked()[..2]).replace("\"ci\"", "\"cli\"");
    insta::assert_snapshot!(asked, @r#"
    [
        InitContext {
            protocol_version: 1,
            repo_path: "/",
            python_path: None,
            execution_mode: Some(
                "subprocess",
            ),
            activated: None,
        },
        RunStream {
            context_id: "c",
            node_ids: [
                "etc/passwd::T::t[a]",
            ],
            workers: Some(
                3,
            ),
            maxfail: Some(
                2,
            ),
            options: Some(
                RunOptions {
                    keyword: Some(
                        "k",
                    ),
                    marker: Some(
                        "m",
                    ),
                    arguments: [],
                    run_disabled: false,
                    timeout_ms: None,
                    reruns: None,
                    source: Some(
                        "cli",
                    ),
                    auto_workers: false,
                    coverage: false,
                    until_failure: None,
                    first: [],
                    in_order_of: [
                        "etc/passwd::T::t[a]",
                    ],
                    whole_files: false,
                    ends_with_session: false,
                    full_reports: false,
                    timings: false,
                    phase_durations: false,
                    executor: None,
                },
            ),
        },
    ]
    "#);
}

/// The exit status of a run that the user interrupts; `answer` is the engine's last event.
async fn pressed(fake: &Fake, signals: &[Signal], answer: &str) -> i32 {
    let (sender, receiver) = unbounded_channel();
    let pressing = async {
        fake.until_asked("get_events").await;
        signals.iter().for_each(|ask| sender.send(*ask).unwrap());
        fake.until_asked(answer).await;
        fake.push(vec![finished(RunEndStatus::Killed, counts(0, 0))]);
    };
    let options = options("");
    let mut out = Vec::new();
    let mut run = std::pin::pin!(follow(fake, Path::new("/"), &options, &mut out, Style::PLAIN, receiver));
    tokio::select! {
        result = &mut run => result.unwrap(),
        () = pressing => run.await.unwrap(),
    }
}

#[tokio::test]
async fn ctrl_c_stops_then_kills_then_gives_up() {
    use Signal::{Interrupt, Terminate};
    let cases: [(&[Signal], &[&str]); 4] = [
        (&[Interrupt], &["stop_run"]),
        (&[Interrupt, Interrupt], &["stop_run", "kill_run"]),
        (&[Terminate], &["kill_run"]),
        (&[Interrupt, Terminate], &["stop_run", "kill_run"]),
    ];
    for (signals, expected) in cases {
        let fake = playing(vec![started(1)]);
        assert_eq!(pressed(&fake, signals, expected[expected.len() - 1]).await, 2, "{signals:?}");
        let asked = fake.asked();
        let asked: Vec<&str> = asked.iter().map(Request::tag).filter(|tag| tag.ends_with("_run")).collect();
        assert_eq!(asked, expected, "{signals:?}");
    }
    let fake = playing(vec![started(1)]);
    assert_eq!(pressed(&fake, &[Interrupt; 3], "never").await, 2, "an engine that does not obey is not waited for");
}

#[tokio::test]
async fn ctrl_c_while_collecting_ends_it() {
    let (sender, receiver) = unbounded_channel();
    sender.send(Signal::Interrupt).unwrap();
    let fake = Fake::new(|_| Response::Pong).silent_on("run_stream");
    let mut out = Vec::new();
    let result = follow(&fake, Path::new("/"), &options(""), &mut out, Style::PLAIN, receiver).await;
    assert_eq!(result.unwrap(), 2);
}

/// Accepts this many bytes; then the pipe is closed.
struct Closed(usize);

impl std::io::Write for Closed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_closed_pipe_ends_the_run_quietly() {
    let fake = playing(of_all_kinds());
    let (_sender, receiver) = unbounded_channel();
    let result = follow(&fake, Path::new("/"), &options("-v"), &mut Closed(100), Style::PLAIN, receiver).await;
    assert!(matches!(result, Err(Failure::Pipe)), "{result:?}");
    assert_eq!(fake.asked().last().map(Request::tag), Some("kill_run"));
}

#[test]
fn a_narrow_terminal_cuts_messages_but_no_id() {
    let mut report = super::Report::new(Path::new("/"), vec![]);
    for payload in of_all_kinds() {
        report.apply(&payload, "r");
    }
    for width in [20, 35, 38] {
        let style = Style { colour: false, width, is_terminal: true };
        let options = crate::options::arguments::OutputOptions::default();
        let text = crate::terminal::summary::summary(&report, &options, style);
        assert!(text.contains("\nFAILED t.py::TestA::test_bad[1-x]\n"), "{width}: {text}");
    }
}

#[test]
fn colours_mark_what_matters() {
    let mut report = super::Report::new(Path::new("/"), vec![]);
    for payload in of_all_kinds() {
        report.apply(&payload, "r");
    }
    let style = Style { colour: true, width: 60, is_terminal: true };
    let text = crate::terminal::summary::summary(&report, &crate::options::arguments::OutputOptions::default(), style);
    assert!(text.contains("\x1b[1m>       assert x == 2\x1b[0m\n\x1b[31mE       assert 1 == 2\x1b[0m"), "{text}");
    assert!(text.contains("\x1b[31mFAILED\x1b[0m t.py::TestA::test_bad[1-x] - AssertionError: asser...\n"), "{text}");
}
