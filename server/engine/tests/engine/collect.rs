//! Collecting: what is known of a test, in what order, and what is said of files that can't be collected.

use pytest_lens_protocol::{ErrorCode, ItemKind, RunEndStatus, TestNodeInfo};

use crate::common::{Lab, Order, gone, refused};

/// The node whose id ends so.
fn node<'a>(nodes: &'a [TestNodeInfo], id: &str) -> &'a TestNodeInfo {
    let found: Vec<_> = nodes.iter().filter(|node| node.node_id.ends_with(id)).collect();
    assert_eq!(found.len(), 1, "{id}: {nodes:#?}");
    found[0]
}

const NODES: &str = r#"
import pytest


@pytest.mark.slow
@pytest.mark.skip(
    reason="not today",
)
def test_marked():
    pass


class TestOuter:
    pytestmark = pytest.mark.outer

    class TestInner:
        @pytest.mark.xfail
        def test_deep(self):
            assert False


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("s", ["a", "b"])
def test_cases(n, s):
    pass


async def helper():
    pass


def test_last(): pass
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_line_class_and_marks() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\nmarkers =\n    slow\n    outer\n"),
        ("tests/test_nodes.py", NODES),
        ("base.py", "class Base:\n    def test_inherited(self): pass\n"),
        ("test_sub.py", "from base import Base\n\n\nclass TestSub(Base):\n    def test_own(self): pass\n"),
    ])
    .await;
    assert_eq!(lab.collect().await, 9);
    let nodes = lab.inventory().await.1;
    let marked = node(&nodes, "::test_marked");
    assert_eq!(
        *marked,
        TestNodeInfo {
            node_id: "tests/test_nodes.py::test_marked".into(),
            file_path: "tests/test_nodes.py".into(),
            lineno: Some(8),
            name: "test_marked".into(),
            class_name: None,
            // Decorators apply from the bottom up.
            markers: vec!["skip".into(), "slow".into()],
            skip: true,
            xfail: false,
        }
    );
    let deep = node(&nodes, "::test_deep");
    assert_eq!(deep.node_id, "tests/test_nodes.py::TestOuter::TestInner::test_deep");
    assert_eq!((deep.lineno, deep.class_name.as_deref()), (Some(17), Some("TestOuter::TestInner")));
    assert_eq!((&*deep.markers, deep.skip, deep.xfail), (&["xfail".to_owned(), "outer".to_owned()][..], false, true));
    for case in ["a-1", "a-2", "b-1", "b-2"] {
        let case = node(&nodes, &format!("::test_cases[{case}]"));
        assert_eq!((case.lineno, &*case.markers), (Some(23), &["parametrize".to_owned()][..]));
        assert_eq!(case.name, case.node_id.split("::").nth(1).unwrap());
    }
    assert_eq!(node(&nodes, "::test_last").lineno, Some(31));
    let inherited = node(&nodes, "::test_inherited");
    assert_eq!((inherited.lineno, inherited.file_path.as_str()), (None, "test_sub.py"));
    assert_eq!(inherited.class_name.as_deref(), Some("TestSub"));
    assert_eq!(node(&nodes, "::test_own").lineno, Some(5));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctest_is_on_the_line_of_its_first_example() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\naddopts = --doctest-modules --doctest-glob=*.rst\n"),
        ("mod.py", "def double(n):\n    \"\"\"Twice.\n\n    >>> double(2)\n    4\n    \"\"\"\n    return 2 * n\n"),
        ("guide.rst", "Guide\n=====\n\n>>> 1 + 1\n2\n"),
    ])
    .await;
    assert_eq!(lab.collect().await, 2);
    let nodes = lab.inventory().await.1;
    assert_eq!(node(&nodes, "mod.py::mod.double").lineno, Some(4));
    assert_eq!(node(&nodes, "guide.rst::guide.rst").lineno, Some(4));
    assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
    let mut doctests: Vec<String> = Vec::new();
    for item in lab.log().deltas().await.into_iter().flat_map(|delta| delta.upserts) {
        if item.kind == ItemKind::Doctest && !item.provisional {
            doctests.push(item.id.to_string());
        }
    }
    assert_eq!(doctests, ["guide.rst::guide.rst", "mod.py::mod.double"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_tests_come_in_the_order_of_the_source_whatever_shuffles_them() {
    let lab = Lab::open(&[
        ("b/test_z.py", "def test_2(): pass\ndef test_1(): pass\n"),
        ("b/c/test_a.py", "def test(): pass\n"),
        ("a/test_y.py", "def test(): pass\n"),
        ("test_m.py", "class TestB:\n    def test(self): pass\ndef test_a(): pass\n"),
        ("conftest.py", "def pytest_collection_modifyitems(items):\n    items.reverse()\n"),
    ])
    .await;
    lab.collect().await;
    let python = crate::common::python();
    let plain = std::process::Command::new(python)
        .args(["-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(&lab.project.root)
        .output()
        .unwrap();
    let plain = String::from_utf8(plain.stdout).unwrap();
    let mut plain: Vec<&str> = plain.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(plain.len(), 6);
    plain.reverse();
    assert_eq!(lab.ids().await, plain);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_tests_is_collected() {
    let lab = Lab::open(&[("mod.py", "x = 1")]).await;
    assert_eq!(lab.collect().await, 0);
    assert_eq!(lab.counts(Order::all()).await, [0, 0, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_file_imports_the_collection_fails_and_names_one() {
    let lab = Lab::open(&[("test_a.py", "import os\nraise RuntimeError('no')"), ("test_b.py", "def test(:")]).await;
    let (code, message) = refused(lab.try_collect(false).await);
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("test_a.py") && message.contains("line 2") && message.contains("no"), "{message}");
    lab.project.write("test_a.py", "def test(): pass");
    assert_eq!(lab.collect().await, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_pytest_refuses_fails_the_collection_by_its_words() {
    let lab =
        Lab::open(&[("pytest.ini", "[pytest]\naddopts = --no-such-option\n"), ("test_a.py", "def test(): pass")]).await;
    let (code, message) = refused(lab.try_collect(false).await);
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("--no-such-option"), "{message}");
    lab.project.write("pytest.ini", "[pytest]");
    assert_eq!(lab.collect().await, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_hangs_is_ended_and_its_file_named() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(
            mode,
            &[("test_a.py", "def test(): pass"), ("test_hang.py", "import time\nwhile True: time.sleep(0.01)\n")],
        )
        .await;
        lab.configure(serde_json::json!({ "collectTimeoutMs": 3000 })).await;
        let (code, message) = refused(lab.try_collect(false).await);
        assert_eq!(code, ErrorCode::Timeout);
        assert!(message.contains("3000") && message.contains("collectTimeoutMs"), "{message}");
        assert!(message.contains("test_hang.py"), "{mode}: {message}");
        lab.configure(serde_json::json!({})).await;
        // The other file is collected, and the one that hangs is not imported again.
        assert_eq!(lab.collect().await, 1);
        let ran = lab.run(Order::all()).await;
        assert_eq!(ran.outcomes(), ["test_a.py::test passed"]);
        assert_eq!(ran.status(), RunEndStatus::Failed, "{mode}");
        lab.configure(serde_json::json!({ "collectTimeoutMs": 3000 })).await;
        let (code, _) = lab.refusal(Order::of(&["test_hang.py"])).await;
        assert_eq!(code, ErrorCode::Timeout);
        lab.project.write("test_hang.py", "def test(): pass");
        lab.configure(serde_json::json!({})).await;
        assert_eq!(lab.collect().await, 2);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_ends_the_process_is_an_error_not_a_silence() {
    let lab = Lab::open(&[("test_a.py", "import os\nos._exit(5)\n")]).await;
    let (code, message) = refused(lab.try_collect(false).await);
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("status 5"), "{message}");
    assert!(message.contains("test_a.py"), "{message}");
    lab.project.write("test_a.py", "def test(): pass");
    assert_eq!(lab.collect().await, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_ends_a_collection_that_hangs() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(
            mode,
            &[("test_a.py", "open('begun', 'w').close()\nimport time\nwhile True: time.sleep(0.01)\n")],
        )
        .await;
        let (session, context_id) = (lab.bench.engine.clone(), lab.context.clone());
        let collecting = tokio::spawn(async move {
            use pytest_lens_engine::Connect;
            session.session().call(pytest_lens_protocol::Request::Collect { context_id, force: true }).await
        });
        crate::common::seen("the import", || lab.project.read("begun")).await;
        crate::common::in_time("shutdown", lab.bench.engine.shutdown()).await;
        gone(&lab.project.mark()).await;
        let answer = crate::common::in_time("the answer to the collection", collecting).await.unwrap();
        refused(answer);
    }
}

/// Files that crash, each in its own way, and sound ones.
const CRASHES: [(&str, &str); 8] = [
    ("conftest.py", ""),
    ("helper.py", "import os\nwith open('trace', 'a') as trace: trace.write('h')\nos._exit(3)\n"),
    ("sound.py", ""),
    ("pkg/__init__.py", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"),
    ("pkg/test_p.py", "def test(): pass"),
    ("test_a.py", "import sound, test_z\ndef test(): pass"),
    ("test_h.py", "import sound\nimport helper\ndef test(): pass"),
    ("test_z.py", "def test(): pass"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_crashes_at_import_is_an_error_of_the_files_that_need_it() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, &CRASHES).await;
        let crashes = || lab.project.read("trace").unwrap_or_default().len();
        let all = async || {
            let ran = lab.run(Order::all()).await;
            (ran.outcomes(), ran.status())
        };
        let told = |files: &[&str]| files.iter().map(|id| format!("{id} passed")).collect::<Vec<_>>();
        let sound = told(&["test_a.py::test", "test_z.py::test"]);
        assert_eq!(all().await, (sound, RunEndStatus::Failed), "{mode}");
        let errors = lab.log().deltas().await.pop().unwrap().errors;
        let error = |file: &str| &errors.iter().find(|error| error.uri.ends_with(file)).unwrap().message;
        assert_eq!(errors.len(), 2, "{mode}: {errors:?}");
        let (killed, ended) = (error("/pkg/test_p.py"), error("/test_h.py"));
        assert!(killed.contains("signal 9") && killed.contains("pkg/__init__.py"), "{mode}: {killed}");
        assert!(ended.contains("status 3") && ended.contains("helper.py"), "{mode}: {ended}");
        // A file that is known to crash is not imported again if another file changes.
        let before = crashes();
        lab.project.write("test_z.py", "def test(): pass\ndef test_more(): pass");
        let more = ["test_a.py::test", "test_z.py::test", "test_z.py::test_more"];
        assert_eq!(all().await, (told(&more), RunEndStatus::Failed), "{mode}");
        assert_eq!(crashes(), before, "{mode}");
        // It is if a client requests it alone.
        let (_, message) = lab.refusal(Order::of(&["test_h.py"])).await;
        assert!(message.contains("status 3"), "{mode}: {message}");
        assert!(crashes() > before, "{mode}");
        lab.project.write("helper.py", "");
        let mended = ["test_a.py::test", "test_h.py::test", "test_z.py::test", "test_z.py::test_more"];
        assert_eq!(all().await, (told(&mended), RunEndStatus::Failed), "{mode}");
        lab.project.write("pkg/__init__.py", "");
        let (outcomes, status) = all().await;
        assert_eq!((outcomes.len(), status), (5, RunEndStatus::Passed), "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_that_does_not_happen_again_is_no_error() {
    let crash = "import os\n\
                 if not os.path.exists('trace'):\n    open('trace', 'w').close()\n    os.abort()\n\
                 def test(): pass\n";
    let lab = Lab::open(&[("test_a.py", crash), ("test_b.py", "def test(): pass")]).await;
    let ran = lab.run(Order::all()).await;
    assert_eq!((ran.outcomes().len(), ran.status()), (2, RunEndStatus::Passed));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conftest_that_crashes_is_one_sentence() {
    let files = [("sub/conftest.py", "import os\nos._exit(5)"), ("sub/test_a.py", ""), ("test_b.py", "")];
    let lab = Lab::open(&files).await;
    let (code, message) = lab.refusal(Order::all()).await;
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("status 5") && message.contains("sub/conftest.py"), "{message}");
    lab.close().await;
}
