//! Several folders, trust, saved and watched files.

use insta::assert_snapshot;
use pytest_lens_protocol::{ErrorCode, EventPayload, InventoryDelta, Request, Response};
use serde_json::{Value, json};

use crate::events::{failed, file, inventory, passed, run_of, run_started};
use crate::{Client, SAMPLE};

async fn two_folders() -> Client {
    let mut client = Client::start();
    client.write("a/test_a.py", "def test_x(): ...\n");
    client.write("b/test_b.py", "def test_x(): ...\n");
    for (context, path, uri) in
        [("context-a", "test_a.py", client.uri("a/test_a.py")), ("context-b", "test_b.py", client.uri("b/test_b.py"))]
    {
        client.engine.emit(context, [inventory(file(path, &uri, &["test_x"]), &[])]);
    }
    let folders = json!([{ "uri": client.uri("a"), "name": "a" }, { "uri": client.uri("b"), "name": "b" }]);
    let options = json!({ "pytestLens": true, "settings": {} });
    client.initialize(json!({ "workspaceFolders": folders, "initializationOptions": options })).await;
    client.idle().await;
    client
}

fn runs(client: &Client) -> Vec<(String, Vec<String>)> {
    let asked = client.engine.asked("run_stream");
    let run = |request| match request {
        Request::RunStream { context_id, node_ids, .. } => (context_id, node_ids),
        _ => (String::new(), Vec::new()),
    };
    asked.into_iter().map(run).collect()
}

