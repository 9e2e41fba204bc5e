//! Collecting that has effects: only when somebody asks for it, and then as often as plain pytest has them.

use crate::common::{Lab, Order, in_time};

const PASSED: [usize; 5] = [1, 1, 0, 0, 0];

/// Says on the disk what happens in its sessions.
const HOOKS: &str = "\
import os

def note(text):
    with open('log', 'a') as file:
        file.write(f'{text}\\n')

def pytest_sessionstart():
    note('start')
    os.mkdir('held')

def pytest_sessionfinish():
    os.rmdir('held')
    note('finish')
";

const TEST: (&str, &str) = ("test_a.py", "def test(): pass\n");

#[tokio::test(flavor = "multi_thread")]
async fn p1_sessions_that_nobody_asks_for_run_no_hooks() {
    for mode in ["auto", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("conftest.py", HOOKS), TEST]).await;
        assert_eq!(lab.collect().await, 1);
        lab.project.write("test_a.py", "def test(): pass\ndef test_new(): pass\n");
        assert_eq!(lab.collect().await, 2);
        assert!(!lab.project.root.join("log").exists(), "{mode}");
        assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0], "{mode}");
        assert_eq!(lab.collect().await, 2);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_a_run_has_one_session_and_begins_when_the_last_one_has_ended() {
    for mode in ["auto", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("conftest.py", HOOKS), TEST]).await;
        for _ in 0..3 {
            assert_eq!(lab.counts(Order::all()).await, PASSED, "{mode}");
        }
        // The last one may still be finishing.
        assert_eq!(lab.project.lines("log")[..5], ["start", "finish", "start", "finish", "start"], "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_what_import_made_is_made_anew_for_each_run() {
    let test = "import sqlite3\n\
                base = sqlite3.connect('test.db')\n\
                base.execute('drop table if exists users')\n\
                base.execute('create table users (name text unique)')\n\
                base.commit()\n\
                def test():\n    base.execute(\"insert into users values ('me')\")\n    base.commit()\n";
    let lab = Lab::resident(&[("test_a.py", test)]).await;
    assert_eq!(lab.collect().await, 1, "as the source says");
    assert!(!lab.project.root.join("test.db").exists());
    for _ in 0..3 {
        assert_eq!(lab.counts(Order::all()).await, PASSED);
    }
    assert_eq!(lab.collect().await, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p15_ids_that_differ_with_each_collection_are_run() {
    let test = "import uuid, pytest\n\
                @pytest.mark.parametrize('id', [str(uuid.uuid4()) for _ in range(3)])\n\
                def test(id): pass\n";
    for mode in ["auto", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("conftest.py", HOOKS), ("test_a.py", test)]).await;
        for _ in 0..2 {
            assert_eq!(lab.counts(Order::all()).await, [3, 3, 0, 0, 0], "{mode}");
        }
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p15_they_run_in_several_runners_in_repeats_and_for_reports() {
    let test = "import uuid, pytest\n\
                @pytest.mark.parametrize('id, good', [(str(uuid.uuid4()), n != 3) for n in range(6)])\n\
                def test(id, good): assert good\n";
    for mode in ["auto", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("test_a.py", test), ("test_b.py", test)]).await;
        for order in [
            Order::all().workers(3),
            Order::all().with(|options| options.reruns = Some(1)),
            Order::all().with(|options| options.arguments = vec!["--junitxml=report.xml".into()]),
        ] {
            assert_eq!(lab.counts(order).await, [12, 10, 2, 0, 0], "{mode}");
        }
        assert_eq!(lab.project.read("report.xml").unwrap().matches("<testcase").count(), 12);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_clock_that_another_module_reads_is_read_anew_for_each_run() {
    let files = [
        ("pkg/__init__.py", "from .util import begin\n"),
        ("pkg/util.py", "import time\ndef begin(): return time.time()\n"),
        ("conftest.py", "import pkg\nSTART = pkg.begin()\n"),
        ("test_a.py", "import conftest\ndef test(): open('starts', 'a').write(f'{conftest.START}\\n')\n"),
    ];
    let lab = Lab::resident(&files).await;
    for _ in 0..3 {
        assert_eq!(lab.counts(Order::all()).await, PASSED);
    }
    let mut starts = lab.project.lines("starts");
    starts.dedup();
    assert_eq!(starts.len(), 3);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_nothing_is_held_between_runs() {
    let test = "import socket\n\
                server = socket.socket()\n\
                server.bind(('127.0.0.1', PORT))\n\
                server.listen()\n\
                def test(): pass\n";
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let lab = Lab::resident(&[("test_a.py", &test.replace("PORT", &port.to_string()))]).await;
    for round in 0..2 {
        lab.collect().await;
        assert_eq!(lab.counts(Order::all()).await, PASSED);
        lab.project.write("test_a.py", &format!("{}# {round}\n", test.replace("PORT", &port.to_string())));
    }
    let free = async {
        while std::net::TcpListener::bind(("127.0.0.1", port)).is_err() {
            tokio::task::yield_now().await;
        }
    };
    in_time("a free port", free).await;
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_collecting_does_not_set_off_the_next() {
    let conftest = "import pathlib\n\
                    counter = pathlib.Path('counter')\n\
                    number = int(counter.read_text())\n\
                    counter.write_text(str(number + 1))\n";
    let lab = Lab::resident(&[("conftest.py", conftest), ("counter", "0"), TEST]).await;
    for runs in 1..3 {
        lab.collect().await;
        assert_eq!(lab.counts(Order::all()).await, PASSED);
        for _ in 0..3 {
            lab.collect().await;
        }
        assert_eq!(lab.project.lines("counter"), [runs.to_string()]);
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_what_is_read_off_a_clock_is_read_anew_for_each_run() {
    let test = "import time\n\
                START = time.time()\n\
                def test(): open('starts', 'a').write(f'{START}\\n')\n";
    let lab = Lab::resident(&[("test_a.py", test)]).await;
    for _ in 0..3 {
        assert_eq!(lab.counts(Order::all()).await, PASSED);
    }
    let mut starts = lab.project.lines("starts");
    starts.dedup();
    assert_eq!(starts.len(), 3);
    lab.close().await;
}

/// The part of pytest-xdist that asks for several processes.
const XDIST: &str = "\
def pytest_addoption(parser):
    parser.getgroup('dist')._addoption('-n', dest='numprocesses', type=int)
    parser.addoption('--dist', dest='dist', default='no')
    parser.addoption('--tx', dest='tx', action='append', default=[])
";

/// Hooks by which the controller makes a folder for all workers.
const CONTROLLER: &str = "\
import os

def pytest_configure(config):
    if not hasattr(config, 'workerinput'):
        os.mkdir('made')

def pytest_unconfigure(config):
    if not hasattr(config, 'workerinput'):
        os.rmdir('made')
";

#[tokio::test(flavor = "multi_thread")]
async fn p8_what_a_controller_makes_for_all_workers_is_made_once() {
    let test = "import os, pytest\n\
                @pytest.mark.parametrize('n', range(8))\n\
                def test(n): assert os.path.isdir('made')\n";
    let files = [
        ("pytest.ini", "[pytest]\naddopts = -p fakedist -n 2\n"),
        ("fakedist.py", XDIST),
        ("conftest.py", CONTROLLER),
        ("test_a.py", test),
        ("test_b.py", test),
    ];
    for mode in ["auto", "subprocess"] {
        let lab = Lab::resident_in(mode, &files).await;
        for order in [Order::all(), Order::all().workers(2)] {
            assert_eq!(lab.counts(order).await, [16, 16, 0, 0, 0], "{mode}");
        }
        lab.close().await;
    }
}

/// Says which tests ran, and how many there were in each collection.
const COUNTED: &str = "\
import random, pytest
N = random.SystemRandom().randint(3, 30)
@pytest.mark.parametrize('n', range(N))
def test_many(n):
    open('ran', 'a').write(f'{__name__} {n}\\n')
    assert n != 1
def test_one(): open('ran', 'a').write(f'{__name__}\\n')
";

#[tokio::test(flavor = "multi_thread")]
async fn p15_tests_whose_number_differs_with_each_collection_run_once_each() {
    for mode in ["auto", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("test_a.py", COUNTED), ("test_b.py", COUNTED)]).await;
        for (order, attempts) in [
            (Order::all(), 1),
            (Order::all().workers(3), 1),
            (Order::all().workers(2).with(|options| options.reruns = Some(1)), 2),
            (Order::all().with(|options| options.arguments = vec!["--junitxml=report.xml".into()]), 1),
            (Order::all().with(|options| options.coverage = true), 1),
            (Order::all().workers(2).with(|options| options.coverage = true), 1),
            (Order::all().with(|options| options.run_disabled = true), 1),
        ] {
            lab.project.write("ran", "");
            let run = lab.run(order).await;
            let (total, finals) = (run.begun.total, run.attempts.iter().filter(|outcome| !outcome.will_rerun));
            let ended = |wanted: &str| finals.clone().filter(|outcome| outcome.outcome == wanted).count();
            let mut ran = lab.project.lines("ran");
            assert_eq!((ended("passed"), ended("failed")), (total - 2, 2), "{mode} {ran:?}");
            ran.sort();
            assert_eq!(ran.len(), total + 2 * (attempts - 1), "{mode} {ran:?}");
            ran.dedup();
            assert_eq!(ran.len(), total, "{mode}");
        }
        assert!(lab.project.read("report.xml").is_some());
        let (_, message) = lab.refusal(Order::of(&["test_a.py::test_many[99]"])).await;
        assert!(message.contains("the cases of test_a.py::test_many are others in this collection"), "{message}");
        lab.close().await;
    }
}
