//! From an edit to the verdict when edits follow one another without a pause, as an agent makes them: the server has no
//! time to prepare for the next one. By turns with a cold `python -m pytest file::test` on the same text.

use super::latency::cold_run;
use super::projects::Generated;
use super::{Bench, Figure, median};
use anyhow::{Context, Result, bail};
use pytest_lens_testkit::{LspClient, file_uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// More files than those for which the engine keeps a session ready.
const FILES: usize = 6;

const CONFTEST: &str = "tests/conftest.py";

/// The promised ratio.
const TARGET: f64 = 8.0;

/// The edited text.
#[derive(Clone, Copy)]
enum Edited {
    Test,
    Module,
    Conftest,
}

/// One row for each edited text, with a run of the file that ran last, and of another one.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    // The first block of edits in a row is a warm-up. In each, the first edit follows a cold run, which is a pause, and
    // does not count.
    let (files, in_a_row, warm_up) = bench.pick((25, 5, 1), (2 * FILES, 2, 0));
    let blocks = bench.rounds.div_ceil(in_a_row - 1) + warm_up;
    let project = &bench.heavy("edited", files, 40)?;
    let mut scene = Scene::open(bench, project)?;
    let mut figures = Vec::new();
    let texts =
        [(Edited::Test, "the test"), (Edited::Module, "the module under test"), (Edited::Conftest, "a conftest")];
    for (edited, name) in texts {
        for (stays, file) in [(true, "the file that ran last"), (false, "another file")] {
            let (mut own, mut cold) = (Vec::new(), Vec::new());
            for _ in 0..blocks {
                cold.push(cold_run(&bench.venv, project, &scene.file)?);
                for number in 0..in_a_row {
                    if !stays {
                        scene.go_on();
                    }
                    let took = scene.edit_and_run(edited)?;
                    if number > 0 {
                        own.push(took);
                    }
                }
            }
            let (own, cold) = (own.split_off(warm_up * (in_a_row - 1)), cold.split_off(warm_up));
            let what = format!("edit of {name} to verdict without a pause, {file}");
            figures.push(Figure::ratio(what, median(own), median(cold), TARGET));
        }
    }
    scene.client.shutdown()?;
    Ok(figures)
}

/// A client with open documents: the module, a conftest and some test files.
struct Scene<'a> {
    client: LspClient,
    project: &'a Generated,
    /// The test files, relative to the root, with the number of the edition of each.
    editions: BTreeMap<String, u64>,
    /// The file whose test runs next.
    file: String,
    module: u64,
    conftest: u64,
    version: i64,
}

impl<'a> Scene<'a> {
    fn open(bench: &Bench, project: &'a Generated) -> Result<Self> {
        let root = &project.root;
        fs::write(root.join(CONFTEST), conftest_text(0))?;
        let first = project.files / 2;
        let files: Vec<String> =
            (first..first + FILES).map(|number| format!("tests/test_part_{number:03}.py")).collect();
        for file in &files {
            fs::write(root.join(file), edition_text(&fs::read_to_string(root.join(file))?, 0))?;
        }
        let settings = json!({"pythonPath": bench.venv.python()});
        let mut client = editor::start(&bench.binary, root, &settings, &bench.state.join("edits"))?;
        for path in files.iter().map(|file| root.join(file)).chain([root.join(CONFTEST), project.module.clone()]) {
            client.did_open(&file_uri(&path)?, &fs::read_to_string(&path)?)?;
        }
        let collected = client.execute("pytestLens.collect", json!({}))?;
        if collected["nodeCount"].as_u64().unwrap_or_default() < project.tests as u64 {
            bail!("{} tests were to be collected, but the answer is {collected}", project.tests);
        }
        let editions = files.into_iter().map(|file| (file, 0)).collect();
        Ok(Scene { client, project, editions, file: project.file.clone(), module: 0, conftest: 0, version: 1 })
    }

    /// Another file's test runs next.
    fn go_on(&mut self) {
        let after = self.editions.keys().find(|file| **file > self.file);
        self.file = after.or_else(|| self.editions.keys().next()).cloned().unwrap_or_default();
    }

    /// The time from an edit to the verdict, which must be that of the new text.
    fn edit_and_run(&mut self, edited: Edited) -> Result<Duration> {
        let (path, text) = self.next_text(edited)?;
        let uri = file_uri(&path)?;
        self.version += 1;
        let start = Instant::now();
        self.client.did_change(&uri, self.version, &text)?;
        fs::write(&path, &text)?;
        self.client.did_save(&uri)?;
        let uri = file_uri(&self.project.root.join(&self.file))?;
        let position = json!({"line": self.project.test.1, "character": 6});
        let answer =
            self.client.execute("pytestLens.run", json!({"textDocument": {"uri": uri}, "position": position}))?;
        let id = answer["runId"].clone();
        let verdict = self.client.expect_where("pytestLens/testOutcome", |it| it["runId"] == id)?;
        self.client.expect_where("pytestLens/runFinished", |it| it["runId"] == id)?;
        self.client.take_messages();
        self.check(&verdict.params["outcomes"][0])?;
        Ok(verdict.at.duration_since(start))
    }

    fn next_text(&mut self, edited: Edited) -> Result<(PathBuf, String)> {
        Ok(match edited {
            Edited::Test => {
                let path = self.project.root.join(&self.file);
                let edition = self.editions.entry(self.file.clone()).or_default();
                *edition += 1;
                let text = edition_text(&fs::read_to_string(&path)?, *edition);
                (path, text)
            }
            Edited::Module => {
                self.module += 1;
                (self.project.module.clone(), self.project.module_text(self.module)?)
            }
            Edited::Conftest => {
                self.conftest += 1;
                (self.project.root.join(CONFTEST), conftest_text(self.conftest))
            }
        })
    }

    /// A verdict that is not a pass of the newest code would be no verdict worth measuring.
    fn check(&self, outcome: &Value) -> Result<()> {
        let stdout = outcome["stdout"].as_str().context("the verdict has no captured output")?;
        let edition = self.editions.get(&self.file).copied().unwrap_or_default();
        let wanted = format!("conftest {}\nrevision {} edition {edition}", self.conftest, self.module);
        if outcome["outcome"] != "passed" || stdout.trim() != wanted {
            bail!("a pass of {wanted:?} was expected, but the verdict is {outcome}");
        }
        Ok(())
    }
}

/// The conftest in its n-th revision.
fn conftest_text(revision: u64) -> String {
    format!(
        "import pytest\n\n\n@pytest.fixture(autouse=True)\ndef show_revision():\n    print(\"conftest\", {revision})\n"
    )
}

/// A generated test file whose tests print its n-th edition.
fn edition_text(text: &str, edition: u64) -> String {
    let lines = text.lines().map(|line| match line.split_once("ledger.REVISION") {
        Some((head, _)) => format!("{head}ledger.REVISION, \"edition\", {edition})\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edition_replaces_the_one_before() {
        let first = edition_text("def test_0():\n    print(\"revision\", ledger.REVISION)\n", 1);
        assert_eq!(first, "def test_0():\n    print(\"revision\", ledger.REVISION, \"edition\", 1)\n");
        assert_eq!(edition_text(&first, 2), first.replace('1', "2"));
    }
}
