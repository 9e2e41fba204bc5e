//! `cargo xtask fidelity`: proves that `pytest-lens run` reports the same as plain pytest, on real projects.
//!
//! Each suite runs under plain `python -m pytest` (three times, to find the tests that flip by themselves) and under
//! `pytest-lens run` in each mode with each number of workers; outcomes are compared by node id. `--inject` makes tests
//! go wrong on both sides, so that a runner with invented outcomes would be caught.
#![warn(unreachable_pub)]
#![expect(clippy::print_stdout, reason = "a chore talks to the person at the terminal")]

mod compare;
mod events;
mod prepare;
mod report;
mod run;
mod sharing;
mod suites;

use anyhow::{Result, bail};
use clap::Parser;
use compare::Comparison;
use sharing::Sharing;
use std::process::ExitCode;
use std::time::Duration;
use suites::Suite;

use report::Outcome;

/// Compare pytest-lens with plain pytest on real projects, test by test.
#[derive(Parser)]
#[command(bin_name = "cargo xtask fidelity")]
struct Options {
    /// The suites to compare on; all if none is named.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Print the suites and stop.
    #[arg(long)]
    pub list: bool,
    /// Compare the small suites in every mode, with and without harm, regardless of other options.
    #[arg(long, exclusive = true)]
    pub small: bool,
    /// Make some tests of both sides fail, break, skip or xfail, chosen by a hash of the node id.
    #[arg(long)]
    pub inject: bool,
    /// Numbers of workers to try.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
    pub workers: Vec<u32>,
    /// Execution modes to try.
    #[arg(long, value_delimiter = ',', default_values_t = ["embedded".to_owned(), "subprocess".to_owned()])]
    pub modes: Vec<String>,
    /// Number of runs of plain pytest.
    #[arg(long, default_value_t = 3)]
    pub plain_runs: u32,
    /// Only plain pytest: shows which tests flip by themselves.
    #[arg(long)]
    pub plain_only: bool,
    /// Print one JSON object for each suite instead of the table.
    #[arg(long)]
    pub json: bool,
    /// Compare the release build instead of the development one.
    #[arg(long)]
    pub release: bool,
}

/// One mode and number of workers of `pytest-lens run`.
#[derive(Clone, Debug)]
pub struct Way {
    mode: String,
    workers: u32,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.mode, self.workers)
    }
}

/// The results of one suite.
pub struct Compared {
    name: String,
    tests: usize,
    plain: Duration,
    flips: Vec<String>,
    drifting: Vec<String>,
    /// `None` if no mode was tried that forks.
    sharing: Option<Sharing>,
    ways: Vec<(Way, Duration, Comparison)>,
}

fn main() -> ExitCode {
    chores::end(run(&Options::parse()))
}

/// Compares the requested suites; `false` if anything differs.
fn run(options: &Options) -> Result<bool> {
    if options.small {
        return run_small();
    }
    let suites = suites::load()?;
    if options.list {
        print!("{}", report::list(&suites));
        return Ok(true);
    }
    let outcome = compare_all(options, &chosen(suites, &options.names)?)?;
    Ok(outcome.differences == 0)
}

/// Compares the small suites, with and without injected harm, for `cargo xtask test`, which reads the last line.
fn run_small() -> Result<bool> {
    let mut suites = suites::load()?;
    suites.retain(|suite| suite.small);
    let mut options = Options {
        names: Vec::new(),
        list: false,
        small: false,
        inject: false,
        workers: vec![1, 2],
        modes: vec!["embedded".to_owned(), "subprocess".to_owned()],
        plain_runs: 2,
        plain_only: false,
        json: false,
        release: false,
    };
    let mut sum = compare_all(&options, &suites)?;
    options.inject = true;
    sum.add(compare_all(&options, &suites)?);
    println!("fidelity: {} passed, {} failed, 0 skipped", sum.same, sum.differences);
    Ok(sum.differences == 0)
}

fn compare_all(options: &Options, suites: &[Suite]) -> Result<Outcome> {
    let binary = match options.plain_only {
        true => None,
        false => Some(chores::build::binary(if options.release { "release" } else { "debug" })?),
    };
    let mut all = Vec::new();
    for suite in suites {
        let prepared = prepare::prepare(suite)?;
        all.push(compare_one(options, &prepared, binary.as_deref())?);
    }
    Ok(report::print(options, &all))
}

fn compare_one(options: &Options, prepared: &prepare::Prepared, binary: Option<&std::path::Path>) -> Result<Compared> {
    let mut plain = Vec::new();
    for number in 1..=options.plain_runs.max(1) {
        let run = run::plain(prepared, options.inject, number)?;
        report::progress(options, &prepared.name, &format!("plain {number}"), run.time);
        plain.push(run);
    }
    let truth = compare::Truth::from_runs(plain.iter().map(|run| &run.verdicts));
    let Some(first) = plain.first() else {
        bail!("plain pytest did not run");
    };
    let exits: Vec<i32> = plain.iter().map(|run| run.exit).collect();
    let mut ways = Vec::new();
    let mut sharing = None;
    for mode in &options.modes {
        for workers in &options.workers {
            let Some(binary) = binary else { continue };
            let way = Way { mode: mode.clone(), workers: *workers };
            let lens = run::lens(prepared, options.inject, binary, &way)?;
            report::progress(options, &prepared.name, &way.to_string(), lens.time);
            let comparison = compare::compare(&truth, &exits, &lens.told, lens.exit);
            report::differences(options, &way, &comparison, &lens.log);
            if way.mode == "embedded" {
                sharing = sharing.or(lens.sharing);
            }
            ways.push((way, lens.time, comparison));
        }
    }
    Ok(Compared {
        name: prepared.name.clone(),
        tests: first.verdicts.len(),
        plain: median(plain.iter().map(|run| run.time).collect()),
        flips: truth.flips(),
        drifting: truth.drifting(),
        sharing,
        ways,
    })
}

fn chosen(suites: Vec<Suite>, names: &[String]) -> Result<Vec<Suite>> {
    for name in names {
        if !suites.iter().any(|suite| suite.name == *name) {
            let known: Vec<&str> = suites.iter().map(|suite| suite.name.as_str()).collect();
            bail!("there is no suite `{name}`; the suites are {}", known.join(", "));
        }
    }
    let wanted = |suite: &Suite| names.is_empty() || names.contains(&suite.name);
    Ok(suites.into_iter().filter(wanted).collect())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
