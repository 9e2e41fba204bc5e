//! The handshake, and settings that come with it or later.

use insta::{assert_json_snapshot, assert_snapshot};
use pytest_lens_protocol::{ErrorCode, Request};
use serde_json::json;

use crate::Client;

#[tokio::test(start_paused = true)]
async fn tells_what_it_can() {
    let mut client = Client::start();
    let mut result = client.initialize(json!({ "rootUri": client.uri("") })).await;
    result["serverInfo"]["version"] = json!("VERSION");
    assert_json_snapshot!(result, @r#"
    {
      "capabilities": {
        "positionEncoding": "utf-16",
        "textDocumentSync": {
          "openClose": true,
          "change": 2,
          "save": {
            "includeText": false
          }
        },
        "hoverProvider": true,
        "codeActionProvider": {
          "codeActionKinds": [
            "pytestLens"
          ],
          "resolveProvider": false
        },
        "codeLensProvider": {
          "resolveProvider": false
        },
        "executeCommandProvider": {
          "commands": [
            "pytestLens.run",
            "pytestLens.runFailed",
            "pytestLens.runLast",
            "pytestLens.debug",
            "pytestLens.stop",
            "pytestLens.kill",
            "pytestLens.collect",
            "pytestLens.tests",
            "pytestLens.resolve",
            "pytestLens.output",
            "pytestLens.flakiness",
            "pytestLens.status",
            "pytestLens.coverage",
            "pytestLens.affected"
          ]
        },
        "workspace": {
          "workspaceFolders": {
            "supported": true,
            "changeNotifications": true
          }
        },
        "inlayHintProvider": true,
        "experimental": {
          "pytestLens": true
        }
      },
      "serverInfo": {
        "name": "pytest-lens",
        "version": "VERSION"
      }
    }
    "#);
}

#[tokio::test(start_paused = true)]
async fn prefers_utf_8() {
    let mut client = Client::start();
    let capabilities = json!({ "general": { "positionEncodings": ["utf-16", "utf-8"] } });
    let result = client.initialize(json!({ "capabilities": capabilities })).await;
    assert_eq!(result["capabilities"]["positionEncoding"], "utf-8");
}

#[tokio::test(start_paused = true)]
async fn opens_the_folder_and_asks_for_what_is_missing() {
    let mut client = Client::start();
    client.replies.insert("workspace/configuration".into(), json!([{ "workers": 3 }]));
    client.open_folder(json!({ "pytestLens": true })).await;
    assert_snapshot!(client.transcript().await, @r#"
    client/registerCapability {"registrations":[{"id":"pytest-lens/files","method":"workspace/didChangeWatchedFiles","registerOptions":{"watchers":[{"globPattern":"**/pytest.toml"},{"globPattern":"**/.pytest.toml"},{"globPattern":"**/pytest.ini"},{"globPattern":"**/.pytest.ini"},{"globPattern":"**/pyproject.toml"},{"globPattern":"**/tox.ini"},{"globPattern":"**/setup.cfg"},{"globPattern":"**/pytest-lens.toml"},{"globPattern":"**/*.py"}]}},{"id":"pytest-lens/saves","method":"textDocument/didSave","registerOptions":{"documentSelector":[{"scheme":"file"}],"includeText":false}}]}
    workspace/configuration {"items":[{"scopeUri":"file:///repo","section":"pytestLens"}]}
    window/workDoneProgress/create {"token":"pytest-lens/collect/1"}
    "#);
    assert_eq!(configured(&client), [json!(null), json!(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_did_not_opt_in_gets_plain_lsp_only() {
    let mut client = Client::start();
    client.initialize(json!({ "rootUri": client.uri(""), "capabilities": {} })).await;
    client.idle().await;
    client.emit(crate::events::run_of("run-1", crate::events::passed("test_a.py::test_x"))).await;
    assert_eq!(client.transcript().await, r#"window/showMessage {"type":3,"message":"1 passed in 20 ms"}"#);
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_told_once_and_lose_nothing_else() {
    let mut client = Client::start();
    let settings = json!({ "workers": "many", "timeoutMs": 500, "codeLens": { "enable": "no" } });
    client.open_folder(json!({ "pytestLens": true, "settings": settings })).await;
    let again = json!({ "settings": { "pytestLens": settings } });
    client.notify("workspace/didChangeConfiguration", again).await;
    assert_snapshot!(client.transcript_of(&["window/showMessage"]).await, @r#"
    window/showMessage {"type":2,"message":"setting `pytestLens.workers`: invalid value: string \"many\", expected a number from 1 to 65536, or \"auto\"; correct it, until then it counts as not set"}
    window/showMessage {"type":2,"message":"setting `pytestLens.codeLens.enable`: invalid type: string \"no\", expected a boolean; correct it, until then it counts as not set"}
    "#);
    let Some(Request::ConfigureContext { settings, .. }) = client.engine.asked("configure_context").pop() else {
        panic!("the engine was not configured");
    };
    assert_eq!(settings["timeoutMs"], 500);
    client.open("test_a.py", "def test_x(): ...\n").await;
    assert_eq!(client.lenses("test_a.py").await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn changed_settings_reach_the_engine() {
    let mut client = Client::ready().await;
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "pytestLens": { "workers": 2 } } })).await;
    client.idle().await;
    client
        .notify("workspace/didChangeConfiguration", json!({ "settings": { "workers": 2, "pythonPath": "/py" } }))
        .await;
    client.idle().await;
    let configured = client.engine.asked("configure_context").len();
    assert_eq!(configured, 3, "at the start, with 2 workers, and for the new context");
    let Some(Request::InitContext { python_path, .. }) = client.engine.asked("init_context").pop() else {
        panic!("no context was opened");
    };
    assert_eq!(python_path.as_deref(), Some("/py"));
}

/// The settings that the engine was given, in order.
fn configured(client: &Client) -> Vec<serde_json::Value> {
    let settings = |request| match request {
        Request::ConfigureContext { settings, .. } => settings["workers"].clone(),
        _ => json!(null),
    };
    client.engine.asked("configure_context").into_iter().map(settings).collect()
}

#[tokio::test(start_paused = true)]
async fn settings_of_other_servers_leave_ours_as_they_are() {
    let mut client = Client::start();
    client.open_folder(json!({ "pytestLens": true, "settings": { "pytestLens.workers": 2 } })).await;
    for settings in [json!({ "pylsp": { "x": 1 } }), json!({ "gopls.env": { "A": "1" } }), json!({}), json!(null)] {
        client.notify("workspace/didChangeConfiguration", json!({ "settings": settings })).await;
        client.idle().await;
    }
    assert_eq!(configured(&client), [2]);
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "pytestLens.workers": 3 } })).await;
    client.idle().await;
    assert_eq!(configured(&client), [2, 3]);
}

#[tokio::test(start_paused = true)]
async fn settings_that_change_while_a_context_is_opened_reach_the_engine() {
    let mut client = Client::start();
    let release = client.engine.hold("init_context");
    client.open_folder(json!({ "pytestLens": true, "settings": { "workers": 2 } })).await;
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "workers": 3 } })).await;
    client.idle().await;
    drop(release);
    client.idle().await;
    assert_eq!(configured(&client), [3]);
}

