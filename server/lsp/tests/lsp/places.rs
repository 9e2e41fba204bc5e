//! Positions: outcomes, diagnostics and items are at their lines, after any change of a file by anyone.

use pytest_lens_protocol::{EventPayload, ItemKind, Range, TestItem, TestOutcome};
use serde_json::{Value, json};

use crate::events::{failed, file, flaky, inventory, item, passed, run_finished, run_of, run_started};
use crate::{Client, SAMPLE};

const DIAGNOSTICS: &str = "textDocument/publishDiagnostics";

/// Three tests; the second fails at line 5.
const THREE: &str =
    "def test_a():\n    assert True\n\n\ndef test_b():\n    assert 1 == 2\n\n\ndef test_c():\n    pass\n";

/// The same text, this many lines further down.
fn lower(lines: usize) -> String {
    format!("{}{THREE}", "# new\n".repeat(lines))
}

/// pytest's items when the file's tests are this many lines further down.
fn collected(client: &Client, lines: u32) -> EventPayload {
    let uri = client.uri("test_a.py");
    let mut items = vec![item("test_a.py", None, ItemKind::File, &uri)];
    for (name, line) in [("test_a", 0), ("test_b", 4), ("test_c", 8)] {
        let test = item(&format!("test_a.py::{name}"), Some("test_a.py"), ItemKind::Function, &uri);
        items.push(TestItem { range: Some(Range::of_line(line + lines + 1)), ..test });
    }
    inventory(items, &[])
}

impl Client {
    /// A file on disk and in the editor, whose `test_b` has failed.
    async fn with_failure() -> Self {
        let mut client = Client::ready().await;
        client.write("test_a.py", THREE);
        client.open("test_a.py", THREE).await;
        client.emit([collected(&client, 0)]).await;
        client.emit(run_of("run-1", failed("test_a.py::test_b", &client.uri("test_a.py"), 5))).await;
        assert_eq!(client.shown().await, [5]);
        client
    }

    /// The lines of the diagnostics that the client received last.
    async fn shown(&mut self) -> Vec<u64> {
        self.idle().await;
        let told = self.seen(DIAGNOSTICS);
        let last = told.iter().rfind(|params| params["uri"] == self.uri("test_a.py"));
        let lines = |params: &Value| {
            let all = params["diagnostics"].as_array().unwrap();
            all.iter().map(|diagnostic| diagnostic["range"]["start"]["line"].as_u64().unwrap()).collect()
        };
        last.map(lines).unwrap_or_default()
    }

    /// The line of a test that the client received last.
    async fn told_line(&mut self, id: &str) -> Option<u64> {
        self.idle().await;
        let told = self.seen("pytestLens/inventory");
        let mut items = told.iter().flat_map(|params| params["upserts"].as_array().unwrap());
        let last = items.rfind(|item| item["id"] == id)?;
        last["range"]["start"]["line"].as_u64()
    }

    /// The line of a test in the tree.
    async fn tree_line(&mut self, id: &str) -> Option<u64> {
        let page = self.command("pytestLens.tests", json!({})).await.unwrap();
        let items = page["items"].as_array().unwrap().clone();
        let found = items.into_iter().find(|item| item["id"] == id)?;
        found["range"]["start"]["line"].as_u64()
    }

    async fn reopen(&mut self, text: &str) {
        self.close("test_a.py").await;
        self.open("test_a.py", text).await;
    }

    async fn watched(&mut self, path: &str) {
        let change = json!({ "uri": self.uri(path), "type": 2 });
        self.notify("workspace/didChangeWatchedFiles", json!({ "changes": [change] })).await;
    }
}

#[tokio::test(start_paused = true)]
async fn c1_a_file_changed_outside_and_reloaded_has_everything_in_its_place() {
    let mut client = Client::with_failure().await;
    client.write("test_a.py", &lower(3));
    client.watched("test_a.py").await;
    client.emit([collected(&client, 3)]).await;
    assert_eq!(client.shown().await, [5], "the editor shows the old text still");
    assert_eq!(client.told_line("test_a.py::test_b").await, Some(4));
    client.reopen(&lower(3)).await;
    assert_eq!(client.shown().await, [8]);
    assert_eq!(client.told_line("test_a.py::test_b").await, Some(7));
    assert_eq!(client.tree_line("test_a.py::test_c").await, Some(11));
    client.emit(run_of("run-2", failed("test_a.py::test_b", &client.uri("test_a.py"), 8))).await;
    assert_eq!(client.shown().await, [8], "the next run refers to the new text");
}

