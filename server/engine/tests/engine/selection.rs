//! Which tests a run takes: ids of every kind, spelled in every way, and what is refused.

use pytest_lens_protocol::ErrorCode;

use crate::common::{Lab, Order};

const FILES: &[(&str, &str)] = &[
    ("pytest.ini", "[pytest]\nmarkers = slow\n"),
    (
        "tests/test_a.py",
        "import pytest\n\n\
         def test_one(): pass\n\n\
         @pytest.mark.slow\n\
         def test_one_more(): pass\n\n\
         @pytest.mark.parametrize('n', ['x', 'y::z', 'a[0]'])\n\
         def test_cases(n): pass\n\n\
         class TestA:\n    def test_in(self): pass\n    class TestB:\n        def test_deep(self): pass\n\n\
         class TestAB:\n    def test_in(self): pass\n",
    ),
    ("tests/sub/test_b.py", "def test_b(): pass\n"),
    ("test_top.py", "def test_top(): pass\n"),
];

/// The ids that a run of `order` has started, without their common folder.
async fn ran(lab: &Lab, order: Order) -> Vec<String> {
    let ran = lab.run(order).await;
    assert_eq!(ran.started.len(), ran.begun.total);
    ran.started
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_of_every_kind_mean_what_lies_in_them() {
    let lab = Lab::open(FILES).await;
    let a = |name: &str| format!("tests/test_a.py::{name}");
    let cases = [a("test_cases[x]"), a("test_cases[y::z]"), a("test_cases[a[0]]")];
    assert_eq!(ran(&lab, Order::of(&[&a("test_one")])).await, [a("test_one")]);
    assert_eq!(ran(&lab, Order::of(&[&a("test_cases")])).await, cases);
    assert_eq!(ran(&lab, Order::of(&[&a("test_cases[y::z]")])).await, [a("test_cases[y::z]")]);
    assert_eq!(ran(&lab, Order::of(&[&a("TestA")])).await, [a("TestA::test_in"), a("TestA::TestB::test_deep")]);
    assert_eq!(ran(&lab, Order::of(&[&a("TestA::TestB")])).await, [a("TestA::TestB::test_deep")]);
    assert_eq!(ran(&lab, Order::of(&["tests/test_a.py"])).await.len(), 8);
    assert_eq!(ran(&lab, Order::of(&["tests/sub"])).await, ["tests/sub/test_b.py::test_b"]);
    assert_eq!(ran(&lab, Order::of(&["tests/"])).await.len(), 9);
    assert_eq!(ran(&lab, Order::of(&["."])).await.len(), 10);
    assert_eq!(ran(&lab, Order::all()).await.len(), 10);
    // The order is pytest's, with each test once, however they are named.
    let twice = Order::of(&["test_top.py", &a("test_one"), &a("test_one"), "tests/sub", "tests/sub/test_b.py"]);
    assert_eq!(ran(&lab, twice).await, ["test_top.py::test_top", "tests/sub/test_b.py::test_b", &a("test_one")]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_means_the_tests_to_whose_ids_a_hook_adds_brackets() {
    let conftest = "def pytest_collection_modifyitems(items):\n    \
                    for item in items:\n        \
                    name = item.nodeid + '[chrome]'\n        \
                    item._nodeid = name\n        \
                    if hasattr(item, '_id'): item._id = type(item._id).parse(name)\n";
    let test = "import pytest\ndef test_ok(): pass\n\
                @pytest.mark.parametrize('n', [1, 2])\ndef test_n(n): pass\n";
    let lab = Lab::open(&[("conftest.py", conftest), ("test_a.py", test)]).await;
    let ok = "test_a.py::test_ok[chrome]".to_owned();
    let cases = ["test_a.py::test_n[1][chrome]", "test_a.py::test_n[2][chrome]"];
    assert_eq!(ran(&lab, Order::of(&["test_a.py::test_ok"])).await, [&*ok]);
    assert_eq!(ran(&lab, Order::of(&[&ok])).await, [&*ok]);
    assert_eq!(ran(&lab, Order::of(&["test_a.py::test_n"])).await, cases);
    assert_eq!(ran(&lab, Order::of(&["test_a.py::test_n[1]"])).await, cases[..1]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_run_in_the_order_of_arguments_if_a_request_asks_for_it() {
    let lab = Lab::open(FILES).await;
    let a = |name: &str| format!("tests/test_a.py::{name}");
    let ordered = async |arguments: &[&str]| {
        let in_order_of = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        ran(&lab, Order::of(arguments).with(|options| options.in_order_of = in_order_of)).await
    };
    let (top, sub) = ("test_top.py::test_top", "tests/sub/test_b.py::test_b");
    assert_eq!(ordered(&["tests/sub/", "test_top.py"]).await, [sub, top]);
    assert_eq!(ordered(&[&a("test_one"), "./test_top.py", "tests/sub"]).await, [&a("test_one"), top, sub]);
    let deep = a("TestA::TestB::test_deep");
    assert_eq!(
        ordered(&[&deep, &a("test_cases[x]"), &a("TestAB")]).await,
        [deep, a("test_cases[x]"), a("TestAB::test_in")]
    );
    // As in pytest, a part of another argument has no place of its own.
    let inner = ordered(&[&a("test_one_more"), "test_top.py", "tests/test_a.py"]).await;
    assert_eq!((&*inner[0], inner.len(), &*inner[1]), (top, 9, &*a("test_one")));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_may_be_spelled_in_any_way() {
    let lab = Lab::open(FILES).await;
    let link = lab.bench.folder.path().join("link");
    std::os::unix::fs::symlink(&lab.project.root, &link).unwrap();
    let expected = ["tests/sub/test_b.py::test_b"];
    for spelled in [
        "./tests/sub/test_b.py::test_b".to_owned(),
        "tests//sub/./test_b.py::test_b".to_owned(),
        "tests/../tests/sub/test_b.py".to_owned(),
        format!("{}/tests/sub/test_b.py::test_b", lab.project.mark()),
        format!("{}/tests/sub/", lab.project.mark()),
        format!("{}/tests/sub/test_b.py::test_b", link.display()),
    ] {
        assert_eq!(ran(&lab, Order::of(&[&spelled])).await, expected, "{spelled}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_refused_by_name_and_file() {
    let lab = Lab::open(FILES).await;
    for (id, says) in [
        ("tests/test_a.py::test_none", "tests/test_a.py"),
        ("tests/test_a.py::test_cases[none]", "test_cases[none]"),
        ("tests/test_a.py::TestNone::test_in", "TestNone"),
        ("tests/test_none.py::test_one", "tests/test_none.py"),
        ("none", "none"),
    ] {
        let (code, message) = lab.refusal(Order::of(&["test_top.py", id])).await;
        assert_eq!(code, ErrorCode::InvalidRequest, "{id}: {message}");
        assert!(message.contains(id) && message.contains(says), "{message}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b6_a_file_that_skips_itself_as_a_whole_says_why() {
    let skips = [
        ("test_needs.py", "pytest.importorskip('no_such_module_x')", "could not import 'no_such_module_x'"),
        ("sub/test_all.py", "pytest.skip('not on mars', allow_module_level=True)", "not on mars"),
        ("test_unit.py", "import unittest\nraise unittest.SkipTest('no units')", "no units"),
    ];
    let sources = skips.map(|(file, skip, _)| (file, format!("import pytest\n{skip}\ndef test_x(): pass\n")));
    let files: Vec<_> = sources.iter().map(|(file, source)| (*file, &**source)).collect();
    let lab = Lab::open(&files).await;
    for (file, _, reason) in skips {
        let (code, message) = lab.refusal(Order::of(&[&format!("{file}::test_x")])).await;
        assert_eq!(code, ErrorCode::InvalidRequest, "{message}");
        assert!(message.contains(&format!("{file} skips itself as a whole: ")), "{message}");
        assert!(message.contains(reason), "{message}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keyword_and_marker_narrow_a_run() {
    let lab = Lab::open(FILES).await;
    let by = |keyword: Option<&str>, marker: Option<&str>| {
        let (keyword, marker) = (keyword.map(str::to_owned), marker.map(str::to_owned));
        Order::all().with(|options| (options.keyword, options.marker) = (keyword, marker))
    };
    assert_eq!(ran(&lab, by(Some("one"), None)).await, ["tests/test_a.py::test_one", "tests/test_a.py::test_one_more"]);
    assert_eq!(ran(&lab, by(Some("one"), Some("slow"))).await, ["tests/test_a.py::test_one_more"]);
    assert_eq!(ran(&lab, by(Some("nothing_has_this"), None)).await, Vec::<String>::new());
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_pytest_arguments_may_come_with_a_run_and_leave_the_inventory_alone() {
    let lab = Lab::open(FILES).await;
    let before = lab.collect().await;
    let narrowed = Order::all().with(|options| options.arguments = vec!["--deselect=test_top.py".into()]);
    assert_eq!(ran(&lab, narrowed).await.len(), 9);
    assert_eq!(lab.ids().await.len(), before);
    assert_eq!(ran(&lab, Order::all()).await.len(), 10);
    let refused = Order::all().with(|options| options.arguments = vec!["--pdb".into()]);
    let (code, message) = lab.refusal(refused).await;
    assert!(message.contains("--pdb"), "{code:?} {message}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disabled_tests_run_where_that_is_asked_for() {
    let lab = Lab::open(&[(
        "test_a.py",
        "import pytest, unittest\n\n\
         @pytest.mark.skip\ndef test_skip(): pass\n\n\
         @pytest.mark.skipif(True, reason='no')\ndef test_skipif(): assert False\n\n\
         class TestUnit(unittest.TestCase):\n    @unittest.skip('no')\n    def test_unit(self): pass\n\n\
         def test_inside(): pytest.skip('cannot')\n",
    )])
    .await;
    assert_eq!(lab.counts(Order::all()).await, [4, 0, 0, 4, 0]);
    let enabled = Order::all().with(|options| options.run_disabled = true);
    assert_eq!(
        lab.run(enabled).await.outcomes(),
        [
            "test_a.py::TestUnit::test_unit passed",
            "test_a.py::test_inside skipped",
            "test_a.py::test_skip passed",
            "test_a.py::test_skipif failed"
        ]
    );
    assert_eq!(lab.counts(Order::all()).await, [4, 0, 0, 4, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b2_ids_outside_of_the_rootdir_are_those_of_their_files() {
    let lab = Lab::open(&[
        ("config/pytest.ini", "[pytest]\n"),
        ("tests/test_a.py", "def test_a(): pass\n"),
        ("tests/deep/test_b.py", "def test_b(): pass\n"),
    ])
    .await;
    let all = ["tests/deep/test_b.py::test_b", "tests/test_a.py::test_a"];
    for arguments in [["-c", "config/pytest.ini"].as_slice(), &["--rootdir=tests/deep"], &["--rootdir=tests"]] {
        lab.configure(serde_json::json!({ "arguments": arguments })).await;
        // A test by its id before everything was collected, then everything.
        assert_eq!(ran(&lab, Order::of(&all[1..])).await, all[1..], "{arguments:?}");
        assert_eq!(lab.collect().await, 2, "{arguments:?}");
        let mut ids = lab.ids().await;
        ids.sort();
        assert_eq!(ids, all, "{arguments:?}");
        assert_eq!(ran(&lab, Order::of(&["tests/deep"])).await, all[..1], "{arguments:?}");
        assert_eq!(ran(&lab, Order::of(&all[..1])).await, all[..1], "{arguments:?}");
        assert_eq!(ran(&lab, Order::all()).await.len(), 2, "{arguments:?}");
    }
    lab.close().await;
}
