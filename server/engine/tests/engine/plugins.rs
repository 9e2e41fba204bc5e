//! Runs of projects with options and plugins have the same results as pytest's own.

use pytest_lens_protocol::RunEndStatus;

use crate::common::{Lab, Order};

#[tokio::test(flavor = "multi_thread")]
async fn p7_hooks_of_the_project_see_the_runs_keyword_and_marker() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\nmarkers = integration\naddopts = -m 'not nightly'\n"),
        (
            "conftest.py",
            "import pytest\n\
             def pytest_collection_modifyitems(config, items):\n    \
                 if 'integration' not in config.getoption('-m'):\n        \
                     for item in items:\n            \
                         if item.get_closest_marker('integration'):\n                \
                             item.add_marker(pytest.mark.skip(reason='ask for it'))\n",
        ),
        (
            "test_a.py",
            "import pytest\n@pytest.mark.integration\ndef test_far(): pass\n\
             def test_near(pytestconfig): assert pytestconfig.getoption('-k') in ('', 'near')\n",
        ),
    ])
    .await;
    let all = lab.run(Order::all()).await;
    assert_eq!(all.outcomes(), ["test_a.py::test_far skipped", "test_a.py::test_near passed"]);
    let marked = Order::all().with(|options| options.marker = Some("integration".into()));
    assert_eq!(lab.run(marked).await.outcomes(), ["test_a.py::test_far passed"]);
    let named = Order::all().with(|options| options.keyword = Some("near".into()));
    assert_eq!(lab.run(named).await.outcomes(), ["test_a.py::test_near passed"]);
    let chosen = Order::of(&["test_a.py::test_far"]).with(|options| options.keyword = Some("near".into()));
    assert_eq!(lab.run(chosen).await.outcomes(), Vec::<String>::new());
    // Those of one run are not those of the next.
    assert_eq!(lab.run(Order::all()).await.outcomes(), all.outcomes());
    lab.close().await;
}

const GATE: &str = "import pytest\n\
     def pytest_addoption(parser):\n    \
         parser.addoption('--cov-fail-under', dest='cov_fail_under', type=float)\n\
     @pytest.hookimpl(hookwrapper=True)\n\
     def pytest_runtestloop(session):\n    \
         yield\n    \
         session.testsfailed += 1\n\
     def pytest_terminal_summary(terminalreporter):\n    \
         terminalreporter.write('FAIL Required test coverage of 90% not reached. Total coverage: 50.00%')\n";

#[tokio::test(flavor = "multi_thread")]
async fn p9_reports_and_gates_of_the_projects_options_are_those_of_one_session() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\naddopts = --cov-fail-under=90 --junitxml=report.xml\n"),
        ("conftest.py", GATE),
        ("test_a.py", "def test_one(): pass\ndef test_two(): pass\n"),
        ("test_b.py", "def test_three(): pass\n"),
    ])
    .await;
    let report = lab.project.root.join("report.xml");
    // In an editor nobody wants a report of one test, or its coverage judged.
    let one = Order::of(&["test_a.py::test_one"]).with(|options| options.source = Some("editor".into()));
    assert_eq!(lab.run(one).await.end.status, RunEndStatus::Passed);
    assert!(!report.exists());
    let ran = lab.run(Order::all().workers(2)).await;
    assert_eq!(ran.outcomes().len(), 3);
    assert_eq!(ran.end.status, RunEndStatus::Failed);
    assert!(ran.end.message.as_deref().unwrap_or_default().contains("Required test coverage of 90%"));
    assert_eq!(std::fs::read_to_string(&report).unwrap().matches("<testcase").count(), 3);
    lab.close().await;
}

/// A gate that its plugin's own option turns off, as that of pytest-cov.
const OPTIONAL_GATE: &str = "import pytest\n\
     def pytest_addoption(parser):\n    \
         parser.addoption('--cov-fail-under', dest='cov_fail_under', type=float)\n    \
         parser.addoption('--no-cov', dest='no_cov', action='store_true')\n\
     @pytest.hookimpl(hookwrapper=True)\n\
     def pytest_runtestloop(session):\n    \
         yield\n    \
         session.testsfailed += not session.config.option.no_cov\n";

#[tokio::test(flavor = "multi_thread")]
async fn editors_and_agents_get_no_reports_and_no_gates_and_commands_get_both() {
    for (source, is_command) in [("editor", false), ("agent", false), ("cli", true), ("ci", true)] {
        let lab = Lab::open(&[
            ("pytest.ini", "[pytest]\naddopts = --cov-fail-under=90 --junitxml=report.xml\n"),
            ("conftest.py", OPTIONAL_GATE),
            ("test_a.py", "def test_one(): pass\ndef test_two(): pass\n"),
        ])
        .await;
        let one = Order::of(&["test_a.py::test_one"]).with(|options| options.source = Some(source.into()));
        let ran = lab.run(one).await;
        assert_eq!(ran.outcomes(), ["test_a.py::test_one passed"], "{source}");
        assert_eq!(ran.end.status == RunEndStatus::Passed, !is_command, "{source}: {:?}", ran.end);
        assert_eq!(lab.project.root.join("report.xml").exists(), is_command, "{source}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_a_part_has_no_errors_of_other_files() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\naddopts = --junitxml=report.xml\n"),
        ("test_a.py", "def test_one(): pass\n"),
        ("test_b.py", "import nowhere\n"),
        ("c/test_c.py", "def test_c(): pass\n"),
    ])
    .await;
    lab.collect().await;
    for parts in [&["test_a.py"][..], &["c", "test_a.py::test_one"]] {
        assert_eq!(lab.run(Order::of(parts)).await.end.status, RunEndStatus::Passed);
        let report = std::fs::read_to_string(lab.project.root.join("report.xml")).unwrap();
        assert_eq!((report.matches("<testcase").count(), report.contains("nowhere")), (parts.len(), false), "{report}");
    }
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b3_where_pytest_refuses_a_parts_arguments_the_whole_is_collected() {
    let lab = Lab::open(&[
        ("pytest.ini", "[pytest]\naddopts = --env=ci\n"),
        ("tests/conftest.py", "def pytest_addoption(parser): parser.addoption('--env')\n"),
        ("tests/test_t.py", "def test_t(): pass\n"),
        ("src/test_s.py", "def test_s(pytestconfig): assert pytestconfig.getoption('--env') == 'ci'\n"),
        ("app/[slug]/test_page.py", "def test_page(): pass\n"),
        ("@acme/test_a.py", "def test_a(): pass\n"),
    ])
    .await;
    for name in ["src/test_s.py::test_s", "app/[slug]/test_page.py::test_page", "@acme/test_a.py::test_a"] {
        let file = name.split("::").next().unwrap();
        let text = lab.project.read(file).unwrap();
        lab.project.write(file, &format!("{text}# edited\n"));
        assert_eq!(lab.run(Order::of(&[name])).await.outcomes(), [format!("{name} passed")]);
    }
    lab.close().await;
}
