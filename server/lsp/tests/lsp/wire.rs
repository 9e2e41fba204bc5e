//! The transport: the server survives every message of a client.

use serde_json::json;

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
    client.emit(crate::events::run_of("run-1", crate::events::passed("test_a.py::test_one"))).await;
    let asked = client.transcript_of(&["workspace/codeLens/refresh", "workspace/inlayHint/refresh"]).await;
    let kinds: std::collections::BTreeSet<&str> = asked.lines().collect();
    assert_eq!(Vec::from_iter(kinds), ["workspace/codeLens/refresh", "workspace/inlayHint/refresh"]);
}
