//! Measures the server itself: the first lenses of a large repository, and memory.

use super::projects::Generated;
use super::{Figure, median};
use anyhow::{Context, Result, bail};
use chores::venv::Venv;
use pytest_lens_testkit::file_uri;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// From `didOpen` right after the handshake to the first lenses, each time in a new server.
pub(crate) fn first_lenses(binary: &Path, venv: &Venv, project: &Generated, state: &Path) -> Result<Figure> {
    let settings = json!({"pythonPath": venv.python()});
    let path = project.root.join(&project.file);
    let (uri, text) = (file_uri(&path)?, fs::read_to_string(&path)?);
    let mut times = Vec::new();
    for number in 0..7 {
        // Each server has a folder of its own: one server's caches must not help the next.
        let state = state.join(format!("lenses-{number}"));
        let mut client = editor::start(binary, &project.root, &settings, &state)?;
        let start = Instant::now();
        client.did_open(&uri, &text)?;
        let params = json!({"textDocument": {"uri": uri}});
        let lenses = client.request("textDocument/codeLens", params)?;
        times.push(start.elapsed());
        if lenses.as_array().is_none_or(Vec::is_empty) {
            bail!("no lenses came for {}", project.file);
        }
        client.shutdown()?;
    }
    // The first server reads the files from the disk; it counts like the others.
    let milliseconds = median(times).as_secs_f64() * 1e3;
    Ok(Figure::limit("first lenses after opening, 20,000 tests", milliseconds, 100.0, "ms"))
}

/// From the start of a server, after one that has collected the project, until every test is in the tree of a client
/// that opens files one by one: the server has sent all files, and the tests of the last one, which the client then
/// opens.
pub(crate) fn tree(binary: &Path, venv: &Venv, project: &Generated, state: &Path) -> Result<Figure> {
    let settings = json!({"pythonPath": venv.python()});
    let state = state.join("tree");
    let mut first = editor::start(binary, &project.root, &settings, &state)?;
    first.execute("pytestLens.collect", json!({}))?;
    first.shutdown()?;
    let mut times = Vec::new();
    for _ in 0..8 {
        let start = Instant::now();
        let mut client = editor::resume_lazy(binary, &project.root, &settings, &state)?;
        let mut files = BTreeSet::new();
        client.expect_where("pytestLens/inventory", |told| {
            let items = told["upserts"].as_array().into_iter().flatten();
            files.extend(items.filter(|item| item["kind"] == "file").map(|item| item["id"].to_string()));
            files.len() == project.files
        })?;
        client.execute("pytestLens.resolve", json!({"ids": [project.file]}))?;
        let told = client.expect_where("pytestLens/inventory", |told| told["wholeFiles"][0] == *project.file)?;
        times.push(start.elapsed());
        let tests = told.params["upserts"].as_array().map_or(0, Vec::len);
        if tests * project.files != project.tests {
            bail!("{} has {tests} tests in the tree", project.file);
        }
        client.shutdown()?;
    }
    // The first one warms up.
    times.remove(0);
    let milliseconds = median(times).as_secs_f64() * 1e3;
    Ok(Figure::limit("from a warm start to 100,000 tests in the tree", milliseconds, 1000.0, "ms"))
}

/// The resident memory of the server's own process after collecting everything and running a file.
pub(crate) fn memory(binary: &Path, venv: &Venv, project: &Generated, state: &Path) -> Result<Figure> {
    let settings = json!({"pythonPath": venv.python()});
    let mut client = editor::start(binary, &project.root, &settings, &state.join("memory"))?;
    client.set_deadline(Duration::from_secs(120));
    client.execute("pytestLens.collect", json!({}))?;
    let uri = file_uri(&project.root.join(&project.file))?;
    let answer = client.execute("pytestLens.run", json!({"textDocument": {"uri": uri}}))?;
    let id = answer["runId"].clone();
    client.expect_where("pytestLens/runFinished", |it| it["runId"] == id)?;
    let process = client.process_id().context("the server is no child process")?;
    let megabytes = resident(process)?;
    client.shutdown()?;
    Ok(Figure::limit("server memory, 3,000 tests", megabytes, 50.0, "MB"))
}

/// `VmRSS` of a process, in megabytes.
pub(crate) fn resident(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kilobytes: f64 = kilobytes.context("no VmRSS in /proc")?.trim().parse()?;
    // The kernel's kB are 1,024 bytes.
    Ok(kilobytes * 1024.0 / 1e6)
}
