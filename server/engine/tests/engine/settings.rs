//! Settings of a context: what they do to its tests, and what is refused.

use pytest_lens_engine::Connect;
use pytest_lens_protocol::{ErrorCode, Request, Response};

use crate::common::{Lab, Order, in_time, refused, seen};

const TEXT: &str = "\
import os

def test_env():
    assert os.environ.get('WHICH') == 'settings', os.environ.get('WHICH')

def test_file():
    assert os.environ.get('ONLY_FILE') == 'a b # c', os.environ.get('ONLY_FILE')
";

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_the_settings_and_their_file_reach_the_tests() {
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::open_in(
            mode,
            &[("test_a.py", TEXT), ("local.env", "# local\nWHICH=file\nexport ONLY_FILE='a b # c'\n")],
        )
        .await;
        assert_eq!(lab.counts(Order::all()).await, [2, 0, 2, 0, 0], "{mode}");
        lab.configure(serde_json::json!({ "env": { "WHICH": "settings" }, "envFile": "local.env" })).await;
        assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0], "{mode}");
        lab.configure(serde_json::json!({ "envFile": "local.env" })).await;
        assert_eq!(lab.counts(Order::all()).await, [2, 1, 1, 0, 0], "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_a_changed_file_of_variables_holds_for_the_next_run() {
    for mode in ["embedded", "subprocess"] {
        let text = "import os\nAT_IMPORT = os.environ.get('M')\n\n\
                    def test(): assert os.environ.get('M') == AT_IMPORT == 'good'\n";
        let lab = Lab::resident_in(mode, &[("test_a.py", text), (".env", "M=good\n")]).await;
        lab.configure(serde_json::json!({ "envFile": ".env" })).await;
        assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0], "{mode}");
        lab.project.write(".env", "M=bad\n");
        assert_eq!(lab.counts(Order::all()).await, [1, 0, 1, 0, 0], "{mode}");
        lab.project.write(".env", "M=good\n");
        assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0], "{mode}");
        lab.project.remove(".env");
        assert_eq!(lab.counts(Order::all()).await, [1, 0, 1, 0, 0], "{mode}");
        lab.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b7_a_missing_file_of_variables_costs_its_variables_alone() {
    let text = "import os\ndef test(): assert (os.environ.get('A'), os.environ.get('B')) == ('1', None)\n\
                def test_file(): assert (os.environ.get('A'), os.environ.get('B')) == ('1', '2')\n";
    let lab = Lab::open(&[("test_a.py", text)]).await;
    let settings = serde_json::json!({ "envFile": ".env", "env": { "A": "1" }, "arguments": ["-k", "test_a"] });
    let request = Request::ConfigureContext { context_id: lab.context.clone(), settings };
    let Response::ConfigAck { config, .. } = lab.call(request).await else { panic!("refused") };
    let problem = config["problems"][0].as_str().unwrap();
    assert!(problem.contains("pytestLens.envFile") && problem.contains(".env can't be read"), "{problem}");
    assert_eq!(config["arguments"], serde_json::json!(["-k", "test_a"]));
    assert_eq!(lab.counts(Order::of(&["test_a.py::test"])).await, [1, 1, 0, 0, 0]);
    lab.project.write(".env", "B=2\n");
    assert_eq!(lab.counts(Order::of(&["test_a.py::test_file"])).await, [1, 1, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn b11_a_pattern_of_projects_without_a_folder_is_named_and_the_others_count() {
    let file = "[tool.pytest-lens]\nprojects = ['lib/*', 'pkg/*']\n";
    let test = "def test(): pass\n";
    let lab = Lab::open(&[("test_a.py", test), ("pkg/api/test_a.py", test), ("pyproject.toml", file)]).await;
    let configured = async |settings| {
        let request = Request::ConfigureContext { context_id: lab.context.clone(), settings };
        let Response::ConfigAck { config, .. } = lab.call(request).await else { panic!("refused") };
        config
    };
    let config = configured(serde_json::json!({})).await;
    let told =
        "pyproject.toml, line 2: `projects`: no folder below the root matches `lib/*`; correct it, or leave it out";
    assert_eq!(config["fileProblems"], serde_json::json!([told]));
    let config = configured(serde_json::json!({ "projects": ["pkg/*", "app/*"] })).await;
    let told = "setting `pytestLens.projects`: no folder below the root matches `app/*`; correct it, or leave it out";
    assert_eq!(config["problems"], serde_json::json!([told]));
    assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_of_the_settings_reach_pytest() {
    let lab = Lab::open(&[("test_a.py", "def test_1(): pass\ndef test_2(): pass")]).await;
    lab.configure(serde_json::json!({ "arguments": ["-k", "test_2"] })).await;
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    lab.configure(serde_json::json!({ "arguments": ["--no-such-option"] })).await;
    let (code, message) = lab.refusal(Order::all()).await;
    assert_eq!(code, ErrorCode::CollectionFailed);
    assert!(message.contains("--no-such-option"), "{message}");
    lab.configure(serde_json::json!({})).await;
    assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_of_a_wrong_kind_is_refused_by_its_key_and_changes_nothing() {
    let lab = Lab::open(&[("test_a.py", TEXT)]).await;
    for (settings, key) in [
        (serde_json::json!({ "workers": "two" }), "pytestLens.workers"),
        (serde_json::json!({ "workers": 0 }), "pytestLens.workers"),
        (serde_json::json!({ "workers": u32::MAX }), "pytestLens.workers"),
        (serde_json::json!({ "env": { "WHICH": 5 } }), "pytestLens.env.WHICH"),
        (serde_json::json!({ "rerun": { "enabled": true, "maxReruns": -1 } }), "pytestLens.rerun.maxReruns"),
        (serde_json::json!({ "executionMode": "threads" }), "pytestLens.executionMode"),
        (serde_json::json!("settings"), "settings"),
    ] {
        let request = Request::ConfigureContext { context_id: lab.context.clone(), settings };
        let (code, message) = refused(lab.call(request).await);
        assert_eq!(code, ErrorCode::InvalidRequest);
        assert!(message.contains(key), "{message}");
    }
    let asked = lab.call(Request::GetRerunConfig { context_id: lab.context.clone() }).await;
    assert!(matches!(asked, Response::RerunConfig { enabled: false, .. }), "{asked:?}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_needs_ray_in_the_projects_interpreter() {
    let lab = Lab::open(&[("test_a.py", "def test(): pass")]).await;
    let configure = async |executor: &str| {
        let settings = serde_json::json!({ "executor": executor });
        lab.call(Request::ConfigureContext { context_id: lab.context.clone(), settings }).await
    };
    configure("ray").await;
    let (code, message) = lab.refusal(Order::all()).await;
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.contains("Ray is not installed for") && message.contains("`local`"), "{message}");
    configure("local").await;
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_changed_at_the_same_time_are_all_in_force() {
    let lab = Lab::open(&[]).await;
    let context_id = || lab.context.clone();
    let rerun = Request::ConfigureRerun {
        context_id: context_id(),
        enabled: true,
        max_reruns: 7,
        only_flaky: false,
        delay_ms: 0,
    };
    let reuse = Request::ConfigureFixtureReuse {
        context_id: context_id(),
        enabled: true,
        max_age_seconds: 70.0,
        teardown_on_conftest_change: true,
    };
    let workers = Request::ConfigureWorkers { context_id: context_id(), num_workers: 7 };
    tokio::join!(lab.call(rerun), lab.call(reuse), lab.call(workers));
    let rerun = lab.call(Request::GetRerunConfig { context_id: context_id() }).await;
    assert!(matches!(rerun, Response::RerunConfig { enabled: true, max_reruns: 7, .. }), "{rerun:?}");
    let reuse = lab.call(Request::GetFixtureConfig { context_id: context_id() }).await;
    let Response::FixtureConfig { enabled, max_fixture_age_seconds, .. } = reuse else { panic!("{reuse:?}") };
    assert!(enabled && max_fixture_age_seconds > 69.0, "{max_fixture_age_seconds}");
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_are_set_while_tests_are_collected_hold_for_the_next_run() {
    let text = "import os, pathlib, time\n\
                here = pathlib.Path('@')\n\
                (here / 'begun').touch()\n\
                end = time.monotonic() + 30\n\
                while not (here / 'go').exists() and time.monotonic() < end: time.sleep(0.01)\n\
                def test(): assert os.environ.get('WHICH') == 'new'\n";
    let lab = Lab::resident(&[]).await;
    // The signals are files outside of the project: a new one in it would be a change of its own.
    let here = lab.bench.folder.path();
    lab.project.write("test_a.py", &text.replace('@', &here.to_string_lossy()));
    let (session, context_id) = (lab.bench.engine.session(), lab.context.clone());
    let collecting = tokio::spawn(async move { session.call(Request::Collect { context_id, force: true }).await });
    seen("the import", || here.join("begun").exists().then_some(())).await;
    lab.configure(serde_json::json!({ "env": { "WHICH": "new" } })).await;
    std::fs::write(here.join("go"), "").unwrap();
    in_time("the collection", collecting).await.unwrap();
    assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interpreter_that_was_being_started_with_old_variables_is_not_used() {
    let text = "import os\n\
                def test_old():\n    open('hold', 'w').close()\n\
                if os.environ.get('WHICH') == 'new':\n    def test_new(): pass\n";
    let lab = Lab::over_slow_interpreter("subprocess", &[("test_a.py", text)]).await;
    assert_eq!(lab.counts(Order::of(&["test_a.py::test_old"])).await, [1, 1, 0, 0, 0]);
    // The next interpreter is on its way already, and held up.
    seen("an interpreter that starts", || lab.project.read("waiting")).await;
    lab.configure(serde_json::json!({ "env": { "WHICH": "new" } })).await;
    lab.project.remove("hold");
    assert_eq!(lab.counts(Order::of(&["test_a.py::test_new"])).await, [1, 1, 0, 0, 0]);
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_in_the_projects_files_hold_for_the_next_run_and_a_clients_go_over_them() {
    let text = "import os\ndef test_first(): assert os.environ.get('WHICH') == 'file'\ndef test_second(): pass\n";
    let table =
        "[tool.pytest-lens]\nenv.WHICH = 'file'\narguments = ['-k', 'first']\nrerun.maxReruns = 4\nworker = 2\n";
    for mode in ["embedded", "subprocess"] {
        let lab = Lab::resident_in(mode, &[("test_a.py", text), ("pyproject.toml", table)]).await;
        assert_eq!(lab.counts(Order::all()).await, [1, 1, 0, 0, 0], "{mode}");
        lab.project.write("pyproject.toml", "[tool.pytest-lens]\nenv.WHICH = 'other'\n");
        assert_eq!(lab.counts(Order::all()).await, [2, 1, 1, 0, 0], "{mode}: a changed file");
        lab.project.write("pytest-lens.toml", "env = { WHICH = 'file' }\nrerun = { maxReruns = 4 }\n");
        assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0], "{mode}: a new file");
        let settings = serde_json::json!({ "env": { "WHICH": "client" }, "rerun": { "delayMs": 3 } });
        let request = Request::ConfigureContext { context_id: lab.context.clone(), settings };
        let Response::ConfigAck { config, .. } = lab.call(request).await else { panic!("refused") };
        assert_eq!((&config["rerun"]["maxReruns"], &config["rerun"]["delayMs"]), (&4.into(), &3.into()));
        let told = config["fileProblems"][0].as_str().unwrap();
        assert!(told.starts_with("pyproject.toml, line 1: [tool.pytest-lens] does not count"), "{told}");
        assert_eq!(lab.counts(Order::all()).await, [2, 1, 1, 0, 0], "{mode}: the client's variable");
        lab.configure(serde_json::json!({})).await;
        assert_eq!(lab.counts(Order::all()).await, [2, 2, 0, 0, 0], "{mode}: without it, the file's");
        lab.close().await;
    }
}
