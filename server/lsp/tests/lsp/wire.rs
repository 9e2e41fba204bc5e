//! The transport: the server survives every message of a client.

use serde_json::json;

use crate::events::{failed, passed, run_of};
use crate::{Client, SAMPLE};

fn frame(body: &[u8]) -> Vec<u8> {
    [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[tokio::test(start_paused = true)]
async fn d1_a_half_surrogate_in_an_edit_is_an_edit() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let body = format!(
        r##"{{"jsonrpc":"2.0","method":"textDocument/didChange","params":{{"textDocument":{{"uri":"{uri}","version":2}},"contentChanges":[{{"range":{{"start":{{"line":0,"character":0}},"end":{{"line":0,"character":0}}}},"text":"# \ud83d\n"}}]}}}}"##
    );
    client.send_raw(&frame(body.as_bytes())).await;
    assert_eq!(client.lenses("test_a.py").await[0], "4: ▶ Run");
    client.change("test_a.py", 3, json!([[0, 2, 0, 3, "x"]])).await;
    assert_eq!(client.lenses("test_a.py").await[0], "4: ▶ Run", "it counts as one character");
}

#[tokio::test(start_paused = true)]
async fn d1_what_can_not_be_decoded_is_refused_and_life_goes_on() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let sound = client.lenses("test_a.py").await;
    for (body, code) in [
        (b"{".as_slice(), -32700),
        (b"\xff\xfe", -32700),
        (b"null", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"id\":{}}", -32600),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":900,\"method\":\"shutdown\"}]", -32600),
        (b"{\"method\":\"textDocument/codeLens\",\"params\":{}}", -32600),
    ] {
        client.send_raw(&frame(body)).await;
        assert_eq!(client.lenses("test_a.py").await, sound, "{}", String::from_utf8_lossy(body));
        assert_eq!(client.refusals.pop(), Some(code), "{}", String::from_utf8_lossy(body));
    }
    for garbage in ["hello\r\n\r\nworld ", "content-length: 2\r\n\r\n[]", "Content-Length: -4\r\n\r\n", "\0\0"] {
        client.send_raw(garbage.as_bytes()).await;
        assert_eq!(client.lenses("test_a.py").await, sound, "{garbage:?}");
    }
    let request = br#"{"jsonrpc":"2.0","id":901,"method":"textDocument/hover","params":5}"#;
    for length in [request.len() - 9, request.len() + 20] {
        let header = format!("Content-Length: {length}\r\n\r\n");
        client.send_raw(&[header.as_bytes(), request].concat()).await;
        assert_eq!(client.lenses("test_a.py").await, sound, "{length} bytes");
    }
    assert_eq!(std::mem::take(&mut client.refusals), [-32600, -32700, -32700], "of the garbage");
    let refused = client.answer(901).await.unwrap_err();
    assert_eq!(refused["code"], -32602, "the message behind a length that was too large is taken");
}

#[tokio::test(start_paused = true)]
async fn d1_a_panic_in_a_handler_ends_its_request_alone() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    client.engine.panic("collect");
    let refused = client.command("pytestLens.collect", json!({})).await.unwrap_err();
    assert_eq!(refused["code"], -32603);
    assert!(refused["message"].as_str().unwrap().contains("workspace/executeCommand"));
    assert_eq!(client.lenses("test_a.py").await[0], "3: ▶ Run");
    client.command("pytestLens.collect", json!({})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn d5_a_request_without_parameters_has_none() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    client.emit(run_of("run-1", passed("test_a.py::test_one"))).await;
    let asked = client.transcript_of(&["workspace/codeLens/refresh", "workspace/inlayHint/refresh"]).await;
    let kinds: std::collections::BTreeSet<&str> = asked.lines().collect();
    assert_eq!(Vec::from_iter(kinds), ["workspace/codeLens/refresh", "workspace/inlayHint/refresh"]);
}

#[tokio::test(start_paused = true)]
async fn d1_parameters_that_say_nothing_may_be_there_or_not() {
    for initialized in
        [r#"{"jsonrpc":"2.0","method":"initialized"}"#, r#"{"jsonrpc":"2.0","method":"initialized","params":null}"#]
    {
        let mut client = Client::start();
        let params = json!({ "capabilities": {}, "rootUri": client.uri(""), "processId": null });
        client.request("initialize", params).await.unwrap();
        let early =
            client.ask("workspace/executeCommand", json!({ "command": "pytestLens.run", "arguments": [] })).await;
        client.send_raw(&frame(initialized.as_bytes())).await;
        client.answer(early).await.unwrap();
        client.request("shutdown", json!({})).await.unwrap();
        client.notify("exit", json!([])).await;
        client.ended().await;
    }
    let mut client = Client::start();
    let params = json!({ "capabilities": {}, "rootUri": client.uri(""), "processId": null });
    client.request("initialize", params).await.unwrap();
    let refused = client.command("pytestLens.run", json!({})).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("`initialized`"), "{refused}");
    client.idle().await;
    client.take_seen("window/showMessage");
}

#[tokio::test(start_paused = true)]
async fn uris_with_raw_characters_are_read_and_answered_as_the_client_spells_them() {
    let mut client = Client::start();
    let (folder, path) = (client.uri("[id] ä"), client.uri("[id] ä/test_a.py"));
    client.write("[id] ä/test_a.py", SAMPLE);
    let folders = json!([{ "uri": folder, "name": "w" }]);
    let options = json!({ "pytestLens": true, "settings": {} });
    client
        .initialize(json!({ "rootUri": folder, "workspaceFolders": folders, "initializationOptions": options }))
        .await;
    client.open("[id] ä/test_a.py", SAMPLE).await;
    assert_eq!(client.lenses("[id] ä/test_a.py").await.len(), 8);
    let document = json!({ "textDocument": { "uri": path } });
    let lenses = client.request("textDocument/codeLens", document.clone()).await.unwrap();
    assert_eq!(lenses[0]["command"]["arguments"][0]["workspace"], folder);
    client.command("pytestLens.run", document).await.unwrap();
    client.engine.emit("context-[id] ä", run_of("run-1", failed("test_a.py::test_one", &path, 3)));
    client.idle().await;
    let told = client.seen("textDocument/publishDiagnostics").pop().unwrap();
    assert_eq!((&told["uri"], &told["diagnostics"][0]["message"]), (&json!(path), &json!("assert 1 == 2")));
    let told = client.seen("pytestLens/testOutcome").pop().unwrap();
    assert_eq!(told["workspace"], folder);
}

#[tokio::test(start_paused = true)]
async fn d1_a_request_that_only_some_servers_know_is_answered_and_such_a_notification_is_not() {
    let mut client = Client::ready().await;
    let refused = client.request("$/foo", json!({})).await.unwrap_err();
    assert_eq!(refused["code"], -32601, "{refused}");
    client.notify("$/foo", json!({})).await;
    client.command("pytestLens.collect", json!({})).await.unwrap();
    assert!(client.refusals.is_empty());
}
