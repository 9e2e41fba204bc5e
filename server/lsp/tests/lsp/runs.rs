//! Runs: from the cursor to notifications, diagnostics and progress.

use std::sync::Arc;

use insta::assert_snapshot;
use pytest_lens_protocol::{
    CollectError, ErrorCode, Event, EventPayload, Frame, InventoryDelta, Location, Range, Request, Response,
    StaleOutcomes, TestOutcome,
};
use serde_json::json;

use crate::events::{failed, file, flaky, inventory, outcome, passed, run_finished, run_of, run_started, test_started};
use crate::{Client, SAMPLE};

const DIAGNOSTICS: &str = "textDocument/publishDiagnostics";

#[tokio::test(start_paused = true)]
async fn the_test_under_the_cursor_runs_and_is_shown() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    client.transcript().await;
    let uri = client.uri("test_a.py");
    let cursor = json!({ "textDocument": { "uri": uri }, "position": { "line": 9, "character": 3 } });
    let started = client.command("pytestLens.run", cursor).await.unwrap();
    assert_eq!(started, json!({ "runId": "run-1", "total": 1 }));
    let Some(Request::RunStream { node_ids, options: Some(options), .. }) = client.engine.asked("run_stream").pop()
    else {
        panic!("nothing was run");
    };
    assert_eq!(node_ids, ["test_a.py::TestGroup::test_two"]);
    assert_eq!(options.source.as_deref(), Some("editor"));
    client.emit(run_of("run-1", failed(&node_ids[0], &uri, 10))).await;
    assert_snapshot!(client.transcript().await, @r#"
    pytestLens/runStarted {"runId":"run-1","total":1,"ids":["test_a.py::TestGroup::test_two"],"workspace":"file:///repo","seq":2}
    pytestLens/testStarted {"runId":"run-1","ids":["test_a.py::TestGroup::test_two"],"workspace":"file:///repo","seq":3}
    window/workDoneProgress/create {"token":"pytest-lens/run/run-1"}
    pytestLens/testOutcome {"runId":"run-1","outcomes":[{"id":"test_a.py::TestGroup::test_two","outcome":"failed","durationMs":12.0,"attempt":1,"phase":"call","message":"assert 1 == 2","location":{"uri":"file:///repo/test_a.py","range":{"start":{"line":10,"character":8},"end":{"line":10,"character":25}}},"expected":"2","actual":"1"}],"workspace":"file:///repo","seq":4}
    pytestLens/runFinished {"runId":"run-1","status":"failed","counts":{"total":1,"passed":0,"failed":1,"skipped":0,"errors":0,"notRun":0},"durationMs":20.0,"workspace":"file:///repo","seq":5}
    textDocument/publishDiagnostics {"uri":"file:///repo/test_a.py","diagnostics":[{"range":{"start":{"line":10,"character":8},"end":{"line":10,"character":25}},"severity":1,"code":"failed","source":"pytest-lens","message":"assert 1 == 2"}],"version":1}
    workspace/codeLens/refresh
    workspace/inlayHint/refresh
    "#);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_older_than_a_change_is_stale_until_the_test_runs_again() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let one = "test_a.py::test_one";
    client.emit(run_of("run-1", passed(one))).await;
    client.emit(run_of("run-2", failed("test_a.py::TestGroup::test_two", &uri, 10))).await;
    client.transcript().await;
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
    let both = ids(&[one, "test_a.py::TestGroup::test_two"]);
    client.emit([EventPayload::StaleOutcomes(StaleOutcomes { stale: both, fresh: vec![] })]).await;
    // The diagnostic of the failure stays.
    assert_snapshot!(client.transcript().await, @r#"
    pytestLens/staleOutcomes {"stale":["test_a.py::test_one","test_a.py::TestGroup::test_two"],"fresh":[],"workspace":"file:///repo","seq":10}
    workspace/codeLens/refresh
    workspace/inlayHint/refresh
    "#);
    let outcomes = async |client: &mut Client| {
        let asked = json!({ "textDocument": { "uri": uri } });
        let lenses = client.request("textDocument/codeLens", asked).await.unwrap();
        let titles = lenses.as_array().unwrap().iter().filter(|lens| lens["command"]["command"] == "pytestLens.output");
        titles.map(|lens| lens["command"]["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        outcomes(&mut client).await,
        ["◌ passed 12 ms · stale", "✗ failed 12 ms · stale", "✗ failed 12 ms · stale"]
    );
    let tests = client.command("pytestLens.tests", json!({ "parent": "test_a.py" })).await.unwrap();
    let stale: Vec<_> = tests["items"].as_array().unwrap().iter().map(|item| item["stale"].clone()).collect();
    assert_eq!(stale, [json!(true), json!(null)], "only tests have outcomes");
    client.emit(run_of("run-3", passed(one))).await;
    let fresh = ids(&["test_a.py::TestGroup::test_two"]);
    client.emit([EventPayload::StaleOutcomes(StaleOutcomes { stale: vec![], fresh })]).await;
    assert_eq!(outcomes(&mut client).await, ["✓ passed 12 ms", "✗ failed 12 ms", "✗ failed 12 ms"]);
}

#[tokio::test(start_paused = true)]
async fn diagnostics_follow_edits_and_go_when_the_test_passes() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let id = "test_a.py::TestGroup::test_two";
    client.emit(run_of("run-1", failed(id, &uri, 10))).await;
    client.transcript().await;
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# one\n# two\n"]])).await;
    assert_snapshot!(client.transcript().await, @r#"
    textDocument/publishDiagnostics {"uri":"file:///repo/test_a.py","diagnostics":[{"range":{"start":{"line":12,"character":8},"end":{"line":12,"character":25}},"severity":1,"code":"failed","source":"pytest-lens","message":"assert 1 == 2"}],"version":2}
    pytestLens/inventory {"revision":2,"upserts":[{"id":"test_a.py::test_one","parent":"test_a.py","kind":"function","label":"test_one","uri":"file:///repo/test_a.py","range":{"start":{"line":5,"character":4},"end":{"line":5,"character":12}},"markers":[],"skip":false,"xfail":false,"provisional":true},{"id":"test_a.py::TestGroup","parent":"test_a.py","kind":"class","label":"TestGroup","uri":"file:///repo/test_a.py","range":{"start":{"line":9,"character":6},"end":{"line":9,"character":15}},"markers":[],"skip":false,"xfail":false,"provisional":true},{"id":"test_a.py::TestGroup::test_two","parent":"test_a.py::TestGroup","kind":"function","label":"test_two","uri":"file:///repo/test_a.py","range":{"start":{"line":10,"character":8},"end":{"line":10,"character":16}},"markers":[],"skip":false,"xfail":false,"provisional":true},{"id":"test_a.py::TestGroup::test_three","parent":"test_a.py::TestGroup","kind":"function","label":"test_three","uri":"file:///repo/test_a.py","range":{"start":{"line":15,"character":8},"end":{"line":15,"character":18}},"markers":["parametrize"],"skip":false,"xfail":false,"caseCount":3,"provisional":true}],"removed":[],"errors":[],"workspace":"file:///repo","seq":6}
    workspace/codeLens/refresh
    workspace/inlayHint/refresh
    "#);
    // The disk still has the old lines: the next run refers to those.
    client.emit(run_of("run-2", failed(id, &uri, 10))).await;
    assert_eq!(client.transcript_of(&[DIAGNOSTICS]).await, "", "the same failure at the same line");
    client.save("test_a.py").await;
    client.emit(run_of("run-3", failed(id, &uri, 12))).await;
    assert_eq!(client.transcript_of(&[DIAGNOSTICS]).await, "", "still the same line");
    client.emit(run_of("run-4", passed(id))).await;
    assert_snapshot!(client.transcript_of(&[DIAGNOSTICS]).await, @r#"
    textDocument/publishDiagnostics {"uri":"file:///repo/test_a.py","diagnostics":[],"version":2}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_run_speaks_of_the_lines_that_it_ran() {
    let mut client = Client::ready().await;
    client.write("test_a.py", SAMPLE);
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let id = "test_a.py::TestGroup::test_two";
    client.emit([run_started("run-1", &[id])]).await;
    client.transcript().await;
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# one\n"]])).await;
    client.write("test_a.py", &format!("# one\n{SAMPLE}"));
    client.save("test_a.py").await;
    client.change("test_a.py", 3, json!([[0, 0, 0, 0, "# two\n"]])).await;
    client.emit([outcome("run-1", failed(id, &uri, 10)), run_finished("run-1", 0, 1)]).await;
    let told = client.wait(DIAGNOSTICS).await;
    assert_eq!(told["diagnostics"][0]["range"]["start"]["line"], 12);
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } })).await;
    let told = client.wait(DIAGNOSTICS).await;
    assert_eq!(told["diagnostics"][0]["range"]["start"]["line"], 11, "unsaved text is gone");
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_a_line_is_shown_at_the_definition() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let crash = TestOutcome {
        outcome: "crashed".into(),
        message: Some("the process died of SIGSEGV".into()),
        ..passed("test_a.py::test_one")
    };
    client.emit(run_of("run-1", crash)).await;
    let told = client.wait(DIAGNOSTICS).await;
    let diagnostic = &told["diagnostics"][0];
    assert_eq!((&diagnostic["range"]["start"]["line"], &diagnostic["code"]), (&json!(3), &json!("crashed")));
}

#[tokio::test(start_paused = true)]
async fn the_way_of_a_failure_is_related_information() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let (uri, helper) = (client.uri("test_a.py"), "file:///usr/lib/helper.py");
    let frame = |name: &str, uri: &str, line: u32| Frame {
        name: name.into(),
        location: Location { uri: uri.into(), range: Range::of_line(line + 1) },
        text: Some(format!("    {name}_line()")),
    };
    let frames = vec![frame("test_two", &uri, 10), frame("check", helper, 40)];
    let failure = TestOutcome { frames, ..failed("test_a.py::TestGroup::test_two", helper, 40) };
    client.emit(run_of("run-1", failure)).await;
    // The failing line is outside of the folder: the diagnostic is at the last one inside.
    assert_snapshot!(client.transcript_of(&[DIAGNOSTICS]).await, @r#"
    textDocument/publishDiagnostics {"uri":"file:///repo/test_a.py","diagnostics":[{"range":{"start":{"line":10,"character":8},"end":{"line":10,"character":25}},"severity":1,"code":"failed","source":"pytest-lens","message":"assert 1 == 2","relatedInformation":[{"location":{"uri":"file:///repo/test_a.py","range":{"start":{"line":10,"character":8},"end":{"line":10,"character":25}}},"message":"test_two: test_two_line()"},{"location":{"uri":"file:///usr/lib/helper.py","range":{"start":{"line":40,"character":0},"end":{"line":41,"character":0}}},"message":"check: check_line()"}]}],"version":1}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_is_gone_takes_its_diagnostics_along() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    client.emit([inventory(file("test_a.py", &uri, &["test_one"]), &[])]).await;
    client.emit(run_of("run-1", failed("test_a.py::test_one", &uri, 4))).await;
    client.transcript().await;
    client.emit([inventory(Vec::new(), &["test_a.py"])]).await;
    let told = client.wait(DIAGNOSTICS).await;
    assert_eq!(told["diagnostics"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn collection_errors_and_flaky_tests_are_diagnostics_too() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let error = CollectError {
        uri: client.uri("test_b.py"),
        range: Range::of_line(2),
        message: "ModuleNotFoundError: No module named 'nope'".into(),
        longrepr: None,
    };
    let broken = InventoryDelta { errors: vec![error], ..InventoryDelta::default() };
    client.emit([EventPayload::Inventory(broken), flaky("test_a.py::test_one")]).await;
    assert_snapshot!(client.transcript_of(&[DIAGNOSTICS]).await, @r#"
    textDocument/publishDiagnostics {"uri":"file:///repo/test_a.py","diagnostics":[{"range":{"start":{"line":3,"character":4},"end":{"line":3,"character":12}},"severity":4,"code":"flaky","source":"pytest-lens","message":"test_one is flaky: it failed in 25 % of 8 runs, with passes and failures on the same code"}],"version":1}
    textDocument/publishDiagnostics {"uri":"file:///repo/test_b.py","diagnostics":[{"range":{"start":{"line":1,"character":0},"end":{"line":2,"character":0}},"severity":1,"code":"collection_error","source":"pytest-lens","message":"ModuleNotFoundError: No module named 'nope'"}]}
    "#);
    client.emit([inventory(Vec::new(), &[])]).await;
    assert_snapshot!(client.transcript_of(&[DIAGNOSTICS]).await, @r#"
    textDocument/publishDiagnostics {"uri":"file:///repo/test_b.py","diagnostics":[]}
    "#);
}

#[tokio::test(start_paused = true)]
async fn progress_is_cancelled_by_a_stop_and_then_by_a_kill() {
    let mut client = Client::ready().await;
    client.emit([run_started("run-7", &["test_a.py::test_one", "test_a.py::test_two"])]).await;
    client.transcript().await;
    let cancel = json!({ "token": "pytest-lens/run/run-7" });
    client.notify("window/workDoneProgress/cancel", cancel.clone()).await;
    client.idle().await;
    assert_eq!(client.engine.asked("stop_run"), [Request::StopRun { run_id: "run-7".into() }]);
    client.notify("window/workDoneProgress/cancel", cancel).await;
    client.idle().await;
    assert_eq!(client.engine.asked("kill_run"), [Request::KillRun { run_id: "run-7".into() }]);
    let done = outcome("run-7", passed("test_a.py::test_one"));
    client.emit([done]).await;
    client.emit([run_finished("run-7", 1, 0)]).await;
    assert_snapshot!(client.transcript_of(&["$/progress"]).await, @r#"
    $/progress {"token":"pytest-lens/run/run-7","value":{"kind":"report","cancellable":true,"message":"1/2","percentage":50}}
    $/progress {"token":"pytest-lens/run/run-7","value":{"kind":"end","message":"1 passed in 20 ms"}}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_that_does_not_stop_is_killed_in_the_end() {
    let mut client = Client::ready().await;
    let tests = ["test_a.py::test_one", "test_a.py::test_two"];
    client.emit([run_started("run-7", &tests), run_started("run-8", &tests)]).await;
    for run in ["run-7", "run-8"] {
        let cancel = json!({ "token": format!("pytest-lens/run/{run}") });
        client.notify("window/workDoneProgress/cancel", cancel).await;
    }
    client.idle().await;
    client.emit([run_finished("run-8", 1, 0)]).await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    client.idle().await;
    assert_eq!(client.engine.asked("stop_run").len(), 2);
    assert_eq!(client.engine.asked("kill_run"), [Request::KillRun { run_id: "run-7".into() }], "the other one is over");
}

#[tokio::test(start_paused = true)]
async fn a_collection_can_be_cancelled() {
    let mut client = Client::ready().await;
    client.engine.hang("collect");
    let asked =
        client.ask("workspace/executeCommand", json!({ "command": "pytestLens.collect", "arguments": [{}] })).await;
    let begun = client.wait("$/progress").await;
    assert_eq!(begun["value"]["title"], "Collecting tests");
    client.notify("window/workDoneProgress/cancel", json!({ "token": begun["token"] })).await;
    let refused = client.answer(asked).await.unwrap_err();
    assert_snapshot!(refused["message"].as_str().unwrap(), @"collecting the tests was cancelled: the tree keeps the tests of the last collection");
}

#[tokio::test(start_paused = true)]
async fn under_load_outcomes_come_in_batches_without_a_gap() {
    let mut client = Client::ready().await;
    client.transcript().await;
    let ids: Vec<String> = (0..500).map(|n| format!("test_a.py::test_{n}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    client.emit([run_started("run-1", &names)]).await;
    for id in &names {
        client.emit([test_started("run-1", id), outcome("run-1", passed(id))]).await;
    }
    client.emit([run_finished("run-1", 500, 0)]).await;
    client.idle().await;
    let messages = client.take_custom();
    let seqs: Vec<u64> = messages.iter().map(|(_, params)| params["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    let outcomes: Vec<usize> = messages
        .iter()
        .filter(|(method, _)| method == "pytestLens/testOutcome")
        .map(|(_, params)| params["outcomes"].as_array().unwrap().len())
        .collect();
    assert_eq!(outcomes.iter().sum::<usize>(), 500);
    assert!(outcomes.len() < 10, "{outcomes:?}");
    assert_eq!(messages.last().unwrap().0, "pytestLens/runFinished");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_slow_to_refresh_is_not_asked_twice() {
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    client.transcript().await;
    client.silent.push("workspace/codeLens/refresh");
    for run in ["run-1", "run-2", "run-3"] {
        client.emit(run_of(run, passed("test_a.py::test_one"))).await;
        client.idle().await;
    }
    let refreshes = client.transcript_of(&["workspace/codeLens/refresh"]).await;
    assert_eq!(refreshes.lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn each_test_of_a_run_whose_context_is_closed_has_an_outcome() {
    const KINDS: [&str; 2] = ["pytestLens/testOutcome", "pytestLens/runFinished"];
    let other = |settings| ("workspace/didChangeConfiguration", json!({ "settings": { "pytestLens": settings } }));
    let ways = [
        other(json!({ "executionMode": "subprocess" })),
        other(json!({ "executionMode": "subprocess", "pythonPath": "/other/python" })),
        ("pytestLens/trust", json!({ "trusted": false })),
    ];
    let mut client = Client::ready().await;
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let all = || inventory(file("test_a.py", &uri, &["test_one", "test_two", "test_three"]), &[]);
    for (number, (method, params)) in ways.into_iter().enumerate() {
        let run = format!("run-{number}");
        let mut start = run_started(&run, &["test_a.py::test_one", "test_a.py::test_two", "test_a.py::test_three"]);
        if let EventPayload::RunStarted(start) = &mut start
            && number == 1
        {
            start.ids = None;
        }
        let skipped = TestOutcome { outcome: "skipped".into(), ..passed("test_a.py::test_one") };
        client.emit([all(), start, test_started(&run, "test_a.py::test_two"), outcome(&run, skipped)]).await;
        client.idle().await;
        client.take_all();
        // The next context has a log of its own.
        client.engine.forget_events(&client.context());
        client.notify(method, params).await;
        client.idle().await;
        let outcomes: Vec<_> =
            client.seen(KINDS[0]).iter().flat_map(|told| told["outcomes"].as_array().unwrap().clone()).collect();
        let mut ids: Vec<_> = outcomes.iter().map(|outcome| outcome["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["test_a.py::test_three", "test_a.py::test_two"], "{method}");
        let [end] = client.seen(KINDS[1]).try_into().unwrap();
        for outcome in outcomes {
            assert_eq!((&outcome["outcome"], &outcome["message"]), (&json!("not_run"), &end["message"]));
        }
        assert_eq!(end["runId"], run.as_str());
        let counts = json!({ "total": 1, "passed": 0, "failed": 0, "skipped": 1, "errors": 0, "notRun": 2 });
        assert_eq!(end["counts"], counts, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_that_is_there_again_has_its_last_outcome_and_its_hint_again() {
    let mut client = Client::ready().await;
    client.write("test_a.py", SAMPLE);
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    let id = "test_a.py::TestGroup::test_two";
    let all = || file("test_a.py", &uri, &["test_one", "TestGroup::test_two"]);
    client.emit([inventory(all(), &[]), flaky(id)]).await;
    client.emit(run_of("run-1", failed(id, &uri, 10))).await;
    client.idle().await;
    let codes = |client: &Client| {
        let told = client.seen(DIAGNOSTICS).pop().unwrap();
        told["diagnostics"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&client), ["flaky", "failed"]);
    client.emit([inventory(vec![], &[id])]).await;
    client.idle().await;
    assert!(codes(&client).is_empty());
    let before = client.engine.asked("get_last_outcomes").len();
    let past = TestOutcome { as_of: Some(1_764_079_380_000), stale: true, ..failed(id, &uri, 10) };
    let EventPayload::TestOutcome(mut remembered) = outcome("remembered", past) else { unreachable!() };
    remembered.outcomes.push(TestOutcome { as_of: Some(1_764_079_380_000), ..passed("test_a.py::test_one") });
    let event = Event { seq: 0, payload: EventPayload::TestOutcome(remembered) };
    client.engine.script("get_last_outcomes", Response::Events { cursor: 0, events: vec![Arc::new(event)] });
    client.take_all();
    client.emit([inventory(all(), &[])]).await;
    client.idle().await;
    assert_eq!(client.engine.asked("get_last_outcomes").len(), before + 1);
    assert_eq!(codes(&client), ["flaky", "failed"]);
    let told = client.seen("pytestLens/testOutcome").pop().unwrap();
    assert_eq!((&told["runId"], &told["outcomes"][0]["id"]), (&json!("remembered"), &json!(id)));
    let lenses = client.lenses("test_a.py").await;
    assert!(lenses.iter().any(|lens| lens.contains("failed 12 ms · ") && lens.contains("· stale")), "{lenses:?}");
    // Nothing is lost any more: further changes request nothing.
    client.emit([inventory(vec![], &["test_a.py::test_three"]), inventory(all(), &[])]).await;
    client.idle().await;
    assert_eq!(client.engine.asked("get_last_outcomes").len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn an_unsaved_test_is_refused_with_the_advice_to_save_it() {
    let mut client = Client::ready().await;
    client.write("test_a.py", SAMPLE);
    client.open("test_a.py", SAMPLE).await;
    let uri = client.uri("test_a.py");
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "def test_new():\n    pass\n\n"]])).await;
    let cursor = json!({ "textDocument": { "uri": uri }, "position": { "line": 0, "character": 5 } });
    let lens = json!({ "ids": ["test_a.py::test_new"] });
    let saved = json!({ "ids": ["test_a.py::test_one"] });
    for (command, argument, advice) in [
        ("pytestLens.run", &cursor, "test_a.py::test_new is not saved yet: save test_a.py first, then run it"),
        ("pytestLens.run", &lens, "test_a.py::test_new is not saved yet: save test_a.py first, then run it"),
        ("pytestLens.debug", &lens, "test_a.py::test_new is not saved yet: save test_a.py first, then run it"),
        ("pytestLens.run", &saved, "no such test"),
    ] {
        let request = if command == "pytestLens.run" { "run_stream" } else { "debug_run" };
        client.engine.refuse(request, ErrorCode::InvalidRequest, "no such test");
        let refused = client.command(command, argument.clone()).await.unwrap_err();
        assert_eq!(refused["message"], advice, "{command} {argument}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_diagnostic_of_a_fixture_follows_it_through_the_file() {
    let fixture = "@pytest.fixture\ndef fx():\n    assert 0, 'boom'\n\n";
    let test = "def test_1(fx):\n    pass\n\n";
    let others = "def test_2():\n    assert 1, 'two'\n\n@pytest.fixture\ndef other():\n    assert 1, 'other'\n\n";
    let old = format!("import pytest\n\n{others}{fixture}{test}");
    let line_of = |text: &str| text.lines().position(|line| line.contains("boom")).unwrap();
    let mut client = Client::ready().await;
    client.write("test_a.py", &old);
    client.open("test_a.py", &old).await;
    let uri = client.uri("test_a.py");
    client.emit(run_of("run-1", failed("test_a.py::test_1", &uri, u32::try_from(line_of(&old)).unwrap()))).await;
    client.idle().await;
    client.take_all();
    let (mut was, mut version) = (old, 1);
    for new in [
        format!("import pytest\n\n{fixture}{test}{others}"),
        format!("import pytest\n\n{others}{test}{fixture}"),
        format!("import pytest\n\n{fixture}{others}{test}"),
    ] {
        version += 1;
        client.change("test_a.py", version, json!([[0, 0, was.lines().count(), 0, new]])).await;
        client.write("test_a.py", &new);
        client.save("test_a.py").await;
        client.idle().await;
        let told = client.seen(DIAGNOSTICS).pop().unwrap();
        assert_eq!(told["diagnostics"][0]["range"]["start"]["line"], line_of(&new), "{new}");
        was = new;
    }
}
