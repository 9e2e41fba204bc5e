//! From the key to the verdict through the language server, by turns with a cold `python -m pytest file::test`.

use super::projects::Generated;
use super::{Bench, Figure, median};
use anyhow::{Context, Result, bail};
use chores::venv::Venv;
use pytest_lens_testkit::{LspClient, file_uri};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Both latencies: with nothing changed, and after an edit of the module under test.
pub(crate) fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let (files, warm_up) = bench.pick((25, 3), (2, 0));
    let rounds = warm_up + bench.rounds;
    let project = &bench.heavy("thousand", files, 40)?;
    let venv = &bench.venv;
    let settings = json!({"pythonPath": venv.python()});
    let mut client = editor::start(&bench.binary, &project.root, &settings, &bench.state.join("latency"))?;
    let text = fs::read_to_string(project.root.join(&project.file))?;
    client.did_open(&file_uri(&project.root.join(&project.file))?, &text)?;
    let module = file_uri(&project.module)?;
    client.did_open(&module, &project.module_text(0)?)?;
    let collected = client.execute("pytestLens.collect", json!({}))?;
    if collected["nodeCount"].as_u64().unwrap_or_default() < project.tests as u64 {
        bail!("{} tests were to be collected, but the answer is {collected}", project.tests);
    }

    let (mut own, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        cold.push(cold_run(venv, project, &project.file)?);
        own.push(key_to_verdict(&mut client, project, Instant::now(), 0)?);
    }
    let unchanged = Figure::ratio(
        "cursor to verdict, nothing changed",
        median(own.split_off(warm_up)),
        median(cold.split_off(warm_up)),
        50.0,
    );

    let (mut own, mut cold, mut revision) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        revision += 1;
        fs::write(&project.module, project.module_text(revision)?)?;
        cold.push(cold_run(venv, project, &project.file)?);
        revision += 1;
        let text = project.module_text(revision)?;
        let start = Instant::now();
        client.did_change(&module, revision as i64 + 1, &text)?;
        fs::write(&project.module, &text)?;
        client.did_save(&module)?;
        own.push(key_to_verdict(&mut client, project, start, revision)?);
        // The server's refreshes after the verdict must not slow down the other side's turn.
        client.execute("pytestLens.collect", json!({}))?;
    }
    let edited = Figure::ratio(
        "edit of the module under test to verdict",
        median(own.split_off(warm_up)),
        median(cold.split_off(warm_up)),
        10.0,
    );
    client.shutdown()?;
    Ok(vec![unchanged, edited])
}

/// From `start` to the verdict of the test under the cursor; the verdict must be of the module's current revision.
fn key_to_verdict(client: &mut LspClient, project: &Generated, start: Instant, revision: u64) -> Result<Duration> {
    let uri = file_uri(&project.root.join(&project.file))?;
    let position = json!({"line": project.test.1, "character": 6});
    let selection = json!({"textDocument": {"uri": uri}, "position": position});
    let answer = client.execute("pytestLens.run", selection)?;
    let id = answer["runId"].clone();
    let verdict = client.expect_where("pytestLens/testOutcome", |it| it["runId"] == id)?;
    client.expect_where("pytestLens/runFinished", |it| it["runId"] == id)?;
    client.take_messages();
    check(&verdict.params["outcomes"][0], revision)?;
    Ok(verdict.at.duration_since(start))
}

/// A verdict that is not a pass of the newest code would be no verdict worth measuring.
fn check(outcome: &Value, revision: u64) -> Result<()> {
    let stdout = outcome["stdout"].as_str().context("the verdict has no captured output")?;
    if outcome["outcome"] != "passed" || stdout.trim() != format!("revision {revision}") {
        bail!("revision {revision} was to pass, but the verdict is {outcome}");
    }
    Ok(())
}

/// The time that a cold `python -m pytest file::test` takes.
pub(crate) fn cold_run(venv: &Venv, project: &Generated, file: &str) -> Result<Duration> {
    let mut command = venv.python_command();
    let test = format!("{file}::{}", project.test.0);
    command.current_dir(&project.root).args(["-m", "pytest", &test]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    if !status.success() {
        bail!("plain pytest ended with {status} for {test}");
    }
    Ok(start.elapsed())
}
