//! The comparison itself, free of processes and files: plain pytest's outcomes against the reported ones.

use super::events::Told;
use super::run::Verdicts;
use std::collections::{BTreeMap, BTreeSet};

/// One test on which the two sides differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Node id of the test.
    pub id: String,
    /// Plain pytest's outcome; empty if pytest knows no such test.
    pub plain: String,
    /// pytest-lens's outcome; empty if it reported none.
    pub lens: String,
}

/// The result of one comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comparison {
    /// Tests with other outcomes, or on one side only.
    pub differences: Vec<Difference>,
    /// Faults of the events or the exit status as a whole.
    pub complaints: Vec<String>,
}

impl Comparison {
    /// Number of faults.
    pub(crate) fn count(&self) -> usize {
        self.differences.len() + self.complaints.len()
    }
}

/// The outcomes of several runs of plain pytest.
pub(crate) struct Truth {
    /// The outcomes of each run, by node id.
    runs: BTreeMap<String, Vec<String>>,
    drift: Drift,
}

/// Parametrized tests whose ids differ from run to run (the time of day in them, say). Their cases can't be identified,
/// so they are compared together.
struct Drift {
    functions: BTreeSet<String>,
    /// Ids that every run has; cases among them keep their own verdict.
    common: BTreeSet<String>,
}

impl Drift {
    fn of(runs: &[&Verdicts]) -> Self {
        let in_all = |id: &&String| runs.iter().all(|run| run.contains_key(*id));
        let ids = || runs.iter().flat_map(|run| run.keys());
        let functions = ids().filter(|id| !in_all(id)).filter_map(|id| function(id)).collect();
        Self { functions, common: ids().filter(in_all).cloned().collect() }
    }

    /// Whether such cases were grouped under this name.
    fn is_taken_together(&self, name: &str) -> bool {
        name.strip_suffix("[...]").is_some_and(|name| self.functions.contains(name))
    }

    /// The verdicts with such cases under one name.
    fn taken_together(&self, verdicts: &Verdicts) -> Verdicts {
        let mut result = Verdicts::new();
        for (id, words) in verdicts {
            let drifts = |name: &String| self.functions.contains(name) && !self.common.contains(id);
            let name = function(id).filter(drifts).map_or(id.clone(), |name| format!("{name}[...]"));
            result.entry(name).or_default().extend(words.iter().cloned());
        }
        result
    }
}

/// The id of the function of a case.
fn function(id: &str) -> Option<String> {
    id.strip_suffix(']')?.split_once('[').map(|(name, _)| name.to_owned())
}

impl Truth {
    /// Combines the runs; a test that a run does not know counts as an outcome of its own.
    pub(crate) fn from_runs<'a>(runs: impl Iterator<Item = &'a Verdicts>) -> Self {
        let runs: Vec<&Verdicts> = runs.collect();
        let drift = Drift::of(&runs);
        let runs: Vec<Verdicts> = runs.into_iter().map(|run| drift.taken_together(run)).collect();
        let mut all = BTreeMap::new();
        for id in runs.iter().flat_map(BTreeMap::keys) {
            all.insert(id.clone(), runs.iter().map(|run| words(run, id)).collect());
        }
        Self { runs: all, drift }
    }

    /// Tests on which plain pytest does not agree with itself.
    pub(crate) fn flips(&self) -> Vec<String> {
        let found = self.runs.iter().filter(|(id, _)| self.agreed(id).is_none());
        found.map(|(id, outcomes)| format!("{id} ({})", outcomes.join(", "))).collect()
    }

    /// Tests whose ids change from run to run; each is compared as one.
    pub(crate) fn drifting(&self) -> Vec<String> {
        self.drift.functions.iter().cloned().collect()
    }

    /// The outcome that every run agrees on; `None` for a test that flips.
    fn agreed(&self, id: &str) -> Option<&str> {
        match self.runs.get(id) {
            None => Some(""),
            Some(outcomes) if outcomes.windows(2).all(|pair| pair[0] == pair[1]) => {
                outcomes.first().map(String::as_str)
            }
            Some(_) => None,
        }
    }
}

/// Compares by node id, without the tests that flip in plain pytest; compares the exit status only if none flips.
pub(crate) fn compare(truth: &Truth, exits: &[i32], told: &Told, exit: Option<i32>) -> Comparison {
    let mut result = Comparison { complaints: told.complaints.clone(), ..Comparison::default() };
    let verdicts = truth.drift.taken_together(&told.verdicts);
    let only_told = verdicts.keys().filter(|id| !truth.runs.contains_key(*id));
    for id in truth.runs.keys().chain(only_told) {
        let lens = words(&verdicts, id);
        match truth.agreed(id) {
            // A case whose id had changed when it was to run is reported as not run, which is true.
            Some(_) if truth.drift.is_taken_together(id) && lens.split('+').all(|word| word == "not_run") => {}
            Some(plain) if plain != lens => {
                result.differences.push(Difference { id: id.clone(), plain: plain.to_owned(), lens })
            }
            _ => {}
        }
    }
    if let [first, rest @ ..] = exits
        && rest.iter().all(|other| other == first)
        && exit != Some(*first)
    {
        let exit = exit.map_or("none".to_owned(), |code| code.to_string());
        result.complaints.push(format!("the exit status is {exit}, plain pytest's is {first}"));
    }
    result
}

/// The outcomes of a test as one word, sorted if there are several.
fn words(verdicts: &Verdicts, id: &str) -> String {
    let mut words = verdicts.get(id).cloned().unwrap_or_default();
    words.sort();
    words.join("+")
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
