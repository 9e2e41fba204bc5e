//! How long a command with many runners takes to the outcome of its first test, next to one with a single runner.

use super::projects::Generated;
use super::{Bench, Figure, median, suites};
use anyhow::{Context, Result, bail};
use chores::process;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The numbers of runners, each with the promised multiple of the time with one.
const MANY: [(&str, f64); 2] = [("8", 1.2), ("40", 1.1)];

/// Measures all of them by turns; each command is ended at its first outcome.
pub(crate) fn first_outcome(bench: &Bench) -> Result<Vec<Figure>> {
    // The first round warms up.
    let (files, rounds) = bench.pick((70, 8), (2, 2));
    let project = bench.plain("wide", files, 100)?;
    let mut one = Vec::new();
    let mut many = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        let single = time_to_first(bench, &project, "1")?;
        let mut times = Vec::new();
        for (count, _) in MANY {
            times.push(time_to_first(bench, &project, count)?);
        }
        if round > 0 {
            one.push(single);
            many.iter_mut().zip(times).for_each(|(all, time)| all.push(time));
        }
    }
    let one = median(one).as_secs_f64();
    let figures = MANY.into_iter().zip(many).map(|((count, target), times)| {
        let what = format!("{} tests, {count} runners: first outcome, to that of 1", project.tests);
        Figure::limit(what, median(times).as_secs_f64() / one, target, "x")
    });
    Ok(figures.collect())
}

fn time_to_first(bench: &Bench, project: &Generated, count: &str) -> Result<Duration> {
    let mut command = suites::lens(bench, &project.root, "runners", &["run", "--json", "-n", count]);
    command.stdout(Stdio::piped());
    let begun = Instant::now();
    let mut child = command.spawn().with_context(|| process::line(&command))?;
    let out = child.stdout.take().context("the command has no output")?;
    for line in BufReader::new(out).lines() {
        if line?.starts_with("{\"event\":\"testOutcome\"") {
            let took = begun.elapsed();
            child.kill()?;
            child.wait()?;
            return Ok(took);
        }
    }
    bail!("`{}` printed no outcome", process::line(&command))
}
