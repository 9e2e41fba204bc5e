//! The user interface of editors without a plugin: messages, code actions, documents.

use std::sync::Arc;

use pytest_lens_protocol::{
    Event, EventPayload, Location, Range, Response, RunCounts, RunEnd, RunEndStatus, TestOutcome, TestOutcomes, Warning,
};
use serde_json::{Value, json};

use crate::events::{failed, file, inventory, outcome, passed, run_finished, run_of, run_started};
use crate::{Client, SAMPLE};

const MESSAGE: &str = "window/showMessage";
const DIAGNOSTICS: &str = "textDocument/publishDiagnostics";

/// No plugin, no lenses, but it shows documents.
async fn plain() -> Client {
    plain_with(true).await
}

async fn plain_with(shows_documents: bool) -> Client {
    let mut client = Client::start();
    let folders = json!([{ "uri": client.uri(""), "name": "repo" }]);
    let capabilities = json!({
        "window": { "workDoneProgress": true, "showDocument": { "support": shows_documents } },
        "textDocument": {
            "codeAction": { "codeActionLiteralSupport": { "codeActionKind": { "valueSet": [] } } },
            "publishDiagnostics": { "relatedInformation": true },
        },
    });
    client.initialize(json!({ "workspaceFolders": folders, "capabilities": capabilities })).await;
    client.idle().await;
    client.take_all();
    client
}

fn ended(run: &str, status: RunEndStatus, counts: RunCounts, message: Option<&str>) -> EventPayload {
    let message = message.map(str::to_owned);
    EventPayload::RunFinished(RunEnd {
        run_id: run.into(),
        status,
        counts,
        duration_ms: 12.0,
        message,
        debug_data: None,
        warnings: Vec::new(),
        timings: None,
        summaries: Vec::new(),
        exit_status: None,
    })
}

impl Client {
    /// The messages that were shown: kind and text.
    async fn messages(&mut self) -> Vec<(u64, String)> {
        self.idle().await;
        let shown = self.take_seen(MESSAGE);
        self.take_all();
        let told = shown.iter();
        told.map(|m| (m["type"].as_u64().unwrap(), m["message"].as_str().unwrap().to_owned())).collect()
    }

