//! `cargo xtask bench`: measures the figures that the project promises, each together with its reference, in one run.
//!
//! Medians after a warm-up, the two sides by turns, the same interpreter and environment for both, the release build.
//! The short form does all of it once, on small projects: it judges no figure, only whether the results are right.
#![warn(unreachable_pub)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person at the terminal")]

mod collecting;
mod control;
mod edits;
mod figure;
mod history;
mod latency;
mod memory;
mod processes;
mod projects;
mod runners;
mod scale;
mod server;
mod socket;
mod suites;
mod typing;

use anyhow::Result;
use chores::ui::{self, Colour};
use chores::venv::Venv;
use chores::{build, paths};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use figure::{Figure, median, milliseconds, percentile_99};
use projects::Generated;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

/// Measure the promised figures, each next to its reference.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
struct Options {
    /// Number of measurements of each latency.
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Measure these parts only; all if none is named.
    #[arg(value_name = "PART", value_parser = PossibleValuesParser::new(PARTS.map(|part| part.name)))]
    parts: Vec<String>,
    /// Measure this binary, instead of a release build of the present sources.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Do everything once, on small projects, and judge only whether the results are right.
    #[arg(long)]
    short: bool,
    /// Print one JSON object instead of the table.
    #[arg(long)]
    json: bool,
}

/// A part that can be measured separately.
struct Part {
    name: &'static str,
    about: &'static str,
    measure: fn(&Bench) -> Result<Vec<Figure>>,
}

/// All parts, in the order in which they are measured.
const PARTS: [Part; 14] = [
    Part { name: "history", about: "a history of 1,000,000 outcomes", measure: history::measure },
    Part { name: "latency", about: "1,000 tests that import pandas", measure: latency::measure },
    Part { name: "edits", about: "the same, edited without a pause", measure: edits::measure },
    Part { name: "lenses", about: "a repository of 20,000 tests", measure: server::first_lenses },
    Part { name: "typing", about: "keys in large files", measure: typing::measure },
    Part { name: "listing", about: "20,000 tests, and rtest", measure: suites::listing },
    Part { name: "collecting", about: "1,000 files that change", measure: collecting::measure },
    Part {
        name: "suites",
        about: "whole runs: short tests, and the suites of `cargo xtask fidelity`",
        measure: suites::runs,
    },
    Part { name: "runners", about: "7,000 tests with 1, 8 and 40 runners", measure: runners::first_outcome },
    Part { name: "memory", about: "the server, and processes of runs", measure: memory::measure },
    Part { name: "scale", about: "simulated runners", measure: scale::measure },
    Part { name: "tree", about: "a repository of 100,000 tests", measure: server::tree },
    Part { name: "socket", about: "a daemon, and a project of 100,000 tests", measure: socket::measure },
    Part { name: "control", about: "runs of 10,000 tests by fake runners", measure: control::measure },
];

/// The environment that the generated projects run with.
const REQUIREMENTS: &str = "iniconfig==2.3.1\nnumpy==2.4.6\npackaging==26.3\npandas==3.1.1\npluggy==1.7.0\npygments==2.21.0\n\
                            pytest==9.2.0\npython-dateutil==4.0.0\ntzdata==2026.6\n";

/// The place and the size of all measurements.
struct Bench {
    binary: PathBuf,
    venv: Venv,
    /// The folder of generated projects.
    home: PathBuf,
    /// The folder of histories and caches.
    state: PathBuf,
    rounds: usize,
    is_short: bool,
}

impl Bench {
    fn new(options: &Options) -> Result<Self> {
        let binary = match &options.binary {
            Some(binary) => std::path::absolute(binary)?,
            None => build::binary(if options.short { "debug" } else { "release" })?,
        };
        // The short form needs nothing of the figures' own: its projects import nothing heavy, and it has no peers.
        let venv = match options.short {
            true => Venv::from_file("python", &paths::root().join("xtask/requirements/python.txt"))?,
            false => Venv::ensure("bench", REQUIREMENTS)?,
        };
        let home = paths::target().join("bench");
        let state = home.join("state");
        let rounds = if options.short { 1 } else { options.rounds };
        Ok(Self { binary, venv, home, state, rounds, is_short: options.short })
    }

    /// The first, or in the short form the second.
    fn pick<T>(&self, whole: T, short: T) -> T {
        if self.is_short { short } else { whole }
    }

    /// A project that imports nothing heavy: so many files of so many tests.
    fn plain(&self, name: &str, files: usize, each: usize) -> Result<Generated> {
        projects::plain(&self.home.join(name), files, each)
    }

    /// A project that imports pandas; in the short form nothing heavy.
    fn heavy(&self, name: &str, files: usize, each: usize) -> Result<Generated> {
        let root = self.home.join(name);
        if self.is_short { projects::plain(&root, files, each) } else { projects::pandas(&root, files, each) }
    }

    /// The other runners; the short form does without.
    fn peers(&self) -> Result<Option<Venv>> {
        if self.is_short { Ok(None) } else { Venv::ensure("bench-peers", suites::PEERS).map(Some) }
    }
}

fn main() -> ExitCode {
    chores::end(run(&Options::parse()))
}

/// Measures everything; `false` if a goal is not reached.
fn run(options: &Options) -> Result<bool> {
    let bench = Bench::new(options)?;
    let mut figures = Vec::new();
    let mut are_right = true;
    for part in PARTS {
        if !options.parts.is_empty() && !options.parts.iter().any(|name| name == part.name) {
            continue;
        }
        let begun = Instant::now();
        match (part.measure)(&bench) {
            Ok(more) => figures.extend(more),
            // The others took minutes, or will.
            Err(error) => {
                eprintln!("{}", ui::paint(Colour::Red, &format!("{} was not measured: {error:#}", part.name)));
                are_right = false;
            }
        }
        if !options.json {
            let line = format!("{}: {} ({})", part.name, part.about, ui::duration(begun.elapsed()));
            println!("{}", ui::paint(Colour::Dim, &line));
        }
    }
    Ok(tell(options, &figures) && are_right)
}

/// Prints the figures; `false` if a goal is not reached.
fn tell(options: &Options, figures: &[Figure]) -> bool {
    match (options.json, options.short) {
        (true, _) => println!("{}", figures.iter().map(Figure::as_json).collect::<serde_json::Value>()),
        (false, true) => println!("\n{} figures, of right results; the short form judges no time", figures.len()),
        (false, false) => print!("\n{}", figure::table(figures)),
    }
    options.short || figures.iter().all(Figure::is_kept)
}
