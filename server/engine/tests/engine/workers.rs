//! Several runners at a time, and limits of failures.

use pytest_lens_protocol::{ErrorCode, Request, Response, RunEndStatus};

use crate::common::{Lab, Order, refused};

fn suite() -> Vec<(String, String)> {
    let file = |n: usize| {
        let text = "import os, pytest\n\n\
             @pytest.fixture(scope='module')\ndef pid(): return os.getpid()\n\n\
             @pytest.mark.parametrize('n', range(6))\n\
             def test_same(pid, n): assert pid == os.getpid()\n\n\
             def test_fails(): assert False\n\n\
             def test_skips(): pytest.skip('x')\n\n\
             def test_own_folder(tmp_path): (tmp_path / 'mine').mkdir()\n";
        (format!("test_{n}.py"), text.to_owned())
    };
    (0..4).map(file).collect()
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_come_to_what_one_comes_to() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &borrowed(&suite())).await;
        let one = lab.run(Order::all().workers(1)).await;
        let two = lab.run(Order::all().workers(2)).await;
        assert_eq!(one.begun.total, 36);
        assert_eq!(one.outcomes(), two.outcomes());
        assert_eq!(one.end.counts, two.end.counts);
        assert_eq!(one.started.len(), two.started.len());
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_run_at_the_same_time_and_pose_as_xdists() {
    let meet = |own: &str, other: &str| {
        format!(
            "import os, pathlib, time\n\ndef test_meet():\n    pathlib.Path('{own}').write_text(os.environ['PYTEST_XDIST_WORKER'])\n    \
             assert os.environ['PYTEST_XDIST_WORKER_COUNT'] == '2'\n    \
             end = time.monotonic() + 30\n    \
             while not pathlib.Path('{other}').exists():\n        assert time.monotonic() < end\n        time.sleep(0.01)\n"
        )
    };
    let lab = Lab::open(&[("test_a.py", &meet("a.txt", "b.txt")), ("test_b.py", &meet("b.txt", "a.txt"))]).await;
    assert_eq!(lab.counts(Order::all().workers(2)).await, [2, 2, 0, 0, 0]);
    let mut names = [lab.project.read("a.txt").unwrap(), lab.project.read("b.txt").unwrap()];
    names.sort();
    assert_eq!(names, ["gw0", "gw1"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_runners_than_tests_do_no_harm_and_none_are_refused() {
    let lab = Lab::open(&[("test_a.py", "def test_a(): pass"), ("test_b.py", "def test_b(): pass")]).await;
    assert_eq!(lab.counts(Order::all().workers(8)).await, [2, 2, 0, 0, 0]);
    let set = lab.call(Request::ConfigureWorkers { context_id: lab.context.clone(), num_workers: 2 }).await;
    assert_eq!(set, Response::WorkerConfigAck { num_workers: 2 });
    assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
    match lab.call(Request::GetWorkerStatus { context_id: lab.context.clone() }).await {
        Response::WorkerStatus { active_workers, idle_workers, .. } => {
            assert_eq!((active_workers, idle_workers), (0, 2))
        }
        other => panic!("no status: {other:?}"),
    }

    let (code, message) = lab.refusal(Order::all().workers(0)).await;
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.contains("workers"), "{message}");
    let configure = Request::ConfigureWorkers { context_id: lab.context.clone(), num_workers: 0 };
    let (code, message) = refused(lab.call(configure).await);
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.contains("num_workers"), "{message}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_its_limit_of_failures() {
    let text = "import pytest\n\
                def test_1(): pass\n\
                def test_2(): assert False\n\
                @pytest.fixture\ndef bad(): raise ValueError\n\
                def test_3(bad): pass\n\
                def test_4(): assert False\n\
                def test_5(): pass\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &[("test_a.py", text)]).await;
        let ran = lab.run(Order::all().maxfail(1)).await;
        assert_eq!(
            ran.outcomes(),
            [
                "test_a.py::test_1 passed",
                "test_a.py::test_2 failed",
                "test_a.py::test_3 not_run",
                "test_a.py::test_4 not_run",
                "test_a.py::test_5 not_run"
            ]
        );
        assert_eq!((ran.status(), ran.end.counts.total, ran.end.counts.not_run), (RunEndStatus::Failed, 2, 3));
        let message = ran.of("::test_5").message.as_deref().unwrap();
        assert!(message.contains("limit of failures"), "{message}");
        if mode == "embedded" {
            let ran = lab.run(Order::all().maxfail(2)).await;
            assert_eq!((ran.end.counts.failed, ran.end.counts.errors, ran.end.counts.not_run), (1, 1, 2));
            assert_eq!(lab.run(Order::all().maxfail(0)).await.end.counts.total, 5, "0 is no limit, as pytest has it");
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runners_keep_to_the_limit_of_failures_too() {
    let text = "import pytest\n@pytest.mark.parametrize('n', range(20))\ndef test(n): assert False\n";
    let lab = Lab::open(&[("test_a.py", text), ("test_b.py", text)]).await;
    let ran = lab.run(Order::all().workers(2).maxfail(2)).await;
    // What runs when the limit is reached may end, and each may hold one more.
    assert!((2..=6).contains(&ran.end.counts.failed), "{:?}", ran.end);
    assert_eq!(ran.end.counts.not_run, 40 - ran.end.counts.failed);
    lab.close().await;
}