#[tokio::test(start_paused = true)]
async fn each_folder_has_its_own_context_and_numbers() {
    let mut client = two_folders().await;
    client.engine.emit("context-a", run_of("run-1", passed("test_a.py::test_x")));
    client.engine.emit("context-b", run_of("run-2", passed("test_b.py::test_x")));
    client.idle().await;
    let seqs = |messages: &[(String, Value)], folder: &str| -> Vec<u64> {
        let ours = messages.iter().filter(|(_, params)| params["workspace"] == folder);
        ours.map(|(_, params)| params["seq"].as_u64().unwrap()).collect()
    };
    let messages = client.take_custom();
    for folder in ["a", "b"] {
        let numbers = seqs(&messages, &client.uri(folder));
        // The sources and the engine's inventory, in one or in several; then the run.
        assert!(numbers.len() >= 5, "{messages:?}");
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn commands_find_their_folder() {
    let mut client = two_folders().await;
    for folder in ["b", "none"] {
        let document = json!({ "uri": client.uri("a/test_a.py") });
        let argument = json!({ "textDocument": document, "workspace": client.uri(folder) });
        let error = client.command("pytestLens.run", argument).await.unwrap_err();
        assert!(error["message"].as_str().unwrap().contains(&client.uri(folder)), "{error}");
    }
    let all = client.command("pytestLens.run", json!({})).await.unwrap();
    assert_snapshot!(client.clean(&all.to_string()), @r#"
    {"runId":"run-1","total":2,"runs":[{"workspace":"file:///repo/a","runId":"run-1","total":1},{"workspace":"file:///repo/b","runId":"run-2","total":1}]}
    "#);
    client.command("pytestLens.run", json!({ "ids": ["test_b.py::test_x"] })).await.unwrap();
    let both = json!({ "ids": ["test_b.py::test_x", "test_a.py::test_x"] });
    client.command("pytestLens.run", both).await.unwrap();
    let named = json!({ "ids": ["test_new.py"], "workspace": client.uri("b") });
    client.command("pytestLens.run", named).await.unwrap();
    let unknown = client.command("pytestLens.run", json!({ "ids": ["test_new.py"] })).await.unwrap_err();
    assert_snapshot!(unknown["message"].as_str().unwrap(), @"
    no open folder holds test_new.py: check the id, or collect the tests again
    ");
    let (a, b) = ("context-a".to_owned(), "context-b".to_owned());
    let (x, y) = (vec!["test_a.py::test_x".to_owned()], vec!["test_b.py::test_x".to_owned()]);
    let expected = [
        (a.clone(), vec![]),
        (b.clone(), vec![]),
        (b.clone(), y.clone()),
        (b.clone(), y),
        (a, x),
        (b, vec!["test_new.py".to_owned()]),
    ];
    assert_eq!(runs(&client), expected);
}

#[tokio::test(start_paused = true)]
async fn one_broken_folder_does_not_keep_the_others_from_running() {
    let mut client = two_folders().await;
    client.engine.refuse("run_stream", ErrorCode::CollectionFailed, "nothing could be collected");
    let all = client.command("pytestLens.run", json!({})).await.unwrap();
    assert_eq!(all["runs"].as_array().unwrap().len(), 1);
    let told = client.transcript_of(&["window/showMessage"]).await;
    assert!(told.contains("nothing could be collected"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn folders_come_and_go() {
    let mut client = two_folders().await;
    client.open("c/test_c.py", SAMPLE).await;
    assert_eq!(client.lenses("c/test_c.py").await, [""; 0]);
    let event = json!({
        "added": [{ "uri": client.uri("c"), "name": "c" }],
        "removed": [{ "uri": client.uri("a"), "name": "a" }],
    });
    client.notify("workspace/didChangeWorkspaceFolders", json!({ "event": event })).await;
    client.idle().await;
    assert_eq!(client.lenses("c/test_c.py").await.len(), 8);
    let ended = client.engine.asked("shutdown");
    assert_eq!(ended, [Request::Shutdown { context_id: Some("context-a".into()) }]);
    let gone = json!({ "ids": ["x"], "workspace": client.uri("a") });
    let error = client.command("pytestLens.run", gone).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("is not an open folder"));
}

#[tokio::test(start_paused = true)]
async fn without_trust_nothing_is_executed_and_the_source_is_shown() {
    let mut client = Client::start();
    client.write("tests/test_a.py", SAMPLE);
    client.open_folder(json!({ "pytestLens": true, "trusted": false, "settings": {} })).await;
    client.open("tests/test_a.py", SAMPLE).await;
    assert_eq!(client.lenses("tests/test_a.py").await.len(), 8);
    let debugged = client.command("pytestLens.debug", json!({})).await.unwrap_err();
    let refused = client.command("pytestLens.run", json!({})).await.unwrap_err();
    assert_eq!(debugged, refused);
    assert_snapshot!(refused["message"].as_str().unwrap(), @"
    this workspace is not trusted, so none of its code is run: trust it in your editor, then try again
    ");
    let tests = client.command("pytestLens.tests", json!({})).await.unwrap();
    let ids: Vec<&str> = tests["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_snapshot!(ids.join("\n"), @"
    tests
    tests/test_a.py
    tests/test_a.py::test_one
    tests/test_a.py::TestGroup
    tests/test_a.py::TestGroup::test_two
    tests/test_a.py::TestGroup::test_three
    ");
    assert_eq!(client.engine.asked("init_context"), []);
    client.notify("pytestLens/trust", json!({ "trusted": true })).await;
    client.idle().await;
    client.command("pytestLens.run", json!({})).await.unwrap();
    client.notify("pytestLens/trust", json!({ "trusted": false })).await;
    client.idle().await;
    assert_eq!(client.engine.asked("shutdown"), [Request::Shutdown { context_id: Some(client.context()) }]);
    assert!(client.command("pytestLens.run", json!({})).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn swarms_of_changed_files_are_one_collection() {
    let mut client = Client::ready().await;
    let before = client.engine.asked("collect").len();
    for name in ["a.py", "b.py", "notes.txt"] {
        let changes = json!([{ "uri": client.uri(name), "type": 2 }]);
        client.notify("workspace/didChangeWatchedFiles", json!({ "changes": changes })).await;
    }
    client.idle().await;
    assert_eq!(client.engine.asked("collect").len(), before + 1);
    let changes = json!([{ "uri": client.uri("notes.txt"), "type": 2 }]);
    client.notify("workspace/didChangeWatchedFiles", json!({ "changes": changes })).await;
    client.idle().await;
    assert_eq!(client.engine.asked("collect").len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn saving_runs_what_the_settings_say() {
    let mut client = Client::start();
    client.write("pkg/core.py", "x = 1\n");
    client.write("tests/test_core.py", "from pkg import core\ndef test_x(): ...\n");
    client.write("tests/test_other.py", "def test_y(): ...\n");
    client.open_folder(json!({ "pytestLens": true, "settings": { "runOnSave": "file" } })).await;
    for name in ["pkg/core.py", "tests/test_other.py"] {
        client.save(name).await;
        client.idle().await;
    }
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "runOnSave": "affected" } })).await;
    client.idle().await;
    // The engine decides which tests a file can reach.
    client.engine.script("get_affected", Response::TestList { node_ids: vec!["tests/test_core.py".into()] });
    client.save("pkg/core.py").await;
    client.idle().await;
    let ids: Vec<Vec<String>> = runs(&client).into_iter().map(|(_, ids)| ids).collect();
    assert_eq!(ids, [["tests/test_other.py"], ["tests/test_core.py"]]);
}

#[tokio::test(start_paused = true)]
async fn a1_a_client_is_told_which_test_files_a_change_can_reach() {
    let mut client = Client::start();
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    client.engine.script("get_affected", Response::TestList { node_ids: vec!["tests/test_core.py".into()] });
    let uris = json!({ "uris": [client.uri("pkg/core.py"), client.uri("data.json"), "file:///elsewhere/a.txt"] });
    let answer = client.command("pytestLens.affected", uris).await.unwrap();
    assert_eq!(answer["folders"].as_array().unwrap().len(), 1);
    assert_eq!(answer["folders"][0]["ids"], json!(["tests/test_core.py"]));
    let paths = vec!["pkg/core.py".into(), "data.json".into()];
    assert_eq!(client.engine.asked("get_affected"), [Request::GetAffected { context_id: client.context(), paths }]);
    let uris = json!({ "uris": ["file:///elsewhere/a.txt"] });
    let answer = client.command("pytestLens.affected", uris).await.unwrap();
    assert_eq!(answer, json!({ "folders": [] }));
}

#[tokio::test(start_paused = true)]
async fn a1_saved_data_that_was_never_opened_runs_what_it_reaches() {
    let mut client = Client::start();
    client.write("data/cases.json", "[]\n");
    client.write("test_cases.py", "def test_x(): ...\n");
    client.open_folder(json!({ "pytestLens": true, "settings": { "runOnSave": "off" } })).await;
    let transcript = client.transcript().await;
    let saves = r#"{"id":"pytest-lens/saves","method":"textDocument/didSave","registerOptions":{"documentSelector":[{"scheme":"file"}],"includeText":false}}"#;
    assert!(transcript.contains(saves), "{transcript}");
    client.engine.script("get_affected", Response::TestList { node_ids: vec!["test_cases.py".into()] });
    client.save("data/cases.json").await;
    client.idle().await;
    assert!(client.engine.asked("get_affected").is_empty());
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "runOnSave": "affected" } })).await;
    client.idle().await;
    client.transcript().await;
    let collections = client.engine.asked("collect").len();
    client.notify("textDocument/didSave", json!({ "textDocument": { "uri": "file:///elsewhere/notes.txt" } })).await;
    client.idle().await;
    assert!(client.engine.asked("get_affected").is_empty());
    client.save("data/cases.json").await;
    client.idle().await;
    let asked = Request::GetAffected { context_id: client.context(), paths: vec!["data/cases.json".into()] };
    assert_eq!(client.engine.asked("get_affected"), [asked]);
    let ids: Vec<Vec<String>> = runs(&client).into_iter().map(|(_, ids)| ids).collect();
    assert_eq!(ids, [["test_cases.py"]]);
    assert_eq!(client.engine.asked("collect").len(), collections);
    let told = client.transcript().await;
    assert!(!told.contains("publishDiagnostics"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_changed_configuration_changes_the_lenses() {
    let mut client = Client::ready().await;
    client.open("test_a.py", "def check_x(): ...\n").await;
    assert_eq!(client.lenses("test_a.py").await, [""; 0]);
    client.write("pytest.ini", "[pytest]\npython_functions = check_*\n");
    let changes = json!([{ "uri": client.uri("pytest.ini"), "type": 1 }]);
    client.notify("workspace/didChangeWatchedFiles", json!({ "changes": changes })).await;
    assert_eq!(client.lenses("test_a.py").await, ["0: ▶ Run", "0: Debug"]);
}

#[tokio::test(start_paused = true)]
async fn a_whole_inventory_takes_the_place_of_what_was_known() {
    let mut client = Client::ready().await;
    let old = client.uri("test_a.py");
    client.emit([inventory(file("test_a.py", &old, &["test_x"]), &[])]).await;
    client.idle().await;
    client.take_custom();
    let uri = client.uri("test_b.py");
    let EventPayload::Inventory(delta) = inventory(file("test_b.py", &uri, &["test_y"]), &[]) else { unreachable!() };
    client.emit([EventPayload::Inventory(InventoryDelta { whole: true, ..delta })]).await;
    client.idle().await;
    let told: Vec<Value> = client.take_custom().into_iter().map(|(_, params)| params).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["removed"], json!(["test_a.py"]));
    let items = told[0]["upserts"].as_array().unwrap();
    let added: Vec<&str> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(added, ["test_b.py", "test_b.py::test_y"]);
    assert_eq!(told[0]["whole"], Value::Null, "editors are told what changed");
}

#[tokio::test(start_paused = true)]
async fn tests_that_another_interpreter_does_not_have_go_when_it_has_collected() {
    let mut client = Client::ready().await;
    let uri = client.uri("test_a.py");
    client.emit([inventory(file("test_a.py", &uri, &["test_x", "test_old"]), &[])]).await;
    client.idle().await;
    client.engine.forget_events(&client.context());
    client.engine.emit(&client.context(), [inventory(file("test_a.py", &uri, &["test_new", "test_x"]), &[])]);
    client.notify("workspace/didChangeConfiguration", json!({ "settings": { "pythonPath": "/other" } })).await;
    client.idle().await;
    let tests = client.command("pytestLens.tests", json!({})).await.unwrap();
    let ids: Vec<&str> = tests["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["test_a.py", "test_a.py::test_new", "test_a.py::test_x"]);
}

#[tokio::test(start_paused = true)]
async fn a_context_that_the_engine_forgot_is_opened_anew() {
    let mut client = Client::ready().await;
    client.engine.refuse("get_events", ErrorCode::ContextNotFound, "there is no such context");
    client.emit([run_started("run-1", &["test_a.py::test_x"])]).await;
    client.idle().await;
    assert_eq!(client.engine.asked("init_context").len(), 2);
    assert_snapshot!(client.transcript_of(&["window/showMessage", "pytestLens/runFinished"]).await, @r#"
    pytestLens/runFinished {"runId":"run-1","status":"internal_error","counts":{"total":0,"passed":0,"failed":0,"skipped":0,"errors":0,"notRun":1},"durationMs":0.0,"message":"the engine lost this run","workspace":"file:///repo","seq":3}
    window/showMessage {"type":1,"message":"the engine lost this run"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn folders_within_each_other_share_the_outcomes_of_their_tests() {
    let mut client = Client::start();
    client.write("in/test_a.py", SAMPLE);
    let uri = client.uri("in/test_a.py");
    let (outer, inner) = (client.context(), "context-in");
    client.engine.emit(&outer, [inventory(file("in/test_a.py", &uri, &["test_one"]), &[])]);
    client.engine.emit(inner, [inventory(file("test_a.py", &uri, &["test_one"]), &[])]);
    let folders = json!([{ "uri": client.uri(""), "name": "w" }, { "uri": client.uri("in"), "name": "in" }]);
    let options = json!({ "pytestLens": true, "settings": {} });
    client.initialize(json!({ "workspaceFolders": folders, "initializationOptions": options })).await;
    client.open("in/test_a.py", SAMPLE).await;
    client.idle().await;
    client.take_all();
    for (context, events, lens, problems) in [
        (&*outer, run_of("run-1", failed("in/test_a.py::test_one", &uri, 4)), "3: ✗ failed 12 ms", 1),
        (inner, run_of("run-2", passed("test_a.py::test_one")), "3: ✓ passed 12 ms", 0),
        (inner, run_of("run-3", failed("test_a.py::test_one", &uri, 4)), "3: ✗ failed 12 ms", 1),
        (&*outer, run_of("run-4", passed("in/test_a.py::test_one")), "3: ✓ passed 12 ms", 0),
    ] {
        client.engine.emit(context, events);
        client.idle().await;
        assert!(client.lenses("in/test_a.py").await.contains(&lens.to_owned()), "{lens} in {context}");
        let shown = client.take_seen("textDocument/publishDiagnostics").pop().unwrap();
        assert_eq!(shown["diagnostics"].as_array().unwrap().len(), problems, "in {context}");
        assert_eq!(client.take_seen("pytestLens/testOutcome").len(), 1, "of the folder that ran it");
    }
}
