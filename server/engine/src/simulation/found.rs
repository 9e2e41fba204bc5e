//! Scenarios that broke a rule before the engine was changed, in their smallest form.

use std::time::Duration;

use pytest_lens_history::Source;
use pytest_lens_plan::rerun::Policy;

use super::lab::play;
use super::scenario::{Fault, Nature, RunScript, Scenario, Test};
use crate::processes::mode::ModeRequest;
use crate::runs::plan::ConflictPolicy;

/// Tests of these natures, so many in a file.
fn tests(in_file: usize, natures: impl IntoIterator<Item = Nature>) -> Vec<Test> {
    let test = |(number, nature)| Test { file: number / in_file, class: None, nature, ms: 5, after_crash: 0 };
    natures.into_iter().enumerate().map(test).collect()
}

fn passing(count: usize) -> impl Iterator<Item = Nature> {
    std::iter::repeat_n(Nature::Steady("passed"), count)
}

/// A run of these tests, by two runners.
fn run(selected: impl IntoIterator<Item = usize>) -> RunScript {
    RunScript {
        at: Duration::ZERO,
        selected: selected.into_iter().collect(),
        workers: 2,
        maxfail: None,
        timeout_ms: None,
        time_limit: None,
        rerun: Policy::default(),
        conflicts: ConflictPolicy::Replaceable,
        source: Source::Editor,
        whole_files: false,
        may_take_session: false,
        acts: Vec::new(),
    }
}

/// Without faults, on this machine.
fn scenario(tests: Vec<Test>, runs: Vec<RunScript>) -> Scenario {
    Scenario {
        seed: 0,
        tests,
        mode: ModeRequest::Embedded,
        is_shared: true,
        nodes: Vec::new(),
        runs,
        faults: Vec::new(),
        latency: 0,
        lacking: 0,
        failing_forks: 0,
        has_file: false,
    }
}

fn breaks_no_rule(scenario: &Scenario) {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..12 {
        let played = play(Scenario { seed, ..scenario.clone() }, folder.path());
        assert!(played.is_ok(), "with the seed {seed}: {}", played.unwrap_err());
    }
}

/// It held a test that it could not start before it knew the next one, and nobody said that there was none.
#[test]
fn a_session_that_lacks_tests_where_the_collection_is_gone_holds_up_no_run() {
    let runs = vec![RunScript { may_take_session: true, workers: 4, ..run(0..16) }];
    breaks_no_rule(&Scenario { lacking: 50, ..scenario(tests(2, passing(16)), runs) });
}

/// The others knew of no more tests, so that they were left with a reason that was not true.
#[test]
fn tests_that_were_meant_for_a_runner_that_can_not_be_started_run_elsewhere() {
    // The others are at work when it is known.
    let slow = tests(1, passing(3)).into_iter().map(|test| Test { ms: 1_500, ..test }).collect();
    let runs = vec![RunScript { workers: 3, ..run(0..3) }];
    breaks_no_rule(&Scenario { failing_forks: 40, ..scenario(slow, runs) });
}

/// The others had it not, and were done before a runner was requested that may have it.
#[test]
fn tests_of_a_lost_runner_that_the_others_lack_run_elsewhere() {
    let slow: Vec<Test> = tests(4, passing(12)).into_iter().map(|test| Test { ms: 300, ..test }).collect();
    for at in (800..2_000).step_by(200) {
        let faults = vec![(Duration::from_millis(at), Fault::KillCollected)];
        let runs = vec![run(0..12)];
        breaks_no_rule(&Scenario { lacking: 15, is_shared: false, faults, ..scenario(slow.clone(), runs) });
    }
}

/// It counted as a failure, though it passed when a plugin repeated it.
#[test]
fn a_crash_that_is_repeated_is_no_failure() {
    let natures = [Nature::Kills(1), Nature::Steady("error")].into_iter().chain(passing(6));
    let crashing = tests(8, natures).into_iter().map(|test| Test { after_crash: 1, ..test }).collect();
    let runs = vec![RunScript { workers: 1, maxfail: Some(2), ..run(0..8) }];
    breaks_no_rule(&scenario(crashing, runs));
}

