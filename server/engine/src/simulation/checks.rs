//! The rules that hold at the end of every scenario.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use pytest_lens_plan::outcome::{Counts, Outcome, exit_code, run_status};
use pytest_lens_protocol::{RunEndStatus, TestOutcome};

use super::client::EndedRun;
use super::journal::Loss;
use super::lab::Lab;
use super::log_reader::{Seen, SeenRun};
use super::scenario::{Nature, RunScript};
use crate::model::outcome::{counts_of, status_of};

/// A broken rule, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the whole scenario, when everything has ended and had time to settle.
pub(super) fn all(lab: &Lab, ended: &[EndedRun], seen: &Seen) -> Result<(), Violation> {
    if let Some(rule) = lab.violations.lock().expect("no panic").first() {
        return Err(Violation(rule.clone()));
    }
    for run in ended.iter().filter(|run| !run.was_refused) {
        let script = &lab.scenario.runs[run.number];
        let seen = seen.runs.get(&run.id).ok_or_else(|| Violation(format!("{} never started", run.id)))?;
        Checked { lab, run, script, seen }
            .check()
            .map_err(|Violation(rule)| Violation(format!("{}: {rule}", run.id)))?;
    }
    is_at_rest(lab)
}

/// Nothing runs, and nothing is left.
fn is_at_rest(lab: &Lab) -> Result<(), Violation> {
    let busy = lab.pool.runners().0;
    if busy > 0 {
        return Err(Violation(format!("{busy} runners are still counted as busy")));
    }
    if lab.state.is_busy() {
        return Err(Violation("a run is still going on".into()));
    }
    for kind in ["runner", "session", "remote"] {
        if let Some(process) = lab.machine.live(kind).first() {
            return Err(Violation(format!("{} is left after all runs", process.name)));
        }
    }
    let lasting = ["base", "collected", "cluster"];
    let names = lab.machine.roster.names();
    match names.iter().find(|name| !lasting.iter().any(|kind| name.starts_with(kind))) {
        Some(name) => Err(Violation(format!("somebody still waits for {name}"))),
        None => Ok(()),
    }
}

struct Checked<'a> {
    lab: &'a Lab,
    run: &'a EndedRun,
    script: &'a RunScript,
    seen: &'a SeenRun,
}

fn broken(rule: String) -> Result<(), Violation> {
    Err(Violation(rule))
}

