//! `pytest-lens history import`: takes reports of runs elsewhere into the history.
//!
//! Such runs carry no fingerprint of the code, so they can only make a test suspect.

mod junit;
mod mapping;
mod time;

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use pytest_lens_analysis::{listing, settings_from};
use pytest_lens_engine::{Connect, EngineConfig};
use pytest_lens_history::{Attempt, History, Options, Place, Run, Source, Uid};
use serde_json::json;

use crate::engine::client::Client;
use crate::engine::inventory::inventory;
use crate::failure::{Failure, exit};
use crate::options::arguments::Import;
use junit::{Case, Report};
use mapping::Functions;

/// How long the history may take to be read, or written.
const PATIENCE: Duration = Duration::from_secs(30);

/// A report that can be taken.
struct Read {
    name: String,
    uid: Uid,
    written_ms: Option<u64>,
    report: Report,
}

/// The reports, and the project's tests as far as the source and the history tell them.
pub struct Importing {
    history: History,
    /// What is wrong with a report, where it can't be taken.
    reports: Vec<Result<Read, String>>,
    functions: Functions,
}

impl Importing {
    /// Reads everything that can be read without starting Python.
    pub fn new(root: &Path, options: &Import) -> Result<Self, Failure> {
        let place = Place::of(&EngineConfig::for_user().state_dir, root);
        let history = History::open(place, Options::default());
        let reports = options.files.iter().map(|file| read(file)).collect();
        let mut functions = Functions::default();
        let settings = settings_from(root, &|path| listing::read_text(path).ok())
            .map_err(|error| Failure::usage(error.to_string()))?;
        for file in listing::list(root, &settings) {
            let ids: Vec<String> =
                file.analysis.nodes.iter().map(|node| format!("{}::{}", file.path, node.id_suffix())).collect();
            functions.extend(ids.iter().map(String::as_str));
        }
        if !history.wait_loaded(PATIENCE) {
            let file = history.place().file.display();
            return Err(Failure::internal(format!("the history {file} is locked by another program; try again later")));
        }
        Ok(Importing { history, reports, functions })
    }

    /// Whether there are cases that the source does not explain.
    pub fn wants_inventory(&self) -> bool {
        self.reports
            .iter()
            .flatten()
            .flat_map(|read| &read.report.cases)
            .any(|case| self.functions.id_of(case).is_none())
    }

    /// Adds what pytest collects; where it can't, the source has to do.
    pub async fn take_inventory(&mut self, connect: Arc<dyn Connect>, root: &Path) {
        let nodes = async {
            let client = Client::open(&*connect, root, None).await?;
            client.collect().await?;
            inventory(&client).await
        };
        if let Ok(nodes) = nodes.await {
            self.functions.extend(nodes.iter().map(|node| node.node_id.as_str()));
        }
    }

    /// Records each report once, and tells what became of it.
    pub fn finish(self, root: &Path, json: bool, out: &mut dyn Write) -> Result<i32, Failure> {
        let mut status = exit::OK;
        for read in &self.reports {
            let read = match read {
                Ok(read) => read,
                Err(wrong) => {
                    status = exit::USAGE;
                    // Where standard error is gone, the exit status still tells.
                    let _ = writeln!(std::io::stderr(), "pytest-lens: {wrong}");
                    continue;
                }
            };
            let is_known = self.history.holds(read.uid);
            let (run, unknown) = self.run_of(read);
            let tests = run.attempts.iter().map(|attempt| &attempt.id).collect::<HashSet<_>>().len();
            let outcomes = run.attempts.len();
            if !is_known {
                self.history.record(run);
            }
            if json {
                let told = json!({
                    "file": read.name, "outcomes": outcomes, "tests": tests, "alreadyRecorded": is_known, "unknown": unknown,
                });
                writeln!(out, "{told}")?;
                continue;
            }
            let name = &read.name;
            match is_known {
                true => writeln!(out, "{name}: recorded before")?,
                false => writeln!(out, "{name}: {outcomes} outcomes of {tests} tests recorded")?,
            }
            if !unknown.is_empty() {
                writeln!(out, "{name}: {} found no test in {}:", unknown.len(), root.display())?;
                for case in unknown {
                    writeln!(out, "  {case}")?;
                }
            }
        }
        out.flush()?;
        if !self.history.flush(PATIENCE) {
            let trouble = self.history.trouble();
            return Err(Failure::internal(trouble.unwrap_or_else(|| "the history can't be written".into())));
        }
        Ok(status)
    }

    /// The run that a report tells of, and the cases that are no test of this project.
    fn run_of(&self, read: &Read) -> (Run, Vec<String>) {
        let mut run = Run::new(Source::Ci, None);
        run.uid = read.uid;
        // Nothing comes from the future; a report without a time is as old as its file.
        run.started_ms = read.report.started_ms.or(read.written_ms).unwrap_or(u64::MAX).min(run.started_ms);
        let mut counts: HashMap<String, u32> = HashMap::new();
        let mut unknown = Vec::new();
        for case in &read.report.cases {
            let Some(id) = self.functions.id_of(case) else {
                unknown.push(shown(case));
                continue;
            };
            let attempt = counts.entry(id.clone()).or_default();
            let id: Arc<str> = id.into();
            // A runner that repeats tests tells one duration for all, or a case for each attempt.
            let duration_ms = case.duration_ms / case.outcomes.len().max(1) as f64;
            for outcome in &case.outcomes {
                *attempt += 1;
                let id = Arc::clone(&id);
                run.attempts.push(Attempt { id, outcome: *outcome, attempt: *attempt, duration_ms, failure: None });
            }
        }
        (run, unknown)
    }
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
    // What a file says of its length is not to be relied on: a pipe and a device say none.
    let mut content = Vec::new();
    (&opened).take(junit::MOST_BYTES + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > junit::MOST_BYTES {
        return Err(format!("{name} is larger than {} MB; split the report", junit::MOST_BYTES >> 20));
    }
    let report = junit::parse(&content).map_err(|refused| format!("{name}:{}: {}", refused.line, refused.why))?;
    let written = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let written_ms = written.and_then(|time| u64::try_from(time.as_millis()).ok());
    Ok(Read { name, uid: Uid::of_content(&content), written_ms, report })
}
