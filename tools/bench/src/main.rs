//! `cargo xtask bench`: measures the figures that the project promises, each together with its reference, in one run.
//!
//! Medians after a warm-up, the two sides by turns, the same interpreter and environment for both, the release build.
#![warn(unreachable_pub)]
#![expect(clippy::print_stdout, reason = "a chore talks to the person at the terminal")]

mod control;
mod edits;
mod history;
mod latency;
mod projects;
mod runners;
mod scale;
mod server;
mod socket;
mod suites;

use anyhow::Result;
use chores::ui::{self, Colour};
use chores::venv::Venv;
use chores::{build, paths};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measure the promised figures, each next to its reference.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Options {
    /// Number of measurements of each latency.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Measure these parts only; all if none is named.
    #[arg(value_name = "PART", value_parser = PARTS)]
    parts: Vec<String>,
    /// Measure this binary, instead of a release build of the present sources.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

/// The parts that can be measured separately.
const PARTS: [&str; 12] = [
    "control", "edits", "history", "latency", "lenses", "listing", "memory", "runners", "scale", "socket", "suites",
    "tree",
];

/// The interpreter and binary that the generated projects run with.
const REQUIREMENTS: &str = "iniconfig==2.3.1\nnumpy==2.4.6\npackaging==26.3\npandas==3.1.1\npluggy==1.7.0\npygments==2.21.0\n\
                            pytest==9.2.0\npython-dateutil==4.0.0\ntzdata==2026.6\n";

/// One promised figure.
pub struct Figure {
    /// The measured quantity.
    what: String,
    /// The project's own value.
    own: String,
    /// The reference, if there is one.
    other: String,
    /// The value that the promise concerns.
    value: f64,
    /// The value as it is shown.
    shown: String,
    /// The promised value.
    target: f64,
    /// Whether larger is better.
    is_ratio: bool,
}

impl Figure {
    /// Compares with another value; at least `target` times faster is promised.
    fn ratio(what: impl Into<String>, own: Duration, cold: Duration, target: f64) -> Self {
        let value = cold.as_secs_f64() / own.as_secs_f64();
        Self {
            what: what.into(),
            own: ui::duration(own),
            other: ui::duration(cold),
            value,
            shown: format!("{value:.1} x"),
            target,
            is_ratio: true,
        }
    }

    /// A number of events a second; at least `target` is promised.
    fn rate(what: impl Into<String>, value: f64, target: f64) -> Self {
        let shown = format!("{value:.0} /s");
        let own = shown.clone();
        Self { what: what.into(), own, other: String::new(), value, shown, target, is_ratio: true }
    }

    /// A value that must stay under `target`.
    fn limit(what: impl Into<String>, value: f64, target: f64, unit: &str) -> Self {
        let shown = format!("{value:.1} {unit}");
        let own = shown.clone();
        Self { what: what.into(), own, other: String::new(), value, shown, target, is_ratio: false }
    }

    fn is_kept(&self) -> bool {
        match self.is_ratio {
            true => self.value >= self.target,
            false => self.value < self.target,
        }
    }
}

fn main() -> ExitCode {
    chores::end(run(&Options::parse()))
}

/// Measures everything; `false` if a promise is not kept.
fn run(options: &Options) -> Result<bool> {
    let binary = match &options.binary {
        Some(binary) => std::path::absolute(binary)?,
        None => build::binary("release")?,
    };
    let venv = Venv::ensure("bench", REQUIREMENTS)?;
    let home = paths::target().join("bench");
    let state = home.join("state");
    let note = |text: &str| {
        if !options.json {
            println!("{}", ui::paint(Colour::Dim, text));
        }
    };

    let wanted = |part: &str| options.parts.is_empty() || options.parts.iter().any(|name| name == part);
    let mut figures = Vec::new();
    if wanted("history") {
        note("a history of 1,000,000 outcomes");
        let small = projects::plain(&home.join("small"), 25, 40)?;
        figures.extend(history::reports(&binary, &venv, &small, &state)?);
        figures.push(history::writing(&binary, &venv, &small, &state)?);
    }
    if wanted("latency") {
        note("a project of 1,000 tests that imports pandas");
        let thousand = projects::pandas(&home.join("thousand"), 25, 40)?;
        figures.extend(latency::measure(&binary, &venv, &thousand, &state, options.rounds)?);
    }
    if wanted("edits") {
        note("the same project, edited without a pause");
        let thousand = projects::pandas(&home.join("edited"), 25, 40)?;
        figures.extend(edits::measure(&binary, &venv, &thousand, &state, options.rounds)?);
    }
    if wanted("lenses") {
        note("a repository of 20,000 tests");
        let large = projects::plain(&home.join("large"), 400, 50)?;
        figures.push(server::first_lenses(&binary, &venv, &large, &state)?);
    }
    if wanted("listing") {
        note("the same repository, and rtest");
        let large = projects::plain(&home.join("large"), 400, 50)?;
        let peers = Venv::ensure("bench-peers", suites::PEERS)?;
        figures.extend(suites::listing(&binary, &venv, &peers, &large, &state)?);
    }
    if wanted("suites") {
        note("whole runs: 5,000 short tests, and the suites that `cargo xtask fidelity` has fetched");
        let trivial = projects::plain(&home.join("trivial"), 50, 100)?;
        let peers = Venv::ensure("bench-peers", suites::PEERS)?;
        figures.extend(suites::runs(&binary, &venv, &peers, &trivial, &state)?);
    }
    if wanted("runners") {
        note("a project of 7,000 tests, with 1, 8 and 40 runners");
        let wide = projects::plain(&home.join("wide"), 70, 100)?;
        figures.extend(runners::first_outcome(&binary, &venv, &wide, &state)?);
    }
    if wanted("memory") {
        note("a project of 3,000 tests");
        let medium = projects::plain(&home.join("medium"), 60, 50)?;
        figures.push(server::memory(&binary, &venv, &medium, &state)?);
    }
    if wanted("scale") {
        note("simulated runners");
        figures.extend(scale::measure()?);
    }
    if wanted("tree") {
        note("a repository of 100,000 tests");
        let hundred = projects::plain(&home.join("hundred"), 1000, 100)?;
        figures.push(server::tree(&binary, &venv, &hundred, &state)?);
    }
    if wanted("socket") {
        note("a daemon, and a project of 100,000 tests");
        figures.extend(socket::measure(&binary, &venv, &home)?);
    }
    if wanted("control") {
        note("runs of 10,000 tests by fake runners");
        figures.extend(control::measure(&binary, &venv, &home)?);
    }
    Ok(tell(options, &figures))
}

/// Prints the figures; `false` if a promise is not kept.
fn tell(options: &Options, figures: &[Figure]) -> bool {
    match options.json {
        true => println!("{}", as_json(figures)),
        false => print!("\n{}", table(figures)),
    }
    figures.iter().all(Figure::is_kept)
}

fn table(figures: &[Figure]) -> String {
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|figure| {
            let sign = if figure.is_ratio { ">=" } else { "<" };
            let kept = if figure.is_kept() { "kept" } else { "MISSED" };
            vec![
                figure.what.clone(),
                figure.own.clone(),
                figure.other.clone(),
                figure.shown.clone(),
                format!("{sign} {}", figure.target),
                kept.to_owned(),
            ]
        })
        .collect();
    ui::table(&["median", "pytest-lens", "compared with", "figure", "promise", ""], &rows)
}

fn as_json(figures: &[Figure]) -> serde_json::Value {
    figures
        .iter()
        .map(|figure| {
            serde_json::json!({
                "what": figure.what,
                "value": figure.value,
                "target": figure.target,
                "kept": figure.is_kept(),
            })
        })
        .collect()
}

/// The middle of the values.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