#[tokio::test(start_paused = true)]
async fn c1_a_reload_by_edits_without_a_save_is_what_the_disk_has() {
    let mut client = Client::with_failure().await;
    client.write("test_a.py", &lower(3));
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# new\n# new\n# new\n"]])).await;
    assert_eq!(client.shown().await, [8]);
    client.emit([collected(&client, 3)]).await;
    client.emit(run_of("run-2", failed("test_a.py::test_b", &client.uri("test_a.py"), 8))).await;
    assert_eq!(client.shown().await, [8]);
    let told = client.seen("pytestLens/testOutcome").pop().unwrap();
    assert_eq!(told["outcomes"][0]["location"]["range"]["start"]["line"], 8);
    assert_eq!(client.told_line("test_a.py::test_b").await, Some(7));
}

#[tokio::test(start_paused = true)]
async fn v1_a_run_of_what_the_disk_has_is_shown_where_the_stale_buffer_has_it() {
    let mut client = Client::with_failure().await;
    client.write("test_a.py", &lower(3));
    // The editor has not noticed yet; pytest has.
    client.emit(run_of("run-2", failed("test_a.py::test_b", &client.uri("test_a.py"), 8))).await;
    assert_eq!(client.shown().await, [5]);
    client.change("test_a.py", 2, json!([lower(3)])).await;
    assert_eq!(client.shown().await, [8]);
}

#[tokio::test(start_paused = true)]
async fn v1_items_whose_lines_were_replaced_are_told_anew_though_they_are_where_they_were() {
    let mut client = Client::with_failure().await;
    client.idle().await;
    client.take_custom();
    client.change("test_a.py", 2, json!([THREE])).await;
    assert_eq!(client.told_line("test_a.py::test_b").await, Some(4));
    client.take_custom();
    client.change("test_a.py", 3, json!([[1, 4, 1, 4, "x = 1; "]])).await;
    assert_eq!(client.told_line("test_a.py::test_b").await, None, "nothing moved");
}

#[tokio::test(start_paused = true)]
async fn v1_what_lies_between_two_distant_changes_stays_apart() {
    let mut client = Client::with_failure().await;
    client.emit(run_of("run-2", failed("test_a.py::test_c", &client.uri("test_a.py"), 9))).await;
    assert_eq!(client.shown().await, [5, 9]);
    let new = format!("import os\n{}\n# the end\n", THREE.trim_end());
    client.write("test_a.py", &new);
    client.change("test_a.py", 2, json!([[0, 0, 10, 0, new]])).await;
    assert_eq!(client.shown().await, [6, 10]);
    assert_eq!(client.told_line("test_a.py::test_c").await, Some(9));
}

#[tokio::test(start_paused = true)]
async fn c2_a_range_replaced_by_the_same_or_a_formatted_text_moves_nothing_else() {
    let mut client = Client::with_failure().await;
    client.change("test_a.py", 2, json!([[0, 0, 10, 0, THREE]])).await;
    assert_eq!(client.shown().await, [5]);
    let formatted =
        THREE.replace("1 == 2", "(\n        1 == 2\n    )").replace("def test_a", "import os\n\n\ndef test_a");
    client.change("test_a.py", 3, json!([[0, 0, 10, 0, formatted]])).await;
    let line = client.shown().await;
    assert!(line == [8] || line == [9], "{line:?}");
    client.reopen(THREE).await;
    assert_eq!(client.shown().await, [5]);
}

#[tokio::test(start_paused = true)]
async fn c2_select_all_delete_undo_brings_diagnostics_back_to_their_lines() {
    let mut client = Client::with_failure().await;
    client.change("test_a.py", 2, json!([[0, 0, 10, 0, ""]])).await;
    assert_eq!(client.shown().await, [0_u64; 0]);
    client.change("test_a.py", 3, json!([[0, 0, 0, 0, THREE]])).await;
    assert_eq!(client.shown().await, [5]);
    assert_eq!(client.told_line("test_a.py::test_b").await, Some(4));
}

