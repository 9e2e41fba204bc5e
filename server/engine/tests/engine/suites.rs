//! Runs of suites: their events, statuses, filters, limits, stop and kill, and every reason not to launch.

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{ErrorCode, LaunchErrorCode, Request, Response, SuiteOptions, SuiteSpec, SuiteStatus};

use crate::common::{Lab, Order, WAITING, alive, gone, in_time, plain, refused, seen, suite};

const MIXED: &str = "\
import os, pytest

def test_passes(): pass
def test_fails(): assert 1 == 2

@pytest.mark.skip(reason='not today')
def test_skipped(): pass

@pytest.mark.xfail
def test_xfailed(): assert False

@pytest.mark.xfail
def test_xpassed(): pass

@pytest.mark.xfail(strict=True)
def test_strict(): pass

@pytest.fixture
def broken(): raise OSError('broken')
def test_error(broken): pass
";

fn names(url: &str, filters: &[&str]) -> SuiteSpec {
    suite(url, |options| options.case_filters_to_run = Some(filters.iter().map(|filter| (*filter).into()).collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_case_is_told_in_order_and_with_its_status() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_a.py", MIXED)]).await;
        let built = lab.build(vec![plain("test_a.py")]).await;
        let (first, second) = tokio::join!(lab.told(&built.suites[0]), lab.told(&built.suites[0]));
        assert_eq!(first.events, second.events, "every reader is told the same");
        assert_eq!(
            first.cases(),
            [
                "test_a.py::test_passes passed",
                "test_a.py::test_fails failed",
                "test_a.py::test_skipped skipped",
                "test_a.py::test_xfailed passed",
                "test_a.py::test_xpassed passed",
                "test_a.py::test_strict failed",
                "test_a.py::test_error error"
            ]
        );
        assert_eq!(first.status(), SuiteStatus::Failed);
        lab.run_told(&built.run).await;
        assert_eq!(lab.told(&built.suites[0]).await.events, first.events, "also afterwards");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suites_have_options_of_their_own() {
    let text = "import sys\ndef test_a(pytestconfig): assert pytestconfig.option.verbose == 0\n\
                def test_b(pytestconfig): assert pytestconfig.option.verbose == 2\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_a.py", text), ("sub/test_b.py", MIXED)]).await;
        let suites = vec![
            names("test_a.py", &["*test_a"]),
            suite("test_a.py", |options| {
                options.arguments = Some(vec!["-vv".into()]);
                options.case_filters_to_run = Some(vec!["-*_a".into()]);
            }),
            suite("sub", |options| {
                options.run_disabled_tests = Some(true);
                options.parallel = Some(2);
                options.case_filters_to_run = Some(vec!["*skipped".into(), "*passes".into()]);
            }),
            plain("test_a.py::test_b"),
        ];
        let built = lab.build_parallel(suites, Some(2)).await;
        let mut told = Vec::new();
        for suite in &built.suites {
            told.push(lab.told(suite).await);
        }
        assert_eq!(told[0].cases(), ["test_a.py::test_a passed"]);
        assert_eq!(told[1].cases(), ["test_a.py::test_b passed"]);
        let mut cases = told[2].cases();
        cases.sort();
        assert_eq!(cases, ["sub/test_b.py::test_passes passed", "sub/test_b.py::test_skipped passed"]);
        assert_eq!(told[3].cases(), ["test_a.py::test_b failed"]);
        let statuses: Vec<SuiteStatus> = told.iter().map(|told| told.status()).collect();
        assert_eq!(statuses, [SuiteStatus::Passed, SuiteStatus::Passed, SuiteStatus::Passed, SuiteStatus::Failed]);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_suites_as_allowed_run_at_a_time() {
    let text = "import pathlib\nfrom waiting import wait_for\n\
                def test_left():\n    pathlib.Path('left').touch()\n    wait_for('right')\n\
                def test_right():\n    pathlib.Path('right').touch()\n    wait_for('left')\n";
    let lab = Lab::open(&[("waiting.py", WAITING), ("test_a.py", text)]).await;
    let both = || vec![plain("test_a.py::test_left"), plain("test_a.py::test_right")];
    let built = lab.build_parallel(both(), Some(2)).await;
    for suite in &built.suites {
        assert_eq!(lab.told(suite).await.status(), SuiteStatus::Passed);
    }
    lab.project.remove("left");
    lab.project.remove("right");
    // One at a time, the first would wait for the second for ever.
    let built = lab.build(both()).await;
    seen("the first test", || lab.project.read("left")).await;
    assert_eq!(lab.project.read("right"), None);
    lab.project.write("right", "");
    for suite in &built.suites {
        assert_eq!(lab.told(suite).await.status(), SuiteStatus::Passed);
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_cases_as_allowed_run_at_a_time() {
    let text = "import pathlib\nfrom waiting import wait_for\n\
                def test_left():\n    pathlib.Path('left').touch()\n    wait_for('right')\n";
    let other = "import pathlib\nfrom waiting import wait_for\n\
                 def test_right():\n    pathlib.Path('right').touch()\n    wait_for('left')\n";
    let files = [("waiting.py", WAITING), ("sub/test_a.py", text), ("sub/test_b.py", other)];
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &files).await;
        // One at a time, the first would wait for the second for ever.
        let told = lab.suite(suite("sub", |options| options.parallel = Some(2))).await;
        assert_eq!(told.status(), SuiteStatus::Passed, "{told:?}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cases_are_enumerated_in_batches() {
    let text = "import pytest\n@pytest.mark.parametrize('n', range(1500))\ndef test_n(n): pass\n";
    let lab = Lab::open(&[("test_a.py", text), ("test_b.py", "def test_b(): pass\n"), ("bad.py", "def")]).await;
    let enumerate = |url: &str| Request::EnumerateCases { context_id: lab.context.clone(), test_url: url.into() };
    let Response::CaseIterator { iterator_id } = lab.call(enumerate("test_a.py")).await else { panic!("no iterator") };
    let mut told = Vec::new();
    loop {
        match lab.call(Request::NextCases { iterator_id: iterator_id.clone() }).await {
            Response::Cases { cases } if cases.is_empty() => break,
            Response::Cases { cases } => {
                assert!(cases.len() < 1_500, "in batches");
                told.extend(cases.into_iter().map(|case| case.name));
            }
            other => panic!("no cases: {other:?}"),
        }
    }
    assert_eq!((told.len(), told[7].as_str()), (1_500, "test_a.py::test_n[7]"));
    let errors = [("nowhere.py", LaunchErrorCode::InstanceCannotResolve), ("bad.py", LaunchErrorCode::CaseEnumeration)];
    for (url, wanted) in errors {
        match lab.call(enumerate(url)).await {
            Response::LaunchError { code, message } => {
                assert_eq!(code, wanted);
                assert!(message.contains(url), "{message}");
            }
            other => panic!("enumerated: {other:?}"),
        }
    }
    // Another session may read on; it ends with the one that made it.
    let other = lab.bench.engine.session();
    let Response::CaseIterator { iterator_id } = other.call(enumerate("test_b.py")).await else { panic!("none") };
    drop(other);
    let (code, message) = refused(lab.call(Request::NextCases { iterator_id: iterator_id.clone() }).await);
    assert!(code == ErrorCode::InvalidRequest && message.contains(&iterator_id), "{message}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_launched_says_why() {
    let files = [("test_a.py", MIXED), ("test_bad.py", "import nowhere\n"), ("test_none.py", "x = 1\n")];
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &files).await;
        let arguments = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|argument| (*argument).to_owned()).collect();
            suite("test_a.py", |options| options.arguments = Some(given))
        };
        let expected = [
            (plain("nowhere.py"), LaunchErrorCode::InstanceCannotResolve, "nowhere.py"),
            (plain("test_a.py::test_nowhere"), LaunchErrorCode::InstanceCannotResolve, "test_nowhere"),
            (arguments(&["--no-such-option"]), LaunchErrorCode::InvalidArgs, "--no-such-option"),
            (arguments(&["-k", "((("]), LaunchErrorCode::InvalidArgs, "((("),
            (arguments(&["-p", "nowhere_plugin"]), LaunchErrorCode::InvalidArgs, "nowhere_plugin"),
            (arguments(&["--cov", "--cov-config=nowhere.rc"]), LaunchErrorCode::InvalidArgs, "nowhere.rc"),
            (plain("test_bad.py"), LaunchErrorCode::CaseEnumeration, "nowhere"),
            (names("test_a.py", &["nothing*"]), LaunchErrorCode::NoMatchingCases, "test_a.py"),
        ];
        let suites = expected.iter().map(|(suite, ..)| suite.clone()).collect();
        let built = lab.build_parallel(suites, Some(3)).await;
        for ((suite, code, part), id) in expected.iter().zip(&built.suites) {
            let told = lab.told(id).await;
            assert_eq!(told.failure().0, *code, "{suite:?}: {told:?}");
            assert!(told.failure().1.contains(part), "{told:?}");
            assert_eq!(lab.told(id).await.failure(), told.failure(), "also when asked again");
        }
        lab.run_told(&built.run).await;
        // No test at all is no failure.
        let told = lab.suite(plain("test_none.py")).await;
        assert_eq!((told.status(), told.cases().len()), (SuiteStatus::Passed, 0));
        lab.project.write("pytest.ini", "[pytest]\naddopts = --no-such-option\n");
        let told = lab.suite(plain("test_a.py")).await;
        assert_eq!(told.failure().0, LaunchErrorCode::InvalidManifest, "{told:?}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_come_up_is_told_as_such() {
    let lab = Lab::over_slow_interpreter("embedded", &[("test_a.py", MIXED)]).await;
    // From now on the interpreter ends at once.
    let slow = lab.bench.folder.path().join("slow");
    std::fs::remove_file(&slow).unwrap();
    lab.bench.interpreter("slow", "exit 3");
    lab.configure(serde_json::json!({ "env": { "A": "b" } })).await;
    let told = lab.suite(plain("test_a.py")).await;
    assert_eq!(told.failure().0, LaunchErrorCode::FailedToConnectToTestSuite, "{told:?}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_without_processes_to_give_is_told_as_such() {
    let lab = Lab::resident(&[("test_a.py", MIXED)]).await;
    let none_left = "import errno, os, sys\nfork = os.fork\n\ndef limited():\n    if '_pytest' in sys.modules:\n        raise OSError(errno.EAGAIN, 'none left')\n    return fork()\n\nos.fork = limited\n";
    lab.project.write("site/sitecustomize.py", none_left);
    lab.configure(serde_json::json!({ "env": { "PYTHONPATH": lab.project.root.join("site") } })).await;
    let told = lab.suite(plain("test_a.py")).await;
    assert_eq!(told.failure().0, LaunchErrorCode::ResourceUnavailable, "{told:?}");
    assert!(told.failure().1.contains("none left"), "{told:?}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_folder_that_does_not_import_fails_the_suite_and_is_told() {
    let lab = Lab::open(&[("sub/test_a.py", "def test_a(): pass\n"), ("sub/test_bad.py", "import nowhere\n")]).await;
    let told = lab.suite(plain("sub")).await;
    assert_eq!(told.cases(), ["sub/test_a.py::test_a passed"]);
    assert_eq!(told.status(), SuiteStatus::Failed);
    let pytest_lens_protocol::Artifact::Stderr { artifact_id } = &told.suite_artifacts()[0] else { panic!("{told:?}") };
    assert!(lab.text(artifact_id).await.contains("sub/test_bad.py"));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_an_error_and_the_suite_did_not_finish() {
    let text = "import os\ndef test_1(): pass\ndef test_2(): os._exit(3)\ndef test_3(): assert False\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let told = lab.suite(plain("test_a.py")).await;
    assert_eq!(told.cases(), ["test_a.py::test_1 passed", "test_a.py::test_2 error", "test_a.py::test_3 failed"]);
    assert_eq!(told.status(), SuiteStatus::DidNotFinish);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_has_so_much_time_and_no_more() {
    let text =
        "from waiting import wait_for\ndef test_1(): pass\ndef test_2(): wait_for('never')\ndef test_3(): pass\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("waiting.py", WAITING), ("test_a.py", text)]).await;
        let told = lab.suite(suite("test_a.py", |options| options.timeout = Some(5.0))).await;
        assert_eq!(
            told.cases(),
            ["test_a.py::test_1 passed", "test_a.py::test_2 timed_out", "test_a.py::test_3 (skipped)"]
        );
        assert_eq!(told.status(), SuiteStatus::TimedOut);
        let output = Request::GetOutput { context_id: lab.context.clone(), node_id: "test_a.py::test_2".into() };
        let Response::TestOutput { longrepr, .. } = lab.call(output).await else { panic!("no output") };
        let stacks = longrepr.unwrap_or_default();
        assert!(stacks.contains("test_a.py") && stacks.contains("in wait_for"), "where it was then: {stacks:?}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suites_time_counts_from_its_start() {
    let text = "import time\ntime.sleep(4)\ndef test_1(): pass\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    // Collecting it alone takes longer than that.
    let told = lab.suite(suite("test_a.py", |options| options.timeout = Some(3.5))).await;
    assert_eq!((told.cases(), told.status()), (vec!["test_a.py::test_1 passed".to_owned()], SuiteStatus::Passed));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_too_slow_times_out_and_the_rest_goes_on() {
    let text = "import helper\ndef test_1():\n    helper.slow()\ndef test_2(): pass\n";
    let helper = "import threading, time\ndef background(): time.sleep(60)\n\
                  def slow():\n    threading.Thread(target=background, daemon=True).start()\n    time.sleep(60)\n";
    let lab = Lab::open(&[("test_a.py", text), ("helper.py", helper)]).await;
    lab.configure(serde_json::json!({ "timeoutMs": 700 })).await;
    let told = lab.suite(plain("test_a.py")).await;
    assert_eq!(told.cases(), ["test_a.py::test_1 timed_out", "test_a.py::test_2 passed"]);
    assert_eq!(told.status(), SuiteStatus::TimedOut);
    let ran = lab.run(Order::of(&["test_a.py::test_1"])).await;
    let outcome = ran.of("::test_1");
    let frames: Vec<&str> = outcome.frames.iter().map(|frame| frame.name.as_str()).collect();
    assert_eq!(frames, ["test_1", "slow"]);
    let location = outcome.location.as_ref().unwrap();
    assert!(location.uri.ends_with("/test_a.py") && location.range.start.line == 2, "{location:?}");
    let stacks = outcome.longrepr.as_deref().unwrap();
    assert!(stacks.contains("in slow") && stacks.contains("in background"), "of every thread: {stacks}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_case_starts_once_and_counts_as_its_last_attempt() {
    let text = "import pathlib\ndef test_1():\n    seen = pathlib.Path('one').exists()\n    pathlib.Path('one').touch()\n    assert seen\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    lab.configure(serde_json::json!({ "rerun": { "enabled": true, "maxReruns": 2 } })).await;
    let told = lab.suite(plain("test_a.py")).await;
    assert_eq!((told.cases(), told.status()), (vec!["test_a.py::test_1 passed".to_owned()], SuiteStatus::Passed));
    lab.close().await;
}

const SLOW: &str = "from waiting import wait_for\nimport pathlib\n\
    def test_1():\n    pathlib.Path('began').touch()\n    wait_for('go')\ndef test_2(): pass\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_finishes_what_runs_and_starts_nothing() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("waiting.py", WAITING), ("test_a.py", SLOW), ("test_b.py", MIXED)]).await;
        let built = lab.build(vec![plain("test_a.py"), plain("test_b.py"), plain("test_b.py::test_passes")]).await;
        seen("the first test", || lab.project.read("began")).await;
        assert_eq!(lab.call(Request::StopSuite { suite_id: built.suites[1].clone() }).await, Response::ControlAck);
        let second = lab.told(&built.suites[1]).await;
        assert_eq!((second.status(), second.events.len()), (SuiteStatus::Stopped, 1), "its turn never comes");
        assert_eq!(lab.call(Request::StopRun { run_id: built.run.clone() }).await, Response::ControlAck);
        let third = lab.told(&built.suites[2]).await;
        assert_eq!((third.status(), third.cases().len()), (SuiteStatus::Stopped, 0));
        lab.project.write("go", "");
        let first = lab.told(&built.suites[0]).await;
        assert_eq!(first.cases(), ["test_a.py::test_1 passed", "test_a.py::test_2 (skipped)"]);
        assert_eq!(first.status(), SuiteStatus::Stopped);
        lab.run_told(&built.run).await;
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_ends_what_runs_now() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("waiting.py", WAITING), ("test_a.py", SLOW), ("test_b.py", MIXED)]).await;
        let built = lab.build(vec![plain("test_a.py"), plain("test_b.py::test_passes")]).await;
        seen("the first test", || lab.project.read("began")).await;
        assert_eq!(lab.call(Request::KillSuite { suite_id: built.suites[0].clone() }).await, Response::ControlAck);
        let first = lab.told(&built.suites[0]).await;
        assert_eq!(first.cases(), ["test_a.py::test_1 skipped", "test_a.py::test_2 (skipped)"]);
        assert_eq!(first.status(), SuiteStatus::Stopped);
        assert_eq!(lab.told(&built.suites[1]).await.status(), SuiteStatus::Passed, "the others go on");
        lab.project.remove("began");
        let built = lab.build(vec![plain("test_a.py"), plain("test_b.py")]).await;
        seen("the first test", || lab.project.read("began")).await;
        assert_eq!(lab.call(Request::KillRun { run_id: built.run.clone() }).await, Response::ControlAck);
        for suite in &built.suites {
            assert_eq!(lab.told(suite).await.status(), SuiteStatus::Stopped);
        }
        lab.run_told(&built.run).await;
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_finds_fifty_grandchildren() {
    let text = "import os, signal, subprocess, sys, pathlib\nfrom waiting import wait_for\n\
        CODE = 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)'\n\
        def test_1():\n    for n in range(50):\n        if os.fork() == 0:\n            if n % 2: os.setsid()\n            \
        os.execv(sys.executable, [sys.executable, '-c', CODE, 'grandchild of %s' % os.getcwd()]) if os.fork() == 0 else os._exit(0)\n    \
        pathlib.Path('began').touch()\n    wait_for('never')\n";
    let lab = Lab::open(&[("waiting.py", WAITING), ("test_a.py", text)]).await;
    let mark = format!("grandchild of {}", lab.project.mark());
    let built = lab.build(vec![plain("test_a.py")]).await;
    seen("the grandchildren", || lab.project.read("began").filter(|_| alive(&mark).len() == 50)).await;
    assert_eq!(lab.call(Request::KillRun { run_id: built.run.clone() }).await, Response::ControlAck);
    gone(&mark).await;
    assert_eq!(lab.told(&built.suites[0]).await.status(), SuiteStatus::Stopped);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_ends_a_collection_too() {
    let text = "import pathlib\nfrom waiting import wait_for\npathlib.Path('began').touch()\nwait_for('never')\ndef test_1(): pass\n";
    let lab = Lab::open(&[("waiting.py", WAITING), ("test_a.py", text)]).await;
    let built = lab.build(vec![plain("test_a.py")]).await;
    seen("the collection", || lab.project.read("began")).await;
    assert_eq!(lab.call(Request::KillSuite { suite_id: built.suites[0].clone() }).await, Response::ControlAck);
    assert_eq!(lab.told(&built.suites[0]).await.status(), SuiteStatus::Stopped);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_takes_its_runs_along_and_nobody_elses() {
    let done = "def test_done(): pass\n";
    let files = [("waiting.py", WAITING), ("test_a.py", SLOW), ("test_b.py", SLOW), ("test_c.py", done)];
    let lab = Lab::open(&files).await;
    let leaving = lab.build(vec![plain("test_c.py"), plain("test_a.py"), plain("test_b.py::test_2")]).await;
    seen("the first test", || lab.project.read("began")).await;
    let staying = lab.build(vec![plain("test_b.py")]).await;
    let reader = lab.bench.engine.session();
    let hanging = tokio::spawn({
        let suite_id = leaving.suites[2].clone();
        async move { reader.call(Request::GetSuiteEvents { suite_id }).await }
    });
    let (run, suites) = (leaving.run.clone(), leaving.suites.clone());
    drop(leaving);
    let (code, message) = refused(in_time("an answer", hanging).await.unwrap());
    assert!(code == ErrorCode::InvalidRequest && message.contains(&suites[2]), "{message}");
    for request in [
        Request::GetRunEvents { run_id: run.clone() },
        Request::KillRun { run_id: run.clone() },
        Request::GetSuiteEvents { suite_id: suites[2].clone() },
        Request::StopSuite { suite_id: suites[2].clone() },
    ] {
        assert_eq!(refused(lab.call(request).await).0, ErrorCode::InvalidRequest);
    }
    lab.project.write("go", "");
    assert_eq!(lab.told(&staying.suites[0]).await.status(), SuiteStatus::Passed);
    let progress = |run_id: &str| Request::GetRunProgress { context_id: lab.context.clone(), run_id: run_id.into() };
    seen_gone(&lab, progress(&suites[1])).await;
    seen_gone(&lab, progress(&suites[0])).await;
    // A discarded suite is in the history all the same.
    let (context_id, node_id) = (lab.context.clone(), "test_c.py::test_done".to_owned());
    let Response::TestFlakiness { total_runs, .. } = lab.call(Request::GetTestFlakiness { context_id, node_id }).await
    else {
        panic!("no history")
    };
    assert_eq!(total_runs, 1);
    // A suite reports its end a moment before its run does.
    in_time("the end of the other's run", async {
        while !matches!(lab.call(progress(&staying.suites[0])).await, Response::RunProgress { done: true, .. }) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    lab.close().await;
}

/// Waits until a request is refused: what it is about is forgotten behind the end of its run.
async fn seen_gone(lab: &Lab, request: Request) {
    in_time("the run to be forgotten", async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
        while !matches!(lab.call(request.clone()).await, Response::Error { .. }) {
            ticks.tick().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_run_is_a_suite_by_itself() {
    let lab = Lab::open(&[("test_a.py", MIXED)]).await;
    let run = lab.start(Order::of(&["test_a.py::test_passes"])).await;
    let told = lab.told(&run).await;
    assert_eq!((told.cases(), told.status()), (vec!["test_a.py::test_passes passed".into()], SuiteStatus::Passed));
    assert_eq!(lab.run_told(&run).await.len(), 2);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_options_are_refused_by_name() {
    let lab = Lab::open(&[("test_a.py", MIXED)]).await;
    let build = |set: fn(&mut SuiteOptions), most: Option<u16>| Request::BuildRun {
        context_id: lab.context.clone(),
        suites: vec![plain("test_a.py"), suite("test_a.py", set)],
        scheduling_options: Some(pytest_lens_protocol::SchedulingOptions { max_parallel_suites: most }),
    };
    let cases: [(Request, &str); 4] = [
        (build(|options| options.parallel = Some(0), None), "suites[1].options.parallel"),
        (build(|options| options.timeout = Some(-1.0), None), "suites[1].options.timeout"),
        (build(|options| options.timeout = Some(f64::NAN), None), "suites[1].options.timeout"),
        (build(|_| (), Some(0)), "scheduling_options.max_parallel_suites"),
    ];
    for (request, field) in cases {
        let (code, message) = refused(lab.call(request).await);
        assert!(code == ErrorCode::InvalidRequest && message.contains(field), "{message}");
    }
    // A run of no suites is over at once.
    let built = lab.build(Vec::new()).await;
    assert_eq!(lab.run_told(&built.run).await.len(), 2);
    lab.close().await;
}
