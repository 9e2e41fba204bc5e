//! The demo's editor: opens, runs and saves through LSP, and shows the server's messages the moment they arrive.

use super::project::Project;
use super::show::{self, Line};
use anyhow::{Context, Result};
use pytest_lens_testkit::{LspClient, file_uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An editor with one folder open.
pub(crate) struct Editor {
    client: LspClient,
    root: PathBuf,
    versions: BTreeMap<String, i64>,
    diagnostics: BTreeMap<String, Vec<Value>>,
    hints: BTreeMap<String, Value>,
}

/// The lenses of a file.
pub(crate) struct Lenses {
    /// The file's lines with their lenses.
    pub lines: Vec<Line>,
    /// Number of lenses.
    pub count: usize,
    /// From the request (or from opening) to the answer.
    pub time: Duration,
}

/// The results of one run.
pub(crate) struct Run {
    /// Number of tests with an outcome.
    pub ids: Vec<String>,
    /// From the key to the first final outcome.
    pub verdict: Option<Duration>,
    /// Whether every test of the run has an outcome.
    pub is_complete: bool,
}

impl Editor {
    /// Starts the server and shakes hands.
    pub(crate) fn start(binary: &Path, project: &Project) -> Result<Self> {
        // History and caches of its own, so that a demo does not remember the one before.
        let state = chores::paths::target().join("demo-state");
        let client = ::editor::start(binary, &project.root, &project.settings(), &state)?;
        Ok(Self {
            client,
            root: project.root.clone(),
            versions: BTreeMap::new(),
            diagnostics: BTreeMap::new(),
            hints: BTreeMap::new(),
        })
    }

    /// The first test file of the inventory, as the server pushes it.
    pub(crate) fn first_test_file(&mut self) -> Result<String> {
        let has_function = |item: &Value| item["kind"] == "function";
        let message = self.client.expect_where("pytestLens/inventory", |params| {
            params["upserts"].as_array().is_some_and(|items| items.iter().any(has_function))
        })?;
        let items = message.params["upserts"].as_array().cloned().unwrap_or_default();
        let id = items.iter().find(|item| has_function(item)).and_then(|item| item["id"].as_str());
        let id = id.context("the inventory has no test function")?;
        Ok(id.split("::").next().unwrap_or(id).to_owned())
    }

    /// Opens a file and asks for its lenses.
    pub(crate) fn open(&mut self, file: &str) -> Result<Lenses> {
        let text = self.read(file)?;
        let start = Instant::now();
        self.client.did_open(&self.uri(file)?, &text)?;
        self.versions.insert(file.to_owned(), 1);
        let lenses = self.lenses(file)?;
        Ok(Lenses { time: start.elapsed(), ..lenses })
    }

    /// The file's lenses as they are now.
    pub(crate) fn lenses(&mut self, file: &str) -> Result<Lenses> {
        let params = json!({"textDocument": {"uri": self.uri(file)?}});
        let start = Instant::now();
        let answer = self.client.request("textDocument/codeLens", params)?;
        let time = start.elapsed();
        let code = self.read(file)?;
        let mut lines: Vec<Line> =
            code.lines().map(|code| Line { code: code.to_owned(), lenses: Vec::new() }).collect();
        let lenses = answer.as_array().cloned().unwrap_or_default();
        for lens in &lenses {
            let line = lens["range"]["start"]["line"].as_u64().unwrap_or_default() as usize;
            if let (Some(line), Some(title)) = (lines.get_mut(line), lens["command"]["title"].as_str()) {
                line.lenses.push(title.to_owned());
            }
        }
        Ok(Lenses { lines, count: lenses.len(), time })
    }

    /// Runs the test under the cursor.
    pub(crate) fn run_at(&mut self, file: &str, line: usize) -> Result<Run> {
        let position = json!({"line": line, "character": 8});
        self.run(json!({"textDocument": {"uri": self.uri(file)?}, "position": position}))
    }

    /// Runs a file's tests.
    pub(crate) fn run_file(&mut self, file: &str) -> Result<Run> {
        self.run(json!({"textDocument": {"uri": self.uri(file)?}}))
    }

    /// Runs everything.
    pub(crate) fn run_all(&mut self) -> Result<Run> {
        self.run(json!({}))
    }

    /// Runs a selection and shows each event when it comes.
    fn run(&mut self, selection: Value) -> Result<Run> {
        self.take_in();
        let start = Instant::now();
        let answer = self.client.execute("pytestLens.run", selection)?;
        let id = answer["runId"].clone();
        let total = answer["total"].as_u64().unwrap_or_default();
        let mut run = Run { ids: Vec::new(), verdict: None, is_complete: false };
        loop {
            let until = Instant::now() + Duration::from_secs(600);
            let message = self.client.next_message(until)?.context("the run does not end")?;
            let params = &message.params;
            match message.method.as_str() {
                "pytestLens/testOutcome" if params["runId"] == id => {
                    for outcome in params["outcomes"].as_array().map_or(&[][..], Vec::as_slice) {
                        show::outcome(outcome);
                        if outcome["willRerun"] != true {
                            run.verdict.get_or_insert(message.at.duration_since(start));
                            run.ids.extend(outcome["id"].as_str().map(str::to_owned));
                        }
                    }
                }
                "pytestLens/runFinished" if params["runId"] == id => {
                    show::finished(params, message.at.duration_since(start));
                    run.is_complete = run.ids.len() as u64 == total && total > 0;
                    return Ok(run);
                }
                _ => self.keep(&message.method, params),
            }
        }
    }

    /// Writes a file as an editor does: change of the buffer, file on disk, notification.
    pub(crate) fn save(&mut self, path: &Path, text: &str) -> Result<()> {
        let file = path.strip_prefix(&self.root)?.display().to_string();
        let uri = self.uri(&file)?;
        if !self.versions.contains_key(&file) {
            self.client.did_open(&uri, &self.read(&file)?)?;
        }
        let version = self.versions.entry(file).or_insert(1);
        *version += 1;
        self.client.did_change(&uri, *version, text)?;
        fs::write(path, text)?;
        self.client.did_save(&uri)
    }

    /// Shows what the editor underlines now.
    pub(crate) fn show_diagnostics(&mut self) -> Result<()> {
        self.drain()?;
        println!("\n  underlined in the editor:");
        let mut is_clean = true;
        for (uri, diagnostics) in &self.diagnostics {
            let file = uri.rsplit('/').next().unwrap_or(uri);
            for diagnostic in diagnostics {
                is_clean = false;
                show::diagnostic(file, diagnostic);
            }
        }
        if is_clean {
            println!("  nothing");
        }
        Ok(())
    }

    /// Shows the flakiness hints that were pushed so far, and how many tests they name.
    pub(crate) fn show_flaky(&mut self) -> Result<usize> {
        self.drain()?;
        println!();
        let flaky = || self.hints.values().filter(|hint| hint["isFlaky"] == true);
        flaky().for_each(show::flaky);
        let count = flaky().count();
        if count == 0 {
            println!("  no test is flaky");
        }
        Ok(count)
    }

    /// Ends the server as an editor does.
    pub(crate) fn quit(self) -> Result<()> {
        self.client.shutdown()?;
        Ok(())
    }

    /// Reads messages until the server is quiet for a moment.
    fn drain(&mut self) -> Result<()> {
        let quiet = Duration::from_millis(300);
        while let Some(message) = self.client.next_message(Instant::now() + quiet)? {
            self.keep(&message.method, &message.params);
        }
        Ok(())
    }

    fn take_in(&mut self) {
        for message in self.client.take_messages() {
            self.keep(&message.method, &message.params);
        }
    }

    fn keep(&mut self, method: &str, params: &Value) {
        match method {
            "textDocument/publishDiagnostics" => {
                let uri = params["uri"].as_str().unwrap_or_default().to_owned();
                let list = params["diagnostics"].as_array().cloned().unwrap_or_default();
                self.diagnostics.insert(uri, list);
            }
            "pytestLens/flakinessHint" => {
                for hint in params["hints"].as_array().map_or(&[][..], Vec::as_slice) {
                    let id = hint["id"].as_str().unwrap_or_default().to_owned();
                    self.hints.insert(id, hint.clone());
                }
            }
            "window/showMessage" => {
                println!("  message: {}", params["message"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }

    fn uri(&self, file: &str) -> Result<String> {
        file_uri(&self.root.join(file))
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.root.join(file);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }
}
