//! The parts of the output that scripts and people know from pytest: lines of `-v`, counts, places, exit statuses.

use super::*;

fn at(line: u32) -> Location {
    Location { uri: "file:///tests/t.py".into(), range: Range::of_line(line) }
}

fn torn(id: &str, before: &str, message: &str) -> TestOutcome {
    TestOutcome {
        phase: Some(Phase::Teardown),
        message: Some(message.into()),
        before_teardown: Some(before.into()),
        ..outcome(id, "error")
    }
}

fn failed_report(phase: Phase, title: &str, message: &str) -> FailedReport {
    FailedReport {
        title: title.into(),
        phase,
        subtest: None,
        message: Some(message.into()),
        longrepr: format!("E   {message}"),
    }
}

#[tokio::test]
async fn a_failing_teardown_is_counted_besides_the_outcome_before_it() {
    let events = vec![
        started(2),
        outcomes(vec![
            torn("t.py::test_left", "passed", "OSError: no teardown"),
            TestOutcome {
                failed_reports: vec![
                    failed_report(Phase::Call, "test_both", "assert 0"),
                    failed_report(Phase::Teardown, "test_both", "OSError: no teardown"),
                ],
                ..torn("t.py::test_both", "failed", "assert 0\n(and in teardown: OSError: no teardown)")
            },
        ]),
        finished(RunEndStatus::Failed, counts(0, 2)),
    ];
    let (text, status) = play(events, "-v --tb=no").await;
    insta::assert_snapshot!(text, @"
    t.py::test_left PASSED                                                   [ 50%]
    t.py::test_left ERROR                                                    [ 50%]
    t.py::test_both FAILED                                                   [100%]
    t.py::test_both ERROR                                                    [100%]

    =========================== short test summary info ============================
    FAILED t.py::test_both - assert 0
    ERROR t.py::test_left - OSError: no teardown
    ERROR t.py::test_both - OSError: no teardown
    ==================== 1 failed, 1 passed, 2 errors in 0.12s =====================
    ");
    assert_eq!(status, 1);
}

#[tokio::test]
async fn skips_are_folded_by_place_and_reason() {
    let skipped = |id: &str, line: u32, reason: &str| TestOutcome {
        message: Some(reason.into()),
        location: Some(at(line)),
        ..outcome(id, "skipped")
    };
    let events = vec![
        started(4),
        outcomes(vec![
            skipped("tests/t.py::test_c", 100, "not here"),
            skipped("tests/t.py::test_a[1]", 7, "no network"),
            skipped("tests/t.py::test_a[2]", 7, "no network"),
            TestOutcome { message: Some("no place".into()), ..outcome("u.py::test", "skipped") },
        ]),
        finished(RunEndStatus::Passed, counts(0, 0)),
    ];
    let (text, _) = play(events, "-q -rs").await;
    insta::assert_snapshot!(text, @"
    ssss                                                                     [100%]
    =========================== short test summary info ============================
    SKIPPED [2] tests/t.py:7: no network
    SKIPPED [1] tests/t.py:100: not here
    SKIPPED [1] u.py: no place
    4 skipped in 0.12s
    ");
}

#[tokio::test]
async fn reasons_take_the_room_that_is_left() {
    let events = || {
        let with =
            |id: &str, kind: &str, reason: &str| TestOutcome { message: Some(reason.into()), ..outcome(id, kind) };
        let long = "a reason that is far too long for the rest of a line of eighty columns";
        let name = format!("tests/test_a.py::test_{}", "x".repeat(60));
        vec![
            started(5),
            outcomes(vec![
                with("tests/test_a.py::test_short", "skipped", "no network"),
                with("tests/test_a.py::test_long", "xfailed", long),
                with("tests/test_a.py::test_better", "xpassed", "better than thought"),
                with(&name, "skipped", "no room"),
                with("tests/test_a.py::test_宽宽", "skipped", "宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽"),
            ]),
            finished(RunEndStatus::Passed, counts(0, 0)),
        ]
    };
    let (text, _) = play(events(), "-v -rN").await;
    insta::assert_snapshot!(text, @"
    tests/test_a.py::test_short SKIPPED (no network)                         [ 20%]
    tests/test_a.py::test_long XFAIL (a reason that is far too long for ...) [ 40%]
    tests/test_a.py::test_better XPASS (better than thought)                 [ 60%]
    tests/test_a.py::test_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx SKIPPED [ 80%]
    tests/test_a.py::test_宽宽 SKIPPED (宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽宽...) [100%]

    =================== 3 skipped, 1 xfailed, 1 xpassed in 0.12s ===================
    ");
    let (text, _) = play(events(), "-vv -rN").await;
    assert!(text.contains("of a line of eighty columns)"), "{text}");
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_printed() {
    let events = || {
        let failed = TestOutcome { message: Some("assert 0".into()), attempt: 2, ..outcome("t.py::test_a", "failed") };
        let again = TestOutcome { will_rerun: true, ..outcome("t.py::test_a", "failed") };
        vec![started(1), outcomes(vec![again, failed]), finished(RunEndStatus::Failed, counts(0, 1))]
    };
    let (text, _) = play(events(), "-qq --tb=no").await;
    insta::assert_snapshot!(text, @"
    RF                                                                       [100%]
    =========================== short test summary info ============================
    FAILED t.py::test_a - assert 0
    ");
    let (text, _) = play(events(), "-q --no-summary").await;
    assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), ["1 failed, 1 rerun in 0.12s"]);
    let (text, _) = play(events(), "-q --tb=no -rR").await;
    insta::assert_snapshot!(text, @"
    RF                                                                       [100%]
    =========================== short test summary info ============================
    RERUN t.py::test_a
    1 failed, 1 rerun in 0.12s
    ");
}

#[tokio::test]
async fn slow_tests_are_named_at_the_end() {
    let slow = |id: &str, seconds: f64| TestOutcome { duration_ms: seconds * 1_000.0, ..outcome(id, "passed") };
    let tests = vec![slow("t.py::a", 61.0), slow("t.py::b", 59.0), slow("t.py::c", 300.4)];
    let events = vec![started(3), outcomes(tests), finished(RunEndStatus::Passed, counts(3, 0))];
    let (text, _) = play(events, "-q").await;
    let (_, end) = text.split_once('\n').unwrap();
    assert_eq!(end, "SLOW [300s] t.py::c\nSLOW [61s] t.py::a\n3 passed in 0.12s\n");
}

#[tokio::test]
async fn a_step_and_a_distributed_limit_interrupt() {
    let fails = || {
        let tests = vec![outcome("t.py::a", "failed"), outcome("t.py::b", "failed")];
        vec![started(3), outcomes(tests), finished(RunEndStatus::Failed, counts(0, 2))]
    };
    for (line, status) in [
        ("--sw", 2),
        ("--sw-skip", 2),
        ("--sw -x", 1),
        ("-x", 1),
        ("-n 2 -x", 2),
        ("-n 2 --maxfail=2", 2),
        ("-n 2 --maxfail=3", 1),
        ("-n 0 -x", 1),
        ("-n 2", 1),
    ] {
        let fake = Fake::new(|request| match request {
            Request::RunStream { .. } => Response::RunStarted { run_id: "r".into(), total_tests: 0 },
            Request::GetLastFailed { .. } => Response::TestList { node_ids: Vec::new() },
            Request::GetInventory { .. } => {
                Response::InventoryData { nodes: Vec::new(), hash: String::new(), collected_at: 0 }
            }
            _ => Response::Pong,
        });
        let (_, ended) = play_with(&fake.with_events(fails()), &format!("-q {line}")).await;
        assert_eq!(ended.unwrap(), status, "{line}");
    }
}

#[tokio::test]
async fn sections_of_plugins_come_before_the_short_summary_each_projects_below_its_name() {
    let table = |project: &str, text: &str| PluginSummary { project: project.into(), text: text.into() };
    let heading = Style::PLAIN.rule('=', "tests coverage");
    let failed = "FAIL Required test coverage of 99% not reached. Total coverage: 88.89%";
    let ended = |summaries: Vec<PluginSummary>| {
        let EventPayload::RunFinished(end) = finished(RunEndStatus::Failed, counts(1, 0)) else { panic!("an end") };
        EventPayload::RunFinished(RunEnd { summaries, message: Some(failed.into()), ..end })
    };
    let events = |summaries| vec![started(1), outcomes(vec![outcome("t.py::a", "passed")]), ended(summaries)];
    let text = format!("{heading}\nTOTAL  9  1  89%\n{failed}\n");
    let (shown, status) = play(events(vec![table("", &text)]), "-q").await;
    insta::assert_snapshot!(shown, @"
    .                                                                        [100%]
    ================================ tests coverage ================================
    TOTAL  9  1  89%
    FAIL Required test coverage of 99% not reached. Total coverage: 88.89%
    1 passed in 0.12s
    ");
    assert_eq!(status, 1);
    let (shown, _) = play(events(vec![table("", "TOTAL 1\n"), table("pkg/api", "TOTAL 2\n")]), "-q --no-summary").await;
    insta::assert_snapshot!(shown, @"
    .                                                                        [100%]
    ====================================== . =======================================
    TOTAL 1
    =================================== pkg/api ====================================
    TOTAL 2
    !!!! FAIL Required test coverage of 99% not reached. Total coverage: 88.89% !!!!
    1 passed in 0.12s
    ");
}

#[tokio::test]
async fn b11_tests_that_join_a_run_over_several_projects_are_counted_as_they_come() {
    let joining = |total, deselected| {
        EventPayload::RunStarted(RunStart { total, deselected, run_id: "r".into(), ..RunStart::default() })
    };
    let events = || {
        let of = |ids: &[&str]| outcomes(ids.iter().map(|id| outcome(id, "passed")).collect());
        vec![
            joining(2, 1),
            of(&["a/t.py::a"]),
            joining(4, 1),
            of(&["a/t.py::b"]),
            joining(5, 2),
            of(&["b/t.py::a", "b/t.py::b", "c/t.py::a"]),
            joining(5, 3),
            finished(RunEndStatus::Passed, counts(5, 0)),
        ]
    };
    let (shown, _) = play(events(), "--no-header").await;
    insta::assert_snapshot!(shown, @"
    ============================= test session starts ==============================
    collected 3 items / 1 deselected / 2 selected

    a/t.py ..                                                                [ 40%]
    collected 4 more items (7 in all)
    b/t.py ..                                                                [ 80%]
    c/t.py .                                                                 [100%]

    collected 1 more item (8 in all)
    ======================= 5 passed, 3 deselected in 0.12s ========================
    ");
    let (shown, _) = play(events(), "--no-header -v").await;
    insta::assert_snapshot!(shown, @"
    ============================= test session starts ==============================
    collecting ... collected 3 items / 1 deselected / 2 selected

    a/t.py::a PASSED                                                         [ 50%]
    collected 2 more items (5 in all)
    a/t.py::b PASSED                                                         [ 50%]
    collected 2 more items (7 in all)
    b/t.py::a PASSED                                                         [ 60%]
    b/t.py::b PASSED                                                         [ 80%]
    c/t.py::a PASSED                                                         [100%]

    collected 1 more item (8 in all)
    ======================= 5 passed, 3 deselected in 0.12s ========================
    ");
    let (shown, _) = play(events(), "--no-header -n 2").await;
    insta::assert_snapshot!(shown, @"
    ============================= test session starts ==============================
    collected 3 items / 1 deselected / 2 selected

    .....                                                                    [100%]
    collected 5 more items (8 in all)
    ======================= 5 passed, 3 deselected in 0.12s ========================
    ");
    assert!(!play(events(), "-q").await.0.contains("collected"));
}

#[tokio::test]
async fn files_that_skip_themselves_and_limits_are_shown() {
    let skip = FileSkip { path: "u.py".into(), line: 2, reason: "no driver".into() };
    let begun = RunStart { run_id: "r".into(), total: 3, skipped_files: vec![skip], ..RunStart::default() };
    let left =
        TestOutcome { message: Some("the run reached its limit of failures".into()), ..outcome("t.py::b", "not_run") };
    let events = || {
        let tests =
            vec![outcome("t.py::a", "failed"), left.clone(), TestOutcome { id: "t.py::c".into(), ..left.clone() }];
        vec![EventPayload::RunStarted(begun.clone()), outcomes(tests), finished(RunEndStatus::Failed, counts(0, 1))]
    };
    let (shown, _) = play(events(), "-x -rs --tb=no").await;
    insta::assert_snapshot!(shown, @"
    t.py F

    =========================== short test summary info ============================
    SKIPPED [1] u.py:2: no driver
    !!!!!!!!!!!!!!!!!!!!!!!!!! stopping after 1 failures !!!!!!!!!!!!!!!!!!!!!!!!!!!
    =================== 1 failed, 1 skipped, 2 not run in 0.12s ====================
    ");
    let (shown, _) = play(events(), "-xv -rs --no-fold-skipped --tb=no").await;
    assert!(!shown.contains("NOT RUN") && shown.contains("SKIPPED u.py - Skipped: no driver"), "{shown}");
}

#[tokio::test]
async fn a_test_may_name_the_exit_status() {
    let EventPayload::RunFinished(end) = finished(RunEndStatus::Stopped, counts(1, 0)) else { panic!("an end") };
    let ended = EventPayload::RunFinished(RunEnd { exit_status: Some(7), ..end });
    let (_, status) = play(vec![started(1), outcomes(vec![outcome("t.py::a", "passed")]), ended], "").await;
    assert_eq!(status, 7);
}
