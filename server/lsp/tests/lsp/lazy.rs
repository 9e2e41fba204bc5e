//! The tree for a client that requests tests file by file, and the tree before pytest has collected.

use std::sync::Arc;

use insta::assert_snapshot;
use pytest_lens_protocol::{EventPayload, InventoryDelta, Siblings};
use serde_json::{Value, json};

use crate::Client;
use crate::events::{file, inventory, outcome, passed, run_started, test_started};

/// Each inventory notification as its ids, with its other fields.
fn told(client: &mut Client) -> Vec<String> {
    let ids = |list: &Value| -> Vec<String> {
        let id = |item: &Value| item.as_str().or(item["id"].as_str()).unwrap().to_owned();
        list.as_array().into_iter().flatten().map(id).collect()
    };
    let line = |params: &Value| {
        let mut line = format!("+{}", ids(&params["upserts"]).join(" "));
        for (name, key) in [("-", "removed"), ("whole ", "wholeFiles")] {
            if !ids(&params[key]).is_empty() {
                line += &format!(" | {name}{}", ids(&params[key]).join(" "));
            }
        }
        if let Some(order) = params.get("order") {
            line += &format!(" | order {order}");
        }
        line
    };
    let custom = client.take_custom();
    custom
        .iter()
        .map(|(method, params)| if method.ends_with("inventory") { line(params) } else { method.clone() })
        .collect()
}

async fn lazy() -> Client {
    let mut client = Client::start();
    client.open_folder(json!({ "pytestLens": true, "lazyTests": true, "settings": {} })).await;
    client
}

/// More tests than the server sends as a whole, in `big.py`.
fn many(client: &Client) -> EventPayload {
    let names: Vec<String> = (0..6000).map(|n| format!("test_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    inventory(file("big.py", &client.uri("big.py"), &names), &[])
}

#[tokio::test(start_paused = true)]
async fn a_small_tree_is_told_whole() {
    let mut client = lazy().await;
    client.emit([inventory(file("test_a.py", &client.uri("test_a.py"), &["test_one", "test_two"]), &[])]).await;
    client.idle().await;
    assert_eq!(told(&mut client), ["+test_a.py", "+test_a.py::test_one test_a.py::test_two | whole test_a.py"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_large_tree_only_what_was_asked_for() {
    let mut client = lazy().await;
    let uri = client.uri("test_a.py");
    client.emit([many(&client), inventory(file("test_a.py", &uri, &["test_one", "test_two"]), &[])]).await;
    client.idle().await;
    assert_eq!(told(&mut client), ["+big.py", "+test_a.py"]);
    let answer = client.command("pytestLens.resolve", json!({ "ids": ["test_a.py::test_two", "no.py"] })).await;
    assert_eq!(answer.unwrap(), json!({ "files": ["test_a.py"] }));
    client.idle().await;
    assert_eq!(told(&mut client), ["+test_a.py::test_one test_a.py::test_two | whole test_a.py"]);
    let mut news = file("test_a.py", &uri, &["test_new"]);
    news.extend(file("no.py", &client.uri("no.py"), &["test_no"]));
    let siblings =
        |parent: &str, ids: [&str; 2]| Siblings { parent: parent.into(), ids: ids.map(str::to_owned).to_vec() };
    let delta = InventoryDelta {
        upserts: news.into_iter().map(Arc::new).collect(),
        removed: ["test_a.py::test_one", "big.py::test_0"].map(str::to_owned).to_vec(),
        order: vec![
            siblings("test_a.py", ["test_a.py::test_new", "test_a.py::test_two"]),
            siblings("big.py", ["big.py::test_2", "big.py::test_1"]),
        ],
        ..InventoryDelta::default()
    };
    client.emit([EventPayload::Inventory(delta)]).await;
    client.idle().await;
    assert_snapshot!(told(&mut client).join("\n"), @r#"+test_a.py::test_new no.py no.py::test_no | -test_a.py::test_one | order [{"parent":"test_a.py","ids":["test_a.py::test_new","test_a.py::test_two"]}]"#);
    let outline = client.command("pytestLens.tests", json!({ "outline": true })).await.unwrap();
    let ids: Vec<&str> = outline["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["big.py", "test_a.py", "no.py"]);
    let children = client.command("pytestLens.tests", json!({ "parent": "test_a.py" })).await.unwrap();
    assert_eq!(children["items"][0]["id"], "test_a.py::test_new", "the order is the one that was sent");
}

#[tokio::test(start_paused = true)]
async fn a_test_is_told_before_anything_is_told_of_it() {
    let mut client = lazy().await;
    let uri = client.uri("test_a.py");
    client.emit([many(&client), inventory(file("test_a.py", &uri, &["test_one"]), &[])]).await;
    client.idle().await;
    client.take_custom();
    let id = "test_a.py::test_one";
    client.emit([run_started("run-1", &[id]), test_started("run-1", id), outcome("run-1", passed(id))]).await;
    client.idle().await;
    assert_snapshot!(told(&mut client).join("\n"), @r"
    +test_a.py::test_one | whole test_a.py
    pytestLens/runStarted
    pytestLens/testStarted
    pytestLens/testOutcome
    ");
}

#[tokio::test(start_paused = true)]
async fn a_client_without_notifications_is_told_what_to_ask_instead() {
    let mut client = Client::start();
    client.open_folder(json!({ "settings": {} })).await;
    let error = client.command("pytestLens.resolve", json!({ "ids": ["test_a.py"] })).await.unwrap_err();
    assert_snapshot!(error["message"].as_str().unwrap(), @"`pytestLens.resolve` answers by notifications, which this client does not accept: use `pytestLens.tests`");
}

#[tokio::test(start_paused = true)]
async fn sources_are_shown_while_the_interpreter_gets_ready() {
    let mut client = Client::start();
    client.write("tests/test_a.py", "def test_one(): ...\ndef test_two(): ...\n");
    client.engine.hang("init_context");
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    assert_eq!(told(&mut client), ["+tests tests/test_a.py tests/test_a.py::test_one tests/test_a.py::test_two"]);
}

#[tokio::test(start_paused = true)]
async fn what_pytest_does_not_know_goes_when_it_has_spoken() {
    let mut client = Client::start();
    client.write("old/test_gone.py", "def test_gone(): ...\n");
    client.write("test_a.py", "def test_one(): ...\ndef test_two(): ...\n");
    let confirmed = inventory(file("test_a.py", &client.uri("test_a.py"), &["test_one"]), &[]);
    client.engine.emit(&client.context(), [confirmed]);
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    let tests = client.command("pytestLens.tests", json!({})).await.unwrap();
    let ids: Vec<&str> = tests["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["test_a.py", "test_a.py::test_one"]);
}
