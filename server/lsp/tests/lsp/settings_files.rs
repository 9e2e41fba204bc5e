//! Settings in `pyproject.toml` and `pytest-lens.toml`: they are in force below the client's, follow the disk, and their
//! mistakes are shown at their lines.

use insta::assert_snapshot;
use pytest_lens_protocol::Request;
use serde_json::json;

use crate::Client;

/// The client says that a file changed.
async fn written(client: &mut Client, path: &str, text: &str) {
    client.write(path, text);
    let changes = json!([{ "uri": client.uri(path), "type": 2 }]);
    client.notify("workspace/didChangeWatchedFiles", json!({ "changes": changes })).await;
    client.idle().await;
}

/// The interpreters and modes with which contexts were opened.
fn opened(client: &Client) -> Vec<String> {
    let asked = client.engine.asked("init_context").into_iter();
    asked
        .map(|request| match request {
            Request::InitContext { python_path, execution_mode, .. } => {
                format!("{} {}", python_path.unwrap_or_default(), execution_mode.unwrap_or_default())
            }
            other => format!("{other:?}"),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_projects_settings_are_in_force_and_a_changed_file_takes_effect_at_once() {
    let mut client = Client::start();
    client.write("pyproject.toml", "[tool.pytest-lens]\npythonPath = 'one'\nexecutionMode = 'subprocess'\n");
    client.open_folder(json!({ "pytestLens": true, "settings": { "executionMode": "embedded" } })).await;
    assert_eq!(opened(&client), ["one embedded"], "the client's setting goes over the file's");
    client.open("test_a.py", "def test_x(): ...\n").await;
    assert_eq!(client.lenses("test_a.py").await.len(), 2);
    written(&mut client, "pytest-lens.toml", "pythonPath = 'two'\ncode-lens.enable = false\n").await;
    assert_eq!(opened(&client), ["one embedded", "two embedded"]);
    assert!(client.lenses("test_a.py").await.is_empty());
    written(&mut client, "pytest-lens.toml", "python-path = 'two'\n").await;
    assert_eq!(opened(&client).len(), 2, "the same interpreter needs no other context");
    assert_eq!(client.lenses("test_a.py").await.len(), 2);
    let settings = json!({ "settings": { "pytestLens": { "defaults": { "codeLens": { "enable": false } } } } });
    client.notify("workspace/didChangeConfiguration", settings).await;
    assert!(client.lenses("test_a.py").await.is_empty(), "a client's own default");
    written(&mut client, "pytest-lens.toml", "pythonPath = 'two'\ncodeLens.enable = true\n").await;
    assert_eq!(client.lenses("test_a.py").await.len(), 2, "which the file goes over");
}

#[tokio::test(start_paused = true)]
async fn mistakes_are_shown_at_their_lines_and_go_away() {
    let mut client = Client::start();
    client.write("pyproject.toml", "[tool.pytest-lens]\nworker = 2\nrunOnSave = 'fil'\npythonPath = 'py'\n");
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    let shown = ["window/showMessage", "textDocument/publishDiagnostics"];
    assert_snapshot!(client.transcript_of(&shown).await, @r#"
    window/showMessage {"type":2,"message":"pyproject.toml, line 2: `worker` is no setting; did you mean `workers`?"}
    window/showMessage {"type":2,"message":"pyproject.toml, line 3: `runOnSave`: unknown variant `fil`, expected one of `off`, `file`, `affected`; correct it, until then it counts as not set"}
    textDocument/publishDiagnostics {"uri":"file:///repo/pyproject.toml","diagnostics":[{"range":{"start":{"line":1,"character":0},"end":{"line":2,"character":0}},"severity":2,"code":"settings","source":"pytest-lens","message":"`worker` is no setting; did you mean `workers`?"},{"range":{"start":{"line":2,"character":0},"end":{"line":3,"character":0}},"severity":2,"code":"settings","source":"pytest-lens","message":"`runOnSave`: unknown variant `fil`, expected one of `off`, `file`, `affected`; correct it, until then it counts as not set"}]}
    "#);
    assert_eq!(opened(&client), ["py auto"], "everything else counts");
    written(&mut client, "pyproject.toml", "[tool.pytest-lens]\nworkers = 2\n").await;
    assert_snapshot!(client.transcript_of(&shown).await, @r#"textDocument/publishDiagnostics {"uri":"file:///repo/pyproject.toml","diagnostics":[]}"#);
    written(&mut client, "pyproject.toml", "[tool.pytest-lens]\nworker = 2\n").await;
    assert_eq!(client.transcript_of(&shown).await.lines().count(), 2, "the mistake is back");
    written(&mut client, "sub/pytest-lens.toml", "worker = 2\n").await;
    assert_eq!(client.transcript_of(&shown).await, "", "only the root's files count");
}

#[tokio::test(start_paused = true)]
async fn a_pattern_of_projects_without_a_folder_is_named_until_there_is_one() {
    let mut client = Client::start();
    client.write("pkg/api/test_a.py", "def test_a(): ...\n");
    client.write("pyproject.toml", "[tool.pytest-lens]\nprojects = ['pkg/*', 'app/*']\npythonPath = 'py'\n");
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    let shown = ["window/showMessage", "textDocument/publishDiagnostics"];
    assert_snapshot!(client.transcript_of(&shown).await, @r#"
    window/showMessage {"type":2,"message":"pyproject.toml, line 2: `projects`: no folder below the root matches `app/*`; correct it, or leave it out"}
    textDocument/publishDiagnostics {"uri":"file:///repo/pyproject.toml","diagnostics":[{"range":{"start":{"line":1,"character":0},"end":{"line":2,"character":0}},"severity":2,"code":"settings","source":"pytest-lens","message":"`projects`: no folder below the root matches `app/*`; correct it, or leave it out"}]}
    "#);
    assert_eq!(opened(&client), ["py auto"], "everything else counts");
    written(&mut client, "app/web/test_w.py", "def test_w(): ...\n").await;
    assert_snapshot!(client.transcript_of(&shown).await, @r#"textDocument/publishDiagnostics {"uri":"file:///repo/pyproject.toml","diagnostics":[]}"#);
}

#[tokio::test(start_paused = true)]
async fn an_untrusted_projects_files_can_make_nothing_run() {
    let mut client = Client::start();
    let text = "pythonPath = 'evil'\nexecutionMode = 'subprocess'\narguments = ['-p', 'evil']\nenvFile = 'evil'\n\
                env = { LD_PRELOAD = 'evil' }\nexecutor = 'ray'\nray.address = 'evil'\nrunOnSave = 'file'\n\
                codeLens.enable = false\n";
    client.write("pytest-lens.toml", text);
    client.open_folder(json!({ "pytestLens": true, "trusted": false, "settings": {} })).await;
    client.open("test_a.py", "def test_x(): ...\n").await;
    assert!(client.lenses("test_a.py").await.is_empty(), "what is only shown counts");
    client.save("test_a.py").await;
    written(&mut client, "pytest-lens.toml", &format!("{text}workers = 3\n")).await;
    client.idle().await;
    assert_eq!(opened(&client), Vec::<String>::new());
    assert!(client.engine.asked("configure_context").is_empty() && client.engine.asked("run_stream").is_empty());
    client.notify("pytestLens/trust", json!({ "trusted": true })).await;
    client.idle().await;
    assert_eq!(opened(&client), ["evil subprocess"]);
    client.notify("pytestLens/trust", json!({ "trusted": false })).await;
    client.notify("pytestLens/trust", json!({ "trusted": true })).await;
    client.idle().await;
    assert_eq!(opened(&client).last().unwrap(), "evil subprocess");
}

#[tokio::test(start_paused = true)]
async fn lenses_and_tests_follow_the_setting_of_nested_projects() {
    let mut client = Client::start();
    client.write("sub/pytest.ini", "[pytest]\npython_functions = check_*\n");
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    client.open("sub/test_a.py", "def check_a(): ...\ndef test_b(): ...\n").await;
    for (projects, line, test) in
        [(json!(null), 0, "check_a"), (json!([]), 1, "test_b"), (json!(["sub"]), 0, "check_a")]
    {
        let settings = json!({ "settings": { "pytestLens": { "projects": projects } } });
        client.notify("workspace/didChangeConfiguration", settings).await;
        client.idle().await;
        let expected = [format!("{line}: ▶ Run"), format!("{line}: Debug")];
        assert_eq!(client.lenses("sub/test_a.py").await, expected, "{projects}");
        let tests = client.command("pytestLens.tests", json!({ "parent": "sub/test_a.py" })).await.unwrap();
        assert_eq!(tests["items"][0]["label"], test, "{projects}");
    }
}
