//! A deterministic simulation of runs: the engine's own recorder, driver, dispatcher, pool, hub, cluster and history on
//! one paused clock, with simulated processes, nodes and clients, and faults that a seed decides
//! (`docs/reliability.md`, "Simulation").
//!
//! A seed decides everything: [`Scenario::new`] draws the tests, the runs and the faults, and each simulated process
//! draws from a stream of its own. So the same seed is the same run, event by event.

mod checks;
mod client;
mod cluster;
mod faults;
mod found;
mod journal;
mod lab;
mod log_reader;
mod machine;
mod random;
mod records;
mod scenario;
mod signal;
mod worker;

use std::time::{Duration, Instant};

use lab::play;
use scenario::Scenario;

/// The most failures that one campaign lists.
const MOST_FAILURES: usize = 10;

/// The result of a campaign.
#[derive(Default)]
struct Campaign {
    scenarios: u64,
    steps: u64,
    failures: Vec<String>,
}

/// Plays the scenarios of consecutive seeds until there were enough steps, or the time is up.
fn campaign(first: u64, steps: u64, limit: Duration) -> Campaign {
    let folder = tempfile::tempdir().unwrap();
    let until = Instant::now() + limit;
    let mut done = Campaign::default();
    while done.steps < steps && Instant::now() < until && done.failures.len() < MOST_FAILURES {
        let seed = first + done.scenarios;
        match play(Scenario::new(seed), folder.path()) {
            Ok(played) => done.steps += played.steps,
            Err(violation) => {
                let failure = format!("seed {seed}: {violation}\nAgain: cargo xtask simulate 1 --seed {seed}");
                println!("{failure}");
                done.failures.push(failure);
                done.steps += 1;
            }
        }
        done.scenarios += 1;
    }
    done
}

/// A number in the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_fault_loses_doubles_or_invents_an_outcome() {
    assert_eq!(campaign(1, 60_000, Duration::from_secs(5)).failures, Vec::<String>::new());
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..number("SIMULATED_TWICE").unwrap_or(40) {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [once, again] = folders.map(|folder| play(Scenario::new(seed), folder.path()));
        assert_eq!(once, again, "seed {seed}");
    }
}

/// `cargo xtask simulate [STEPS] [--seed N]`.
#[test]
#[ignore = "the long form: cargo xtask simulate"]
fn long() {
    let (steps, seed) = (number("SIMULATED_STEPS").unwrap_or(10_000_000), number("SIMULATED_SEED").unwrap_or(1));
    let seconds = number("SIMULATED_SECONDS").unwrap_or(60);
    println!("from seed {seed}");
    let begun = Instant::now();
    let done = campaign(seed, steps, Duration::from_secs(seconds));
    let (took, count) = (begun.elapsed().as_secs_f64(), done.scenarios);
    println!("{} steps in {count} scenarios, {took:.1} s, {:.0} steps a second", done.steps, done.steps as f64 / took);
    assert!(done.failures.is_empty(), "{} scenarios broke a rule", done.failures.len());
}
