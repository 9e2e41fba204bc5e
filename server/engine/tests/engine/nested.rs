//! Nested projects: folders with pytest configuration of their own, each a project; a client sees them as one tree.

use std::collections::BTreeMap;

use pytest_lens_protocol::{EventPayload, FileSkip, ItemKind, Request, Response, RunEnd, RunEndStatus};

use crate::common::{Lab, Order, alive, plain, refused, seen};

/// A root with tests of its own, and two projects that need their own configuration.
const FILES: &[(&str, &str)] = &[
    ("test_top.py", "import os\ndef test_top():\n    assert os.path.exists('pkg')\n"),
    ("pkg/api/pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['src']\nmarkers = ['slow']\n"),
    ("pkg/api/src/api_code.py", "VALUE = 1\n"),
    (
        "pkg/api/tests/test_v.py",
        "import os, pytest\nfrom api_code import VALUE\n\
         def test_v(request):\n    assert VALUE == 1 and request.node.nodeid == 'tests/test_v.py::test_v'\n\
         @pytest.mark.slow\ndef test_slow():\n    assert os.path.basename(os.getcwd()) == 'api'\n",
    ),
    ("pkg/web/pytest.ini", "[pytest]\npython_files = check_*.py\n"),
    (
        "pkg/web/check_page.py",
        "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_page(n, request):\n    assert n == 1\n",
    ),
    ("pkg/web/test_other.py", "raise SystemError('it is no test file here')\n"),
];

