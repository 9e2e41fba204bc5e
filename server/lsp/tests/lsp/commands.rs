//! Commands: their requests to the engine, and their errors for wrong input.

use insta::assert_snapshot;
use pytest_lens_protocol::{Bytes, DebugFile, ErrorCode, EventPayload, FileSkip, Request, Response, RunEnd, RunStart};
use serde_json::{Value, json};

use crate::events::{failed, file, inventory, passed, run_finished, run_of, run_started};
use crate::{Client, SAMPLE};

#[tokio::test(start_paused = true)]
async fn wrong_arguments_are_told_with_what_is_expected() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let wrong = [
        ("pytestLens.run", json!([{}, {}])),
        ("pytestLens.run", json!(["test_a.py"])),
        ("pytestLens.run", json!([{ "id": "test_a.py::test_one" }])),
        ("pytestLens.run", json!([{ "ids": [] }])),
        ("pytestLens.run", json!([{ "ids": "test_a.py" }])),
        ("pytestLens.run", json!([{ "ids": ["a"], "textDocument": { "uri": uri } }])),
        ("pytestLens.run", json!([{ "position": { "line": 1, "character": 0 } }])),
        ("pytestLens.run", json!([{ "textDocument": { "uri": uri }, "position": { "line": 1, "character": 0 } }])),
        ("pytestLens.run", json!([{ "textDocument": { "uri": "untitled:Untitled-1" } }])),
        ("pytestLens.run", json!([{ "textDocument": { "uri": "file:///elsewhere/test_b.py" } }])),
        ("pytestLens.run", json!([{ "ids": ["a"], "workspace": "file:///elsewhere" }])),
        ("pytestLens.runFailed", json!([{}])),
        ("pytestLens.runLast", json!([{}])),
        ("pytestLens.stop", json!([{ "runId": 7 }])),
        ("pytestLens.output", json!([{}])),
        ("pytestLens.tests", json!([{ "cursor": "first" }])),
        ("pytestLens.debug", json!([{ "ids": [] }])),
        ("pytestLens.coverage", json!([{}])),
        ("pytestLens.coverage", json!([{ "runId": "run-none" }])),
        ("pytestLens.nothing", json!([{}])),
    ];
    let mut told = Vec::new();
    for (command, arguments) in wrong {
        let params = json!({ "command": command, "arguments": arguments });
        let error = client.request("workspace/executeCommand", params).await.unwrap_err();
        told.push(format!("{command} {arguments}\n    {} {}", error["code"], error["message"].as_str().unwrap()));
    }
    assert_snapshot!(client.clean(&told.join("\n")), @r#"
    pytestLens.run [{},{}]
        -32602 `pytestLens.run` takes one object as its only argument, and got 2: give it {ids, workspace?}, {textDocument, position}, {textDocument} or {} for all tests, with workers, maxfail, rerun, keyword, marker, runDisabled, timeoutMs, arguments, coverage and untilFailure as wanted
    pytestLens.run ["test_a.py"]
        -32602 `pytestLens.run` takes one object, not a string: give it {ids, workspace?}, {textDocument, position}, {textDocument} or {} for all tests, with workers, maxfail, rerun, keyword, marker, runDisabled, timeoutMs, arguments, coverage and untilFailure as wanted
    pytestLens.run [{"id":"test_a.py::test_one"}]
        -32602 `pytestLens.run`: unknown field `id`, expected one of `ids`, `workspace`, `textDocument`, `position`, `workers`, `maxfail`, `rerun`, `keyword`, `marker`, `runDisabled`, `timeoutMs`, `arguments`, `coverage`, `untilFailure`; it takes {ids, workspace?}, {textDocument, position}, {textDocument} or {} for all tests, with workers, maxfail, rerun, keyword, marker, runDisabled, timeoutMs, arguments, coverage and untilFailure as wanted
    pytestLens.run [{"ids":[]}]
        -32602 `ids` names no test: name at least one, or leave it out to run all
    pytestLens.run [{"ids":"test_a.py"}]
        -32602 `pytestLens.run`: invalid type: string "test_a.py", expected a sequence; it takes {ids, workspace?}, {textDocument, position}, {textDocument} or {} for all tests, with workers, maxfail, rerun, keyword, marker, runDisabled, timeoutMs, arguments, coverage and untilFailure as wanted
    pytestLens.run [{"ids":["a"],"textDocument":{"uri":"file:///repo/test_a.py"}}]
        -32602 give either `ids` or `textDocument`, not both
    pytestLens.run [{"position":{"line":1,"character":0}}]
        -32602 `position` needs its `textDocument`: give both
    pytestLens.run [{"textDocument":{"uri":"file:///repo/test_a.py"},"position":{"line":1,"character":0}}]
        -32803 there is no test at line 2 of test_a.py: put the cursor into a test, or run the whole file
    pytestLens.run [{"textDocument":{"uri":"untitled:Untitled-1"}}]
        -32602 untitled:Untitled-1 is no file on disk: save it first, then run it
    pytestLens.run [{"textDocument":{"uri":"file:///elsewhere/test_b.py"}}]
        -32803 /elsewhere/test_b.py lies in no open folder: open the folder that holds it
    pytestLens.run [{"ids":["a"],"workspace":"file:///elsewhere"}]
        -32602 `workspace` file:///elsewhere is not an open folder: those open are file:///repo
    pytestLens.runFailed [{}]
        -32803 no test failed when it last ran, so there is nothing to repeat: run tests first
    pytestLens.runLast [{}]
        -32803 nothing was run yet, so there is nothing to repeat: run a test first
    pytestLens.stop [{"runId":7}]
        -32602 `pytestLens.stop`: invalid type: integer `7`, expected a string; it takes {runId?}
    pytestLens.output [{}]
        -32602 `pytestLens.output`: missing field `id`; it takes {id, workspace?}
    pytestLens.tests [{"cursor":"first"}]
        -32602 `cursor` must be the `next` of the page before, or left out
    pytestLens.debug [{"ids":[]}]
        -32602 `ids` names no test: name at least one, or leave it out to run all
    pytestLens.coverage [{}]
        -32602 `pytestLens.coverage`: missing field `runId`; it takes {runId, workspace?}
    pytestLens.coverage [{"runId":"run-none"}]
        -32803 there is no coverage of run-none: run tests with `coverage: true`, and ask within ten minutes
    pytestLens.nothing [{}]
        -32602 there is no command `pytestLens.nothing`: those of pytest-lens are pytestLens.run, pytestLens.runFailed, pytestLens.runLast, pytestLens.debug, pytestLens.stop, pytestLens.kill, pytestLens.collect, pytestLens.tests, pytestLens.resolve, pytestLens.output, pytestLens.flakiness, pytestLens.status, pytestLens.coverage, pytestLens.affected
    "#);
    assert_eq!(client.engine.asked("run_stream"), []);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_id_is_the_engines_to_tell() {
    let mut client = Client::ready().await;
    let message = "there is no test test_a.py::test_gone: collect the tests again, or check the id";
    client.engine.refuse("run_stream", ErrorCode::InvalidRequest, message);
    let error = client.command("pytestLens.run", json!({ "ids": ["test_a.py::test_gone"] })).await.unwrap_err();
    assert_eq!(error, json!({ "code": -32602, "message": message, "data": { "code": "invalid_request" } }));
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_test_is_an_error() {
    let mut client = Client::ready().await;
    client.engine.script("run_stream", Response::RunStarted { run_id: "run-1".into(), total_tests: 0 });
    let error = client.command("pytestLens.run", json!({ "keyword": "nothing" })).await.unwrap_err();
    assert_snapshot!(error["message"].as_str().unwrap(), @"
    no test was selected: check the file, `keyword` and `marker`, or collect the tests again
    ");
    let skip = |path: &str| FileSkip { path: path.into(), line: 2, reason: "needs numpy".into() };
    let skipped_files = vec![skip("test_a.py"), skip("test_b.py")];
    let start = RunStart { run_id: "run-2".into(), skipped_files, ..RunStart::default() };
    client.emit([EventPayload::RunStarted(start)]).await;
    client.engine.script("run_stream", Response::RunStarted { run_id: "run-2".into(), total_tests: 0 });
    let error = client.command("pytestLens.run", json!({})).await.unwrap_err();
    assert_snapshot!(error["message"].as_str().unwrap(), @"
    no test was selected: test_a.py skips itself as a whole: needs numpy (and 1 other file)
    ");
}

#[tokio::test(start_paused = true)]
async fn tests_that_are_gone_are_left_out_of_a_repetition() {
    let mut client = Client::ready().await;
    let uri = client.uri("test_a.py");
    let refusal = "no test \"test_a.py::test_x\": check the spelling";
    client.emit([inventory(file("test_a.py", &uri, &["test_x", "test_y"]), &[])]).await;
    client.emit(run_of("run-a", failed("test_a.py::test_x", &uri, 0))).await;
    client.emit(run_of("run-b", failed("test_a.py::test_y", &uri, 1))).await;
    client.idle().await;
    client.command("pytestLens.run", json!({ "ids": ["test_a.py::test_x", "test_a.py::test_y"] })).await.unwrap();
    client.engine.refuse("run_stream", ErrorCode::InvalidRequest, refusal);
    let collected = client.engine.hold("collect");
    let command = json!({ "command": "pytestLens.runFailed", "arguments": [{}] });
    let id = client.ask("workspace/executeCommand", command).await;
    client.idle().await;
    client.emit([inventory(vec![], &["test_a.py::test_x"])]).await;
    drop(collected);
    client.answer(id).await.unwrap();
    for command in ["pytestLens.runLast", "pytestLens.runFailed"] {
        client.engine.refuse("run_stream", ErrorCode::InvalidRequest, refusal);
        let error = client.command(command, json!({})).await.unwrap_err();
        assert_eq!(error["message"], refusal, "the tree has all tests: the fault is another one");
    }
    client.emit([inventory(vec![], &["test_a.py::test_y"])]).await;
    client.engine.refuse("run_stream", ErrorCode::InvalidRequest, refusal);
    let error = client.command("pytestLens.runLast", json!({})).await.unwrap_err();
    assert_snapshot!(error["message"].as_str().unwrap(), @"
    all tests to repeat were renamed or deleted, so there is nothing to repeat: run other tests
    ");
    let ids = |request| match request {
        Request::RunStream { node_ids, .. } => node_ids.len(),
        _ => 0,
    };
    let asked: Vec<usize> = client.engine.asked("run_stream").into_iter().map(ids).collect();
    assert_eq!(asked, [2, 2, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn options_of_a_run_reach_the_engine() {
    let mut client = Client::ready().await;
    let argument = json!({
        "ids": ["test_a.py"], "workers": 2, "maxfail": 1, "rerun": true, "keyword": "a", "marker": "b",
        "runDisabled": true, "timeoutMs": 9, "arguments": ["-s"], "position": null,
    });
    client.command("pytestLens.run", argument).await.unwrap();
    let asked = serde_json::to_value(&client.engine.asked("run_stream")[0]).unwrap();
    assert_snapshot!(client.clean(&asked.to_string()), @r#"
    {"type":"run_stream","context_id":"context-repo","node_ids":["test_a.py"],"workers":2,"maxfail":1,"options":{"keyword":"a","marker":"b","arguments":["-s"],"run_disabled":true,"timeout_ms":9,"reruns":2,"source":"editor","auto_workers":false,"coverage":false,"until_failure":null,"first":[],"in_order_of":[],"whole_files":false,"ends_with_session":false,"full_reports":false,"timings":false,"phase_durations":false,"executor":null}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn debugging_tells_where_to_connect() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let started = Response::DebugStarted { run_id: "run-d".into(), host: "127.0.0.1".into(), port: 4711 };
    client.engine.script("debug_run", started);
    let document = json!({ "uri": client.uri("test_a.py") });
    let answer = client.command("pytestLens.debug", json!({ "textDocument": document, "keyword": "one" })).await;
    assert_eq!(answer.unwrap(), json!({ "runId": "run-d", "host": "127.0.0.1", "port": 4711 }));
    let asked = serde_json::to_value(&client.engine.asked("debug_run")[0]).unwrap();
    assert_eq!(asked["node_ids"], json!(["test_a.py"]));
    assert_eq!(asked["options"]["keyword"], "one");

    let message = "debugpy is not installed for /py: run `/py -m pip install debugpy`";
    client.engine.refuse("debug_run", ErrorCode::PythonNotFound, message);
    let error = client.command("pytestLens.debug", json!({ "ids": ["test_a.py"] })).await.unwrap_err();
    assert_eq!(error, json!({ "code": -32803, "message": message, "data": { "code": "python_not_found" } }));
}

#[tokio::test(start_paused = true)]
async fn coverage_is_read_when_the_run_has_ended() {
    let mut client = Client::ready().await;
    client.command("pytestLens.run", json!({ "coverage": true })).await.unwrap();
    let asked = serde_json::to_value(&client.engine.asked("run_stream")[0]).unwrap();
    assert_eq!(asked["options"]["coverage"], true);

    client.emit([run_started("run-c", &["a"])]).await;
    client.idle().await;
    let early = client.command("pytestLens.coverage", json!({ "runId": "run-c" })).await.unwrap_err();
    assert_snapshot!(early["message"].as_str().unwrap(), @"run-c is still running: request its coverage when it has finished");

    let EventPayload::RunFinished(end) = run_finished("run-c", 1, 0) else { unreachable!() };
    client.emit([EventPayload::RunFinished(RunEnd { debug_data: Some("run-c/0".into()), ..end })]).await;
    client.idle().await;
    let file = |name: &str, id: &str| DebugFile { name: name.into(), artifact_id: id.into() };
    let files = vec![file(".coverage", "run-c/1"), file("coverage.json", "run-c/2")];
    client.engine.script("next_debug_data", Response::DebugData { data: files });
    // In two pieces, as large reports arrive.
    let report = br#"{"files": {"shop.py": {"executed_lines": [1], "missing_lines": [2]}}}"#;
    for (piece, done) in [(&report[..20], false), (&report[20..], true)] {
        client.engine.script("read_artifact", Response::ArtifactData { data: Bytes(piece.to_vec()), done });
    }
    let answer = client.command("pytestLens.coverage", json!({ "runId": "run-c" })).await.unwrap();
    assert_eq!(answer, json!({ "files": [{ "uri": client.uri("shop.py"), "executed": [1], "missing": [2] }] }));
    assert_snapshot!(serde_json::to_string(&client.engine.asked("read_artifact")[0]).unwrap(), @r#"{"type":"read_artifact","artifact_id":"run-c/2"}"#);

    client.engine.script("next_debug_data", Response::DebugData { data: vec![] });
    let none = client.command("pytestLens.coverage", json!({ "runId": "run-c" })).await.unwrap_err();
    assert_snapshot!(none["message"].as_str().unwrap(), @"coverage made no report of run-c: the server's log says why; run the tests again");
}

#[tokio::test(start_paused = true)]
async fn failed_and_last_runs_are_repeated() {
    let mut client = Client::ready().await;
    let uri = client.uri("test_a.py");
    let mut events = run_of("run-a", failed("test_a.py::test_bad", &uri, 1));
    events.extend(run_of("run-b", passed("test_a.py::test_good")));
    client.emit(events).await;
    client.idle().await;
    client.command("pytestLens.runLast", json!({})).await.unwrap();
    client.command("pytestLens.runFailed", json!({})).await.unwrap();
    client.command("pytestLens.run", json!({ "ids": ["x.py"], "workers": 4 })).await.unwrap();
    client.command("pytestLens.runLast", json!({})).await.unwrap();
    let runs: Vec<Value> = client
        .engine
        .asked("run_stream")
        .iter()
        .map(|request| match request {
            Request::RunStream { node_ids, workers, .. } => json!([node_ids, workers]),
            _ => Value::Null,
        })
        .collect();
    let expected =
        json!([[["test_a.py::test_good"], null], [["test_a.py::test_bad"], null], [["x.py"], 4], [["x.py"], 4]]);
    assert_eq!(json!(runs), expected);
}

#[tokio::test(start_paused = true)]
async fn runs_are_stopped_and_killed() {
    let mut client = Client::ready().await;
    assert_eq!(client.command("pytestLens.stop", json!({})).await.unwrap(), json!({ "stopped": [] }));
    client.emit([run_started("run-1", &["a"]), run_started("run-2", &["b"])]).await;
    client.idle().await;
    client.engine.refuse("stop_run", ErrorCode::InvalidRequest, "run-1 is over");
    let stopped = client.command("pytestLens.stop", json!({})).await.unwrap();
    assert_eq!(stopped, json!({ "stopped": ["run-2"] }), "runs that have ended are left out");
    let killed = client.command("pytestLens.kill", json!({ "runId": "run-2" })).await.unwrap();
    assert_eq!(killed, json!({ "stopped": ["run-2"] }));
    assert_eq!(client.engine.asked("kill_run"), [Request::KillRun { run_id: "run-2".into() }]);
}

#[tokio::test(start_paused = true)]
async fn output_and_flakiness_are_passed_on() {
    let mut client = Client::ready().await;
    client.engine.script(
        "get_output",
        Response::TestOutput {
            node_id: "test_a.py::test_one".into(),
            outcome: Some("passed".into()),
            message: None,
            longrepr: None,
            stdout: "hello\n".into(),
            stderr: String::new(),
            log: String::new(),
        },
    );
    let output = client.command("pytestLens.output", json!({ "id": "test_a.py::test_one" })).await.unwrap();
    assert_snapshot!(output.to_string(), @r#"
    {"id":"test_a.py::test_one","outcome":"passed","stdout":"hello\n","stderr":"","log":""}
    "#);
    client.engine.refuse("get_flakiness_report", ErrorCode::InternalError, "flakiness is not available yet");
    let error = client.command("pytestLens.flakiness", json!({})).await.unwrap_err();
    assert_eq!(error["message"], "flakiness is not available yet");
}

#[tokio::test(start_paused = true)]
async fn the_status_says_how_tests_are_run_and_why() {
    let mut client = Client::ready().await;
    client.engine.script(
        "get_context_status",
        Response::ContextStatus {
            context_id: "ctx".into(),
            repo_path: "/repo".into(),
            python_path: "/py".into(),
            python_source: "given".into(),
            python_version: "3.11.7".into(),
            pytest_version: "8.0".into(),
            plugins: Vec::new(),
            config_file: None,
            execution_mode: "subprocess".into(),
            mode_reason: "grpc is loaded".into(),
            hazards: vec!["grpc does not survive a fork".into()],
            active_runs: Vec::new(),
            nested: None,
        },
    );
    let mut status = client.command("pytestLens.status", json!({})).await.unwrap();
    assert!(status["folders"][0]["workspace"].take().is_string());
    assert_snapshot!(status.to_string(), @r#"{"folders":[{"workspace":null,"mode":"subprocess","modeReason":"grpc is loaded","pythonPath":"/py","pythonVersion":"3.11.7","pytestVersion":"8.0","hazards":["grpc does not survive a fork"]}]}"#);
}

#[tokio::test(start_paused = true)]
async fn collecting_answers_with_the_number_of_tests() {
    let mut client = Client::ready().await;
    let answer = client.command("pytestLens.collect", json!({ "force": true })).await.unwrap();
    assert_eq!(answer, json!({ "nodeCount": 3 }));
    let forced = client.engine.asked("collect").pop();
    assert_eq!(forced, Some(Request::Collect { context_id: client.context(), force: true }));
}

#[tokio::test(start_paused = true)]
async fn the_cursor_counts_in_the_live_buffer_and_on_disk() {
    let mut client = Client::ready().await;
    client.write("test_b.py", "\n\ndef test_disk():\n    pass\n");
    client.open("test_a.py", SAMPLE).await;
    client.change("test_a.py", 2, json!([[3, 0, 3, 0, "def test_new():\n    pass\n\n"]])).await;
    for (file, line) in [("test_a.py", 4), ("test_a.py", 7), ("test_b.py", 3)] {
        let at = json!({ "textDocument": { "uri": client.uri(file) }, "position": { "line": line, "character": 0 } });
        client.command("pytestLens.run", at).await.unwrap();
    }
    let ids: Vec<Vec<String>> = client
        .engine
        .asked("run_stream")
        .into_iter()
        .map(|request| match request {
            Request::RunStream { node_ids, .. } => node_ids,
            _ => Vec::new(),
        })
        .collect();
    assert_eq!(ids, [["test_a.py::test_new"], ["test_a.py::test_one"], ["test_b.py::test_disk"]]);
}

#[tokio::test(start_paused = true)]
async fn d2_no_argument_is_an_empty_one() {
    let mut client = Client::ready().await;
    for params in [
        json!({ "command": "pytestLens.run" }),
        json!({ "command": "pytestLens.run", "arguments": [] }),
        json!({ "command": "pytestLens.run", "arguments": [null] }),
    ] {
        let started = client.request("workspace/executeCommand", params).await.unwrap();
        assert_eq!(started["total"], 1, "everything");
    }
    let params = json!({ "command": "pytestLens.output", "arguments": [] });
    let refused = client.request("workspace/executeCommand", params).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("missing field `id`"));
}
