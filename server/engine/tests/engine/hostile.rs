//! Tests that misbehave: whatever they do, the run ends, each test has one outcome, and the next run is not harmed.

use pytest_lens_protocol::{Request, Response, RunEndStatus};

use crate::common::{Lab, Order, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_or_pytest_exit_in_a_test_ends_the_run_at_once() {
    for (mode, statement, says) in [
        ("embedded", "raise KeyboardInterrupt('ctrl c')", "ctrl c"),
        ("embedded", "pytest.exit('enough')", "enough"),
        ("subprocess", "raise KeyboardInterrupt('ctrl c')", "ctrl c"),
    ] {
        let text = format!("import pytest\ndef test_1(): pass\ndef test_2(): {statement}\ndef test_3(): pass\n");
        let lab = Lab::resident_in(mode, &[("test_a.py", &text)]).await;
        let ran = lab.run(Order::all()).await;
        assert_eq!(
            ran.outcomes(),
            ["test_a.py::test_1 passed", "test_a.py::test_2 error", "test_a.py::test_3 not_run"]
        );
        for message in [&ran.of("::test_2").message, &ran.of("::test_3").message, &ran.end.message] {
            assert!(message.as_deref().unwrap_or_default().contains(says), "{statement}: {message:?}");
        }
        assert_eq!(lab.counts(Order::of(&["test_a.py::test_3"])).await, [1, 1, 0, 0, 0]);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_closes_every_descriptor_takes_down_itself_at_most() {
    for mode in ["embedded", "subprocess"] {
        let text = "import os\n\
                    def test_1(): pass\n\
                    def test_2(): os.closerange(0, 4096)\n\
                    def test_3(): pass\n\
                    def test_4():\n    os.closerange(3, 4096)\n    [open('/dev/null') for _ in range(1000)]\n\
                    def test_5(): pass\n";
        let lab = Lab::resident_in(mode, &[("test_a.py", text)]).await;
        let ran = lab.run(Order::all()).await;
        for id in ["::test_1", "::test_3", "::test_5"] {
            assert_eq!(ran.of(id).outcome, "passed", "{mode}: {:?}", ran.outcomes());
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_child_that_comes_back_runs_nothing_and_tells_nothing() {
    let text = "import os, sys\n\
                def test_1():\n    if os.fork() == 0:\n        return\n    os.wait()\n\
                def test_2():\n    if os.fork() == 0:\n        raise SystemExit(0)\n    os.wait()\n\
                def test_3(): open('runs', 'a').write('x')\n";
    let lab = Lab::resident(&[("test_a.py", text)]).await;
    assert_eq!(lab.run(Order::all()).await.end.counts.passed, 3);
    assert_eq!(lab.project.read("runs").as_deref(), Some("x"));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_begins_in_the_root_with_an_environment_of_its_own() {
    let text = "import os, pathlib, sys\n\
                HERE = pathlib.Path(__file__).parent\n\
                def test_1(tmp_path):\n    \
                assert pathlib.Path.cwd() == HERE and 'SPOILT' not in os.environ and not hasattr(sys, 'spoilt')\n    \
                os.chdir(tmp_path)\n    os.environ['SPOILT'] = '1'\n    sys.spoilt = True\n";
    let lab = Lab::resident(&[("test_a.py", text)]).await;
    for _ in 0..3 {
        assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_empty_and_never_waited_for() {
    let text = "import os, sys, pytest\n\
                def test_1():\n    assert os.read(0, 1) == b''\n\
                def test_2():\n    with pytest.raises(OSError): input()\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_never_ends_does_not_keep_the_run_from_ending() {
    let text = "import threading\n\
                def test_1(): threading.Thread(target=threading.Event().wait).start()\n\
                def test_2(): pass\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("test_a.py", text)]).await;
        assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
        assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_hooks_run_once_for_each_run_and_the_status_says_so() {
    let conftest = "import os, pathlib, pytest\n\
                    LOG = pathlib.Path(os.environ['LOG'])\n\
                    def note(word): LOG.open('a').write(word + '\\n')\n\
                    def pytest_sessionstart(session): note('start')\n\
                    def pytest_sessionfinish(session, exitstatus): note(f'finish {int(exitstatus)}')\n\
                    @pytest.fixture(scope='session')\ndef resource():\n    note('up')\n    yield\n    note('down')\n";
    let text = "def test_1(resource): pass\ndef test_2(resource): assert False\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("conftest.py", conftest), ("test_a.py", text)]).await;
        let log = lab.bench.folder.path().join("log");
        let lines = || std::fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
        lab.configure(serde_json::json!({ "env": { "LOG": log } })).await;
        lab.collect().await;
        assert!(lines().is_empty(), "nobody has asked for a session");
        assert_eq!(lab.counts(Order::all()).await, [2, 1, 1, 0, 0]);
        crate::common::seen("the end of the session", || {
            (lines() == ["start", "up", "down", "finish 1"]).then_some(())
        })
        .await;
        match lab.call(Request::GetContextStatus { context_id: lab.context.clone() }).await {
            Response::ContextStatus { hazards, mode_reason, .. } => {
                assert!(
                    hazards.iter().any(|hazard| hazard.contains("conftest.py") && hazard.contains("pytest_session"))
                );
                assert!(mode == "subprocess" || mode_reason.contains("conftest.py"), "{mode_reason}");
            }
            other => panic!("no status: {other:?}"),
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_hangs_while_it_finishes_holds_up_neither_the_run_nor_the_shutdown_for_long() {
    let conftest = "import time\ndef pytest_sessionfinish():\n    while True: time.sleep(0.01)\n";
    let ends = async |mode| {
        let lab = Lab::resident_in(mode, &[("test_a.py", "def test_1(): pass")]).await;
        lab.project.write("conftest.py", conftest);
        assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
        lab.close().await;
    };
    // Both wait for their limits, without any work to do.
    tokio::join!(ends("embedded"), ends("subprocess"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_breaks_pytest_inside_is_told_and_the_run_ends() {
    let conftest = "def pytest_runtest_logreport(report): raise RuntimeError('broken plugin')\n";
    let lab = Lab::open(&[("conftest.py", conftest), ("test_a.py", "def test_1(): pass\ndef test_2(): pass\n")]).await;
    let ran = in_time("the run", lab.run(Order::all())).await;
    assert_ne!(ran.status(), RunEndStatus::Passed);
    let said = |text: &Option<String>| text.as_deref().unwrap_or_default().contains("broken plugin");
    assert!(said(&ran.end.message) || ran.finals().any(|outcome| said(&outcome.message)), "{:?}", ran.attempts);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_lines_of_output_and_odd_characters_arrive_whole_or_cut_with_a_note() {
    let text = "import sys\n\
                def test_much():\n    print('x' * 99 + '\\n', end='', flush=True)\n    print('y' * 3_000_000)\n    assert False\n\
                def test_odd():\n    print('snow \\u2603 \\U0001F600')\n    sys.stdout.buffer.write(b'\\xff\\xfe raw\\n')\n    \
                assert '\\udcff' == 'ü'\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let ran = lab.run(Order::all()).await;
    let much = ran.of("::test_much").stdout.as_deref().unwrap();
    assert!(much.starts_with("xxx") && much.len() < 1_100_000 && much.contains("left out"), "{}", much.len());
    let odd = ran.of("::test_odd");
    assert!(odd.stdout.as_deref().unwrap().contains("snow \u{2603} \u{1F600}"), "{odd:?}");
    lab.close().await;
}
