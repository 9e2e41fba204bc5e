//! Tests that only pytest knows, at the lines of the live text.

use pytest_lens_protocol::{ItemKind, Range, TestItem};
use serde_json::{Value, json};

use crate::Client;
use crate::events::{inventory, item};

/// Tests that the source alone does not show.
const ODD: &str = "\
import sys
from support import Base, make, make_class

class UserTests(Base):
    pass

if sys.platform == 'linux':
    def test_os():
        assert True
else:
    def test_os():
        assert False

def describe_it():
    def it_does():
        pass

test_lambda = lambda: None
test_made = make()

def check_it():
    pass

class Suite:
    def check_more(self):
        pass

for name in 'ab':
    globals()['test_' + name] = lambda: None
";

/// pytest's items: ids and 1-based lines.
const TOLD: [(&str, Option<u32>); 11] = [
    ("UserTests", None),
    ("UserTests::test_one", None),
    ("test_os", Some(8)),
    ("describe_it::it_does", Some(15)),
    ("test_lambda", Some(18)),
    ("test_made", None),
    ("check_it", Some(21)),
    ("Suite", None),
    ("Suite::check_more", Some(25)),
    ("test_a", Some(29)),
    ("test_b", Some(29)),
];

fn told(uri: &str) -> Vec<TestItem> {
    let test = |(name, line): &(&str, Option<u32>)| {
        let kind = if matches!(*name, "UserTests" | "Suite") { ItemKind::Class } else { ItemKind::Function };
        let class = name.split_once("::").map(|(class, _)| class).filter(|class| *class != "describe_it");
        let parent = class.map_or_else(|| "test_a.py".to_owned(), |class| format!("test_a.py::{class}"));
        let range = line.map(Range::of_line);
        TestItem { range, ..item(&format!("test_a.py::{name}"), Some(&parent), kind, uri) }
    };
    std::iter::once(item("test_a.py", None, ItemKind::File, uri)).chain(TOLD.iter().map(test)).collect()
}

impl Client {
    async fn with_odd_tests() -> Self {
        let mut client = Client::ready().await;
        client.write("test_a.py", ODD);
        client.open("test_a.py", ODD).await;
        let uri = client.uri("test_a.py");
        client.emit([inventory(told(&uri), &[])]).await;
        client.idle().await;
        client
    }

    /// The lines with a run lens, and the ids that it runs.
    async fn runs(&mut self) -> Vec<(u64, Vec<String>)> {
        let params = json!({ "textDocument": { "uri": self.uri("test_a.py") } });
        let lenses = self.request("textDocument/codeLens", params).await.unwrap();
        let lenses = lenses.as_array().unwrap().iter().filter(|lens| lens["command"]["command"] == "pytestLens.run");
        lenses.map(|lens| (lens["range"]["start"]["line"].as_u64().unwrap(), ids(&lens["command"]))).collect()
    }

    async fn action_at(&mut self, line: u64) -> Vec<String> {
        let at = json!({ "line": line, "character": 0 });
        let params = json!({
            "textDocument": { "uri": self.uri("test_a.py") },
            "range": { "start": at, "end": at },
            "context": { "diagnostics": [] },
        });
        let actions = self.request("textDocument/codeAction", params).await.unwrap();
        let first = actions.as_array().unwrap().first().cloned().unwrap_or_default();
        ids(if first["command"].is_object() { &first["command"] } else { &first })
    }

    async fn hover_at(&mut self, line: u64) -> String {
        let params = json!({
            "textDocument": { "uri": self.uri("test_a.py") },
            "position": { "line": line, "character": 6 },
        });
        let hover = self.request("textDocument/hover", params).await.unwrap();
        hover["contents"]["value"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned()
    }

    async fn run_at(&mut self, line: u64) -> Result<Value, Value> {
        let position = json!({ "line": line, "character": 0 });
        let argument = json!({ "textDocument": { "uri": self.uri("test_a.py") }, "position": position });
        self.command("pytestLens.run", argument).await
    }

    fn last_run(&self) -> Value {
        let asked = self.engine.asked("run_stream");
        serde_json::to_value(asked.last().unwrap()).unwrap()
    }
}

fn ids(command: &Value) -> Vec<String> {
    let ids = command["arguments"][0]["ids"].as_array().into_iter().flatten();
    ids.map(|id| id.as_str().unwrap().trim_start_matches("test_a.py::").to_owned()).collect()
}

fn expected(moved: u64) -> Vec<(u64, Vec<String>)> {
    let lines: [(u64, &[&str]); 9] = [
        (3, &["UserTests"]),
        (7, &["test_os"]),
        (14, &["describe_it::it_does"]),
        (17, &["test_lambda"]),
        (18, &["test_made"]),
        (20, &["check_it"]),
        (23, &["Suite"]),
        (24, &["Suite::check_more"]),
        (28, &["test_a", "test_b"]),
    ];
    lines.iter().map(|(line, ids)| (line + moved, ids.iter().map(|id| (*id).to_owned()).collect())).collect()
}

#[tokio::test(start_paused = true)]
async fn b1_lenses_know_what_pytest_has_confirmed_and_follow_the_text() {
    let mut client = Client::with_odd_tests().await;
    assert_eq!(client.runs().await, expected(0));
    client.change("test_a.py", 2, json!([[0, 0, 0, 0, "# one\n# two\n"]])).await;
    assert_eq!(client.runs().await, expected(2));
}

#[tokio::test(start_paused = true)]
async fn b1_cursor_hover_and_actions_know_what_pytest_has_confirmed() {
    let mut client = Client::with_odd_tests().await;
    for (line, name) in [
        (4, "UserTests"),
        (8, "test_os"),
        (15, "describe_it::it_does"),
        (17, "test_lambda"),
        (18, "test_made"),
        (21, "check_it"),
        (25, "Suite::check_more"),
    ] {
        assert_eq!(client.action_at(line).await, [name], "at {line}");
        // No answer is scripted: only the request counts.
        let _ = client.run_at(line).await;
        let asked = client.last_run().to_string();
        assert!(asked.contains(&format!("[\"test_a.py::{name}\"]")), "at {line}: {asked}");
    }
    assert_eq!(client.hover_at(18).await, "**test_made**");
    assert_eq!(client.hover_at(7).await, "**test_os**");
    assert_eq!(client.hover_at(10).await, "");
}

#[tokio::test(start_paused = true)]
async fn b1_a_confirmed_test_that_the_text_has_no_more_has_no_lens() {
    let mut client = Client::with_odd_tests().await;
    client.change("test_a.py", 2, json!([[20, 4, 20, 12, "helper"], [18, 0, 19, 0, ""]])).await;
    let all: Vec<String> = client.runs().await.into_iter().flat_map(|(_, ids)| ids).collect();
    assert!(!all.contains(&"check_it".to_owned()) && !all.contains(&"test_made".to_owned()), "{all:?}");
    assert!(all.contains(&"Suite::check_more".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn b1_before_pytest_has_spoken_the_source_alone_decides() {
    let mut client = Client::ready().await;
    client.open("test_a.py", ODD).await;
    let all: Vec<String> = client.runs().await.into_iter().flat_map(|(_, ids)| ids).collect();
    assert_eq!(all, ["test_os"]);
}
