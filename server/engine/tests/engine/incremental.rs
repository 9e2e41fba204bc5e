//! Collecting again: only what changed is read again, and what does not import keeps its last good tests.

use std::fs;

use pytest_lens_protocol::{CollectError, ErrorCode, InventoryDelta, Response, RunEndStatus};

use crate::common::{Lab, Order, in_time, refused};

/// A test module that writes its name to a file outside of the project whenever it is imported. One that writes has
/// effects: C's own library is called, past all who look for them.
fn noting(log: &std::path::Path, name: &str, body: &str) -> String {
    // In hexadecimal, since a path that the code names counts as read.
    let path: String = log.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "import ctypes, os\n\
         c = ctypes.CDLL(None)\n\
         file = c.open(bytes.fromhex('{path}'), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)\n\
         c.write(file, b'{name}\\n', {})\n\
         c.close(file)\n\
         {body}\n",
        name.len() + 1
    )
}

fn upserted(delta: &InventoryDelta) -> Vec<&str> {
    delta.upserts.iter().map(|item| &*item.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_file_alone_is_imported_again() {
    let lab = Lab::resident(&[]).await;
    let log = lab.bench.folder.path().join("imports");
    let imported = || {
        let names = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(&log);
        names.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    for name in ["a", "b", "c"] {
        let file = format!("test_{name}.py");
        lab.project.write(&file, &noting(&log, name, "def test_one(): pass"));
    }
    assert_eq!(lab.collect().await, 3);
    assert_eq!(imported(), ["a", "b", "c"]);
    assert_eq!(lab.collect().await, 3);
    assert_eq!(imported(), Vec::<String>::new());
    lab.project.write("test_b.py", &noting(&log, "b", "def test_two(): pass\ndef test_three(): pass"));
    assert_eq!(lab.collect().await, 4);
    assert_eq!(imported(), ["b"]);
    assert_eq!(
        lab.ids().await,
        ["test_a.py::test_one", "test_b.py::test_two", "test_b.py::test_three", "test_c.py::test_one"]
    );
    let deltas = lab.log().deltas().await;
    let last = deltas.last().unwrap();
    assert_eq!(upserted(last), ["test_b.py::test_two", "test_b.py::test_three"]);
    assert_eq!(last.removed, ["test_b.py::test_one"]);
    let forced = lab.try_collect(true).await;
    assert!(matches!(forced, Response::CollectionComplete { node_count: 4, .. }), "{forced:?}");
    assert_eq!(imported(), ["a", "b", "c"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_module_reaches_the_tests_that_import_it() {
    let lab = Lab::open(&[
        ("data.py", "CASES = [1, 2]"),
        ("mod.py", "from data import CASES"),
        ("test_cases.py", "import pytest, mod\n@pytest.mark.parametrize('n', mod.CASES)\ndef test(n): pass\n"),
        ("test_other.py", "def test(): pass"),
    ])
    .await;
    assert_eq!(lab.collect().await, 3);
    lab.project.write("data.py", "CASES = [1, 2, 3]");
    assert_eq!(lab.collect().await, 4);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conftest_decides_which_files_are_collected() {
    let lab = Lab::open(&[
        ("conftest.py", "from ignored import collect_ignore"),
        ("ignored.py", "collect_ignore = ['test_a.py']"),
        ("test_a.py", "def test_a(): pass"),
        ("sub/test_b.py", "def test_b(): pass"),
        ("test_c.py", "def test_c(): pass"),
    ])
    .await;
    let (a, b, c) = ("test_a.py::test_a", "sub/test_b.py::test_b", "test_c.py::test_c");
    let after = async |file: &str, text: &str| {
        lab.project.write(file, text);
        lab.collect().await;
        lab.ids().await
    };
    assert_eq!(lab.collect().await, 2);
    assert_eq!(after("ignored.py", "collect_ignore = ['test_a.py', 'test_c.py']").await, [b]);
    assert_eq!(after("ignored.py", "collect_ignore = []").await, [b, a, c]);
    let hook = "def pytest_ignore_collect(collection_path): return collection_path.name == 'test_b.py' or None\n";
    assert_eq!(after("sub/conftest.py", hook).await, [a, c]);
    assert_eq!(after("conftest.py", "collect_ignore_glob = ['test_*.py']").await, [""; 0]);
    lab.project.remove("sub/conftest.py");
    assert_eq!(after("conftest.py", "").await, [b, a, c]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_module_reaches_the_tests_that_skipped_themselves_without_it() {
    let lab = Lab::open(&[
        ("conftest.py", "import sys, pathlib\nsys.path.insert(0, str(pathlib.Path(__file__).parent))"),
        ("test_a.py", "import pytest\npytest.importorskip('later')\ndef test_a(): pass"),
        ("test_b.py", "import importlib.util\nif importlib.util.find_spec('later'):\n    def test_b(): pass"),
        ("test_c.py", "def test_c(): pass"),
    ])
    .await;
    assert_eq!(lab.collect().await, 1);
    lab.project.write("later.py", "");
    assert_eq!(lab.collect().await, 3);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_comes_between_others_is_told_with_its_place() {
    let cases = |list: &str| format!("import pytest\n@pytest.mark.parametrize('n', {list})\ndef test(n): pass\n");
    let lab = Lab::open(&[("test_a.py", cases("[1, 3]").as_str())]).await;
    assert_eq!(lab.collect().await, 2);
    lab.project.write("test_a.py", &cases("[1, 2, 3, 4]"));
    assert_eq!(lab.collect().await, 4);
    let ids = |numbers: &[u8]| numbers.iter().map(|n| format!("test_a.py::test[{n}]")).collect::<Vec<_>>();
    let told = |delta: &InventoryDelta| {
        let order: Vec<_> =
            delta.order.iter().map(|siblings| (siblings.parent.clone(), siblings.ids.clone())).collect();
        order
    };
    let deltas = lab.log().deltas().await;
    assert_eq!(told(deltas.last().unwrap()), [("test_a.py::test".to_owned(), ids(&[1, 2, 3, 4]))]);
    lab.project.write("test_a.py", &cases("[1, 2, 4, 5]"));
    assert_eq!(lab.collect().await, 4);
    let deltas = lab.log().deltas().await;
    assert_eq!(told(deltas.last().unwrap()), [], "what comes last, or goes, needs no telling");
    lab.project.write("test_a.py", &cases("[5, 4, 2, 1]"));
    assert_eq!(lab.collect().await, 4);
    let deltas = lab.log().deltas().await;
    assert_eq!(told(deltas.last().unwrap()), [("test_a.py::test".to_owned(), ids(&[5, 4, 2, 1]))]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_syntax_error_keeps_its_last_good_tests() {
    let lab = Lab::open(&[("test_a.py", "def test_a(): pass"), ("test_b.py", "def test_b(): pass")]).await;
    assert_eq!(lab.collect().await, 2);
    lab.project.write("test_b.py", "def test_b(): pass\n\ndef test_c(:\n    pass\n");
    lab.project.write("test_a.py", "def test_a2(): pass");
    assert_eq!(lab.collect().await, 2);
    assert_eq!(lab.ids().await, ["test_a.py::test_a2", "test_b.py::test_b"]);
    let deltas = lab.log().deltas().await;
    let errors = &deltas.last().unwrap().errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].uri.ends_with("/test_b.py"), "{errors:?}");
    assert_eq!(errors[0].range.start.line, 2);
    assert!(errors[0].message.contains("SyntaxError"), "{errors:?}");

    // The good file runs; the broken one can't, and that is said; both together run what can be run.
    assert_eq!(lab.counts(Order::of(&["test_a.py"])).await, [1, 1, 0, 0, 0]);
    let (code, message) = lab.refusal(Order::of(&["test_b.py"])).await;
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("test_b.py") && message.contains("line 3"), "{message}");
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);

    lab.project.write("test_b.py", "def test_b(): pass\ndef test_c(): pass\n");
    assert_eq!(lab.collect().await, 3);
    assert!(lab.log().deltas().await.last().unwrap().errors.is_empty());
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conftest_that_raises_keeps_everything_and_is_named_with_its_line() {
    let lab = Lab::open(&[
        ("conftest.py", "import pytest"),
        ("test_a.py", "def test_a(): pass"),
        ("sub/conftest.py", "import pytest"),
        ("sub/test_b.py", "def test_b(): pass"),
    ])
    .await;
    assert_eq!(lab.collect().await, 2);
    let before = lab.ids().await;
    for (conftest, good) in [("sub/conftest.py", "test_a.py"), ("conftest.py", "")] {
        lab.project.write(conftest, "import pytest\n\nraise RuntimeError('broken here')\n");
        let answer = lab.try_collect(false).await;
        if let Response::Error { code, message, .. } = &answer {
            assert_eq!(*code, ErrorCode::CollectionFailed);
            assert!(message.contains(conftest) && message.contains("broken here"), "{message}");
        }
        assert_eq!(lab.ids().await, before, "{conftest}");
        let deltas = lab.log().deltas().await;
        let errors = &deltas.last().unwrap().errors;
        let error = errors.iter().find(|error| error.uri.ends_with(&format!("{}/{conftest}", lab.project.mark())));
        let error = error.unwrap_or_else(|| panic!("{conftest} is not named: {errors:?}"));
        assert_eq!(error.range.start.line, 2, "{errors:?}");
        assert!(error.message.contains("broken here"), "{errors:?}");
        if !good.is_empty() {
            assert_eq!(lab.counts(Order::of(&[good])).await, [1, 1, 0, 0, 0]);
        }
        let (code, message) = lab.refusal(Order::of(&["sub/test_b.py"])).await;
        assert_eq!(code, ErrorCode::CollectionFailed);
        assert!(message.contains(conftest) && message.contains("broken here"), "{message}");
        lab.project.write(conftest, "import pytest, os");
        assert_eq!(lab.collect().await, 2);
        let errors = lab.log().deltas().await.pop().unwrap().errors;
        assert!(errors.is_empty(), "{errors:?}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_whole_project_goes_when_its_edit_is_undone() {
    let (ini, good, bad) = ("pytest.ini", "[pytest]\n", "[pytest]\naddopts = --no-such-option\n");
    let lab =
        Lab::open(&[("test_a.py", "def test_a(): pass"), (ini, good), ("sub/test_b.py", "def test_b(): pass")]).await;
    assert_eq!(lab.collect().await, 2);
    for (path, text, before) in [(ini, bad, Some(good)), ("conftest.py", "1/0", None), ("tox.ini", "[", None)] {
        lab.project.write(path, text);
        lab.try_collect(false).await;
        match before {
            Some(before) => lab.project.write(path, before),
            None => fs::remove_file(lab.project.root.join(path)).unwrap(),
        }
        assert_eq!(lab.collect().await, 2, "{path}");
        let errors = lab.log().deltas().await.pop().unwrap().errors;
        assert!(errors.is_empty(), "{path}: {errors:?}");
    }
    // A run sees the error, and no refresh before the edit is undone.
    lab.project.write(ini, bad);
    lab.refusal(Order::all()).await;
    assert!(!lab.log().deltas().await.pop().unwrap().errors.is_empty());
    lab.project.write(ini, good);
    assert_eq!(lab.collect().await, 2);
    assert!(lab.log().deltas().await.pop().unwrap().errors.is_empty());
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_goes_with_its_file_also_if_that_never_had_tests() {
    let lab = Lab::open(&[("test_a.py", "def test_a(): pass")]).await;
    assert_eq!(lab.collect().await, 1);
    let broken = || async {
        let errors = lab.log().deltas().await.pop().unwrap().errors;
        errors.iter().map(|error| error.uri.rsplit_once('/').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    lab.project.write("sub/test_b.py", "import no_such_module\n");
    lab.collect().await;
    assert_eq!(broken().await, ["test_b.py"]);
    let path = |name: &str| lab.project.root.join(name);
    fs::rename(path("sub/test_b.py"), path("sub/test_c.py")).unwrap();
    lab.collect().await;
    assert_eq!(broken().await, ["test_c.py"]);
    fs::remove_dir_all(path("sub")).unwrap();
    assert_eq!(lab.collect().await, 1);
    assert!(broken().await.is_empty());
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_that_come_and_go_are_seen() {
    let lab = Lab::open(&[("test_a.py", "def test_a(): pass"), ("sub/test_b.py", "def test_b(): pass")]).await;
    assert_eq!(lab.collect().await, 2);
    lab.project.write("test_new.py", "def test_new(): pass");
    lab.project.write("sub/test_c.py", "def test_c(): pass");
    assert_eq!(lab.collect().await, 4);
    lab.project.write("deep/er/test_d.py", "def test_d(): pass");
    assert_eq!(lab.collect().await, 5);
    assert_eq!(
        lab.ids().await,
        [
            "deep/er/test_d.py::test_d",
            "sub/test_b.py::test_b",
            "sub/test_c.py::test_c",
            "test_a.py::test_a",
            "test_new.py::test_new"
        ]
    );
    lab.project.remove("test_a.py");
    assert_eq!(lab.collect().await, 4);
    fs::remove_dir_all(lab.project.path("sub")).unwrap();
    assert_eq!(lab.collect().await, 2);
    fs::rename(lab.project.path("test_new.py"), lab.project.path("test_moved.py")).unwrap();
    assert_eq!(lab.collect().await, 2);
    assert_eq!(lab.ids().await, ["deep/er/test_d.py::test_d", "test_moved.py::test_new"]);
    assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pytests_configuration_is_read_again_when_it_changes() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\npython_functions = test_*\n"),
        ("test_a.py", "def test_a(): pass\n\n\n@staticmethod\ndef check_a(): pass\n"),
        ("check_b.py", "def check_b(): pass"),
    ])
    .await;
    assert_eq!(lab.collect().await, 1);
    lab.project.write("pytest.ini", "[pytest]\npython_functions = check_*\npython_files = test_*.py check_*.py\n");
    assert_eq!(lab.collect().await, 2);
    assert_eq!(lab.ids().await, ["check_b.py::check_b", "test_a.py::check_a"]);
    assert_eq!(lab.inventory().await.1[1].lineno, Some(5));
    lab.project.write("check_b.py", "def check_b(): pass\ndef check_c(): pass\n");
    assert_eq!(lab.collect().await, 3);
    lab.project.remove("pytest.ini");
    assert_eq!(lab.collect().await, 1);
    assert_eq!(lab.ids().await, ["test_a.py::test_a"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_what_pytest_collects_show_in_the_next_collection() {
    let lab = Lab::open(&[
        ("test_a.py", "import os\n\n\ndef test_a():\n    \"\"\"\n    >>> 1\n    1\n    \"\"\"\n\n\nif os.environ.get('MORE'):\n    def test_b(): pass\n"),
    ])
    .await;
    assert_eq!(lab.collect().await, 1);
    lab.configure(serde_json::json!({ "env": { "MORE": "1" } })).await;
    assert_eq!(lab.collect().await, 2);
    lab.configure(serde_json::json!({ "env": { "MORE": "1" }, "arguments": ["--doctest-modules"] })).await;
    assert_eq!(lab.collect().await, 3);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_events_hears_of_every_change_on_disk_unasked() {
    let lab = Lab::resident(&[("test_a.py", "def test_a(): pass")]).await;
    lab.collect().await;
    // The disk is watched from the first reading on, by and by. The first change comes before, the second one at any time.
    lab.project.write("test_before.py", "def test_new(): pass");
    let mut log = lab.log();
    for (heard, next) in [("test_before.py", "test_between.py"), ("test_between.py", "test_after.py")] {
        lab.project.write(next, "def test_new(): pass");
        let id = format!("{heard}::test_new");
        log.until("a new file", |payload| match payload {
            pytest_lens_protocol::EventPayload::Inventory(delta) => {
                delta.upserts.iter().any(|item| *item.id == *id && !item.provisional).then_some(())
            }
            _ => None,
        })
        .await;
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_answer_of_an_empty_project_goes_when_it_has_tests() {
    let lab = Lab::open(&[("conftest.py", "1 / 0\n")]).await;
    let (code, message) = refused(lab.try_collect(false).await);
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("conftest.py") && message.contains("ZeroDivisionError"), "{message}");
    lab.project.write("conftest.py", "");
    lab.project.write("test_a.py", "def test(): pass");
    assert_eq!(lab.collect().await, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_whose_hook_failed_is_collected_again_after_each_change() {
    let sound = "def pytest_ignore_collect(collection_path):\n    return None\n";
    let broken = "def pytest_ignore_collect(collection_path):\n    raise RuntimeError('broken')\n";
    let files = [
        ("tests/__init__.py", ""),
        ("tests/conftest.py", sound),
        ("tests/test_a.py", "def test_a(): pass\n"),
        ("tests/test_b.py", "def test_b(): pass\n"),
    ];
    let lab = Lab::resident(&files).await;
    assert_eq!(lab.collect().await, 2);
    for change in ["first", "second"] {
        lab.project.write("tests/conftest.py", broken);
        assert_eq!(lab.collect().await, 2, "tests that are known stay");
        let errors = lab.log().deltas().await.pop().unwrap().errors;
        assert!(errors.iter().any(|error| error.message.contains("broken")), "{errors:?}");
        lab.project.write("tests/conftest.py", &format!("{sound}# {change}\n"));
        assert_eq!(lab.collect().await, 2);
        let errors = lab.log().deltas().await.pop().unwrap().errors;
        assert!(errors.is_empty(), "{errors:?}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_the_errors_of_its_own_collection() {
    let waits = "import os, time\ndef test_waits():\n    while not os.path.exists('go'): time.sleep(0.01)\n";
    let good = "def test_b(): pass\n";
    let lab = Lab::open(&[("test_a.py", waits), ("test_b.py", good), ("test_c.py", "import nothing\n")]).await;
    let errors = |errors: &[CollectError]| -> Vec<String> {
        errors.iter().map(|error| error.uri.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    };
    let run_id = lab.start(Order::of(&["test_a.py", "test_b.py"])).await;
    lab.log().started("test_a.py::test_waits").await;
    lab.project.write("test_b.py", "import nothing\n");
    lab.collect().await;
    assert_eq!(errors(&lab.log().deltas().await.last().unwrap().errors), ["test_b.py", "test_c.py"]);
    lab.project.write("go", "");
    let ran = lab.ended(&run_id).await;
    assert_eq!((errors(&ran.begun.errors), ran.status()), (vec![], RunEndStatus::Passed));
    lab.project.remove("go");
    // The answer means that it has collected.
    let run_id = lab.start(Order::all()).await;
    lab.project.write("test_b.py", good);
    lab.collect().await;
    lab.project.write("go", "");
    let ran = lab.ended(&run_id).await;
    assert_eq!(errors(&ran.begun.errors), ["test_b.py", "test_c.py"]);
    assert_eq!(ran.status(), RunEndStatus::Failed);
    let of_command = Order::of(&["test_c.py"]).with(|options| options.source = Some("cli".into()));
    let ran = lab.run(of_command).await;
    assert_eq!((errors(&ran.begun.errors), ran.status()), (vec!["test_c.py".into()], RunEndStatus::Failed));
    assert_eq!(lab.refusal(Order::of(&["test_c.py"])).await.0, ErrorCode::CollectionFailed);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_and_goes_around_a_collection_leaves_no_test() {
    let lab = Lab::open(&[]).await;
    let pipe = lab.bench.folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
    // C's own library waits for a byte, past all who look for effects.
    let path: String = pipe.as_os_str().as_encoded_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let waiting = format!(
        "import ctypes, os\n\
         c = ctypes.CDLL(None)\n\
         c.read(c.open(bytes.fromhex('{path}'), os.O_RDONLY), ctypes.create_string_buffer(1), 1)\n\
         def test_waited(): pass\n"
    );
    lab.project.write("test_waits.py", &waiting);
    let collecting = lab.collect();
    let meanwhile = async {
        // It can be opened as soon as the collection reads it, which has listed the folder by then.
        let opened = tokio::fs::OpenOptions::new().write(true).open(&pipe).await.unwrap();
        lab.project.write("test_passing.py", "def test(): pass\n");
        assert_eq!(lab.counts(Order::of(&["test_passing.py"])).await, [1, 1, 0, 0, 0]);
        drop(opened);
    };
    in_time("a collection", async { tokio::join!(collecting, meanwhile) }).await;
    lab.project.write("test_waits.py", "def test_waited(): pass\n");
    lab.project.remove("test_passing.py");
    lab.collect().await;
    assert_eq!(lab.ids().await, ["test_waits.py::test_waited"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_goes_while_an_error_hides_it_leaves_no_test() {
    let lab = Lab::open(&[("test_a.py", "def test_a(): pass"), ("sub/test_b.py", "def test_b(): pass")]).await;
    assert_eq!(lab.collect().await, 2);
    let good = [("conftest.py", ""), ("sub/conftest.py", ""), ("pytest.ini", "[pytest]\n")];
    for (number, (path, text)) in good.iter().enumerate() {
        for (way, (is_run, is_refreshed)) in [(false, true), (true, false), (true, true)].into_iter().enumerate() {
            lab.project.write("lib.py", "");
            let new = format!("sub/test_new{number}{way}.py");
            lab.project.write(&new, "import lib\ndef test_new(): pass");
            lab.project.write(path, text);
            assert_eq!(lab.counts(Order::of(&[&new])).await, [1, 1, 0, 0, 0], "{path} {way}");
            lab.project
                .write(path, if *path == "pytest.ini" { "[pytest]\naddopts = --no-such-option\n" } else { "1/0" });
            let refused = || async {
                if is_run {
                    lab.refusal(Order::of(&[&new])).await;
                }
                if is_refreshed {
                    lab.try_collect(false).await;
                }
            };
            refused().await;
            lab.project.remove(&new);
            lab.project.remove("lib.py");
            if is_refreshed {
                lab.try_collect(false).await;
            }
            lab.project.remove(path);
            lab.collect().await;
            assert_eq!(lab.ids().await, ["sub/test_b.py::test_b", "test_a.py::test_a"], "{path} {way}");
        }
    }
    lab.close().await;
}
