//! The effect of pytest's options, and the hints and remarks for the user.

use super::*;

#[tokio::test]
async fn f1_pytests_options_are_followed() {
    let fake = playing(vec![started(0), finished(RunEndStatus::Passed, counts(0, 0))]);
    play_with(&fake, "-xvv --tb=short -l --deselect a -W error -c ci.ini --env=ci").await.1.unwrap();
    let asked = fake.asked();
    let Some(Request::RunStream { maxfail, options: Some(options), .. }) = asked.get(1) else { panic!("{asked:?}") };
    assert_eq!(*maxfail, Some(1));
    let arguments = ["-l", "--deselect=a", "-Werror", "-cci.ini", "--env=ci", "-vv", "--tb=short"];
    assert_eq!(options.arguments, arguments);
}

fn node(id: &str) -> TestNodeInfo {
    TestNodeInfo {
        node_id: id.into(),
        file_path: String::new(),
        lineno: None,
        name: String::new(),
        class_name: None,
        markers: Vec::new(),
        skip: false,
        xfail: false,
    }
}

#[tokio::test]
async fn f1_the_last_failures_are_those_recorded_that_there_still_are() {
    let fake = Fake::new(move |request| match request {
        Request::RunStream { .. } => Response::RunStarted { run_id: "r".into(), total_tests: 0 },
        Request::GetLastFailed { .. } => Response::TestList {
            node_ids: vec!["etc/passwd::test_gone".into(), "etc/passwd::test_a".into(), "b.py::test_b".into()],
        },
        Request::Collect { .. } => Response::CollectionComplete { node_count: 2, duration_ms: 1 },
        Request::GetInventory { .. } => Response::InventoryData {
            nodes: vec![node("etc/passwd::test_a"), node("etc/passwd::test_x"), node("b.py::test_b")],
            hash: String::new(),
            collected_at: 0,
        },
        _ => Response::Pong,
    });
    let fake = fake.with_events(vec![started(0), finished(RunEndStatus::Passed, counts(0, 0))]);
    play_with(&fake, "--lf etc/passwd").await.1.unwrap();
    let asked = fake.asked();
    let ids = asked.iter().find_map(|request| match request {
        Request::RunStream { node_ids, .. } => Some(node_ids.clone()),
        _ => None,
    });
    assert_eq!(ids, Some(vec!["etc/passwd::test_a".to_owned()]));
}

