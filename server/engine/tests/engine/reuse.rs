//! Fixture reuse: one set-up for many runs, and one teardown for each set-up, whatever ends it.

use std::time::{Duration, Instant};

use pytest_lens_protocol::{ErrorCode, Request, Response};
use serde_json::json;

use crate::common::{Lab, Order, in_time, refused, seen};

/// Set-ups and teardowns go into the file `log`, each with the number of its process.
const CONFTEST: &str = "\
import os, pytest

def log(line):
    with open(os.path.join(os.path.dirname(__file__), 'log'), 'a') as file:
        print(line, file=file)

@pytest.fixture(scope='session')
def counted():
    log('up')
    yield os.getpid()
    log('down')
";

const TESTS: &str = "\
def test_1(counted): pass
def test_2(counted): pass
";

const MODES: [&str; 2] = ["embedded", "subprocess"];

async fn lab(mode: &str, files: &[(&str, &str)]) -> Lab {
    let all: Vec<(&str, &str)> =
        [("conftest.py", CONFTEST), ("test_a.py", TESTS)].iter().chain(files).copied().collect();
    let lab = Lab::living_in(mode, &all).await;
    reuse(&lab, json!({})).await;
    lab
}

/// Turns reuse on, with some settings of it.
async fn reuse(lab: &Lab, mut settings: serde_json::Value) {
    settings["enabled"] = true.into();
    lab.configure(json!({ "fixtureReuse": settings })).await;
}

fn log(lab: &Lab) -> String {
    lab.project.lines("log").join(" ")
}

async fn passes(lab: &Lab, order: Order) {
    let [total, passed, ..] = lab.counts(order).await;
    assert!(total > 0 && passed == total, "{passed} of {total}");
}

struct Status {
    id: String,
    created_at: f64,
    last_run_at: f64,
    runs: u32,
    enabled: bool,
}

