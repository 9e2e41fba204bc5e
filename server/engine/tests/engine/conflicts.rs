//! Runs of the same tests at the same time, and runs of what could not be collected.

use std::fs;

use pytest_lens_protocol::RunEndStatus;

use crate::common::{Lab, Order, WAITING, seen};

fn of_editor(ids: &[&str]) -> Order {
    Order::of(ids).with(|options| options.source = Some("editor".into()))
}

/// A test that says when it begins and ends, and waits for a file in between.
const NOTING: &str = "\
import pathlib, pytest\n\
from waiting import wait_for\n\
NOTES = pathlib.Path('notes')\n\
@pytest.fixture(scope='session')\n\
def port():\n    note('open')\n    yield\n    note('shut')\n\
def note(word):\n    with NOTES.open('a') as file:\n        file.write(word + ' ')\n\
def test_long(port):\n    note('begin')\n    if not pathlib.Path('quick').exists():\n        note('waits')\n        wait_for('go')\n    note('end')\n\
def test_other(port): pass\n";

#[tokio::test(flavor = "multi_thread")]
async fn a8_a_newer_run_of_the_same_tests_replaces_the_older() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("waiting.py", WAITING), ("test_a.py", NOTING)]).await;
        let first = lab.start(of_editor(&[])).await;
        let notes = || fs::read_to_string(lab.project.root.join("notes")).unwrap_or_default();
        seen("the test waits", || notes().contains("waits").then_some(())).await;
        lab.project.write("quick", "");
        let second = lab.start(of_editor(&["test_a.py"])).await;
        let (first, second) = (lab.ended(&first).await, lab.ended(&second).await);
        assert_eq!(first.status(), RunEndStatus::Stopped, "{mode}: {:?}", first.end);
        assert_eq!(first.outcomes(), ["test_a.py::test_long not_run", "test_a.py::test_other not_run"]);
        assert!(first.end.message.as_deref().unwrap().contains("newer run"), "{:?}", first.end);
        assert_eq!(second.outcomes(), ["test_a.py::test_long passed", "test_a.py::test_other passed"]);
        assert!(notes().starts_with("open begin waits open begin end"), "{mode}: {}", notes());
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_what_a_newer_run_leaves_out_goes_on() {
    let lab =
        Lab::resident(&[("waiting.py", WAITING), ("test_a.py", NOTING), ("test_b.py", "def test_b(): pass\n")]).await;
    let first = lab.start(of_editor(&[])).await;
    lab.log().started("test_a.py::test_long").await;
    let second = lab.start(of_editor(&["test_a.py::test_other"])).await;
    lab.project.write("go", "");
    let (first, second) = (lab.ended(&first).await, lab.ended(&second).await);
    assert_eq!(
        first.outcomes(),
        ["test_a.py::test_long passed", "test_a.py::test_other not_run", "test_b.py::test_b passed"]
    );
    assert_eq!(first.status(), RunEndStatus::Stopped);
    assert_eq!(second.outcomes(), ["test_a.py::test_other passed"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_runs_of_programs_take_turns() {
    let lab = Lab::resident(&[("waiting.py", WAITING), ("test_a.py", NOTING)]).await;
    let first = lab.start(Order::all()).await;
    lab.log().started("test_a.py::test_long").await;
    let second = lab.start(Order::of(&["test_a.py::test_long"])).await;
    lab.project.write("go", "");
    let (first, second) = (lab.ended(&first).await, lab.ended(&second).await);
    assert_eq!((first.status(), second.status()), (RunEndStatus::Passed, RunEndStatus::Passed));
    let notes = fs::read_to_string(lab.project.root.join("notes")).unwrap();
    assert!(notes.starts_with("open begin waits end ") && notes.matches("begin waits end").count() == 2, "{notes}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a_run_without_one_of_its_files_is_not_green() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(
            mode,
            &[("test_a.py", "def test_1(): pass\ndef test_2(): pass\n"), ("test_b.py", "def test_3(:\n")],
        )
        .await;
        let all = lab.run(Order::all()).await;
        assert_eq!((all.status(), all.end.counts.passed), (RunEndStatus::Failed, 2), "{mode}: {:?}", all.end);
        let message = all.end.message.as_deref().unwrap();
        assert!(message.starts_with("1 file could not be collected: test_b.py:1: SyntaxError"), "{message}");
        let files = lab.run(Order::of(&["test_a.py", "test_b.py"])).await;
        assert_eq!(files.status(), RunEndStatus::Failed);
        let other = lab.run(Order::of(&["test_a.py"])).await;
        assert_eq!((other.status(), other.end.message), (RunEndStatus::Passed, None));
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a_broken_conftest_above_is_not_green() {
    let lab = Lab::open(&[
        ("test_a.py", "def test_1(): pass\n"),
        ("sub/conftest.py", "import no_such_module_anywhere\n"),
        ("sub/test_b.py", "def test_2(): pass\n"),
    ])
    .await;
    let all = lab.run(Order::all()).await;
    assert_eq!((all.status(), all.end.counts.passed), (RunEndStatus::Failed, 1), "{:?}", all.end);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_a_test_that_vanished_is_not_green() {
    let text = "import os, uuid, pytest\n@pytest.mark.parametrize('n', [uuid.uuid4().hex])\ndef test_1(n): pass\n";
    let lab = Lab::open_in("subprocess", &[("test_a.py", text)]).await;
    let ran = lab.run(Order::all()).await;
    // If such ids become stable it may pass; it must never count as neither run nor failed.
    assert_eq!(ran.status() == RunEndStatus::Passed, ran.end.counts.passed == 1, "{:?}", ran.end);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_file_that_comes_back_as_it_was_is_there_again() {
    let (other, feature) = ("def test_1(): pass\n", "def test_2(): pass\ndef test_3(): pass\n");
    let lab = Lab::resident(&[("test_a.py", other), ("test_b.py", feature)]).await;
    assert_eq!(lab.collect().await, 3);
    fs::remove_file(lab.project.root.join("test_b.py")).unwrap();
    assert_eq!(lab.collect().await, 1);
    lab.project.write("test_b.py", feature);
    assert_eq!(lab.collect().await, 3, "{:?}", lab.ids().await);
    // The same for a run, which has nobody look first.
    fs::remove_file(lab.project.root.join("test_b.py")).unwrap();
    assert_eq!(lab.collect().await, 1);
    lab.project.write("test_b.py", feature);
    assert_eq!(lab.counts(Order::all()).await, [3, 3, 0, 0, 0]);
    assert_eq!(lab.ids().await.len(), 3);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_an_edit_that_is_taken_back_is_known_again() {
    let (before, after) = ("def test_1(): pass\n", "def test_2(): pass\n");
    let lab = Lab::open(&[("test_a.py", before), ("test_b.py", "def test_b(): pass\n")]).await;
    assert_eq!(lab.collect().await, 2);
    lab.project.write("test_a.py", after);
    // A run of the file brings the new state into the inventory ...
    assert_eq!(lab.counts(Order::of(&["test_a.py"])).await, [1, 1, 0, 0, 0]);
    assert_eq!(lab.ids().await, ["test_a.py::test_2", "test_b.py::test_b"]);
    // ... and what was known before that is true once more.
    lab.project.write("test_a.py", before);
    assert_eq!(lab.collect().await, 2);
    assert_eq!(lab.ids().await, ["test_a.py::test_1", "test_b.py::test_b"]);
    lab.close().await;
}
