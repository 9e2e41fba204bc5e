//! Reads the events of `pytest-lens run --json`, and finds contradictions in them.

use super::run::Verdicts;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The content of a stream of events.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The final outcome of each test.
    pub verdicts: Verdicts,
    /// Contradictions within the stream, or with the contract.
    pub complaints: Vec<String>,
}

/// Outcomes of tests whose code ran, and so must have been announced.
const RAN: [&str; 6] = ["passed", "failed", "xpassed", "timed_out", "crashed", "error"];

/// Reads events, one JSON object in each line. Final outcomes only: an attempt that will be repeated is none.
pub(crate) fn read_events(text: &str) -> Told {
    let mut told = Told::default();
    let mut started = BTreeSet::new();
    let mut finished: Option<Value> = None;
    for line in text.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            told.complaints.push(format!("a line is no JSON: {line}"));
            continue;
        };
        if finished.is_some() {
            told.complaints.push("an event follows runFinished".to_owned());
        }
        match event["event"].as_str() {
            Some("testStarted") => started.extend(strings(&event["ids"])),
            Some("testOutcome") => outcomes(&mut told, &started, &event),
            Some("runFinished") => finished = Some(event),
            Some(_) => {}
            None => told.complaints.push(format!("a line is no event: {line}")),
        }
    }
    match finished {
        Some(event) => check_end(&mut told, &event),
        None => told.complaints.push("there is no runFinished".to_owned()),
    }
    told
}

fn outcomes(told: &mut Told, started: &BTreeSet<String>, event: &Value) {
    for outcome in event["outcomes"].as_array().map_or(&[][..], Vec::as_slice) {
        let (Some(id), Some(word)) = (outcome["id"].as_str(), outcome["outcome"].as_str()) else {
            told.complaints.push(format!("an outcome without id or word: {outcome}"));
            continue;
        };
        if RAN.contains(&word) && !started.contains(id) {
            told.complaints.push(format!("{id} is {word}, but never started"));
        }
        if outcome["willRerun"].as_bool() != Some(true) {
            let words = told.verdicts.entry(id.to_owned()).or_default();
            words.push(word.to_owned());
        }
    }
}

/// The closing event must agree with the outcomes before it.
fn check_end(told: &mut Told, event: &Value) {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for word in told.verdicts.values().flatten() {
        let key = match word.as_str() {
            "passed" | "xpassed" => "passed",
            "failed" | "timed_out" => "failed",
            "skipped" | "xfailed" => "skipped",
            "error" | "crashed" => "errors",
            _ => continue,
        };
        *counted.entry(key).or_default() += 1;
        *counted.entry("total").or_default() += 1;
    }
    for key in ["total", "passed", "failed", "skipped", "errors"] {
        let said = event["counts"][key].as_u64();
        let seen = counted.get(key).copied().unwrap_or_default();
        if said != Some(seen) {
            let said = &event["counts"][key];
            told.complaints.push(format!("counts.{key} is {said}, but the outcomes make {seen}"));
        }
    }
    let bad = counted.contains_key("failed") || counted.contains_key("errors");
    let status = event["status"].as_str().unwrap_or_default();
    if status != if bad { "failed" } else { "passed" } {
        told.complaints.push(format!("the run's status is `{status}`, against its outcomes"));
    }
}

fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
