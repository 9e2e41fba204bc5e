//! Measures the start of the server: the first lenses of a large repository, and the whole tree, with the memory that it takes.

use super::processes::resident;
use super::{Bench, Figure, median, milliseconds};
use anyhow::{Context, Result, bail};
use pytest_lens_testkit::file_uri;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

/// Longer than the engine waits, after its last use, until it gives back the memory that a collection has left free.
const UNUSED: Duration = Duration::from_secs(12);

/// From `didOpen` right after the handshake to the first lenses, each time in a new server.
pub(crate) fn first_lenses(bench: &Bench) -> Result<Vec<Figure>> {
    let (files, servers) = bench.pick((400, 7), (4, 1));
    let project = bench.plain("large", files, 50)?;
    let settings = json!({"pythonPath": bench.venv.python()});
    let path = project.root.join(&project.file);
    let (uri, text) = (file_uri(&path)?, fs::read_to_string(&path)?);
    let mut times = Vec::new();
    for number in 0..servers {
        // Each server has a folder of its own: one server's caches must not help the next.
        let state = bench.state.join(format!("lenses-{number}"));
        let mut client = editor::start(&bench.binary, &project.root, &settings, &state)?;
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
    let what = format!("first lenses after opening, {} tests", project.tests);
    Ok(vec![Figure::limit(what, milliseconds(median(times)), 100.0, "ms")])
}

/// From the start of a server, after one that has collected the project, until every test is in the tree of a client
/// that opens files one by one: the server has sent all files, and the tests of the last one, which the client then
/// opens.
pub(crate) fn tree(bench: &Bench) -> Result<Vec<Figure>> {
    let (files, servers) = bench.pick((1_000, 8), (10, 2));
    let project = bench.plain("hundred", files, 100)?;
    let settings = json!({"pythonPath": bench.venv.python()});
    let state = bench.state.join("tree");
    let mut first = editor::start(&bench.binary, &project.root, &settings, &state)?;
    first.execute("pytestLens.collect", json!({}))?;
    std::thread::sleep(bench.pick(UNUSED, Duration::ZERO));
    let memory = resident(first.process_id().context("the server is no child process")?)?;
    first.shutdown()?;
    let mut times = Vec::new();
    for _ in 0..servers {
        let start = Instant::now();
        let mut client = editor::resume_lazy(&bench.binary, &project.root, &settings, &state)?;
        let mut files = BTreeSet::new();
        client.expect_where("pytestLens/inventory", |told| {
            let items = told["upserts"].as_array().into_iter().flatten();
            files.extend(items.filter(|item| item["kind"] == "file").map(|item| item["id"].to_string()));
            files.len() == project.files
        })?;
        client.execute("pytestLens.resolve", json!({"ids": [project.file]}))?;
        let told = client.expect_where("pytestLens/inventory", |told| {
            told["wholeFiles"].as_array().is_some_and(|whole| whole.iter().any(|file| *file == *project.file))
        })?;
        times.push(start.elapsed());
        // The server may send a small tree whole before it gets the request.
        let start_of_ids = format!("{}::", project.file);
        let upserts = told.params["upserts"].as_array().into_iter().flatten();
        let in_file = |item: &&Value| item["id"].as_str().is_some_and(|id| id.starts_with(&start_of_ids));
        let tests = upserts.filter(in_file).count();
        if tests * project.files != project.tests {
            bail!("{} has {tests} tests in the tree", project.file);
        }
        client.shutdown()?;
    }
    // The first one warms up.
    times.remove(0);
    let what = format!("from a warm start to {} tests in the tree", project.tests);
    Ok(vec![
        Figure::limit(what, milliseconds(median(times)), 1000.0, "ms"),
        Figure::limit(format!("server memory at rest, {} tests", project.tests), memory, 150.0, "MB"),
    ])
}