fn all() -> [&'static str; 5] {
    [
        "pkg/api/tests/test_v.py::test_slow passed",
        "pkg/api/tests/test_v.py::test_v passed",
        "pkg/web/check_page.py::test_page[1] passed",
        "pkg/web/check_page.py::test_page[2] failed",
        "test_top.py::test_top passed",
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_every_part_of_a_run_is_as_in_its_own_project() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(mode, FILES).await;
        let ran = lab.run(Order::all()).await;
        assert_eq!(ran.outcomes(), all(), "{mode}");
        assert_eq!((ran.status(), ran.begun.ids), (RunEndStatus::Failed, None));
        assert_eq!(ran.end.counts.passed, 4);
        let one = lab.run(Order::of(&["pkg/api/tests/test_v.py::test_v"])).await;
        assert_eq!(one.outcomes(), ["pkg/api/tests/test_v.py::test_v passed"]);
        let two =
            lab.run(Order::of(&["pkg/web", "test_top.py"]).with(|options| options.keyword = Some("1 or top".into())));
        let two = two.await;
        assert_eq!(two.outcomes(), ["pkg/web/check_page.py::test_page[1] passed", "test_top.py::test_top passed"]);
        assert_eq!((two.begun.deselected, two.status()), (1, RunEndStatus::Passed));
        assert_eq!(lab.counts(Order::of(&["pkg"])).await, [4, 3, 1, 0, 0]);
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_the_inventory_and_what_is_known_of_tests_have_the_ids_of_the_root() {
    let lab = Lab::resident(FILES).await;
    assert_eq!(lab.collect().await, 5);
    let mut ids = lab.ids().await;
    ids.sort_unstable();
    let expected = all().map(|line| line.split(' ').next().unwrap_or_default().to_owned());
    assert_eq!(ids, expected);
    let nodes = lab.inventory().await.1;
    assert!(nodes.iter().any(|node| node.file_path == "pkg/web/check_page.py"));

    // One item at the top for each project, and below it what it has.
    let mut items = BTreeMap::new();
    for delta in lab.log().deltas().await {
        assert_eq!(delta.errors, []);
        items.extend(delta.upserts.into_iter().map(|item| (item.id.to_string(), item)));
    }
    let tops: Vec<_> = items.values().filter(|item| item.parent.is_none()).map(|item| &*item.id).collect();
    assert_eq!(tops, ["pkg/api", "pkg/web", "test_top.py"]);
    assert_eq!((items["pkg/api"].kind, &*items["pkg/api"].label), (ItemKind::Dir, "pkg/api"));
    assert_eq!(items["pkg/web/check_page.py"].parent.as_deref(), Some("pkg/web"));
    assert!(items["pkg/web/check_page.py"].uri.ends_with("/pkg/web/check_page.py"));

    match lab.list(None, Some("slow")).await {
        Response::TestList { node_ids } => assert_eq!(node_ids, ["pkg/api/tests/test_v.py::test_slow"]),
        other => panic!("{other:?}"),
    }
    lab.run(Order::all()).await;
    let context_id = || lab.context.clone();
    match lab.call(Request::GetLastFailed { context_id: context_id() }).await {
        Response::TestList { node_ids } => assert_eq!(node_ids, ["pkg/web/check_page.py::test_page[2]"]),
        other => panic!("{other:?}"),
    }
    let node_id = "pkg/web/check_page.py::test_page[2]".to_owned();
    match lab.call(Request::GetOutput { context_id: context_id(), node_id: node_id.clone() }).await {
        Response::TestOutput { node_id: id, outcome, .. } => {
            assert_eq!((id, outcome.as_deref()), (node_id.clone(), Some("failed")));
        }
        other => panic!("{other:?}"),
    }
    match lab.call(Request::GetTestFlakiness { context_id: context_id(), node_id: node_id.clone() }).await {
        Response::TestFlakiness { node_id: id, consecutive_failures, .. } => {
            assert_eq!((id, consecutive_failures), (node_id.clone(), 1));
        }
        other => panic!("{other:?}"),
    }
    match lab.call(Request::GetContextStatus { context_id: context_id() }).await {
        Response::ContextStatus { nested: Some(nested), .. } => {
            let paths: Vec<_> = nested.projects.iter().map(|project| &*project.path).collect();
            assert_eq!(paths, ["pkg/api", "pkg/web"]);
        }
        other => panic!("{other:?}"),
    }
    let shard = Request::GetShardInfo {
        context_id: context_id(),
        node_ids: Vec::new(),
        total_shards: 2,
        strategy: "round_robin".into(),
    };
    match lab.call(shard).await {
        Response::ShardInfo { total_tests, .. } => assert_eq!(total_tests, 5),
        other => panic!("{other:?}"),
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_failures_count_and_a_stop_reaches_over_projects() {
    let failing = "def test_1(): assert 0\ndef test_2(): assert 0\n";
    let files = [("a/pytest.ini", ""), ("a/test_a.py", failing), ("b/pytest.ini", ""), ("b/test_b.py", failing)];
    let lab = Lab::open(&files).await;
    let ran = lab.run(Order::all().maxfail(1)).await;
    assert_eq!((ran.end.counts.failed, ran.end.counts.not_run, ran.status()), (1, 3, RunEndStatus::Failed));
    let ran = lab.run(Order::all().maxfail(3).workers(1)).await;
    assert_eq!((ran.end.counts.failed, ran.end.counts.not_run), (3, 1));
    lab.project.write("a/test_a.py", "import time\ndef test_1(): time.sleep(60)\n");
    let run_id = lab.start(Order::all()).await;
    lab.log().started("a/test_a.py::test_1").await;
    assert_eq!(lab.ordered(&run_id, true).await, RunEndStatus::Killed);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_a_project_that_cannot_be_collected_is_named_and_the_others_go_on() {
    let files = [
        ("a/pytest.ini", ""),
        ("a/test_a.py", "def test_a(): pass\n"),
        ("b/pytest.ini", "[pytest]\naddopts = --no-such-option\n"),
        ("b/test_b.py", "def test_b(): pass\n"),
        ("c/pytest.ini", ""),
        ("c/test_c.py", "import nothing_of_that_name\n"),
        ("d/pyproject.toml", "[tool.pytest.ini_options]\n"),
        ("d/pytest-lens.toml", "pythonPath = 'nowhere/python'\n"),
        ("d/test_d.py", "def test_d(): pass\n"),
    ];
    let lab = Lab::open(&files).await;
    let ran = lab.run(Order::all()).await;
    assert_eq!(ran.outcomes(), ["a/test_a.py::test_a passed"]);
    assert_eq!(ran.status(), RunEndStatus::Failed);
    let message = ran.end.message.unwrap_or_default();
    assert!(
        message.starts_with("3 parts could not be collected: b: ") && message.contains("no-such-option"),
        "{message}"
    );
    let told: Vec<_> = ran.begun.errors.iter().map(|error| (&*error.uri, &*error.message)).collect();
    let has = |end: &str, text: &str| told.iter().any(|(uri, message)| uri.ends_with(end) && message.contains(text));
    assert!(has("/b", "--no-such-option") && has("/d", "nowhere/python"), "{told:?}");
    assert!(has("/c/test_c.py", "nothing_of_that_name") && told.len() == 3, "{told:?}");
    let deltas = lab.log().deltas().await;
    let errors: Vec<_> = deltas.last().unwrap().errors.iter().map(|error| (&*error.uri, &*error.message)).collect();
    let of = |end: &str| errors.iter().find(|(uri, _)| uri.ends_with(end)).map(|(_, message)| *message);
    assert!(
        of("/b").is_some_and(|message| message.starts_with("b: ") && message.contains("--no-such-option")),
        "{errors:?}"
    );
    assert!(
        of("/d").is_some_and(|message| message.starts_with("d: ") && message.contains("nowhere/python")),
        "{errors:?}"
    );
    assert!(of("/c/test_c.py").is_some_and(|message| message.contains("nothing_of_that_name")), "{errors:?}");
    let (_, message) = lab.refusal(Order::of(&["d/test_d.py"])).await;
    assert!(message.starts_with("d: ") && message.contains("nowhere/python"), "{message}");
    assert_eq!(lab.collect().await, 1);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_projects_come_and_go() {
    let lab =
        Lab::resident(&[("sub/test_a.py", "def test_a(request): assert request.config.rootpath.name == 'sub'\n")])
            .await;
    assert_eq!(lab.run(Order::all()).await.outcomes(), ["sub/test_a.py::test_a failed"]);
    lab.project.write("sub/pytest.ini", "[pytest]\n");
    assert_eq!(lab.run(Order::of(&["sub/test_a.py::test_a"])).await.outcomes(), ["sub/test_a.py::test_a passed"]);
    assert_eq!(lab.run(Order::all()).await.outcomes(), ["sub/test_a.py::test_a passed"]);
    lab.project.remove("sub/pytest.ini");
    assert_eq!(lab.run(Order::of(&["sub/test_a.py"])).await.outcomes(), ["sub/test_a.py::test_a failed"]);
    assert_eq!(lab.ids().await, ["sub/test_a.py::test_a"]);
    lab.project.write("sub/pytest.ini", "[pytest]\n");
    assert_eq!(lab.collect().await, 1);
    // pytest reads no such file: the session that left the folder out has present code.
    lab.project.write("pytest-lens.toml", "projects = []\n");
    assert_eq!(lab.collect().await, 1);
    assert_eq!(lab.run(Order::of(&["sub/test_a.py"])).await.outcomes(), ["sub/test_a.py::test_a failed"]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_a_change_in_one_project_reaches_the_tests_of_another() {
    let files = [
        ("common/shared_code.py", "VALUE = 1\n"),
        ("api/pytest.ini", "[pytest]\npythonpath = ../common\n"),
        ("api/test_a.py", "from shared_code import VALUE\ndef test_a(): assert VALUE == 1\n"),
        ("web/pytest.ini", ""),
        ("web/test_w.py", "def test_w(): pass\n"),
    ];
    let lab = Lab::resident(&files).await;
    let order = || Order::of(&["api/test_a.py::test_a"]);
    assert_eq!(lab.run(order()).await.outcomes(), ["api/test_a.py::test_a passed"]);
    lab.project.write("common/shared_code.py", "VALUE = 2\n");
    assert_eq!(lab.run(order()).await.outcomes(), ["api/test_a.py::test_a failed"]);
    let paths = vec!["common/shared_code.py".to_owned()];
    match lab.call(Request::GetAffected { context_id: lab.context.clone(), paths }).await {
        Response::TestList { node_ids } => assert_eq!(node_ids, ["api/test_a.py"]),
        other => panic!("{other:?}"),
    }
    let paths = vec!["web/pytest.ini".to_owned()];
    match lab.call(Request::GetAffected { context_id: lab.context.clone(), paths }).await {
        Response::TestList { node_ids } => assert_eq!(node_ids, ["web/test_w.py"]),
        other => panic!("{other:?}"),
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_suites_and_debuggers_belong_to_one_project() {
    let lab = Lab::open(FILES).await;
    let enumerate =
        |test_url: &str| Request::EnumerateCases { context_id: lab.context.clone(), test_url: test_url.into() };
    let Response::CaseIterator { iterator_id } = lab.call(enumerate("pkg/web")).await else { panic!() };
    match lab.call(Request::NextCases { iterator_id }).await {
        Response::Cases { cases } => {
            let names: Vec<_> = cases.iter().map(|case| &*case.name).collect();
            assert_eq!(names, ["pkg/web/check_page.py::test_page[1]", "pkg/web/check_page.py::test_page[2]"]);
        }
        other => panic!("{other:?}"),
    }
    let (_, message) = refused(lab.call(enumerate("pkg")).await);
    assert!(message.contains("(pkg/api, pkg/web)"), "{message}");
    let built = lab.build(vec![plain("pkg/api/tests/test_v.py::test_v"), plain("pkg/web"), plain("test_top.py")]).await;
    let mut cases = Vec::new();
    for suite in &built.suites {
        cases.extend(lab.told(suite).await.cases());
    }
    let expected = all().into_iter().filter(|line| !line.contains("test_slow"));
    assert_eq!(cases, expected.collect::<Vec<_>>(), "each suite runs in its project");
    let debug = Request::DebugRun { context_id: lab.context.clone(), node_ids: vec!["pkg".into()], options: None };
    let (_, message) = refused(lab.call(debug).await);
    assert!(message.contains("pkg/api, pkg/web"), "{message}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_one_report_has_the_tests_of_all_projects() {
    let lab = Lab::open(FILES).await;
    lab.run(Order::all().with(|options| options.arguments = vec!["--junitxml=out/report.xml".into()])).await;
    let report = lab.project.read("out/report.xml").unwrap_or_default();
    for name in ["classname=\"test_top\"", "classname=\"pkg.api.tests.test_v\"", "classname=\"pkg.web.check_page\""] {
        assert!(report.contains(name), "{name}: {report}");
    }
    assert_eq!(report.matches("<testsuite ").count(), 3, "{report}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_nobody_sees_a_part_of_a_run_as_a_run() {
    let lab = Lab::open(FILES).await;
    let ran = lab.run(Order::all().workers(2)).await;
    let mut log = lab.log();
    log.deltas().await;
    let runs = log.events.iter().filter(|event| matches!(event.payload, EventPayload::RunStarted(_)));
    assert_eq!(runs.count(), 1);
    let request = Request::GetRunProgress { context_id: lab.context.clone(), run_id: ran.end.run_id.clone() };
    match lab.call(request).await {
        Response::RunProgress { total, completed, done, results, .. } => {
            assert_eq!((total, completed, done, results.len()), (5, 5, true, 5));
            assert!(results.iter().any(|result| result.node_id == "pkg/api/tests/test_v.py::test_v"));
        }
        other => panic!("{other:?}"),
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_a_run_in_one_project_is_in_the_log_of_the_root_before_its_answer() {
    let lab = Lab::open(FILES).await;
    for runs in 1..=3 {
        assert_eq!(lab.counts(Order::of(&["pkg/api"])).await, [2, 2, 0, 0, 0]);
        let mut log = lab.log();
        log.deltas().await;
        let begun = log.events.iter().filter_map(|event| match &event.payload {
            EventPayload::RunStarted(begun) => Some(begun.ids.as_ref().map_or(0, Vec::len)),
            _ => None,
        });
        assert_eq!(begun.collect::<Vec<_>>(), vec![2; runs], "each start names its tests");
        let ends = log.events.iter().filter(|event| matches!(event.payload, EventPayload::RunFinished(_)));
        assert_eq!(ends.count(), runs);
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_many_projects_run_as_they_are_collected_and_few_stay_warm() {
    const COUNT: usize = 50;
    let text = |number: usize| {
        format!(
            "import os\n\
             def test_ok(request): assert os.getcwd().endswith('p{number:02}') and 'marks' in request.config.getini('markers')\n\
             def test_odd(): assert {number} % 2 == 0\n"
        )
    };
    let files: Vec<(String, String)> = (0..COUNT)
        .flat_map(|number| {
            let ini = "[pytest]\nmarkers = marks\n".to_owned();
            [(format!("p{number:02}/pytest.ini"), ini), (format!("p{number:02}/test_p.py"), text(number))]
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let lab = Lab::resident(&files).await;
    let run_id = lab.start(Order::all()).await;
    let mut log = lab.log();
    for number in 0..COUNT {
        // Each project has its own deadline.
        log.started(&format!("p{number:02}/test_p.py::test_odd")).await;
    }
    let ran = lab.ended(&run_id).await;
    let verdicts = (0..COUNT).flat_map(|number| {
        let odd = if number % 2 == 0 { "passed" } else { "failed" };
        [format!("p{number:02}/test_p.py::test_odd {odd}"), format!("p{number:02}/test_p.py::test_ok passed")]
    });
    assert_eq!(ran.outcomes(), verdicts.collect::<Vec<_>>());
    assert_eq!((ran.begun.total, ran.begun.ids), (2 * COUNT, None));
    assert_eq!((ran.end.counts.passed, ran.end.counts.failed), (75, 25));
    let warm =
        || (0..COUNT).filter(|number| !alive(&format!("{}/p{number:02}", lab.project.mark())).is_empty()).count();
    seen("at most four projects with processes", || (warm() <= 4).then_some(())).await;
    log.deltas().await;
    let payloads = || log.events.iter().map(|event| &event.payload);
    let first_outcome = payloads().position(|event| matches!(event, EventPayload::TestOutcome(_))).unwrap();
    let is_start = |event: &&EventPayload| matches!(event, EventPayload::RunStarted(_));
    let first_start = payloads().position(|event| is_start(&event)).unwrap();
    let starts = payloads().filter(is_start).count();
    let later_starts = payloads().skip(first_outcome).filter(is_start).count();
    assert!(first_start < first_outcome && starts > 10, "{starts}");
    assert!(later_starts > 0, "tests ran before the last projects were collected");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sections_of_plugins_and_exit_statuses_are_those_of_each_project() {
    let summary = |text: &str| {
        format!("def pytest_terminal_summary(terminalreporter):\n    terminalreporter.write_line({text:?})\n")
    };
    let (top, api) = (summary("of the root"), summary("of api"));
    let skips = "import pytest\npytest.skip('not here', allow_module_level=True)\n";
    let lab = Lab::open(&[
        ("conftest.py", &top),
        ("test_top.py", "def test_top(): pass\n"),
        ("api/pytest.ini", "[pytest]\n"),
        ("api/conftest.py", &api),
        ("api/test_skipped.py", skips),
        ("api/test_api.py", "def test_api(): pass\n"),
        ("web/pytest.ini", "[pytest]\n"),
        ("web/test_web.py", "import pytest\ndef test_web(): pytest.exit('enough', returncode=7)\n"),
    ])
    .await;
    let ran = lab.run(Order::all()).await;
    let found = |ran: &RunEnd| -> Vec<(String, String)> {
        ran.summaries.iter().map(|summary| (summary.project.clone(), summary.text.clone())).collect()
    };
    let section = |project: &str, text: &str| (project.to_owned(), format!("{text}\n"));
    assert_eq!(found(&ran.end), [section("", "of the root"), section("api", "of api")]);
    assert_eq!(ran.end.exit_status, Some(7));
    let skipped = FileSkip { path: "api/test_skipped.py".into(), line: 2, reason: "not here".into() };
    assert_eq!(ran.begun.skipped_files, [skipped]);
    let in_editor = lab.run(Order::of(&["test_top.py"]).with(|options| options.source = Some("editor".into()))).await;
    assert_eq!(found(&in_editor.end), []);
    lab.close().await;
}

/// The ids of the tree as a client has it that applies each change, without those below an item that is gone.
async fn tree(lab: &Lab) -> Vec<String> {
    let mut items = BTreeMap::new();
    for delta in lab.log().deltas().await {
        for gone in &delta.removed {
            items.retain(|id: &String, _| {
                id != gone && !id.starts_with(&format!("{gone}/")) && !id.starts_with(&format!("{gone}::"))
            });
        }
        items.extend(delta.upserts.into_iter().map(|item| (item.id.to_string(), item.parent.clone())));
    }
    let orphans = items.iter().filter(|(_, parent)| parent.as_ref().is_some_and(|it| !items.contains_key(&**it)));
    assert_eq!(orphans.collect::<Vec<_>>(), [], "{items:?}");
    items.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_becomes_a_project_or_ceases_to_be_one_stays_in_the_tree() {
    let files = [
        ("test_top.py", "def test_t(): pass"),
        ("sub/test_k.py", "def test_k(): pass"),
        ("sub/in/test_i.py", "def test_i(): pass"),
    ];
    let lab = Lab::resident(&files).await;
    assert_eq!(lab.collect().await, 3);
    let before = tree(&lab).await;
    assert_eq!(before.len(), 8, "{before:?}");
    let ini = |path: &str| lab.project.root.join(path).join("pytest.ini");
    for folders in [["sub"].as_slice(), &["sub/in"], &["sub", "sub/in"], &["sub"], &[]] {
        for folder in ["sub", "sub/in"] {
            if folders.contains(&folder) {
                std::fs::write(ini(folder), "[pytest]\n").unwrap();
            } else if ini(folder).exists() {
                std::fs::remove_file(ini(folder)).unwrap();
            }
        }
        assert_eq!(lab.collect().await, 3, "{folders:?}");
        assert_eq!(tree(&lab).await, before, "{folders:?}");
        assert_eq!(lab.counts(Order::all()).await, [3, 3, 0, 0, 0], "{folders:?}");
        assert_eq!(tree(&lab).await, before, "{folders:?}");
    }
    lab.close().await;
}