    async fn titles(&mut self, line: u32, only: Option<&str>) -> Vec<(String, String)> {
        let at = json!({ "line": line, "character": 0 });
        let mut context = json!({ "diagnostics": [] });
        if let Some(only) = only {
            context["only"] = json!([only]);
        }
        let document = json!({ "uri": self.uri("test_a.py") });
        let params = json!({ "textDocument": document, "range": { "start": at, "end": at }, "context": context });
        let actions = self.request("textDocument/codeAction", params).await.unwrap();
        let title = |action: &Value| {
            (action["title"].as_str().unwrap().to_owned(), action["kind"].as_str().unwrap().to_owned())
        };
        actions.as_array().unwrap().iter().map(title).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn d3_each_run_ends_with_one_message_in_plain_clients() {
    let mut client = plain().await;
    client.emit(run_of("run-1", passed("test_a.py::test_one"))).await;
    assert_eq!(client.messages().await, [(3, "1 passed in 20 ms".into())]);
    client.emit(run_of("run-2", failed("test_a.py::test_two", &client.uri("test_a.py"), 10))).await;
    assert_eq!(client.messages().await, [(1, "1 failed in 20 ms".into())]);
    let some = RunCounts { total: 3, passed: 1, skipped: 1, errors: 1, not_run: 2, ..RunCounts::default() };
    for (status, message, expected) in [
        (RunEndStatus::Stopped, None, (2, "stopped: 1 error, 1 passed, 1 skipped, 2 not run in 12 ms")),
        (
            RunEndStatus::Failed,
            Some("test_b.py could not be collected"),
            (1, "1 error, 1 passed, 1 skipped, 2 not run in 12 ms: test_b.py could not be collected"),
        ),
    ] {
        client.emit([run_started("run-3", &["a"]), ended("run-3", status, some, message)]).await;
        assert_eq!(client.messages().await, [(expected.0, expected.1.to_owned())]);
    }
    let fault = ended("run-4", RunEndStatus::InternalError, RunCounts::default(), Some("the host died"));
    client.emit([run_started("run-4", &["a"]), fault]).await;
    let expected = "the run could not be finished: no test ran in 12 ms: the host died";
    assert_eq!(client.messages().await, [(1, expected.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn d3_a_run_that_can_not_be_made_is_told_in_plain_clients() {
    let mut client = plain().await;
    client.command("pytestLens.runLast", json!({})).await.unwrap_err();
    assert_eq!(
        client.messages().await,
        [(1, "nothing was run yet, so there is nothing to repeat: run a test first".into())]
    );
    client.command("pytestLens.stop", json!({ "runId": 3 })).await.unwrap_err();
    assert_eq!(client.messages().await, []);
}

#[tokio::test(start_paused = true)]
async fn d3_a_plugin_shows_runs_in_its_own_way() {
    let mut client = Client::ready().await;
    client.emit(run_of("run-1", passed("test_a.py::test_one"))).await;
    client.command("pytestLens.runLast", json!({ "workspace": "file:///no" })).await.unwrap_err();
    assert_eq!(client.messages().await, []);
}

#[tokio::test(start_paused = true)]
async fn d6_code_actions_have_kinds_of_their_own_and_offer_all_that_a_person_needs() {
    let mut client = plain().await;
    client.open("test_a.py", SAMPLE).await;
    let pair = |title: &str, kind: &str| (title.to_owned(), format!("pytestLens.{kind}"));
    let always = [
        pair("Run test_two", "run"),
        pair("Debug test_two", "debug"),
        pair("Run all tests in test_a.py", "run"),
        pair("Run all tests", "run"),
    ];
    assert_eq!(client.titles(9, None).await, always);
    client.emit(run_of("run-1", failed("test_a.py::TestGroup::test_two", &client.uri("test_a.py"), 10))).await;
    client.emit([run_started("run-2", &["x"])]).await;
    assert_eq!(client.messages().await, [(1, "1 failed in 20 ms".into())]);
    let more = [
        pair("Show the output of test_two", "output"),
        pair("Run the failed test", "run"),
        pair("Run all tests", "run"),
        pair("Stop running tests", "stop"),
    ];
    assert_eq!(client.titles(9, None).await, [&always[..3], &more].concat());
    assert_eq!(client.titles(9, Some("pytestLens.stop")).await, more[3..]);
    assert_eq!(client.titles(9, Some("pytestLens")).await.len(), 7);
    for other in ["source", "source.fixAll", "quickfix", "refactor", "pytest"] {
        assert_eq!(client.titles(9, Some(other)).await, []);
    }
    let mut rich = Client::ready().await;
    rich.open("test_a.py", SAMPLE).await;
    assert_eq!(rich.titles(9, None).await, always[..3], "a plugin offers the rest");
}

#[tokio::test(start_paused = true)]
async fn d6_a_test_that_waits_for_a_debugger_says_where() {
    let mut client = plain().await;
    let started = Response::DebugStarted { run_id: "run-d".into(), host: "127.0.0.1".into(), port: 4711 };
    client.engine.script("debug_run", started);
    client.command("pytestLens.debug", json!({ "ids": ["test_a.py::test_one"] })).await.unwrap();
    let expected = "the tests wait for a debugger: attach to debugpy at 127.0.0.1:4711";
    assert_eq!(client.messages().await, [(3, expected.to_owned())]);
}

/// The output of a test that failed.
fn printed() -> Response {
    Response::TestOutput {
        node_id: "test_a.py::test_x[1]".into(),
        outcome: Some("failed".into()),
        message: Some("short".into()),
        longrepr: Some("\u{1b}[31mE  assert 0\u{1b}[0m".into()),
        stdout: "hello\n".into(),
        stderr: String::new(),
        log: String::new(),
    }
}

/// The form in which it is shown.
const PAGE: &str = "test_a.py::test_x[1]: failed\n\nE  assert 0\n\n--- stdout ---\nhello\n";

#[tokio::test(start_paused = true)]
async fn d6_where_no_document_can_be_shown_a_message_begins_with_its_path() {
    let mut client = plain_with(false).await;
    client.engine.script("get_output", printed());
    client.command("pytestLens.output", json!({ "id": "test_a.py::test_x[1]" })).await.unwrap();
    let messages = client.messages().await;
    let (path, text) = messages[0].1.split_once(":\n").unwrap();
    assert_eq!((text, std::fs::read_to_string(path).unwrap().as_str()), (PAGE, PAGE));
}

#[tokio::test(start_paused = true)]
async fn d6_the_output_of_a_test_is_shown_as_a_document() {
    let mut client = plain().await;
    client.engine.script("get_output", printed());
    client.command("pytestLens.output", json!({ "id": "test_a.py::test_x[1]" })).await.unwrap();
    let shown = client.wait("window/showDocument").await;
    let path = shown["uri"].as_str().unwrap().strip_prefix("file://").unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(text, PAGE);
}

#[tokio::test(start_paused = true)]
async fn v7_tests_broken_by_one_fixture_are_one_problem_with_the_tests_it_broke() {
    let mut client = plain().await;
    client.write("conftest.py", "import pytest\n\n@pytest.fixture\ndef db():\n    raise OSError('down')\n");
    let tests: String = (0..30).map(|n| format!("def test_{n}(db):\n    pass\n\n")).collect();
    client.write("test_a.py", &tests);
    client.open("test_a.py", &tests).await;
    let place = Location { uri: client.uri("conftest.py"), range: Range::of_line(5) };
    let broken = |n: usize| TestOutcome {
        outcome: "error".into(),
        message: Some("OSError: down".into()),
        location: Some(place.clone()),
        ..passed(&format!("test_a.py::test_{n}"))
    };
    client.emit([run_started("run-1", &["test_a.py"])]).await;
    client.emit((0..30).map(|n| outcome("run-1", broken(n)))).await;
    client.emit([run_finished("run-1", 0, 30)]).await;
    client.idle().await;
    let told = client.seen(DIAGNOSTICS).pop().unwrap();
    assert_eq!(told["uri"], client.uri("conftest.py"));
    let problems = told["diagnostics"].as_array().unwrap();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0]["message"], "OSError: down\n30 tests: test_0, test_1, test_2, test_3, test_4, …");
    let related = problems[0]["relatedInformation"].as_array().unwrap();
    assert_eq!(related.len(), 30);
    assert_eq!(related[29]["message"], "test_29");
    assert_eq!(related[29]["location"]["range"]["start"]["line"], 87);
    assert_eq!(client.messages().await, [(1, "30 failed in 20 ms".into())]);
    client.emit((1..30).map(|n| outcome("run-2", passed(&format!("test_a.py::test_{n}"))))).await;
    client.idle().await;
    let told = client.seen(DIAGNOSTICS).pop().unwrap();
    assert_eq!(told["diagnostics"][0]["message"], "OSError: down (in test_0)");
}

#[tokio::test(start_paused = true)]
async fn v12_warnings_of_a_run_are_told() {
    let mut client = Client::ready().await;
    client.idle().await;
    client.take_all();
    let place = Location { uri: client.uri("pkg/a.py"), range: Range::of_line(3) };
    let warning = |message: &str, location, count, ids: &[&str]| Warning {
        category: "DeprecationWarning".into(),
        message: message.into(),
        location,
        count,
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        files: Vec::new(),
    };
    let warnings = vec![warning("old", Some(place), 2, &["test_a.py::test_one"]), warning("at import", None, 1, &[])];
    let end = |run: &str| {
        let EventPayload::RunFinished(end) = run_finished(run, 1, 0) else { panic!() };
        EventPayload::RunFinished(RunEnd { warnings: warnings.clone(), ..end })
    };
    client.emit([run_started("run-1", &["a"]), end("run-1")]).await;
    let output = client.wait("pytestLens/output").await;
    assert_eq!(output["runId"], "run-1");
    assert_eq!(
        output["text"],
        "\n3 warnings:\n  pkg/a.py:3: DeprecationWarning: old\n    2 times, in test_a.py::test_one\n  DeprecationWarning: at import\n"
    );
    let finished = client.wait("pytestLens/runFinished").await;
    assert_eq!(finished["warnings"][0]["count"], 2);
    let mut client = plain().await;
    client.emit([run_started("run-1", &["a"]), end("run-1")]).await;
    assert_eq!(client.messages().await, [(3, "1 passed, 3 warnings in 20 ms".into())]);
}

#[tokio::test(start_paused = true)]
async fn v8_what_tests_did_last_is_shown_after_a_restart_as_of_then() {
    let mut client = Client::start();
    client.write("test_a.py", SAMPLE);
    let uri = client.uri("test_a.py");
    let past = |outcome: &str, id: &str| TestOutcome {
        outcome: outcome.into(),
        message: (outcome == "failed").then(|| "run it again to see why".into()),
        as_of: Some(1_764_079_380_000),
        ..passed(&format!("test_a.py::{id}"))
    };
    let why = TestOutcome { as_of: Some(1_764_079_380_000), ..failed("test_a.py::TestGroup::test_two", &uri, 10) };
    let bare = past("failed", "TestGroup::test_three");
    let outcomes = vec![why, bare, past("passed", "test_one"), past("failed", "test_gone")];
    let payload = EventPayload::TestOutcome(TestOutcomes { run_id: "remembered".into(), outcomes });
    let remembered = Event { seq: 0, payload };
    client.engine.script("get_last_outcomes", Response::Events { cursor: 0, events: vec![Arc::new(remembered)] });
    let names = ["test_one", "TestGroup::test_two", "TestGroup::test_three"];
    client.engine.emit(&client.context(), [inventory(file("test_a.py", &uri, &names), &[])]);
    client.open_folder(json!({ "pytestLens": true, "settings": {} })).await;
    client.open("test_a.py", SAMPLE).await;
    client.idle().await;
    let told = client.seen(DIAGNOSTICS).pop().unwrap();
    let marked = |at: usize| (&told["diagnostics"][at]["range"]["start"]["line"], &told["diagnostics"][at]["message"]);
    assert_eq!(told["diagnostics"].as_array().unwrap().len(), 2);
    assert_eq!(marked(0), (&json!(10), &json!("failed, as of 2025-11-25 14:03 UTC: assert 1 == 2")));
    assert_eq!(marked(1), (&json!(13), &json!("failed, as of 2025-11-25 14:03 UTC: run it again to see why")));
    let outcomes = client.seen("pytestLens/testOutcome").pop().unwrap()["outcomes"].clone();
    assert_eq!(outcomes.as_array().unwrap().len(), 3);
    assert_eq!(outcomes[0]["asOf"], 1_764_079_380_000_u64);
    let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 3, "character": 5 } });
    let hover = client.request("textDocument/hover", at).await.unwrap();
    let text = hover["contents"]["value"].as_str().unwrap().to_owned();
    assert!(text.contains("✓ passed 12 ms · ") && text.contains("days ago"), "{text}");
    let at = json!({ "textDocument": { "uri": uri }, "position": { "line": 8, "character": 10 } });
    let hover = client.request("textDocument/hover", at).await.unwrap();
    let text = hover["contents"]["value"].as_str().unwrap().to_owned();
    assert!(text.contains("days ago") && text.contains("✗ failed: `assert 1 == 2`"), "{text}");
    client.emit(run_of("run-1", passed("test_a.py::TestGroup::test_two"))).await;
    client.idle().await;
    let left = client.seen(DIAGNOSTICS).pop().unwrap();
    assert_eq!(left["diagnostics"].as_array().unwrap().len(), 1);
    assert_eq!(left["diagnostics"][0]["range"]["start"]["line"], 13);
}