async fn status(lab: &Lab) -> Status {
    match lab.call(Request::GetSessionStatus { context_id: lab.context.clone() }).await {
        Response::SessionStatus { session_id: id, created_at, last_run_at, total_runs: runs, enabled, repo_path } => {
            assert_eq!(repo_path, lab.project.mark());
            Status { id, created_at, last_run_at, runs, enabled }
        }
        other => panic!("no status: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p15_tests_that_each_collection_names_anew_run_with_kept_fixtures() {
    let test = "import uuid, pytest\n\
                @pytest.mark.parametrize('id', [str(uuid.uuid4()) for _ in range(3)])\n\
                def test(id, counted): pass\n";
    for mode in MODES {
        let lab = lab(mode, &[("test_b.py", test)]).await;
        for _ in 0..2 {
            assert_eq!(lab.counts(Order::of(&["test_b.py"])).await, [3, 3, 0, 0, 0], "{mode}");
        }
        assert_eq!(log(&lab), "up", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_set_up_serves_many_runs_and_the_shutdown_tears_it_down() {
    for mode in MODES {
        let lab = lab(mode, &[("test_b.py", TESTS)]).await;
        let before = status(&lab).await;
        assert_eq!((before.id.as_str(), before.created_at, before.runs, before.enabled), ("", 0.0, 0, false));
        for _ in 0..2 {
            passes(&lab, Order::all()).await;
            passes(&lab, Order::of(&["test_a.py::test_2"])).await;
        }
        // A file that came later.
        lab.project.write("test_new.py", TESTS);
        passes(&lab, Order::of(&["test_new.py"])).await;
        assert_eq!(log(&lab), "up", "{mode}");
        let now = status(&lab).await;
        assert_eq!((now.runs, now.enabled), (5, true));
        assert!(now.created_at > 0.0 && now.last_run_at > now.created_at && !now.id.is_empty());
        lab.call(Request::Shutdown { context_id: None }).await;
        assert_eq!(log(&lab), "up down", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_reuse_each_run_has_its_own() {
    let lab = lab("embedded", &[]).await;
    lab.configure(json!({})).await;
    passes(&lab, Order::all()).await;
    passes(&lab, Order::all()).await;
    seen("both teardowns", || (log(&lab) == "up down up down").then_some(())).await;
    assert_eq!(status(&lab).await.runs, 0);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_answers_over_several_runs_with_the_same_pid() {
    let text = "
        import http.client, pathlib, pytest, re, subprocess, sys
        here = pathlib.Path(__file__).parent

        @pytest.fixture(scope='session')
        def server():
            command = [sys.executable, '-u', '-m', 'http.server', '0', '--bind', '127.0.0.1']
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            port = int(re.search(r'port (\\d+)', process.stdout.readline()).group(1))
            yield process.pid, port
            process.terminate()
            process.wait()
            (here / 'ended').write_text(str(process.pid))

        def test_answers(server):
            pid, port = server
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
            connection.request('GET', '/')
            assert connection.getresponse().status == 200
            with open(here / 'pids', 'a') as file:
                print(pid, file=file)
        ";
    for mode in MODES {
        let lab = lab(mode, &[("test_server.py", text)]).await;
        for _ in 0..3 {
            passes(&lab, Order::of(&["test_server.py"])).await;
        }
        let pids = lab.project.lines("pids");
        assert_eq!(pids.len(), 3);
        assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
        lab.configure(json!({})).await;
        assert_eq!(lab.project.read("ended"), Some(pids[0].clone()), "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_conftest_ends_the_fixtures_before_the_next_run_whatever_is_set() {
    for mode in MODES {
        for teardown in [true, false] {
            let lab = lab(mode, &[]).await;
            reuse(&lab, json!({ "teardownOnConftestChange": teardown })).await;
            passes(&lab, Order::all()).await;
            lab.project.write("conftest.py", &CONFTEST.replace("'up'", "'new'"));
            passes(&lab, Order::all()).await;
            passes(&lab, Order::all()).await;
            assert_eq!(log(&lab), "up down new", "{mode}");
            assert_eq!(status(&lab).await.runs, 2);
            lab.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_test_module_is_taken_afresh_and_only_its_own_fixtures_go() {
    let own = "
        import pytest
        from conftest import log

        @pytest.fixture(scope='session')
        def own(counted):
            log('own-up')
            yield 1
            log('own-down')

        def test_own(own): assert own == 1
        class TestBase:
            def test_inherited(self, own): pass
        ";
    let heir = "from test_own import TestBase\nclass TestHeir(TestBase): pass\ndef test_2(counted): pass\n";
    for mode in MODES {
        let lab = lab(mode, &[("test_own.py", own)]).await;
        passes(&lab, Order::all()).await;
        lab.project.write("test_heir.py", &heir.replace("(TestBase)", ""));
        passes(&lab, Order::of(&["test_heir.py::test_2"])).await;
        assert_eq!(log(&lab), "up own-up");
        let new = own.replace("yield 1", "yield 2").replace("own == 1", "own == 2").replace("own-", "new-");
        lab.project.write("test_own.py", &new);
        passes(&lab, Order::of(&["test_a.py", "test_own.py::test_own"])).await;
        assert_eq!(log(&lab), "up own-up own-down new-up", "{mode}");
        lab.project.edit_in_disguise("test_own.py", "own == 2", "own == 3");
        assert_eq!(lab.counts(Order::of(&["test_own.py::test_own"])).await, [1, 0, 1, 0, 0]);
        lab.project.write("test_own.py", "def test_own(counted): pass\n");
        passes(&lab, Order::of(&["test_own.py"])).await;
        assert_eq!(log(&lab), "up own-up own-down new-up new-down new-up new-down", "{mode}");
        lab.project.remove("test_own.py");
        lab.project.remove("test_heir.py");
        passes(&lab, Order::all()).await;
        lab.configure(json!({})).await;
        assert_eq!(log(&lab), "up own-up own-down new-up new-down new-up new-down down", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_test_module_ends_everything_where_that_is_set() {
    let lab = lab("embedded", &[]).await;
    reuse(&lab, json!({ "teardownOnTestFileChange": true })).await;
    passes(&lab, Order::all()).await;
    lab.project.write("test_a.py", "def test_1(counted): pass\n");
    passes(&lab, Order::all()).await;
    assert_eq!(log(&lab), "up down up");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_module_that_was_imported_ends_the_fixtures() {
    for mode in MODES {
        let text = "import helper\ndef test_3(counted): assert helper.VALUE == 1\n";
        let lab = lab(mode, &[("helper.py", "VALUE = 1\n"), ("test_b.py", text)]).await;
        passes(&lab, Order::all()).await;
        lab.project.edit_in_disguise("helper.py", "1", "2");
        assert_eq!(lab.counts(Order::of(&["test_b.py"])).await, [1, 0, 1, 0, 0]);
        assert_eq!(log(&lab), "up down up", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_module_that_another_module_imports_ends_the_fixtures() {
    let files = [
        ("helper.py", "from test_base import VALUE\n"),
        ("test_base.py", "VALUE = 1\ndef test_base(counted): pass\n"),
        ("test_b.py", "import helper\ndef test_3(counted): assert helper.VALUE == 2\n"),
    ];
    let lab = lab("embedded", &files).await;
    assert_eq!(lab.counts(Order::of(&["test_b.py"])).await, [1, 0, 1, 0, 0]);
    lab.project.edit_in_disguise("test_base.py", "= 1", "= 2");
    passes(&lab, Order::of(&["test_b.py"])).await;
    assert_eq!(log(&lab), "up down up");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_sees_them_go_as_soon_as_the_conftest_changes() {
    let lab = Lab::resident(&[("conftest.py", CONFTEST), ("test_a.py", TESTS)]).await;
    reuse(&lab, json!({})).await;
    lab.collect().await;
    lab.log().deltas().await;
    lab.run(Order::all()).await;
    lab.project.write("conftest.py", &format!("{CONFTEST}\n"));
    seen("the teardown", || (log(&lab) == "up down").then_some(())).await;
    no_session(&lab).await;
    lab.close().await;
}

/// Waits until there is no session.
async fn no_session(lab: &Lab) {
    in_time("the end of the session", async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while status(lab).await.enabled {
            ticks.tick().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_though_nothing_runs() {
    for mode in MODES {
        let lab = lab(mode, &[]).await;
        passes(&lab, Order::all()).await;
        assert_eq!(log(&lab), "up");
        // Older than that it is already, and the next run's will be in no time.
        reuse(&lab, json!({ "maxAgeSeconds": 0.001 })).await;
        seen("the teardown", || (log(&lab) == "up down").then_some(())).await;
        reuse(&lab, json!({ "maxAgeSeconds": 0 })).await;
        passes(&lab, Order::all()).await;
        assert_eq!(log(&lab), "up down up down", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_costs_the_fixtures_and_nothing_else() {
    for mode in MODES {
        let text = "import os\ndef test_3(counted): os._exit(3)\ndef test_4(counted): pass\n";
        let lab = lab(mode, &[("test_b.py", text)]).await;
        passes(&lab, Order::of(&["test_a.py"])).await;
        let ran = lab.run(Order::of(&["test_b.py"])).await;
        assert_eq!(ran.outcomes(), ["test_b.py::test_3 crashed", "test_b.py::test_4 passed"]);
        passes(&lab, Order::of(&["test_a.py"])).await;
        assert_eq!(log(&lab), "up up", "{mode}");
        lab.configure(json!({})).await;
        assert_eq!(log(&lab), "up up down", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_and_a_kill_cost_the_fixtures_and_a_stop_does_not() {
    let text = "
        import os, time
        def test_3(counted):
            open('begun', 'w').close()
            while not os.path.exists('go'): time.sleep(0.01)
        def test_4(counted): pass
        ";
    let lab = lab("embedded", &[("test_b.py", text)]).await;
    let ran = lab.run(Order::of(&["test_b.py::test_3"]).with(|options| options.timeout_ms = Some(300))).await;
    assert_eq!(ran.outcomes(), ["test_b.py::test_3 timed_out"]);
    for kill in [true, false] {
        lab.project.remove("begun");
        let run_id = lab.start(Order::of(&["test_b.py"])).await;
        seen("the test", || lab.project.read("begun")).await;
        if kill {
            lab.call(Request::KillRun { run_id: run_id.clone() }).await;
        } else {
            lab.call(Request::StopRun { run_id: run_id.clone() }).await;
            lab.project.write("go", "");
        }
        lab.ended(&run_id).await;
    }
    passes(&lab, Order::of(&["test_a.py"])).await;
    lab.configure(json!({})).await;
    // One for the timeout, one for the kill, and one for the stop and all that follows.
    assert_eq!(log(&lab), "up up up down");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_has_one_and_the_same_name_in_every_run() {
    let text = "
        import os, pytest
        from conftest import log

        @pytest.mark.parametrize('n', range(8))
        def test(n, counted):
            name = os.environ['PYTEST_XDIST_WORKER']
            with open(f'{name}.pids', 'a') as file:
                print(counted, file=file)
        ";
    for mode in MODES {
        let lab = lab(mode, &[("test_b.py", text), ("test_c.py", text), ("test_d.py", text)]).await;
        for _ in 0..3 {
            passes(&lab, Order::of(&["test_b.py", "test_c.py", "test_d.py"]).workers(2)).await;
        }
        for name in ["gw0.pids", "gw1.pids"] {
            let mut pids = lab.project.lines(name);
            pids.dedup();
            assert_eq!(pids.len(), 1, "{mode} {name}: {pids:?}");
        }
        assert_eq!(status(&lab).await.runs, 3);
        assert_eq!(log(&lab), "up up");
        lab.configure(json!({})).await;
        assert_eq!(log(&lab), "up up down down", "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fixtures_of_a_package_live_until_another_package_runs() {
    let package = "
        import pytest
        from conftest import log

        @pytest.fixture(scope='package', autouse=True)
        def of_package(counted):
            log('NAME-up')
            yield
            log('NAME-down')
        ";
    let (one, two) = (package.replace("NAME", "one"), package.replace("NAME", "two"));
    let module = "
        import pytest
        from conftest import log

        @pytest.fixture(scope='module', autouse=True)
        def of_module():
            log('module-up')
            yield
            log('module-down')

        def test(): pass
        ";
    let files = [
        ("one/__init__.py", ""),
        ("one/test_one.py", "def test(): pass\n"),
        ("two/__init__.py", ""),
        ("two/test_two.py", "def test(): pass\n"),
        ("two/test_three.py", module),
        ("one/fixtures.py", one.as_str()),
        ("two/fixtures.py", two.as_str()),
        ("one/conftest.py", "from one.fixtures import *\n"),
        ("two/conftest.py", "from two.fixtures import *\n"),
    ];
    let lab = lab("embedded", &files).await;
    for _ in 0..2 {
        passes(&lab, Order::of(&["one"])).await;
    }
    assert_eq!(log(&lab), "up one-up");
    for _ in 0..2 {
        passes(&lab, Order::of(&["two/test_two.py"])).await;
    }
    assert_eq!(log(&lab), "up one-up one-down two-up");
    passes(&lab, Order::of(&["two/test_three.py"])).await;
    assert_eq!(log(&lab), "up one-up one-down two-up module-up module-down");
    reuse(&lab, json!({ "scopes": ["session"] })).await;
    passes(&lab, Order::of(&["one"])).await;
    let all = "up one-up one-down two-up module-up module-down two-down down up one-up one-down";
    assert_eq!(log(&lab), all);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_have_fixtures_of_their_own() {
    let text = "
        from conftest import log
        def test_3(counted):
            import os
            log('run')
            assert os.path.exists('pass') or open('pass', 'w').close()
        ";
    let lab = lab("embedded", &[("test_b.py", text)]).await;
    let ran = lab.run(Order::of(&["test_b.py"]).with(|options| options.reruns = Some(2))).await;
    assert_eq!(ran.outcomes(), ["test_b.py::test_3 passed"]);
    seen("the teardown of the second", || (log(&lab) == "up run up run down").then_some(())).await;
    lab.configure(json!({})).await;
    assert_eq!(log(&lab), "up run up run down down");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_is_one_by_itself_but_for_the_fixtures() {
    let text = "
        import os, pytest

        @pytest.fixture(scope='session')
        def folder(tmp_path_factory):
            return tmp_path_factory.mktemp('kept')

        def test_prints(counted, folder, tmp_path):
            print('to be seen')
            assert folder.is_dir() and not os.listdir(tmp_path)
            (tmp_path / 'left').touch()
            assert 'FAIL' not in os.environ
        def test_fails(counted): assert 0
        def test_fails_too(counted): assert 0
        ";
    let lab = lab("embedded", &[("test_b.py", text)]).await;
    for _ in 0..2 {
        let ran = lab.run(Order::of(&["test_b.py"]).maxfail(1)).await;
        assert_eq!(
            ran.outcomes(),
            ["test_b.py::test_fails failed", "test_b.py::test_fails_too not_run", "test_b.py::test_prints passed"]
        );
        assert_eq!(ran.of("test_prints").stdout.as_deref(), Some("to be seen\n"));
        let ran = lab.run(Order::of(&["test_b.py"])).await;
        assert_eq!(ran.end.counts.failed, 2);
        let order = Order::all().with(|options| options.keyword = Some("prints or test_1".into()));
        passes(&lab, order).await;
    }
    assert_eq!(log(&lab), "up");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parametrized_session_fixture_has_one_teardown_for_each_set_up() {
    let text = "
        import pytest
        from conftest import log

        @pytest.fixture(scope='session', params=['x', 'y'])
        def each(request):
            log(f'{request.param}-up')
            yield request.param
            log(f'{request.param}-down')

        def test_3(each): pass
        def test_4(each): pass
        ";
    let lab = lab("embedded", &[("test_b.py", text)]).await;
    passes(&lab, Order::of(&["test_b.py"])).await;
    passes(&lab, Order::of(&["test_b.py::test_3[y]", "test_b.py::test_4[y]"])).await;
    assert_eq!(log(&lab), "x-up x-down y-up");
    passes(&lab, Order::of(&["test_b.py::test_3[x]"])).await;
    lab.configure(json!({})).await;
    assert_eq!(log(&lab), "x-up x-down y-up y-down x-up x-down");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_own_request_sets_the_same_as_the_settings() {
    let lab = lab("embedded", &[]).await;
    reuse(&lab, json!({ "scopes": ["session"], "teardownOnTestFileChange": true })).await;
    let order = |enabled, max_age_seconds| Request::ConfigureFixtureReuse {
        context_id: lab.context.clone(),
        enabled,
        max_age_seconds,
        teardown_on_conftest_change: false,
    };
    let ack = lab.call(order(true, 30.5)).await;
    assert!(matches!(&ack, Response::ConfigAck { config_type, .. } if config_type == "fixture_reuse"), "{ack:?}");
    let expected = Response::FixtureConfig {
        enabled: true,
        max_fixture_age_seconds: 30.5,
        teardown_on_conftest_change: false,
        teardown_on_test_file_change: true,
        scopes_to_reuse: vec!["session".into()],
    };
    assert_eq!(lab.call(Request::GetFixtureConfig { context_id: lab.context.clone() }).await, expected);
    for age in [-1.0, f64::NAN, f64::INFINITY] {
        let (code, message) = refused(lab.call(order(false, age)).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains("max_age_seconds"), "{message}");
    }
    for (settings, key) in [
        (json!({ "maxAgeSeconds": -1 }), "pytestLens.fixtureReuse.maxAgeSeconds"),
        (json!({ "scopes": ["session", "galaxy"] }), "pytestLens.fixtureReuse.scopes"),
        (json!({ "scopes": ["function"] }), "pytestLens.fixtureReuse.scopes"),
    ] {
        let settings = json!({ "fixtureReuse": settings });
        let request = Request::ConfigureContext { context_id: lab.context.clone(), settings };
        let (code, message) = refused(lab.call(request).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains(key), "{message}");
    }
    assert_eq!(lab.call(Request::GetFixtureConfig { context_id: lab.context.clone() }).await, expected);
    passes(&lab, Order::all()).await;
    lab.call(order(false, 30.5)).await;
    assert_eq!(log(&lab), "up down");
    assert!(!status(&lab).await.enabled);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_with_session_hooks_of_its_own_has_it_too() {
    let hooks = format!(
        "{CONFTEST}\ndef pytest_sessionfinish(session): session.config.finished = True\n\
         def pytest_terminal_summary(terminalreporter): terminalreporter.write_line('at the end')\n"
    );
    let lab = lab("embedded", &[("conftest.py", &hooks), ("test_b.py", TESTS)]).await;
    // A command waits for no summary, which a session that stays does not make.
    let begun = Instant::now();
    let of_command = Order::of(&["test_a.py"]).with(|options| options.source = Some("cli".into()));
    passes(&lab, of_command).await;
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    passes(&lab, Order::of(&["test_b.py"])).await;
    lab.project.write("test_b.py", "import os\ndef test_new(counted): assert counted == os.getpid()\n");
    passes(&lab, Order::all()).await;
    assert_eq!(log(&lab), "up");
    lab.project.write("conftest.py", &format!("{hooks}\n"));
    passes(&lab, Order::all()).await;
    assert_eq!(log(&lab), "up down up");
    lab.configure(json!({})).await;
    assert_eq!(log(&lab), "up down up down");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_ends_its_session_ends_its_fixtures() {
    let text = "import pytest\ndef test_3(counted): pytest.exit('enough')\n";
    let lab = lab("embedded", &[("test_b.py", text)]).await;
    passes(&lab, Order::of(&["test_a.py"])).await;
    lab.run(Order::of(&["test_b.py"])).await;
    assert_eq!(log(&lab), "up down");
    passes(&lab, Order::of(&["test_a.py"])).await;
    assert_eq!(log(&lab), "up down up");
    lab.close().await;
}