#[tokio::test]
async fn f1_what_is_listed_at_the_end_is_what_was_asked_for() {
    let (text, _) = play(of_all_kinds(), "-q --tb=no -rsxX --durations=1 --durations-min=0").await;
    insta::assert_snapshot!(text, @"
    .F
    printed with -s
    sExXFFR.uF
    ============================= slowest 1 durations ==============================
    0.00s call     t.py::test_ok
    =========================== short test summary info ============================
    SKIPPED [1] t.py: not on Linux
    XFAIL t.py::test_xfail
    XPASS t.py::test_xpass
    3 failed, 1 timed out, 1 crashed, 2 passed, 1 skipped, 1 not run, 1 xfailed, 1 xpassed, 1 error, 1 rerun in 0.12s
    ");
    let (text, _) = play(of_all_kinds(), "-q --tb=line -rN").await;
    insta::assert_snapshot!(text, @"
    .F
    printed with -s
    sExXFFR.uF
    ==================================== ERRORS ====================================
    _________________________ ERROR at setup of test_setup _________________________
    E   RuntimeError: no database
    =================================== FAILURES ===================================
        def test_bad():
            x = 1
    >       assert x == 2
    E       assert 1 == 2

    t.py:7: AssertionError
    ------------------------------- Captured stdout --------------------------------
    to standard output
    --------------------------------- Captured log ---------------------------------
    WARNING  root:t.py:5 careful
        def test_bad():
            x = 1
    >       assert x
    /repo/t.py:40: still running after 2 s
    t.py::test_crash: ended by SIGSEGV
    E   assert 0
    E   assert 0
    3 failed, 1 timed out, 1 crashed, 2 passed, 1 skipped, 1 not run, 1 xfailed, 1 xpassed, 1 error, 1 rerun in 0.12s
    ");
}

#[tokio::test]
async fn f2_what_was_taken_out_and_subtests_are_counted() {
    let passed = Subtest { label: "[i=0]".into(), outcome: "passed".into(), message: None };
    let test = TestOutcome { subtests: vec![passed.clone(), passed], ..outcome("t.py::test_subs", "passed") };
    let begun = RunStart { run_id: "r".into(), total: 1, ids: None, deselected: 7, ..RunStart::default() };
    let ended = finished(RunEndStatus::Passed, counts(1, 0));
    let events = || vec![EventPayload::RunStarted(begun.clone()), outcomes(vec![test.clone()]), ended.clone()];
    let (text, status) = play(events(), "-q").await;
    assert_eq!((text.lines().last(), status), (Some("1 passed, 7 deselected, 2 subtests passed in 0.12s"), 0));
    let (text, _) = play(events(), "").await;
    assert!(text.contains(" 1 passed, 7 deselected in 0.12s "), "{text}");
}

#[tokio::test]
async fn f2_who_wants_a_terminal_is_told_where_there_is_one() {
    let asked = |message: &str| TestOutcome { message: Some(message.into()), ..outcome("t.py::test_a", "failed") };
    for (message, way) in [
        ("bdb.BdbQuit", "`pytest-lens run -s 't.py::test_a'`"),
        ("OSError: pytest: reading from stdin while output is captured!  Consider using `-s`.", "-s 't.py::test_a'`"),
        ("EOFError: EOF when reading a line", "-s 't.py::test_a'`"),
    ] {
        let events = vec![started(1), outcomes(vec![asked(message)]), finished(RunEndStatus::Failed, counts(0, 1))];
        let (text, _) = play(events, "").await;
        assert!(text.lines().any(|line| line.starts_with("Hint: ") && line.contains(way)), "{text}");
    }
}

#[tokio::test]
async fn f2_a_file_that_does_not_parse_is_shown_with_its_caret() {
    let told = "E     File \"/repo/t.py\", line 1\nE       def f(:\nE             ^\nE   SyntaxError: invalid syntax";
    let error =
        CollectError { longrepr: Some(told.into()), ..collect_error("/t.py", 1, "SyntaxError: invalid syntax") };
    let events = vec![started_with(0, vec![error]), finished(RunEndStatus::Failed, counts(0, 0))];
    let (text, status) = play(events, "-q").await;
    assert!(text.contains(told), "{text}");
    assert_eq!(status, 2);
}

#[tokio::test]
async fn f4_a_test_that_was_meant() {
    let fake = Fake::new(move |request| match request {
        Request::RunStream { node_ids, .. } => Response::error(
            ErrorCode::InvalidRequest,
            format!("no test {:?}: it was collected and has none of that name", node_ids[0]),
        ),
        Request::GetInventory { .. } => Response::InventoryData {
            nodes: vec![node("etc/passwd::test_total[1]"), node("etc/passwd::TestA::test_in"), node("b.py::test_totl")],
            hash: String::new(),
            collected_at: 0,
        },
        _ => Response::Pong,
    });
    for (wanted, meant) in [
        ("test_totl", "did you mean `etc/passwd::test_total`?"),
        ("test_in", "did you mean `etc/passwd::TestA::test_in`?"),
        ("TestB::test_in", "did you mean `etc/passwd::TestA::test_in`?"),
        ("TestAA", "did you mean `etc/passwd::TestA`?"),
        ("elsewhere", "none of that name"),
    ] {
        let (_, result) = play_with(&fake, &format!("etc/passwd::{wanted}")).await;
        let Err(Failure::Message { sentence, status: 4 }) = result else { panic!("{result:?}") };
        assert!(sentence.contains(meant), "{sentence}");
    }
}

#[tokio::test]
async fn f2_warnings_are_summed_up() {
    let place = Location { uri: "file:///repo/t.py".into(), range: Range::of_line(10) };
    let warning = Warning {
        category: "DeprecationWarning".into(),
        message: "old thing".into(),
        location: Some(place),
        count: 3,
        ids: vec!["t.py::test_a".into(), "t.py::test_b".into(), "t.py::test_b".into()],
        files: Vec::new(),
    };
    let often = Warning {
        message: "older thing".into(),
        location: None,
        count: 13,
        files: [("t.py", 12), ("u.py", 1)].map(|(path, count)| FileWarnings { path: path.into(), count }).to_vec(),
        ..warning.clone()
    };
    let ended = || {
        let EventPayload::RunFinished(end) = finished(RunEndStatus::Passed, counts(1, 0)) else { panic!("an end") };
        EventPayload::RunFinished(RunEnd { warnings: vec![warning.clone(), often.clone()], ..end })
    };
    let events = || vec![started(1), outcomes(vec![outcome("t.py::test_a", "passed")]), ended()];
    let (text, _) = play(events(), "-q").await;
    insta::assert_snapshot!(text, @"
    .                                                                        [100%]
    =============================== warnings summary ===============================
    t.py::test_a
    t.py::test_b
    t.py::test_b
      /repo/t.py:10: DeprecationWarning: old thing

    t.py: 12 warnings
    u.py: 1 warning
      DeprecationWarning: older thing

    -- Docs: https://docs.pytest.org/en/stable/how-to/capture-warnings.html
    1 passed, 16 warnings in 0.12s
    ");
    let (text, _) = play(events(), "-q --disable-warnings").await;
    assert!(!text.contains("old thing"), "{text}");
    assert_eq!(text.lines().last(), Some("1 passed, 16 warnings in 0.12s"));
}

#[tokio::test]
async fn r20_a_step_begins_where_it_failed_last() {
    let recorded = Fake::new(|request| match request {
        Request::GetLastFailed { .. } => {
            Response::TestList { node_ids: vec!["etc/passwd::t3".into(), "etc/group::t".into()] }
        }
        Request::GetInventory { .. } => Response::InventoryData {
            nodes: [
                "etc/passwd::t1",
                "etc/passwd::t2",
                "etc/passwd::t3",
                "etc/passwd::t4",
                "etc/group::t",
                "etc/group::u",
            ]
            .map(node)
            .into(),
            hash: String::new(),
            collected_at: 0,
        },
        Request::RunStream { .. } => Response::error(ErrorCode::InternalError, "asked"),
        _ => Response::Pong,
    });
    for (line, ids, maxfail) in [
        ("--sw", "etc/passwd::t3 etc/passwd::t4 etc/group::t etc/group::u", Some(1)),
        ("--stepwise --maxfail 3 etc/group", "etc/group::t etc/group::u", Some(1)),
        ("--sw-skip", "etc/passwd::t3 etc/passwd::t4 etc/group::t etc/group::u", Some(2)),
        ("--sw --stepwise-skip -x", "etc/passwd::t3 etc/passwd::t4 etc/group::t etc/group::u", Some(1)),
        ("--sw etc/hosts", "etc/hosts", Some(1)),
        ("--lf --maxfail 2", "etc/passwd::t3 etc/group::t", Some(2)),
    ] {
        play_with(&recorded, line).await.1.unwrap_err();
        let asked = recorded.asked().pop();
        let Some(Request::RunStream { node_ids, maxfail: limit, .. }) = asked else { panic!("{asked:?}") };
        assert_eq!((node_ids.join(" ").as_str(), limit), (ids, maxfail), "{line}");
    }
}

#[tokio::test]
async fn the_order_and_the_runners_are_asked_for() {
    let recorded = Fake::new(|request| match request {
        Request::GetLastFailed { .. } => Response::TestList { node_ids: vec!["b.py::t2".into(), "gone.py::t".into()] },
        Request::GetInventory { .. } => Response::InventoryData {
            nodes: ["a.py::t1", "b.py::t1", "b.py::t2"].map(node).into(),
            hash: String::new(),
            collected_at: 0,
        },
        Request::RunStream { .. } => Response::error(ErrorCode::InternalError, "asked"),
        Request::ClearLastOutcomes { .. } => Response::ControlAck,
        _ => Response::Pong,
    });
    for (line, wanted, first, arguments, whole) in [
        ("--ff -n 4 --maxprocesses 2", Some(2), "b.py::t2", "", false),
        ("--cache-clear -n3 --dist loadscope", Some(3), "", "--cache-clear", true),
        ("--ff --lf --dist worksteal", None, "", "", false),
        ("-n 2 --maxprocesses 0 --dist loadfile -d", Some(2), "", "", true),
        ("--sw -n 3", Some(3), "a.py::t1 b.py::t1 b.py::t2", "", false),
        ("-n0 --verbosity=-1 --sw-reset", Some(1), "", "--verbosity=-1", false),
    ] {
        play_with(&recorded, line).await.1.unwrap_err();
        let asked = recorded.asked().pop();
        let Some(Request::RunStream { workers, options: Some(options), .. }) = asked else { panic!("{asked:?}") };
        let found = (workers, options.first.join(" "), options.arguments.join(" "), options.whole_files);
        assert_eq!(found, (wanted, first.into(), arguments.into(), whole), "{line}");
    }
}

#[tokio::test]
async fn without_failures_nothing_or_all_runs() {
    let none = Fake::new(|request| match request {
        Request::GetLastFailed { .. } => Response::TestList { node_ids: Vec::new() },
        Request::RunStream { .. } => Response::error(ErrorCode::InternalError, "asked"),
        _ => Response::Pong,
    });
    assert_eq!(play_with(&none, "--lf --lfnf=none").await.1.unwrap(), 5);
    play_with(&none, "--lf --lfnf=all").await.1.unwrap_err();
}

#[tokio::test]
async fn too_many_crashes_stop_the_run() {
    let crash = |name: &str| outcomes(vec![outcome(name, "crashed")]);
    for (line, stops) in [("--max-worker-restart=1", 1), ("--max-worker-restart=2", 0), ("", 0)] {
        let events = vec![started(2), crash("a"), crash("b"), finished(RunEndStatus::Stopped, counts(0, 2))];
        let fake = playing(events);
        play_with(&fake, line).await.1.unwrap();
        let stopped = fake.asked().iter().filter(|request| matches!(request, Request::StopRun { .. })).count();
        assert_eq!(stopped, stops, "{line}");
    }
}