#[tokio::test(start_paused = true)]
async fn c2_a_quick_delete_and_undo_is_told_to_who_lost_the_places() {
    let mut client = Client::with_failure().await;
    client.take_all();
    client.change("test_a.py", 2, json!([[0, 0, 10, 0, ""]])).await;
    client.change("test_a.py", 3, json!([[0, 0, 0, 0, THREE]])).await;
    assert_eq!(client.shown().await, [5], "sent again, though nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn c2_a_closed_file_that_changes_on_disk_has_its_diagnostics_follow() {
    let mut client = Client::with_failure().await;
    client.close("test_a.py").await;
    client.write("test_a.py", &lower(2));
    client.watched("test_a.py").await;
    assert_eq!(client.shown().await, [7]);
    assert_eq!(client.told_line("test_a.py::test_c").await, Some(10), "before pytest has collected");
    client.emit([collected(&client, 2)]).await;
    assert_eq!(client.tree_line("test_a.py::test_c").await, Some(10));
    client.write("test_a.py", &lower(4));
    client.emit([collected(&client, 4)]).await;
    assert_eq!(client.shown().await, [9], "also where nobody watches but the engine");
}

#[tokio::test(start_paused = true)]
async fn c2_a_file_closed_unsaved_and_changed_meanwhile_shows_what_the_disk_has() {
    let mut client = Client::with_failure().await;
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# one\n"]])).await;
    assert_eq!(client.shown().await, [6]);
    client.write("test_a.py", &lower(4));
    client.close("test_a.py").await;
    assert_eq!(client.shown().await, [9]);
    client.open("test_a.py", &lower(5)).await;
    assert_eq!(client.shown().await, [10]);
}

#[tokio::test(start_paused = true)]
async fn c3_a_deleted_tests_diagnostic_goes_and_never_moves_to_a_neighbour() {
    let mut client = Client::with_failure().await;
    client.change("test_a.py", 2, json!([[4, 0, 8, 0, ""]])).await;
    assert_eq!(client.shown().await, [0_u64; 0]);
    assert_eq!(client.told_line("test_a.py::test_b").await, None, "nor does its item");
    assert_eq!(client.told_line("test_a.py::test_c").await, Some(4));
    client.change("test_a.py", 3, json!([[4, 0, 4, 0, "def test_b():\n    assert 1 == 2\n\n\n"]])).await;
    assert_eq!(client.shown().await, [5], "undone");
    client.change("test_a.py", 4, json!([[5, 0, 6, 0, "    pass\n    print()\n"]])).await;
    assert_eq!(client.shown().await, [5], "its line is gone, the test is not");
    client.change("test_a.py", 5, json!([[4, 4, 4, 10, "test_other"]])).await;
    assert_eq!(client.shown().await, [0_u64; 0], "another name is another test");
}

#[tokio::test(start_paused = true)]
async fn c3_what_is_shown_at_a_definition_goes_with_the_test() {
    let mut client = Client::with_failure().await;
    let crash = TestOutcome { outcome: "crashed".into(), ..passed("test_a.py::test_b") };
    client.emit(run_of("run-2", crash)).await;
    client.emit([flaky("test_a.py::test_b")]).await;
    assert_eq!(client.shown().await, [4, 4]);
    client.change("test_a.py", 2, json!([[4, 0, 8, 0, ""]])).await;
    assert_eq!(client.shown().await, [0_u64; 0]);
}

#[tokio::test(start_paused = true)]
async fn c3_a_test_that_moves_takes_its_diagnostic_along_past_one_with_the_same_lines() {
    let mut client = Client::ready().await;
    let same = "def test_b():\n    assert 1 == 2\n\n\ndef test_c():\n    assert 1 == 2\n";
    client.write("test_a.py", same);
    client.open("test_a.py", same).await;
    client.emit(run_of("run-1", failed("test_a.py::test_b", &client.uri("test_a.py"), 1))).await;
    assert_eq!(client.shown().await, [1]);
    let swapped = same.replace("test_b", "test_x").replace("test_c", "test_b").replace("test_x", "test_c");
    client.change("test_a.py", 2, json!([swapped])).await;
    assert_eq!(client.shown().await, [5]);
}

#[tokio::test(start_paused = true)]
async fn c1_a_run_speaks_of_the_text_that_the_disk_had_when_it_began() {
    let mut client = Client::with_failure().await;
    let uri = client.uri("test_a.py");
    client.emit([run_started("run-2", &["test_a.py::test_b"])]).await;
    client.idle().await;
    client.write("test_a.py", &lower(3));
    client.change("test_a.py", 2, json!([lower(3)])).await;
    client.save("test_a.py").await;
    let late = crate::events::outcome("run-2", failed("test_a.py::test_b", &uri, 5));
    client.emit([late, run_finished("run-2", 0, 1)]).await;
    assert_eq!(client.shown().await, [8]);
}

#[tokio::test(start_paused = true)]
async fn b1_an_item_that_only_pytest_knows_follows_its_line() {
    let mut client = Client::ready().await;
    let text = "x = 1\ntest_made = make(lambda: None)\n";
    client.write("test_a.py", text);
    client.open("test_a.py", text).await;
    let uri = client.uri("test_a.py");
    let made = item("test_a.py::test_made", Some("test_a.py"), ItemKind::Function, &uri);
    let made = TestItem { range: Some(Range::of_line(2)), ..made };
    client.emit([inventory(vec![item("test_a.py", None, ItemKind::File, &uri), made], &[])]).await;
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# one\n"]])).await;
    assert_eq!(client.told_line("test_a.py::test_made").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn c7_a_file_that_was_never_saved_leaves_the_tree_when_it_is_closed() {
    let mut client = Client::ready().await;
    client.write("other/test_x.py", "def test_x(): ...\n");
    client.open("new/deep/test_a.py", "def test_a(): ...\n").await;
    client.idle().await;
    assert_eq!(client.ids().await, ["new", "new/deep", "new/deep/test_a.py", "new/deep/test_a.py::test_a"]);
    client.close("new/deep/test_a.py").await;
    client.idle().await;
    assert_eq!(client.ids().await, [""; 0]);
    let removed = client.seen("pytestLens/inventory").pop().unwrap();
    assert_eq!(removed["removed"], json!(["new"]));
}

#[tokio::test(start_paused = true)]
async fn c7_a_file_that_pytest_does_not_take_goes_when_it_has_looked() {
    let mut client = Client::ready().await;
    client.write("test_a.py", "def test_a(): ...\n");
    client.open("test_a.py", "def test_a(): ...\ndef test_unsaved(): ...\n").await;
    client.idle().await;
    client.close("test_a.py").await;
    assert!(!client.ids().await.contains(&"test_a.py::test_unsaved".to_owned()));
    client.idle().await;
    assert_eq!(client.ids().await, [""; 0]);
}

impl Client {
    async fn ids(&mut self) -> Vec<String> {
        let page = self.command("pytestLens.tests", json!({})).await.unwrap();
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn d4_a_question_behind_many_edits_sees_them_all() {
    let mut client = Client::ready().await;
    client.open("test_a.py", THREE).await;
    for version in 2..202 {
        client.change("test_a.py", version, json!([[0, 0, 0, 0, "# line\n"]])).await;
    }
    assert_eq!(client.lenses("test_a.py").await[0], "200: ▶ Run");
}

#[tokio::test(start_paused = true)]
async fn b9_a_document_by_another_name_of_its_file_has_all_that_the_file_has() {
    for opened_by_link in [true, false] {
        let mut client = Client::start();
        client.write("real/test_a.py", SAMPLE);
        std::os::unix::fs::symlink(client.root().join("real"), client.root().join("link")).unwrap();
        let (folder, name) = if opened_by_link { ("link", "real/test_a.py") } else { ("real", "link/test_a.py") };
        let folders = json!([{ "uri": client.uri(folder), "name": "repo" }]);
        let options = json!({ "pytestLens": true, "settings": {} });
        client.initialize(json!({ "workspaceFolders": folders, "initializationOptions": options })).await;
        client.idle().await;
        // The engine names files without links.
        let (context, told) = (format!("context-{folder}"), client.uri("real/test_a.py"));
        let tests = inventory(file("test_a.py", &told, &["test_one"]), &[]);
        let run = run_of("run-1", failed("test_a.py::test_one", &told, 4));
        client.engine.emit(&context, std::iter::once(tests).chain(run.clone()));
        client.idle().await;
        let own = client.uri(&format!("{folder}/test_a.py"));
        let told_of = |client: &Client| -> Vec<String> {
            let told = client.seen("pytestLens/inventory");
            let items = told.iter().flat_map(|params| params["upserts"].as_array().unwrap());
            let ours = items.filter(|item| item["id"] == "test_a.py::test_one");
            ours.map(|item| item["uri"].as_str().unwrap().to_owned()).collect()
        };
        let shown = |client: &Client| -> Vec<(String, usize)> {
            let all = client.seen("textDocument/publishDiagnostics");
            let count = |params: &Value| params["diagnostics"].as_array().unwrap().len();
            all.iter().map(|params| (params["uri"].as_str().unwrap().to_owned(), count(params))).collect()
        };
        assert_eq!(shown(&client), [(own.clone(), 1)]);
        client.take_all();

        // The diagnostics follow the file into the document, with the positions of its tests.
        client.open(name, SAMPLE).await;
        client.idle().await;
        let named = client.uri(name);
        assert_eq!(shown(&client), [(own.clone(), 0), (named.clone(), 1)]);
        assert_eq!(told_of(&client), std::slice::from_ref(&named));
        assert!(client.lenses(name).await.iter().any(|lens| lens.contains("✗ failed")));
        let at = json!({ "textDocument": { "uri": named }, "position": { "line": 3, "character": 0 } });
        let selected = client.command("pytestLens.run", at).await.unwrap();
        assert_eq!(selected["total"], 1);
        client.take_all();

        client.change(name, 2, json!([[0, 0, 0, 0, "# one\n"]])).await;
        client.engine.emit(&context, run);
        client.idle().await;
        let outcomes = client.seen("pytestLens/testOutcome");
        assert_eq!(outcomes[0]["outcomes"][0]["location"]["uri"], json!(named));
        assert_eq!(outcomes[0]["outcomes"][0]["location"]["range"]["start"]["line"], 5);
        assert!(shown(&client).iter().all(|(uri, count)| (uri, *count) == (&named, 1)), "{:?}", shown(&client));
        client.take_all();

        client.close(name).await;
        client.idle().await;
        assert_eq!(shown(&client), [(named, 0), (own.clone(), 1)]);
        assert_eq!(told_of(&client), [own]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_at_its_line_though_its_file_was_opened_and_edited_during_the_run() {
    let mut client = Client::ready().await;
    client.write("test_a.py", THREE);
    client.emit([collected(&client, 0), run_started("run-1", &["test_a.py::test_b"])]).await;
    client.idle().await;
    client.open("test_a.py", THREE).await;
    client.lenses("test_a.py").await;
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# new\n# new\n"]])).await;
    client.write("test_a.py", &lower(2));
    client.save("test_a.py").await;
    client.idle().await;
    let uri = client.uri("test_a.py");
    let events = run_of("run-1", failed("test_a.py::test_b", &uri, 5)).split_off(2);
    client.emit(events).await;
    assert_eq!(client.shown().await, [7]);
    let told = client.seen("pytestLens/testOutcome").pop().unwrap();
    assert_eq!(told["outcomes"][0]["location"]["range"]["start"]["line"], 7);
    client.close("test_a.py").await;
    client.emit([run_started("run-2", &["test_a.py::test_b"])]).await;
    client.idle().await;
    client.write("test_a.py", &lower(3));
    let events = run_of("run-2", failed("test_a.py::test_b", &uri, 7)).split_off(2);
    client.emit(events).await;
    assert_eq!(client.shown().await, [8], "a closed file with a failure is known, too");
}

#[tokio::test(start_paused = true)]
async fn a_collection_settles_which_text_its_lines_are_of() {
    let mut client = Client::ready().await;
    client.emit([collected(&client, 0)]).await;
    // Another program has only begun to write the file.
    client.write("test_a.py", "");
    client.open("test_a.py", THREE).await;
    client.lenses("test_a.py").await;
    client.write("test_a.py", THREE);
    client.command("pytestLens.collect", json!({})).await.unwrap();
    client.idle().await;
    client.change("test_a.py", 2, json!([[4, 0, 8, 0, ""]])).await;
    let runs: Vec<String> = client.lenses("test_a.py").await.into_iter().filter(|lens| lens.ends_with("Run")).collect();
    assert_eq!(runs, ["0: ▶ Run", "4: ▶ Run"], "test_b is deleted, and has no lens elsewhere");
}
