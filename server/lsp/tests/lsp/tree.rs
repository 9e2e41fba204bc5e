//! The tree, and the items that live buffers add to it.

use insta::assert_snapshot;
use pytest_lens_protocol::ErrorCode;
use serde_json::{Value, json};

use crate::events::{file, inventory};
use crate::{Client, SAMPLE};

fn ids(answer: &Value) -> Vec<String> {
    let name = |item: &Value| {
        let provisional = if item["provisional"] == true { " (provisional)" } else { "" };
        format!("{}{provisional}", item["id"].as_str().unwrap())
    };
    answer["items"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn the_tree_comes_in_pages_and_by_parent() {
    let mut client = Client::ready().await;
    let names: Vec<String> = (0..1200).map(|n| format!("test_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let items = file("test_a.py", &client.uri("test_a.py"), &names);
    client.emit([inventory(items, &[])]).await;
    client.idle().await;
    let pieces: Vec<usize> =
        client.take_custom().iter().map(|(_, params)| params["upserts"].as_array().unwrap().len()).collect();
    assert_eq!(pieces, [500, 500, 201]);
    let first = client.command("pytestLens.tests", json!({})).await.unwrap();
    assert_eq!((ids(&first).len(), &first["next"]), (1000, &json!("1000")));
    let second = client.command("pytestLens.tests", json!({ "cursor": "1000" })).await.unwrap();
    assert_eq!((ids(&second).len(), second.get("next")), (201, None));
    let children =
        client.command("pytestLens.tests", json!({ "parent": "test_a.py", "cursor": "1000" })).await.unwrap();
    assert_eq!(ids(&children).len(), 200);
}

#[tokio::test(start_paused = true)]
async fn unsaved_tests_are_provisional_until_pytest_has_spoken() {
    let mut client = Client::ready().await;
    let uri = client.uri("test_a.py");
    client.emit([inventory(file("test_a.py", &uri, &["test_one"]), &[])]).await;
    client.open("test_a.py", "def test_one(): ...\n").await;
    client.transcript().await;
    client.change("test_a.py", 2, json!([[1, 0, 1, 0, "def test_ne(): ...\n"]])).await;
    client.change("test_a.py", 3, json!([[1, 11, 1, 11, "w"]])).await;
    assert_snapshot!(client.transcript_of(&["pytestLens/inventory"]).await, @r#"
    pytestLens/inventory {"revision":3,"upserts":[{"id":"test_a.py::test_new","parent":"test_a.py","kind":"function","label":"test_new","uri":"file:///repo/test_a.py","range":{"start":{"line":1,"character":4},"end":{"line":1,"character":12}},"markers":[],"skip":false,"xfail":false,"provisional":true}],"removed":[],"errors":[],"workspace":"file:///repo","seq":3}
    "#);
    let tests = client.command("pytestLens.tests", json!({})).await.unwrap();
    assert_eq!(ids(&tests), ["test_a.py", "test_a.py::test_one", "test_a.py::test_new (provisional)"]);
    client.save("test_a.py").await;
    client.idle().await;
    let tests = client.command("pytestLens.tests", json!({})).await.unwrap();
    assert_eq!(ids(&tests), ["test_a.py", "test_a.py::test_one"], "pytest did not take it");
}

#[tokio::test(start_paused = true)]
async fn items_of_open_documents_have_live_ranges() {
    let mut client = Client::ready().await;
    let uri = client.uri("test_a.py");
    client.open("test_a.py", SAMPLE).await;
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# moved\n"]])).await;
    client.emit([inventory(file("test_a.py", &uri, &["test_one"]), &[])]).await;
    client.idle().await;
    let tests = client.command("pytestLens.tests", json!({ "parent": "test_a.py" })).await.unwrap();
    assert_snapshot!(client.clean(&tests["items"][0].to_string()), @r#"
    {"id":"test_a.py::test_one","parent":"test_a.py","kind":"function","label":"test_one","uri":"file:///repo/test_a.py","range":{"start":{"line":4,"character":4},"end":{"line":4,"character":12}},"markers":[],"skip":false,"xfail":false}
    "#);
}

#[tokio::test(start_paused = true)]
async fn without_an_engine_saved_sources_are_the_tree() {
    let mut client = Client::ready().await;
    let uri = client.uri("test_a.py");
    let (old, new) = ("def test_x():\n    pass\n", "def test_y():\n    pass\n");
    client.write("test_a.py", old);
    client.open("test_a.py", old).await;
    for (way, back) in [
        (("pytestLens/trust", json!({ "trusted": false })), ("pytestLens/trust", json!({ "trusted": true }))),
        (
            ("workspace/didChangeConfiguration", json!({ "settings": { "pythonPath": "/none" } })),
            ("workspace/didChangeConfiguration", json!({ "settings": { "pythonPath": "/python" } })),
        ),
    ] {
        client.change("test_a.py", 2, json!([old])).await;
        client.write("test_a.py", old);
        client.save("test_a.py").await;
        client.emit([inventory(file("test_a.py", &uri, &["test_x", "test_inherited"]), &["test_a.py"])]).await;
        client.idle().await;
        client.engine.refuse("init_context", ErrorCode::PythonNotFound, "there is no Python at /none");
        client.notify(way.0, way.1).await;
        client.idle().await;
        if way.0 == "pytestLens/trust" {
            let refused = client.command("pytestLens.run", json!({})).await.unwrap_err();
            assert!(refused["message"].as_str().unwrap().contains("not trusted"), "{refused}");
        }
        client.take_seen("window/showMessage");
        client.change("test_a.py", 2, json!([new])).await;
        client.write("test_a.py", new);
        client.save("test_a.py").await;
        client.idle().await;
        let tests = client.command("pytestLens.tests", json!({ "parent": "test_a.py" })).await.unwrap();
        assert_eq!(ids(&tests), ["test_a.py::test_inherited", "test_a.py::test_y (provisional)"], "{}", way.0);
        // The tree of the next context has no test that only the last one had.
        client.engine.forget_events(&client.context());
        client.engine.emit(&client.context(), [inventory(file("test_a.py", &uri, &["test_y"]), &[])]);
        client.notify(back.0, back.1).await;
        client.idle().await;
        client.command("pytestLens.collect", json!({})).await.unwrap();
        let tests = client.command("pytestLens.tests", json!({ "parent": "test_a.py" })).await.unwrap();
        assert_eq!(ids(&tests), ["test_a.py::test_y"], "{}", way.0);
        client.take_seen("window/showMessage");
    }
}
