//! Open documents: lenses, actions, hovers and positions while the user types.

use insta::{assert_json_snapshot, assert_snapshot};
use serde_json::{Value, json};

use crate::client::full_capabilities;
use crate::events::{failed, file, flaky, inventory, passed, run_of};
use crate::{Client, SAMPLE};

#[tokio::test(start_paused = true)]
async fn each_test_and_class_has_lenses_on_its_line() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    assert_snapshot!(client.lenses("test_a.py").await.join("\n"), @"
    3: ▶ Run
    3: Debug
    7: ▶ Run
    7: Debug
    8: ▶ Run
    8: Debug
    13: ▶ Run (3 cases)
    13: Debug
    ");
    let params = json!({ "textDocument": { "uri": client.uri("test_a.py") } });
    let lenses = client.request("textDocument/codeLens", params).await.unwrap();
    assert_snapshot!(client.clean(&lenses[4].to_string()), @r#"
    {"range":{"start":{"line":8,"character":0},"end":{"line":8,"character":0}},"command":{"title":"▶ Run","command":"pytestLens.run","arguments":[{"ids":["test_a.py::TestGroup::test_two"],"workspace":"file:///repo"}]}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn v10_lenses_that_are_drawn_above_stand_above_decorators() {
    let mut client = Client::start();
    client.open_folder(json!({ "pytestLens": true, "lensesAbove": true, "settings": {} })).await;
    let text = "import pytest\n\n@pytest.mark.slow\n@pytest.mark.skipif(\n    True,\n)\ndef test_a():\n    pass\n\n\
                class TestB:\n    def test_c(self):\n        pass\n";
    client.open("test_a.py", text).await;
    let lines: Vec<String> =
        client.lenses("test_a.py").await.into_iter().filter(|lens| lens.ends_with("Run")).collect();
    assert_eq!(lines, ["2: ▶ Run", "9: ▶ Run", "10: ▶ Run"]);
}

#[tokio::test(start_paused = true)]
async fn lenses_follow_typing_and_survive_broken_syntax() {
    let mut client = Client::ready().await;
    client.open("test_a.py", "def test_one():\n    pass\n").await;
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "import os\n\n"]])).await;
    assert_eq!(client.lenses("test_a.py").await, ["2: ▶ Run", "2: Debug"]);
    client.change("test_a.py", 3, json!([[4, 0, 4, 0, "\ndef test_two(:\n    x = (\n"]])).await;
    let broken = client.lenses("test_a.py").await;
    assert_eq!(broken[..2], ["2: ▶ Run", "2: Debug"]);
    client.change("test_a.py", 4, json!([[5, 13, 5, 13, ")"], [6, 8, 6, 9, "1"]])).await;
    assert_eq!(client.lenses("test_a.py").await, ["2: ▶ Run", "2: Debug", "5: ▶ Run", "5: Debug"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_pytest_would_collect_has_lenses() {
    let mut client = Client::start();
    client.write("pytest.ini", "[pytest]\npython_files = check_*.py\npython_functions = check_*\n");
    client.open_folder(json!({ "settings": {} })).await;
    client.open("check_a.py", "def check_x(): ...\ndef test_y(): ...\n").await;
    client.open("test_b.py", "def check_x(): ...\n").await;
    assert_eq!(client.lenses("check_a.py").await, ["0: ▶ Run", "0: Debug"]);
    assert_eq!(client.lenses("test_b.py").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_only_pytest_knows_gets_lenses_when_it_tells() {
    let mut client = Client::ready().await;
    client.open("specs.py", "def test_x(): ...\n").await;
    assert_eq!(client.lenses("specs.py").await, [""; 0]);
    let items = file("specs.py", &client.uri("specs.py"), &["test_x"]);
    client.emit([inventory(items, &[])]).await;
    client.idle().await;
    assert_eq!(client.lenses("specs.py").await, ["0: ▶ Run", "0: Debug"]);
}

#[tokio::test(start_paused = true)]
async fn inherited_tests_share_the_lenses_of_their_definition() {
    let mut client = Client::ready().await;
    let text = "class Base:\n    def test_x(self): ...\n\nclass TestA(Base): ...\nclass TestB(Base): ...\n";
    client.open("test_a.py", text).await;
    let params = json!({ "textDocument": { "uri": client.uri("test_a.py") } });
    let lenses = client.request("textDocument/codeLens", params).await.unwrap();
    let on_method = lenses.as_array().unwrap().iter().find(|lens| lens["range"]["start"]["line"] == 1).unwrap();
    let ids = &on_method["command"]["arguments"][0]["ids"];
    assert_eq!(*ids, json!(["test_a.py::TestA::test_x", "test_a.py::TestB::test_x"]));
    let uri = client.uri("test_a.py");
    let mut events = run_of("run-1", passed("test_a.py::TestA::test_x"));
    events.extend(run_of("run-2", failed("test_a.py::TestB::test_x", &uri, 2)));
    client.emit(events).await;
    client.idle().await;
    let lenses = client.lenses("test_a.py").await;
    assert!(lenses.contains(&"1: ✗ 1 failed, 1 passed 24 ms".to_owned()), "the worst comes first: {lenses:?}");
    let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 1, "character": 10 } });
    let hover = client.request("textDocument/hover", at).await.unwrap();
    assert_snapshot!(hover["contents"]["value"].as_str().unwrap(), @r"
    **test_x**

    ✗ 1 failed, 1 passed 24 ms

    ✗ `TestB::test_x` failed: `assert 1 == 2`

    longest: `TestB::test_x` 12 ms
    ");
}

#[tokio::test(start_paused = true)]
async fn outcomes_appear_in_lenses_hints_and_hovers() {
    let mut client = Client::start();
    client.open_folder(json!({ "pytestLens": true, "settings": { "inlayHints": { "enable": true } } })).await;
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let mut events = run_of("run-1", failed("test_a.py::TestGroup::test_two", &uri, 10));
    events.extend(run_of("run-2", passed("test_a.py::TestGroup::test_three[1]")));
    events.extend(run_of("run-3", passed("test_a.py::TestGroup::test_three[2]")));
    events.push(flaky("test_a.py::TestGroup::test_two"));
    client.emit(events).await;
    client.idle().await;
    assert_snapshot!(client.lenses("test_a.py").await.join("\n"), @"
    3: ▶ Run
    3: Debug
    7: ▶ Run
    7: Debug
    7: ✗ 1 failed, 2 passed 36 ms · flaky 25 %
    8: ▶ Run
    8: Debug
    8: ✗ failed 12 ms · flaky 25 %
    13: ▶ Run (3 cases)
    13: Debug
    13: ✓ 2 passed 24 ms
    ");
    let at = |line: u32| json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": 10 } });
    let hover = client.request("textDocument/hover", at(8)).await.unwrap();
    assert_snapshot!(hover["contents"]["value"].as_str().unwrap(), @r#"
    **test_two**

    ✗ failed 12 ms

    ✗ failed: `assert 1 == 2`

    flaky: failed in 25 % of 8 runs, 3 flips, last ✓✗✓
    "#);
    let hover = client.request("textDocument/hover", at(13)).await.unwrap();
    assert_snapshot!(hover["contents"]["value"].as_str().unwrap(), @r#"
    **test_three**

    ✓ 2 passed 24 ms

    markers: `parametrize`

    3 cases

    longest: `[2]` 12 ms
    "#);
    assert_eq!(client.request("textDocument/hover", at(9)).await.unwrap(), Value::Null);
    let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 10, "character": 0 } });
    let params = json!({ "textDocument": { "uri": uri }, "range": range });
    let hints = client.request("textDocument/inlayHint", params).await.unwrap();
    assert_snapshot!(hints.to_string(), @r#"
    [{"position":{"line":7,"character":16},"label":"36 ms","paddingLeft":true},{"position":{"line":8,"character":23},"label":"12 ms","paddingLeft":true}]
    "#);
}

#[tokio::test(start_paused = true)]
async fn code_actions_offer_the_same() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let params = |line: u32, context: Value| {
        json!({
            "textDocument": { "uri": client.uri("test_a.py") },
            "range": { "start": { "line": line, "character": 8 }, "end": { "line": line, "character": 8 } },
            "context": context,
        })
    };
    let (inside, outside) = (params(9, json!({ "diagnostics": [] })), params(0, json!({ "diagnostics": [] })));
    let quickfix = params(9, json!({ "diagnostics": [], "only": ["quickfix"] }));
    let actions = client.request("textDocument/codeAction", inside).await.unwrap();
    let text = serde_json::to_string_pretty(&actions).unwrap();
    assert_snapshot!(client.clean(&text), @r#"
    [
      {
        "title": "Run test_two",
        "kind": "pytestLens.run",
        "command": {
          "title": "Run test_two",
          "command": "pytestLens.run",
          "arguments": [
            {
              "ids": [
                "test_a.py::TestGroup::test_two"
              ],
              "workspace": "file:///repo"
            }
          ]
        }
      },
      {
        "title": "Debug test_two",
        "kind": "pytestLens.debug",
        "command": {
          "title": "Debug test_two",
          "command": "pytestLens.debug",
          "arguments": [
            {
              "ids": [
                "test_a.py::TestGroup::test_two"
              ],
              "workspace": "file:///repo"
            }
          ]
        }
      },
      {
        "title": "Run all tests in test_a.py",
        "kind": "pytestLens.run",
        "command": {
          "title": "Run all tests in test_a.py",
          "command": "pytestLens.run",
          "arguments": [
            {
              "textDocument": {
                "uri": "file:///repo/test_a.py"
              }
            }
          ]
        }
      }
    ]
    "#);
    let titles: Vec<Value> = {
        let actions = client.request("textDocument/codeAction", outside).await.unwrap();
        actions.as_array().unwrap().iter().map(|action| action["title"].clone()).collect()
    };
    assert_eq!(titles, ["Run all tests in test_a.py"]);
    assert_eq!(client.request("textDocument/codeAction", quickfix).await.unwrap(), json!([]));
}

/// A character beyond the Basic Multilingual Plane takes two units of UTF-16 and four of UTF-8.
#[tokio::test(start_paused = true)]
async fn columns_are_in_the_negotiated_encoding() {
    let mut columns = Vec::new();
    for encoding in ["utf-16", "utf-8"] {
        let mut client = Client::start();
        let mut capabilities = full_capabilities();
        capabilities["general"]["positionEncodings"] = json!([encoding]);
        let options = json!({ "pytestLens": true, "settings": {} });
        let folder = client.uri("");
        client
            .initialize(json!({ "rootUri": folder, "capabilities": capabilities, "initializationOptions": options }))
            .await;
        client.idle().await;
        client.open("test_a.py", "def test_𝒜b():\n    assert '😀' == x\n").await;
        // After the emoji, where the encodings count differently.
        let behind = if encoding == "utf-8" { 22 } else { 20 };
        client.change("test_a.py", 2, json!([[1, behind, 1, behind + 1, "yy"]])).await;
        let uri = client.uri("test_a.py");
        let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 5 } });
        let hover = client.request("textDocument/hover", at).await.unwrap();
        client.emit(run_of("run-1", failed("test_a.py::test_𝒜b", &uri, 1))).await;
        let diagnostics = client.wait("textDocument/publishDiagnostics").await;
        let range = &diagnostics["diagnostics"][0]["range"];
        columns.push(json!([
            hover["range"]["end"]["character"],
            range["start"]["character"],
            range["end"]["character"]
        ]));
    }
    assert_json_snapshot!(columns, @"
    [
      [
        12,
        4,
        22
      ],
      [
        14,
        4,
        24
      ]
    ]
    ");
}

#[tokio::test(start_paused = true)]
async fn only_brackets_behind_a_file_name_a_case() {
    let mut client = Client::ready().await;
    client.write("d[1]/test_a.py", "def test_x(): assert 1 == 2\ndef test_y(): assert 1 == 2\n");
    let uri = client.uri("d%5B1%5D/test_a.py");
    for (run, id, line) in [("run-1", "test_x", 0), ("run-2", "test_y[d]", 1), ("run-3", "test_z", 0)] {
        client.emit(run_of(run, failed(&format!("d[1]/test_a.py::{id}"), &uri, line))).await;
    }
    client.idle().await;
    let told = client.seen("textDocument/publishDiagnostics").pop().unwrap();
    let messages: Vec<&Value> = told["diagnostics"].as_array().unwrap().iter().map(|told| &told["message"]).collect();
    assert_eq!(messages, ["assert 1 == 2\n2 tests: test_x, test_z", "[d] assert 1 == 2"]);
}