impl Checked<'_> {
    fn check(&self) -> Result<(), Violation> {
        let scenario = &self.lab.scenario;
        let Some(end) = &self.seen.end else { return broken("it has no end".into()) };
        let selected: BTreeSet<String> = self.script.selected.iter().map(|&test| scenario.id(test)).collect();
        if self.seen.total != selected.len() {
            return broken(format!("it has {} tests instead of {}", self.seen.total, selected.len()));
        }
        for &test in &self.script.selected {
            let id = scenario.id(test);
            let Some(&last) = self.seen.last.get(&id) else { return broken(format!("{id} has no final outcome")) };
            for outcome in self.seen.outcomes.iter().filter(|outcome| outcome.id == id) {
                self.is_true(test, outcome).map_err(|Violation(rule)| Violation(format!("{id}: {rule}")))?;
            }
            let last = &self.seen.outcomes[last];
            if last.outcome != "not_run" && last.outcome != "crashed" && !self.seen.starts.contains_key(&id) {
                return broken(format!("{id} has an outcome, and no start"));
            }
        }
        if let Some(foreign) = self.seen.last.keys().find(|id| !selected.contains(*id)) {
            return broken(format!("{foreign} was not selected"));
        }
        self.has_right_end(end.status)?;
        let counts: Counts = self.finals().map(|(outcome, _)| outcome).collect();
        if counts_of(&counts) != end.counts {
            return broken(format!("its counts are {:?} instead of {counts:?}", end.counts));
        }
        self.keeps_limit(&counts)
    }

    fn finals(&self) -> impl Iterator<Item = (Outcome, &TestOutcome)> {
        self.seen.last.values().map(|&place| {
            let told = &self.seen.outcomes[place];
            (told.outcome.parse().unwrap_or(Outcome::Error), told)
        })
    }

    /// Whether an outcome is what happened.
    fn is_true(&self, test: usize, told: &TestOutcome) -> Result<(), Violation> {
        let message = told.message.as_deref().unwrap_or_default();
        let journal = self.lab.machine.journal();
        match told.outcome.as_str() {
            "not_run" => self.is_excused(test, message),
            "crashed" => {
                let losses: Vec<Loss> =
                    journal.of(&self.run.id, test).filter_map(|execution| execution.loss()).collect();
                let is_proven = losses.contains(&Loss::Crash) || (losses.len() >= 2);
                if is_proven { Ok(()) } else { broken(format!("it {message}, but the losses were {losses:?}")) }
            }
            "timed_out" => {
                let limits = [self.script.timeout_ms.map(Duration::from_millis), self.script.time_limit];
                let Some(limit) = limits.into_iter().flatten().min() else {
                    return broken("it has no time limit".into());
                };
                let by_run = self.script.time_limit.is_some() && self.run.was_cut;
                let mut executions = journal.of(&self.run.id, test);
                if by_run || executions.any(|execution| execution.duration() >= limit || execution.looks_endless()) {
                    return Ok(());
                }
                broken(format!("it did not take longer than {limit:?}"))
            }
            outcome => match journal.named(&self.run.id, test, message) {
                Some(execution) if execution.outcome == Some(outcome) => {
                    let nature = &self.lab.scenario.tests[test].nature;
                    if matches!(nature, Nature::Steady(own) if *own != outcome) || *nature == Nature::Hangs {
                        return broken(format!("{outcome} is not its outcome by construction"));
                    }
                    Ok(())
                }
                _ => broken(format!("{outcome} ({message}) is the outcome of no execution")),
            },
        }
    }

    /// Whether something kept a test from running.
    fn is_excused(&self, test: usize, why: &str) -> Result<(), Violation> {
        let ending = &self.run.ending;
        let has_interrupt =
            self.script.selected.iter().any(|&test| self.lab.scenario.tests[test].nature == Nature::Interrupts);
        let is_excused = match why {
            "the run was stopped" | "the run was killed" => self.run.was_cut,
            "the run reached its limit of failures" => self.script.maxfail.is_some(),
            "a newer run of the same test has taken its place" => self.lab.is_shared_with_others(self.run.number, test),
            why if why.starts_with("the suite took longer") => self.script.time_limit.is_some() && self.run.was_cut,
            why if ending.fault.as_deref() == Some(why) => self.is_fault_excused(),
            why if ending.interrupted.as_deref() == Some(why) => has_interrupt,
            why if why.contains("collected no such test") || why.contains("no longer there") => {
                self.lab.scenario.lacking > 0
            }
            _ => false,
        };
        if is_excused { Ok(()) } else { broken(format!("it did not run, because {why:?}")) }
    }

    fn is_fault_excused(&self) -> bool {
        self.lab.scenario.has_ends()
    }

    fn has_right_end(&self, status: RunEndStatus) -> Result<(), Violation> {
        let ending = &self.run.ending;
        if ending.fault.is_some() && !self.is_fault_excused() {
            return broken(format!("it ends with a fault that nothing explains: {:?}", ending.fault));
        }
        let counts: Counts = self.finals().map(|(outcome, _)| outcome).collect();
        // A test that is repeated until it fails keeps its last pass.
        if ending.fault.is_some() && counts.not_run == 0 && !self.script.rerun.enabled {
            return broken(format!("it ends with a fault, though every test ran: {:?}", ending.fault));
        }
        let stopped = ending.stopped || ending.replaced || ending.interrupted.is_some();
        let is_incomplete = ending.refused.is_some();
        let expected =
            run_status(&counts, stopped, ending.killed, ending.out_of_time, ending.fault.is_some(), is_incomplete);
        if status != status_of(expected) {
            return broken(format!("it ended as {status:?} instead of {expected}"));
        }
        let is_whole = self.finals().all(|(outcome, _)| outcome != Outcome::NotRun && !outcome.is_failure());
        if (status == RunEndStatus::Passed || exit_code(expected, &counts, 0) == 0) && !is_whole {
            return broken("it passed, though a test did not".into());
        }
        Ok(())
    }

    /// A limit of failures ends the run, and nothing else does in its name.
    fn keeps_limit(&self, counts: &Counts) -> Result<(), Violation> {
        let Some(limit) = self.script.maxfail else { return Ok(()) };
        let failures = counts.failed + counts.errors;
        let at_a_time = self.lab.machine.journal().most_at_a_time(&self.run.id);
        // A runner that is about to hear of the limit may finish the test that it runs, and one that it has begun since.
        let most = limit as usize + 3 * at_a_time.max(1);
        // After a stop nothing is repeated, so that each failure is final that the last messages bring.
        let were_repeats = self.script.rerun.enabled && self.run.was_cut;
        if failures > most && !were_repeats {
            return broken(format!("{failures} tests failed, though the limit was {limit}"));
        }
        let in_its_name = self.finals().any(|(_, told)| {
            told.message.as_deref() == Some("the run reached its limit of failures") && told.outcome == "not_run"
        });
        if in_its_name && failures < limit as usize {
            return broken(format!("it ended at its limit of {limit} failures, and has {failures}"));
        }
        Ok(())
    }
}
