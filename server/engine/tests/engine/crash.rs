//! Tests that take their process down, or never end: the one that ran is blamed, the rest runs.

use pytest_lens_protocol::RunEndStatus;

use crate::common::{Lab, Order};

const CRASHES: &str = r#"
import os, signal

def test_1(): pass

def test_exits():
    print("last words")
    os._exit(3)

def test_2(): pass

def test_segfault():
    import ctypes
    ctypes.string_at(0)

def test_3(): pass

def test_killed():
    os.kill(os.getpid(), signal.SIGKILL)

def test_4(): pass
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_blamed_on_the_test_that_ran_and_the_rest_runs() {
    for (mode, numbers) in [("embedded", &[1, 2][..]), ("subprocess", &[2])] {
        let lab = Lab::open_in(mode, &[("test_a.py", CRASHES), ("test_b.py", "def test_b(): pass")]).await;
        for &workers in numbers {
            let ran = lab.run(Order::all().workers(workers)).await;
            assert_eq!(
                ran.outcomes(),
                [
                    "test_a.py::test_1 passed",
                    "test_a.py::test_2 passed",
                    "test_a.py::test_3 passed",
                    "test_a.py::test_4 passed",
                    "test_a.py::test_exits crashed",
                    "test_a.py::test_killed crashed",
                    "test_a.py::test_segfault crashed",
                    "test_b.py::test_b passed"
                ]
            );
            assert_eq!((ran.status(), ran.end.counts.errors), (RunEndStatus::Failed, 3));
            for (id, how) in
                [("::test_exits", "status 3"), ("::test_segfault", "SIGSEGV"), ("::test_killed", "SIGKILL")]
            {
                let message = ran.of(id).message.as_deref().unwrap();
                assert!(message.contains(how), "{id}: {message}");
            }
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_every_test_still_gives_each_its_outcome() {
    let text = "import os, pytest\n@pytest.mark.parametrize('n', range(3))\ndef test(n): os._exit(1)\n";
    let lab = Lab::resident(&[("test_a.py", text), ("test_b.py", text)]).await;
    for workers in [1, 2] {
        let ran = lab.run(Order::all().workers(workers)).await;
        assert_eq!((ran.end.counts.total, ran.end.counts.errors), (6, 6), "{:?}", ran.outcomes());
        assert!(ran.finals().all(|outcome| outcome.outcome == "crashed"));
    }
    lab.close().await;
}

/// Somebody, or the system out of memory, ends the session that runners are forks of: that shows nothing about a test.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_whose_session_is_killed_runs_again() {
    let text = "import os, signal, threading\n\ndef test_1():\n    if not os.path.exists('hit'):\n        \
                open('hit', 'w').close()\n        os.kill(os.getppid(), signal.SIGKILL)\n        \
                threading.Event().wait()\n\ndef test_2(): pass\n";
    let lab = Lab::open(&[("test_a.py", text), ("test_b.py", "def test_3(): pass\n")]).await;
    // With one runner, the session itself would run the tests.
    let ran = lab.run(Order::all().workers(2)).await;
    assert!(lab.project.path("hit").exists());
    let passed = ["test_a.py::test_1 passed", "test_a.py::test_2 passed", "test_b.py::test_3 passed"];
    assert_eq!((ran.outcomes(), ran.status()), (passed.map(str::to_owned).to_vec(), RunEndStatus::Passed));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_counts_for_the_limit_of_failures() {
    let lab = Lab::open(&[("test_a.py", "import os\ndef test_1(): os._exit(1)\ndef test_2(): pass\n")]).await;
    let ran = lab.run(Order::all().maxfail(1)).await;
    assert_eq!(ran.outcomes(), ["test_a.py::test_1 crashed", "test_a.py::test_2 not_run"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_a_session_that_nobody_may_fork_is_told_alike() {
    let lab = Lab::open(&[
        ("conftest.py", "def pytest_sessionfinish(): pass\n"),
        ("test_a.py", "import os\ndef test_1(): pass\ndef test_2(): os._exit(1)\ndef test_3(): pass\n"),
    ])
    .await;
    let ran = lab.run(Order::all()).await;
    assert_eq!(ran.outcomes(), ["test_a.py::test_1 passed", "test_a.py::test_2 crashed", "test_a.py::test_3 passed"]);
    lab.close().await;
}

const SLOW: &str = r#"
import threading, time

def wait_for_ever():
    while True:
        time.sleep(0.01)

def test_1(): pass

def test_hangs():
    threading.Thread(target=wait_for_ever, name="other", daemon=True).start()
    wait_for_ever()

def test_2(): pass
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_runs_out_of_time_is_ended_with_its_stacks_and_the_rest_runs() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_a.py", SLOW)]).await;
        let ran = lab.run(Order::all().with(|options| options.timeout_ms = Some(700))).await;
        assert_eq!(
            ran.outcomes(),
            ["test_a.py::test_1 passed", "test_a.py::test_2 passed", "test_a.py::test_hangs timed_out"]
        );
        assert_eq!((ran.status(), ran.end.counts.failed), (RunEndStatus::Failed, 1));
        let hangs = ran.of("::test_hangs");
        assert!(hangs.message.as_deref().unwrap().contains("700 ms"), "{hangs:#?}");
        assert!(hangs.duration_ms >= 700.0);
        let stacks = hangs.longrepr.as_deref().unwrap();
        assert!(stacks.contains("test_hangs") && stacks.matches("wait_for_ever").count() == 2, "{stacks}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_pytests_own_clock_ends_is_told_with_its_stacks_and_the_rest_runs() {
    let ini = "[pytest]\nfaulthandler_timeout = 0.5\nfaulthandler_exit_on_timeout = true\n";
    let lab = Lab::open(&[("test_a.py", SLOW), ("pytest.ini", ini)]).await;
    let ran = lab.run(Order::all()).await;
    assert_eq!(
        ran.outcomes(),
        ["test_a.py::test_1 passed", "test_a.py::test_2 passed", "test_a.py::test_hangs timed_out"]
    );
    let hangs = ran.of("::test_hangs");
    assert!(hangs.message.as_deref().unwrap().contains("faulthandler_timeout"), "{hangs:#?}");
    assert!(hangs.longrepr.as_deref().unwrap().contains("wait_for_ever") && hangs.location.is_some(), "{hangs:#?}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_plugin_ends_is_not_green_and_says_why() {
    let conftest = "def pytest_runtest_teardown(item): item.session.shouldfail = 'enough for today'\n";
    let lab = Lab::open(&[("conftest.py", conftest), ("test_a.py", "def test_1(): pass\ndef test_2(): pass\n")]).await;
    let ran = lab.run(Order::all()).await;
    assert_eq!(ran.outcomes(), ["test_a.py::test_1 passed", "test_a.py::test_2 not_run"]);
    assert_eq!(ran.of("::test_2").message.as_deref(), Some("enough for today"));
    assert_eq!((ran.status(), ran.end.message.as_deref()), (RunEndStatus::Failed, Some("enough for today")));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_time_from_the_settings_holds_and_can_not_be_escaped() {
    let lab = Lab::open(&[(
        "test_a.py",
        "import faulthandler, time\ndef test_a():\n    faulthandler.cancel_dump_traceback_later()\n    while True: time.sleep(0.01)\n",
    )])
    .await;
    lab.configure(serde_json::json!({ "timeoutMs": 300 })).await;
    let ran = lab.run(Order::all()).await;
    assert_eq!(ran.outcomes(), ["test_a.py::test_a timed_out"]);
    lab.close().await;
}
