//! How the demo looks: headings, source with its lenses, outcomes as they come.

use chores::ui::{self, Colour};
use serde_json::Value;
use std::time::Duration;

/// A line of source, with the titles of the lenses above it.
pub(crate) struct Line {
    /// The source text.
    pub code: String,
    /// Titles of its lenses, in the order in which they came.
    pub lenses: Vec<String>,
}

/// The heading of the whole session.
pub(crate) fn title(text: &str) {
    println!("\n{}\n", ui::paint(Colour::Bold, text));
}

/// The heading of a step.
pub(crate) fn step(number: usize, text: &str) {
    println!("\n{} {}\n", ui::paint(Colour::Cyan, &format!("{number}.")), ui::paint(Colour::Bold, text));
}

/// The source with lenses above their lines as an editor shows them; of a long file, only lines near a lens.
pub(crate) fn source(lines: &[Line], most: usize) -> String {
    let is_near = |index: usize| {
        let near = &lines[index..lines.len().min(index + 2)];
        near.iter().any(|line| !line.lenses.is_empty()) || lines[index].code.starts_with(['@', 'd', 'c'])
    };
    let (mut text, mut shown, mut gap) = (String::new(), 0, false);
    for (index, line) in lines.iter().enumerate() {
        if lines.len() > most && !is_near(index) {
            gap = true;
            continue;
        }
        if shown >= most {
            text.push_str(&ui::paint(Colour::Dim, "       ...\n"));
            break;
        }
        if std::mem::take(&mut gap) {
            text.push_str(&ui::paint(Colour::Dim, "       ...\n"));
        }
        let indent: String = line.code.chars().take_while(|c| c.is_whitespace()).collect();
        if !line.lenses.is_empty() {
            let titles = line.lenses.join(" | ");
            text.push_str(&format!("       {indent}{}\n", ui::paint(Colour::Cyan, &titles)));
        }
        let number = ui::paint(Colour::Dim, &format!("{:>5} ", index + 1));
        text.push_str(&format!("{number} {}\n", line.code));
        shown += 1;
    }
    text
}

/// One outcome as it was pushed, with the failing line and the values compared.
pub(crate) fn outcome(outcome: &Value) {
    let word = outcome["outcome"].as_str().unwrap_or_default();
    let (mark, colour) = match word {
        "passed" => ("✓", Colour::Green),
        "skipped" | "xfailed" | "xpassed" | "not_run" => ("-", Colour::Yellow),
        _ => ("✗", Colour::Red),
    };
    let time = outcome["durationMs"].as_f64().unwrap_or_default();
    let time = ui::paint(Colour::Dim, &format!("{time:>8.1} ms"));
    let word = ui::paint(colour, &format!("{mark} {word:8}"));
    println!("  {word}{time}  {}", outcome["id"].as_str().unwrap_or_default());
    if !matches!(colour, Colour::Red) {
        return;
    }
    if let Some(message) = outcome["message"].as_str() {
        let message = message.lines().next().unwrap_or_default();
        println!("                       {}", ui::paint(Colour::Red, message));
    }
    if let Some(place) = place(&outcome["location"]) {
        println!("                       at {place}");
    }
    for side in ["expected", "actual"] {
        if let Some(value) = outcome[side].as_str() {
            println!("                       {side:8} {value}");
        }
    }
}

/// `file:line` of an LSP location.
fn place(location: &Value) -> Option<String> {
    let uri = location["uri"].as_str()?;
    let name = uri.rsplit('/').next().unwrap_or(uri);
    let line = location["range"]["start"]["line"].as_u64()? + 1;
    Some(format!("{name}:{line}"))
}

/// How a run ended.
pub(crate) fn finished(params: &Value, since: Duration) {
    let status = params["status"].as_str().unwrap_or_default();
    let colour = if status == "passed" { Colour::Green } else { Colour::Red };
    let counts = &params["counts"];
    let count = |key: &str| counts[key].as_u64().unwrap_or_default();
    let parts: Vec<String> = ["passed", "failed", "errors", "skipped"]
        .into_iter()
        .filter(|key| count(key) > 0)
        .map(|key| format!("{} {key}", count(key)))
        .collect();
    let text = format!("{status}: {} in {}", parts.join(", "), ui::duration(since));
    println!("  {}", ui::paint(colour, &text));
}

/// A diagnostic as the editor underlines it.
pub(crate) fn diagnostic(file: &str, diagnostic: &Value) {
    let line = diagnostic["range"]["start"]["line"].as_u64().unwrap_or_default() + 1;
    let message = diagnostic["message"].as_str().unwrap_or_default();
    let code = diagnostic["code"].as_str().unwrap_or_default();
    let first = message.lines().next().unwrap_or_default();
    println!("  {} {file}:{line}: {first}", ui::paint(Colour::Yellow, &format!("[{code}]")));
}

/// A flakiness hint as it was pushed.
pub(crate) fn flaky(hint: &Value) {
    let id = hint["id"].as_str().unwrap_or_default();
    let runs = hint["totalRuns"].as_u64().unwrap_or_default();
    let rate = hint["failureRate"].as_f64().unwrap_or_default() * 100.0;
    let evidence = match hint["evidence"].as_str() {
        Some("same_code") => "passed and failed on the same code",
        _ => "changed its mind across code changes",
    };
    let marks = hint["recentOutcomes"].as_array().map_or(&[][..], Vec::as_slice);
    let marks: String = marks
        .iter()
        .map(|word| match word.as_str() {
            Some("passed") => ui::paint(Colour::Green, "✓"),
            _ => ui::paint(Colour::Red, "✗"),
        })
        .collect();
    println!("  {} {id}: {evidence}; {rate:.0} % of {runs} runs failed  {marks}", ui::paint(Colour::Yellow, "flaky"));
}
