//! Where the time of a run went, as its end says it. No test here asserts a time.

use pytest_lens_protocol::{RunTimings, TimeKind, TimeSpent};

use crate::common::{Lab, Order};

const FILES: &[(&str, &str)] = &[
    ("mod_a.py", ""),
    (
        "test_a.py",
        "import pytest, mod_a\n@pytest.fixture\ndef fix(): yield\ndef test_one(fix): pass\ndef test_two(): pass\n",
    ),
    ("sub/pytest.ini", "[pytest]\n"),
    ("sub/test_b.py", "def test_three(): pass\n"),
];

async fn measured(lab: &Lab, order: Order) -> RunTimings {
    let ran = lab.run(order.with(|options| options.timings = true)).await;
    *ran.end.timings.expect("it was asked for")
}

fn names(times: &[TimeSpent], kind: TimeKind) -> Vec<&str> {
    let mut names: Vec<_> = times.iter().filter(|spent| spent.kind == kind).map(|spent| &*spent.name).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_where_its_time_went_and_a_warm_one_that_tests_were_collected_before() {
    let lab = Lab::open(&FILES[..2]).await;
    let cold = measured(&lab, Order::all().workers(2)).await;
    assert_eq!((cold.collected_before_ms, cold.runners, cold.projects), (None, 2, 1));
    assert_eq!(names(&cold.collection, TimeKind::File), ["test_a.py"]);
    assert!(names(&cold.collection, TimeKind::Import).contains(&"mod_a"));
    assert_eq!(names(&cold.run, TimeKind::Setup), ["fix"]);
    let bodies = ["test_a.py::test_one", "test_a.py::test_two"];
    assert_eq!(names(&cold.run, TimeKind::Body), bodies);
    let busy: f64 = cold.run.iter().map(|spent| spent.own_ms).sum();
    assert!(busy <= cold.runners_ms, "{cold:?}");
    let warm = measured(&lab, Order::all().workers(2)).await;
    assert!(warm.collected_before_ms.is_some(), "{warm:?}");
    assert_eq!((warm.start_ms, warm.collect_ms), (0.0, 0.0));
    assert_eq!(warm.collection, cold.collection);
    assert_eq!(names(&warm.run, TimeKind::Body), bodies);
    assert_eq!(lab.run(Order::all()).await.end.timings, None, "nobody asked");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_times_of_nested_projects_are_added_up() {
    let lab = Lab::open(FILES).await;
    let both = measured(&lab, Order::all()).await;
    assert_eq!(both.projects, 2);
    assert_eq!(names(&both.collection, TimeKind::File), ["sub/test_b.py", "test_a.py"]);
    let bodies = ["sub/test_b.py::test_three", "test_a.py::test_one", "test_a.py::test_two"];
    assert_eq!(names(&both.run, TimeKind::Body), bodies);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_collect_for_themselves_and_runners_that_crash_are_counted() {
    let lab = Lab::open(&[
        (
            "conftest.py",
            "import threading, time\nthreading.Thread(target=time.sleep, args=(999,), daemon=True).start()\n",
        ),
        ("test_a.py", "import os\ndef test_crash(): os._exit(3)\ndef test_two(): pass\n"),
    ])
    .await;
    let times = measured(&lab, Order::all().workers(1)).await;
    assert_eq!(names(&times.run, TimeKind::Body), ["test_a.py::test_two"]);
    assert_eq!(names(&times.run, TimeKind::Lost), [""]);
    assert_eq!(names(&times.run, TimeKind::File), ["test_a.py"], "the second session collects in the run");
    assert!(times.collected_before_ms.is_none());
    lab.close().await;
}
