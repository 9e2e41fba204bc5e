//! From a key to fresh lenses in a large file, and what a file of 2 MB costs whose edits come faster than they are read.

use super::processes::at_rest;
use super::projects::Generated;
use super::{Bench, Figure, median, milliseconds, percentile_99};
use anyhow::{Context, Result, bail};
use pytest_lens_testkit::{LspClient, file_uri};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

/// Statements of each test in the file of 5,000 lines, and in the one of 2 MB.
const STATEMENTS: [usize; 2] = [6, 40];

/// A key is typed so often in a row, and then taken back.
const IN_A_ROW: usize = 10;

/// Edits that are queued at once.
const EDITS: usize = 200;

/// Both files, in one server.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let project = bench.plain("typing", 3, 10)?;
    let settings = json!({"pythonPath": bench.venv.python()});
    let mut client = editor::start(&bench.binary, &project.root, &settings, &bench.state.join("typing"))?;
    client.execute("pytestLens.collect", json!({}))?;
    let keys = keys(bench, &mut client, &project)?;
    let mut figures = vec![keys];
    figures.extend(queue(bench, &mut client, &project)?);
    client.shutdown()?;
    Ok(figures)
}

/// Types into the name of a test in the middle of a file of 5,000 lines, and asks for lenses after each key.
fn keys(bench: &Bench, client: &mut LspClient, project: &Generated) -> Result<Figure> {
    let (warm_up, keys) = bench.pick((100, 1_000), (1, 10));
    let mut file = LargeFile::open(client, project, "tests/test_long.py", 500, STATEMENTS[0])?;
    client.execute("pytestLens.collect", json!({}))?;
    let mut times = Vec::new();
    for key in 0..warm_up + keys {
        let start = Instant::now();
        file.type_key(client)?;
        let (lenses, arrived) = file.lenses(client)?;
        file.check(&lenses)?;
        client.take_messages();
        if key >= warm_up {
            times.push(arrived - start);
        }
    }
    let typical = format!("{:.1} ms (median)", milliseconds(median(times.clone())));
    let slowest = milliseconds(percentile_99(times));
    Ok(Figure::limit("key to fresh lenses, a file of 5,000 lines, p99", slowest, 5.0, "ms").next_to(typical))
}

/// Sends many edits of a file of 2 MB at once, and asks for its lenses behind them.
fn queue(bench: &Bench, client: &mut LspClient, project: &Generated) -> Result<Vec<Figure>> {
    let rounds = bench.pick(5_u32, 1);
    let tests = bench.pick(1_500, 100);
    let mut file = LargeFile::open(client, project, "tests/test_huge.py", tests, STATEMENTS[1])?;
    let server = client.process_id().context("the server is no child process")?;
    client.execute("pytestLens.collect", json!({}))?;
    file.lenses(client)?;
    let (mut times, mut used) = (Vec::new(), Duration::ZERO);
    for _ in 0..rounds {
        let before = at_rest(server)?;
        let start = Instant::now();
        for _ in 0..EDITS {
            file.type_key(client)?;
        }
        let (lenses, arrived) = file.lenses(client)?;
        times.push(arrived - start);
        file.check(&lenses)?;
        used += at_rest(server)? - before;
        client.take_messages();
    }
    let size = file.bytes as f64 / 1e6;
    let used = milliseconds(used / rounds);
    Ok(vec![
        Figure::limit(format!("{EDITS} queued edits of {size:.1} MB: the server's processor time"), used, 100.0, "ms"),
        Figure::limit("the same: lenses of the last edit", milliseconds(median(times)), None::<f64>, "ms"),
    ])
}

/// An open file of many tests. Keys go to the end of the name of the test in its middle.
struct LargeFile {
    uri: String,
    file: String,
    bytes: usize,
    tests: usize,
    /// The line of the test, its name, and that it had in the beginning.
    line: usize,
    name: String,
    first_name: String,
    version: usize,
}

impl LargeFile {
    fn open(client: &mut LspClient, project: &Generated, file: &str, tests: usize, statements: usize) -> Result<Self> {
        let body = "    numbers = [*numbers, \"a word\"]\n".repeat(statements - 1);
        let mut text = String::new();
        for number in 0..tests {
            write!(text, "def test_{number}():\n    numbers = []\n{body}    assert numbers is not None\n\n\n")?;
        }
        let path = project.root.join(file);
        fs::write(&path, &text)?;
        let uri = file_uri(&path)?;
        client.did_open(&uri, &text)?;
        let name = format!("test_{}", tests / 2);
        let line = tests / 2 * (statements + 4);
        let (file, bytes, first_name) = (file.to_owned(), text.len(), name.clone());
        Ok(Self { uri, file, bytes, tests, line, name, first_name, version: 1 })
    }

    /// Types one letter, or takes one back.
    fn type_key(&mut self, client: &mut LspClient) -> Result<()> {
        let goes_back = (self.version - 1) / IN_A_ROW % 2 == 1;
        let end = "def ".len() + self.name.len();
        let (from, letter) = if goes_back { (end - 1, "") } else { (end, "a") };
        match goes_back {
            true => self.name.truncate(self.name.len() - 1),
            false => self.name.push_str(letter),
        }
        self.version += 1;
        let at = |character: usize| json!({"line": self.line, "character": character});
        let change = json!({"range": {"start": at(from), "end": at(end)}, "text": letter});
        let document = json!({"uri": self.uri, "version": self.version});
        client.notify("textDocument/didChange", json!({"textDocument": document, "contentChanges": [change]}))
    }

    /// The lenses, and the time at which they had arrived.
    fn lenses(&self, client: &mut LspClient) -> Result<(Value, Instant)> {
        let request = client.send("textDocument/codeLens", json!({"textDocument": {"uri": self.uri}}))?;
        client.timed_response(request)
    }

    /// Lenses of an older text would be no lenses worth measuring.
    fn check(&self, lenses: &Value) -> Result<()> {
        let lenses = lenses.as_array().context("no lenses came")?;
        let id = format!("{}::{}", self.file, self.name);
        let is_there = lenses.iter().any(|lens| {
            lens["range"]["start"]["line"] == self.line && lens["command"]["arguments"][0]["ids"][0] == *id
        });
        let is_whole = self.name.starts_with(&self.first_name) && lenses.len() >= self.tests;
        if !is_there || !is_whole {
            bail!("a lens of {id} at line {} was to be among {} lenses", self.line, lenses.len());
        }
        Ok(())
    }
}
