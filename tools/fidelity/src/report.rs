//! Prints the comparison: progress, differences, the table, or JSON.

use super::compare::Comparison;
use super::sharing::Sharing;
use super::suites::Suite;
use super::{Compared, Options, Way, sharing};
use chores::ui::{self, Colour};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// The most differences of one run that are printed; the log has all of them.
const MOST_SHOWN: usize = 20;

/// The figures of all comparisons together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// Verdicts that were the same on both sides.
    pub same: u64,
    /// All other verdicts.
    pub differences: u64,
}

impl Outcome {
    /// Adds other figures to these.
    pub(crate) fn add(&mut self, other: Self) {
        self.same += other.same;
        self.differences += other.differences;
    }
}

/// The suites, one in each line.
pub(crate) fn list(suites: &[Suite]) -> String {
    let row = |suite: &Suite| {
        let name = suite.name.as_str();
        let small = if suite.small { " (small)" } else { "" };
        let source = suite.source.as_deref().unwrap_or("from the wheel");
        format!("{name:12} {source}{small}\n             {}\n", suite.note)
    };
    suites.iter().map(row).collect::<String>().replace("             \n", "")
}

/// One run is over.
pub(crate) fn progress(options: &Options, suite: &str, what: &str, time: Duration) {
    if !options.json {
        let inject = if options.inject { " with harm" } else { "" };
        println!("{suite}{inject}: {what} took {}", ui::duration(time));
    }
}

/// The differences of one run.
pub(crate) fn differences(options: &Options, way: &Way, comparison: &Comparison, log: &Path) {
    if options.json || comparison.count() == 0 {
        return;
    }
    println!("{}", ui::paint(Colour::Red, &format!("{way}: {} differences", comparison.count())));
    for complaint in comparison.complaints.iter().take(MOST_SHOWN) {
        println!("  {complaint}");
    }
    for difference in comparison.differences.iter().take(MOST_SHOWN) {
        let word = |word: &str| if word.is_empty() { "nothing".to_owned() } else { word.to_owned() };
        let (plain, lens) = (word(&difference.plain), word(&difference.lens));
        println!("  {}: plain pytest says {plain}, pytest-lens {lens}", difference.id);
    }
    println!("  events: {}", log.display());
}

/// The table and the flips, or JSON; returns the figures.
pub(crate) fn print(options: &Options, all: &[Compared]) -> Outcome {
    let mut sum = Outcome::default();
    for one in all {
        for (_, _, comparison) in &one.ways {
            let tests = one.tests.saturating_sub(one.flips.len());
            sum.same += tests.saturating_sub(comparison.differences.len()) as u64;
            sum.differences += comparison.count() as u64;
        }
    }
    if options.json {
        for one in all {
            println!("{}", as_json(one));
        }
        return sum;
    }
    print!("\n{}", table(all));
    for one in all {
        for flip in &one.flips {
            println!("{}: plain pytest flips {flip}", one.name);
        }
        for id in &one.drifting {
            println!("{}: the ids of {id} change from run to run; its cases are compared together", one.name);
        }
    }
    let inject = if options.inject { ", harm injected" } else { "" };
    print!("{}", sharing::summary(all));
    println!("{} verdicts the same, {} differences{inject}\n", sum.same, sum.differences);
    sum
}

fn table(all: &[Compared]) -> String {
    let mut heading = vec!["suite".to_owned(), "tests".to_owned(), "plain".to_owned()];
    if let Some(first) = all.first() {
        heading.extend(first.ways.iter().map(|(way, ..)| way.to_string()));
    }
    heading.extend(["shared".to_owned(), "differences".to_owned(), "plain flips".to_owned()]);
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let mut row = vec![one.name.clone(), one.tests.to_string(), seconds(one.plain)];
            row.extend(one.ways.iter().map(|(_, time, _)| seconds(*time)));
            let count: usize = one.ways.iter().map(|(.., found)| found.count()).sum();
            row.push(shared(one).to_owned());
            row.extend([count.to_string(), (one.flips.len() + one.drifting.len()).to_string()]);
            row
        })
        .collect();
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    ui::table(&heading, &rows)
}

fn as_json(one: &Compared) -> serde_json::Value {
    let ways: Vec<_> = one
        .ways
        .iter()
        .map(|(way, time, comparison)| {
            let differences: Vec<_> = comparison
                .differences
                .iter()
                .map(|it| json!({"id": it.id, "plain": it.plain, "lens": it.lens}))
                .collect();
            json!({
                "mode": way.mode,
                "workers": way.workers,
                "seconds": time.as_secs_f64(),
                "differences": differences,
                "complaints": comparison.complaints,
            })
        })
        .collect();
    json!({
        "suite": one.name,
        "tests": one.tests,
        "plainSeconds": one.plain.as_secs_f64(),
        "flips": one.flips,
        "drifting": one.drifting,
        "shared": one.sharing.as_ref().map(|sharing| *sharing == Sharing::Shared),
        "notSharedBecause": match &one.sharing {
            Some(Sharing::Own(reason)) => Some(reason),
            _ => None,
        },
        "ways": ways,
    })
}

fn shared(one: &Compared) -> &'static str {
    match one.sharing {
        Some(Sharing::Shared) => "yes",
        Some(Sharing::Own(_)) => "no",
        None => "-",
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
