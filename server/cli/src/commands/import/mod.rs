//! `pytest-lens history import`: records the outcomes in JUnit reports of runs elsewhere.
//!
//! The code of such runs is unknown, so they can make a test unstable, never flaky.

mod junit;
mod test_names;
mod timestamp;

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use pytest_lens_analysis::{listing, settings_from};
use pytest_lens_engine::Connect;
use pytest_lens_protocol::{PastOutcome, Request, Response, Source};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::engine::client::Client;
use crate::engine::inventory::inventory;
use crate::failure::{Failure, exit};
use crate::options::arguments::Import;
use junit::{Case, Report};
use test_names::Functions;

/// A report that could be read.
struct Read {
    name: String,
    /// SHA-256 of the content, in hexadecimal digits.
    hash: String,
    written_ms: Option<u64>,
    report: Report,
}

/// Records each report once, and prints the number of its outcomes.
pub(crate) async fn import(
    connect: Arc<dyn Connect>,
    root: &Path,
    options: &Import,
    out: &mut dyn Write,
) -> Result<i32, Failure> {
    let reports: Vec<Result<Read, String>> = options.files.iter().map(|file| read(file)).collect();
    let mut functions = listed(root)?;
    let mut cases = reports.iter().flatten().flat_map(|read| &read.report.cases);
    // Python starts only for names that the source does not explain.
    if cases.any(|case| functions.id_of(case).is_none()) {
        collect(&*connect, root, &mut functions).await;
    }
    let mut status = exit::OK;
    for read in &reports {
        match read {
            Ok(read) => record(&*connect, root, read, &functions, options.json, out).await?,
            Err(wrong) => {
                status = exit::USAGE;
                // If standard error is closed, the exit status still says it.
                let _ = writeln!(std::io::stderr(), "pytest-lens: {wrong}");
            }
        }
    }
    out.flush()?;
    Ok(status)
}

/// The tests that the source shows.
fn listed(root: &Path) -> Result<Functions, Failure> {
    let mut functions = Functions::default();
    let settings = settings_from(root, &|path| listing::read_text(path).ok())
        .map_err(|error| Failure::usage(error.to_string()))?;
    for file in listing::list(root, &settings) {
        let ids: Vec<String> =
            file.outline.nodes.iter().map(|node| format!("{}::{}", file.path, node.id_suffix())).collect();
        functions.extend(ids.iter().map(String::as_str));
    }
    Ok(functions)
}

/// Adds the tests that pytest collects. If it can't, the source has to do.
async fn collect(connect: &dyn Connect, root: &Path, functions: &mut Functions) {
    let nodes = async {
        let client = Client::open(connect, root, None).await?;
        client.collect().await?;
        inventory(&client).await
    };
    if let Ok(nodes) = nodes.await {
        functions.extend(nodes.iter().map(|node| node.node_id.as_str()));
    }
}

/// Records one report, unless it was recorded before, and prints the number of its outcomes.
async fn record(
    connect: &dyn Connect,
    root: &Path,
    read: &Read,
    functions: &Functions,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (outcomes, unknown) = outcomes_of(&read.report, functions);
    let tests = outcomes.iter().map(|outcome| &outcome.id).collect::<HashSet<_>>().len();
    let count = outcomes.len();
    let request = Request::RecordRun {
        repo_path: root.display().to_string(),
        report_hash: read.hash.clone(),
        source: Source::Ci.to_string(),
        // A report without a time is as old as its file.
        started_ms: read.report.started_ms.or(read.written_ms),
        outcomes,
        code: None,
    };
    let is_known = match connect.session().call(request).await {
        Response::RunRecorded { already_recorded } => already_recorded,
        other => return Err(Failure::of_response(other)),
    };
    let name = &read.name;
    if json {
        let line = json!({
            "file": name, "outcomes": count, "tests": tests, "alreadyRecorded": is_known, "unknown": unknown,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    match is_known {
        true => writeln!(out, "{name}: already recorded")?,
        false => writeln!(out, "{name}: {count} outcomes of {tests} tests recorded")?,
    }
    if !unknown.is_empty() {
        writeln!(out, "{name}: {} test cases match no test in {}:", unknown.len(), root.display())?;
        for case in unknown {
            writeln!(out, "  {case}")?;
        }
    }
    Ok(())
}

/// The outcomes of a report, and its cases that match no test of this project.
fn outcomes_of(report: &Report, functions: &Functions) -> (Vec<PastOutcome>, Vec<String>) {
    let mut counts: HashMap<String, u32> = HashMap::new();
    let (mut outcomes, mut unknown) = (Vec::new(), Vec::new());
    for case in &report.cases {
        let Some(id) = functions.id_of(case) else {
            unknown.push(shown(case));
            continue;
        };
        let attempt = counts.entry(id.clone()).or_default();
        // A runner that repeats tests writes one duration for all attempts, or a case for each.
        let duration_ms = case.duration_ms / case.outcomes.len().max(1) as f64;
        for outcome in &case.outcomes {
            *attempt += 1;
            let outcome = outcome.as_str().to_owned();
            outcomes.push(PastOutcome { id: id.clone(), outcome, attempt: *attempt, duration_ms });
        }
    }
    (outcomes, unknown)
}

fn shown(case: &Case) -> String {
    let place = if case.class.is_empty() { case.file.as_deref().unwrap_or_default() } else { &case.class };
    format!("{place}::{}", case.name)
}

fn read(file: &Path) -> Result<Read, String> {
    let name = file.display().to_string();
    let unreadable = |error: std::io::Error| format!("{name} can't be read ({error}); give a JUnit XML report");
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let data = opened.metadata().map_err(unreadable)?;
    // The size in the metadata can't be relied on: a pipe and a device have none.
    let mut content = Vec::new();
    (&opened).take(junit::MAX_BYTES + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > junit::MAX_BYTES {
        return Err(format!("{name} is larger than {} MB; split the report", junit::MAX_BYTES >> 20));
    }
    let report = junit::parse(&content).map_err(|refused| format!("{name}:{}: {}", refused.line, refused.why))?;
    let written = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let written_ms = written.and_then(|time| u64::try_from(time.as_millis()).ok());
    let hash = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Read { name, hash, written_ms, report })
}
