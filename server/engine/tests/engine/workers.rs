//! Several runners at a time, and limits of failures.

use std::time::Duration;

use pytest_lens_protocol::{ErrorCode, Request, Response, RunEndStatus};

use crate::common::{Lab, Order, Project, in_time, refused, seen};

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
async fn more_runners_than_tests_do_no_harm_and_none_and_too_many_are_refused() {
    let lab = Lab::open(&[("test_a.py", "def test_a(): pass"), ("test_b.py", "def test_b(): pass")]).await;
    for many in [8, 65_536] {
        assert_eq!(lab.counts(Order::all().workers(many)).await, [2, 2, 0, 0, 0]);
    }
    for (count, problem) in [
        (0, "0 runners can't run anything; give at least 1"),
        (65_537, "65537 runners are too many; give at most 65536"),
        (u32::MAX, "4294967295 runners are too many; give at most 65536"),
    ] {
        let refusal = lab.refusal(Order::all().workers(count)).await;
        assert_eq!(refusal, (ErrorCode::InvalidRequest, format!("field `workers`: {problem}, or leave it out")));
        let configure = Request::ConfigureWorkers { context_id: lab.context.clone(), num_workers: count };
        let refusal = refused(lab.call(configure).await);
        assert_eq!(refusal, (ErrorCode::InvalidRequest, format!("field `num_workers`: {problem}")));
    }
    lab.close().await;
}

/// Active and idle runners.
async fn status(lab: &Lab) -> (u32, u32) {
    match lab.call(Request::GetWorkerStatus { context_id: lab.context.clone() }).await {
        Response::WorkerStatus { active_workers, idle_workers, .. } => (active_workers, idle_workers),
        other => panic!("no status: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_counts_runners_that_work_and_those_that_stand_by() {
    // A file that comes into the project is a reason to collect again.
    let outside = Project::new(&[]);
    let text = |name: &str| {
        let folder = outside.mark();
        format!(
            "import pathlib, time\nfolder = pathlib.Path('{folder}')\ndef test():\n    (folder / '{name}').touch()\n    \
             while not (folder / 'go').exists(): time.sleep(0.01)\n"
        )
    };
    let lab = Lab::resident(&[("test_a.py", &text("a")), ("test_b.py", &text("b"))]).await;
    assert_eq!(status(&lab).await, (0, 0));
    let set = lab.call(Request::ConfigureWorkers { context_id: lab.context.clone(), num_workers: 2 }).await;
    assert_eq!(set, Response::WorkerConfigAck { num_workers: 2 });
    let run = lab.start(Order::all()).await;
    seen("both tests", || (outside.read("a").is_some() && outside.read("b").is_some()).then_some(())).await;
    assert_eq!(status(&lab).await, (2, 0));
    outside.write("go", "");
    lab.ended(&run).await;
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while status(&lab).await != (0, 2) {
            ticks.tick().await;
        }
    };
    in_time("two runners that stand by", waiting).await;
    lab.close().await;
}

/// Two tests that can only pass at the same time, each in a file of its own.
const MEETING: &[(&str, &str)] = &[
    (
        "meet.py",
        "import pathlib, time\n\ndef meet(own, other):\n    pathlib.Path(own).touch()\n    end = time.monotonic() + 2\n    while not pathlib.Path(other).exists():\n        assert time.monotonic() < end\n        time.sleep(0.01)\n    time.sleep(0.2)\n",
    ),
    ("test_a.py", "from meet import meet\ndef test(): meet('a', 'b')\n"),
    ("test_b.py", "from meet import meet\ndef test(): meet('b', 'a')\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn several_run_at_a_time_where_that_is_faster_and_somebody_says_that_they_may() {
    let lab = Lab::open(MEETING).await;
    let auto = || Order::all().with(|options| options.auto_workers = true);
    // Left to itself, a run is as plain pytest's: one after the other. Its order shows how long they take.
    assert_eq!(lab.counts(Order::all()).await, [2, 1, 1, 0, 0]);
    lab.project.remove("a");
    lab.project.remove("b");
    let known =
        || lab.call(Request::GetTestFlakiness { context_id: lab.context.clone(), node_id: "test_b.py::test".into() });
    in_time("the duration", async { while matches!(known().await, Response::Error { .. }) {} }).await;
    if std::thread::available_parallelism().unwrap().get() > 1 {
        assert_eq!(lab.counts(auto()).await, [2, 2, 0, 0, 0]);
    }
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
    // Tests that run when the limit is reached may end, and each may hold one more.
    assert!((2..=6).contains(&ran.end.counts.failed), "{:?}", ran.end);
    assert_eq!(ran.end.counts.not_run, 40 - ran.end.counts.failed);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_in_one_runner_stops_the_others_too() {
    let exits = "import pathlib, pytest, time\n\
                 def test_exits():\n    \
                 while not pathlib.Path('begun').exists(): time.sleep(0.01)\n    \
                 pathlib.Path('exits').touch()\n    pytest.exit('enough')\n\n\
                 def test_behind(): pass\n";
    let goes_on = "import pathlib, time\n\
                   def test_1():\n    \
                   pathlib.Path('begun').touch()\n    \
                   while not pathlib.Path('exits').exists(): time.sleep(0.01)\n    time.sleep(1)\n\
                   def test_2(): pass\n\
                   def test_3(): pass\n\
                   def test_4(): pass\n";
    let lab = Lab::open(&[("test_a.py", exits), ("test_b.py", goes_on)]).await;
    let ran = lab.run(Order::all().workers(2)).await;
    assert_eq!(ran.status(), RunEndStatus::Stopped);
    assert_eq!(ran.of("test_b.py::test_1").outcome, "passed");
    assert_eq!(ran.of("test_b.py::test_4").outcome, "not_run");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_run_first_runs_first_in_its_order() {
    let first = ["test_2.py::test_fails", "test_0.py::test_skips", "gone.py::test", "test_0.py::test_fails"];
    let wanted = ["test_2.py::test_fails", "test_0.py::test_skips", "test_0.py::test_fails"];
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &borrowed(&suite())).await;
        let order =
            |workers| Order::all().workers(workers).with(|options| options.first = first.map(str::to_owned).into());
        let one = lab.run(order(1)).await;
        assert_eq!(one.started[..3], wanted);
        assert_eq!(one.started.len(), 36);
        let two = lab.run(order(2)).await;
        assert!(two.started[..2].iter().all(|id| wanted.contains(&id.as_str())), "{:?}", two.started);
        assert_eq!(one.outcomes(), two.outcomes());
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_file_stays_with_one_runner() {
    let large = "import os, pathlib, pytest\n\n\
                 @pytest.mark.parametrize('n', range(40))\n\
                 def test_a(n): pathlib.Path(f'pids/{os.getpid()}').touch()\n\n\
                 @pytest.mark.xdist_group('g')\n\
                 def test_b(): pathlib.Path(f'pids/{os.getpid()}').touch()\n\n\
                 @pytest.mark.parametrize('n', range(40))\n\
                 def test_c(n): pathlib.Path(f'pids/{os.getpid()}').touch()\n";
    let small = "import pytest\n\n@pytest.mark.xdist_group('g')\ndef test_b(): pass\n";
    let lab = Lab::open(&[("test_large.py", large), ("test_small.py", small), ("pids/README", "")]).await;
    lab.run(Order::all().workers(3).with(|options| options.whole_files = true)).await;
    let pids = std::fs::read_dir(lab.project.root.join("pids")).unwrap().count() - 1;
    assert_eq!(pids, 1);
    lab.close().await;
}