#[tokio::test(start_paused = true)]
async fn settings_that_change_while_others_are_sent_reach_the_engine_after_them() {
    let mut client = Client::ready().await;
    let release = client.engine.hold("configure_context");
    for workers in [2, 3, 4] {
        client.notify("workspace/didChangeConfiguration", json!({ "settings": { "workers": workers } })).await;
        client.idle().await;
    }
    assert_eq!(configured(&client), [json!(null), json!(2)]);
    drop(release);
    client.idle().await;
    assert_eq!(configured(&client), [json!(null), json!(2), json!(4)]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_newer_settings_have_overtaken_changes_nothing() {
    let mut client = Client::start();
    client.silent.push("workspace/configuration");
    client.open_folder(json!({ "pytestLens": true })).await;
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "workers": 3 } })).await;
    client.idle().await;
    client.reply("workspace/configuration", json!([{ "workers": 2 }])).await;
    client.idle().await;
    assert_eq!(configured(&client).last(), Some(&json!(3)));
}

#[tokio::test(start_paused = true)]
async fn lenses_can_be_switched_off() {
    let mut client = Client::ready().await;
    client.open("test_a.py", "def test_x(): ...\n").await;
    assert_eq!(client.lenses("test_a.py").await, ["0: ▶ Run", "0: Debug"]);
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "codeLens": { "enable": false } } })).await;
    assert_eq!(client.lenses("test_a.py").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn without_an_interpreter_it_says_so_once_and_tries_again_with_the_next_command() {
    let mut client = Client::start();
    client.write("test_a.py", "def test_x(): ...\n");
    let message = "no Python was found for this folder: run `python3 -m venv .venv` in it";
    client.engine.refuse("init_context", ErrorCode::PythonNotFound, message);
    client.engine.refuse("init_context", ErrorCode::PythonNotFound, message);
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    // The sources are read side by side with the search for an interpreter.
    let told = client.transcript().await;
    assert_eq!(told.matches("window/showMessage").count(), 1, "{told}");
    assert!(told.contains(message), "{told}");
    assert_eq!(told.matches("\"id\":\"test_a.py::test_x\"").count(), 1, "{told}");
    let refused = client.command("pytestLens.run", json!({})).await.unwrap_err();
    assert_eq!(refused, json!({ "code": -32803, "message": message, "data": { "code": "python_not_found" } }));
    assert_eq!(client.transcript_of(&["window/showMessage"]).await, "");
    let started = client.command("pytestLens.run", json!({})).await.unwrap();
    assert_eq!(started, json!({ "runId": "run-1", "total": 1 }));
}

#[tokio::test(start_paused = true)]
async fn a_broken_pytest_configuration_is_told() {
    let mut client = Client::start();
    client.write("pytest.ini", "[pytest\n");
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    let told = client.transcript_of(&["window/showMessage"]).await;
    assert!(told.contains("pytest.ini"), "{told}");
}

#[tokio::test]
async fn r19_a_server_whose_client_is_dead_ends_though_its_input_stays_open() {
    let mut editor = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let mut client = Client::start();
    client.initialize(json!({ "rootUri": client.uri(""), "processId": editor.id() })).await;
    editor.kill().unwrap();
    editor.wait().unwrap();
    client.ended().await;
}