/// It counted as a failure, so that the rest of the older run was left out.
#[test]
fn a_test_that_is_ended_for_a_newer_run_is_no_failure_of_the_older() {
    let older = RunScript { maxfail: Some(1), time_limit: Some(Duration::from_secs(60)), ..run(0..8) };
    let newer = RunScript { at: Duration::from_millis(400), timeout_ms: Some(500), ..run([0]) };
    breaks_no_rule(&scenario(tests(4, [Nature::Hangs].into_iter().chain(passing(7))), vec![older, newer]));
}

/// Tests on one node with one CPU, which begin after three to four seconds.
fn on_a_node(tests: Vec<Test>, run: RunScript, faults: impl IntoIterator<Item = (u64, Fault)>) -> Scenario {
    let faults = faults.into_iter().map(|(at, fault)| (Duration::from_millis(at), fault)).collect();
    Scenario { nodes: vec![1], faults, ..scenario(tests, vec![RunScript { workers: 1, ..run }]) }
}

fn of_ms(ms: u64, tests: Vec<Test>) -> Vec<Test> {
    tests.into_iter().map(|test| Test { ms, ..test }).collect()
}

/// Its runner was ended for a test that took too long by all that was known, and the one that ran then had to bear it.
#[test]
fn a_test_that_runs_when_another_is_believed_to_hang_runs_again() {
    for silent_at in (2_000..5_000).step_by(500) {
        // It gets them all at once.
        let run = RunScript { timeout_ms: Some(500), whole_files: true, ..run(0..20) };
        breaks_no_rule(&on_a_node(of_ms(300, tests(20, passing(20))), run, [(silent_at, Fault::Silence(6_000))]));
    }
}

/// It crashed, when its runner's exit by a signal was the last that its node had sent.
#[test]
fn a_test_whose_node_ends_its_processes_before_it_is_lost_runs_again() {
    for drained_at in (2_000..5_000).step_by(500) {
        let ends = [Fault::Drain, Fault::LoseNode, Fault::Join(1)];
        let faults = (drained_at..).step_by(100).zip(ends);
        breaks_no_rule(&on_a_node(of_ms(3_000, tests(4, passing(4))), run(0..4), faults));
    }
}

/// Its node was lost meanwhile, for the second time.
#[test]
fn a_test_on_a_node_that_does_not_answer_is_not_out_of_time() {
    for killed_at in (3_500..5_000).step_by(300) {
        let run = RunScript { timeout_ms: Some(5_000), ..run(0..1) };
        let faults = [(killed_at, Fault::KillRunner), (killed_at + 3_600, Fault::Silence(15_000))];
        breaks_no_rule(&on_a_node(of_ms(4_000, tests(1, passing(1))), run, faults));
    }
}

/// It was left to the newer run, and then had another outcome in the older.
#[test]
fn a_test_whose_start_is_told_too_late_has_one_outcome() {
    for silent_at in (2_000..5_000).step_by(500) {
        let run = RunScript { whole_files: true, ..run(0..20) };
        let newer = RunScript { at: Duration::from_millis(silent_at + 500), ..run.clone() };
        let older = on_a_node(of_ms(300, tests(20, passing(20))), run, [(silent_at, Fault::Silence(5_000))]);
        breaks_no_rule(&Scenario { runs: vec![older.runs[0].clone(), newer], ..older });
    }
}

/// Nobody requested another: the cluster had the same size before and after. The others did its work, one by one.
#[test]
fn a_node_for_which_a_runner_could_not_be_started_gets_another() {
    let run = RunScript { workers: 3, ..run(0..9) };
    let alone = on_a_node(of_ms(3_300_000, tests(1, passing(9))), run, []);
    breaks_no_rule(&Scenario { nodes: vec![1, 1, 1], failing_forks: 30, ..alone });
}
