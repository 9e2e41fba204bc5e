//! The inputs of a run's tests, from the reports of its processes.
//!
//! A process keeps what earlier tests left: a test that finds a cached result does not execute the functions that made
//! it. So a test also depends on everything that its functions have called, directly or not, in the tests before it in
//! the same process. The first test of a process needs no such addition.
//!
//! Tests share most of their inputs, so each input is kept once, and numbered: workers number those of one process, and
//! [`Recording`] those of the run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pytest_lens_history::InputKind;
use serde::Deserialize;

/// The report on one test.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedInputs {
    pub i: usize,
    /// Numbers of inputs, each once.
    pub used: Vec<u32>,
    /// New pairs of a function and an input that it used: what it called, read or started.
    pub edges: Vec<(u32, u32)>,
    pub is_first: bool,
    /// Inputs from before the first test.
    #[serde(default)]
    pub outside: Vec<u32>,
    /// The functions of fixtures of several tests that ended with this one, and what that used.
    #[serde(default)]
    pub finalized: Vec<(u32, Vec<u32>)>,
    /// New numbers, with kind, path and name.
    pub nodes: Vec<ReportedNode>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ReportedNode(pub u32, pub Kind, pub String, pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(remote = "InputKind", rename_all = "snake_case")]
enum KindNames {
    Function,
    File,
    Folder,
    Variable,
    Lines,
    Process,
    Network,
    Extension,
    Stat,
    Exists,
    Library,
    Tracing,
}

/// The kind of an input, as workers name it.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Kind(#[serde(with = "KindNames")] pub InputKind);

/// An input without its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Used {
    pub kind: InputKind,
    pub path: String,
    pub name: String,
}

/// The inputs of a run.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The inputs of all tests, each once.
    pub inputs: Vec<Used>,
    /// By index of the test, the places of its inputs in `inputs`.
    pub tests: BTreeMap<usize, Vec<u32>>,
    /// Inputs that were used while tests were collected, each with the files whose functions used it.
    pub outside: BTreeMap<Used, BTreeSet<String>>,
}

/// Between the names of several files of a library.
pub(crate) const NAMES_END: &str = "/";

impl Recorded {
    /// The inputs of the collection. A process loads thousands of files of libraries: those in a folder are one input.
    pub(crate) fn outside_by_folder(&self) -> impl Iterator<Item = (Used, BTreeSet<String>)> {
        let is_whole = |used: &Used, files: &BTreeSet<String>| used.kind == InputKind::Library && files.is_empty();
        let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (used, _) in self.outside.iter().filter(|(used, files)| is_whole(used, files)) {
            folders.entry(&used.path).or_default().push(&used.name);
        }
        let library = |(folder, names): (&str, Vec<&str>)| {
            let used = Used { kind: InputKind::Library, path: folder.to_owned(), name: names.join(NAMES_END) };
            (used, BTreeSet::new())
        };
        let others = self.outside.iter().filter(move |(used, files)| !is_whole(used, files));
        others.map(|(used, files)| (used.clone(), files.clone())).chain(folders.into_iter().map(library))
    }
}

/// The reports of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    processes: HashMap<i32, Process>,
    /// The places of inputs in `recorded.inputs`.
    places: HashMap<Used, u32>,
    /// By function of a fixture, what its end used: every test with the fixture depends on it.
    finalized: HashMap<u32, BTreeSet<u32>>,
    recorded: Recorded,
}

/// One process. Its inputs are named by their places in the run's, except in `places`.
#[derive(Debug, Default)]
struct Process {
    /// By the process's own numbers.
    places: HashMap<u32, u32>,
    /// By caller.
    calls: HashMap<u32, Vec<u32>>,
    /// Whether earlier tests used an input.
    seen: Vec<bool>,
}

impl Recording {
    /// Adds the report on a test that ran in the process with this pid.
    pub(crate) fn add(&mut self, pid: i32, report: ReportedInputs) {
        let process = self.processes.entry(pid).or_default();
        for ReportedNode(number, Kind(kind), path, name) in report.nodes {
            let used = Used { kind, path, name };
            let inputs = &mut self.recorded.inputs;
            let place = *self.places.entry(used).or_insert_with_key(|used| {
                inputs.push(used.clone());
                u32::try_from(inputs.len() - 1).unwrap_or(u32::MAX)
            });
            process.places.insert(number, place);
        }
        let place = |number: &u32| process.places.get(number).copied();
        let calls: Vec<(u32, u32)> =
            report.edges.iter().filter_map(|(caller, called)| Some((place(caller)?, place(called)?))).collect();
        let used: Vec<u32> = report.used.iter().filter_map(place).collect();
        let input = |place: u32| self.recorded.inputs.get(place as usize);
        for outside in report.outside.iter().filter_map(place) {
            let Some(used) = input(outside) else { continue };
            let callers = calls.iter().filter(|(_, called)| *called == outside);
            let files = callers.filter_map(|(caller, _)| input(*caller)).map(|caller| caller.path.clone());
            self.recorded.outside.entry(used.clone()).or_default().extend(files);
        }
        for (function, used) in &report.finalized {
            let ended = place(function).map(|function| self.finalized.entry(function).or_default());
            ended.into_iter().for_each(|ended| ended.extend(used.iter().filter_map(place)));
        }
        for (caller, called) in calls {
            process.calls.entry(caller).or_default().push(called);
        }
        let count = self.recorded.inputs.len();
        process.seen.resize(count, false);
        let all = if report.is_first { used.clone() } else { process.with_kept(&used) };
        for place in used {
            if let Some(seen) = process.seen.get_mut(place as usize) {
                *seen = true;
            }
        }
        self.recorded.tests.insert(report.i, all);
    }

    pub(crate) fn finish(mut self) -> Recorded {
        for used in self.recorded.tests.values_mut() {
            let ends: BTreeSet<u32> =
                used.iter().filter_map(|place| self.finalized.get(place)).flatten().copied().collect();
            let own: HashSet<u32> = used.iter().copied().collect();
            used.extend(ends.into_iter().filter(|place| !own.contains(place)));
        }
        self.recorded
    }
}

impl Process {
    /// These inputs, and those that led to what earlier tests may have kept.
    fn with_kept(&self, used: &[u32]) -> Vec<u32> {
        // Nothing that earlier tests left unused is looked for.
        let mut is_open = self.seen.clone();
        let mut take = |place: u32| is_open.get_mut(place as usize).is_some_and(std::mem::take);
        let mut all = used.to_vec();
        for place in used {
            take(*place);
        }
        let mut next = 0;
        while let Some(place) = all.get(next) {
            next += 1;
            let called = self.calls.get(place).into_iter().flatten().copied();
            all.extend(called.filter(|called| take(*called)));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recorded(reports: &[(i32, serde_json::Value)]) -> (Vec<String>, Vec<String>) {
        let mut recording = Recording::default();
        for (pid, report) in reports {
            recording.add(*pid, serde_json::from_value(report.clone()).unwrap());
        }
        let Recorded { inputs, tests, outside } = recording.finish();
        let names = |used: &[u32]| {
            let mut names: Vec<_> = used.iter().map(|place| inputs[*place as usize].name.clone()).collect();
            names.sort();
            names.join(" ")
        };
        let outside = outside.iter().map(|(used, files)| format!("{} {files:?}", used.name)).collect();
        (tests.iter().map(|(index, used)| format!("{index}: {}", names(used))).collect(), outside)
    }

    fn function(number: u32, name: &str) -> serde_json::Value {
        json!([number, "function", format!("{name}.py"), name])
    }

    #[test]
    fn a_later_test_depends_on_what_made_a_kept_result() {
        let nodes = json!([function(0, "get"), function(1, "build"), function(2, "part"), function(3, "other")]);
        let first = json!({
            "i": 4, "used": [0, 1, 2, 3], "edges": [[0, 1], [1, 2], [0, 9]], "is_first": true, "nodes": nodes,
        });
        let later = json!({ "i": 5, "used": [0], "edges": [], "is_first": false, "nodes": [] });
        let elsewhere = json!({ "i": 6, "used": [0], "edges": [[0, 1]], "is_first": true, "nodes": nodes });
        let unseen = json!({ "i": 7, "used": [0], "edges": [[0, 3]], "is_first": false, "nodes": [] });
        let (tests, _) = recorded(&[(1, first), (1, later), (2, elsewhere), (2, unseen)]);
        assert_eq!(tests, ["4: build get other part", "5: build get part", "6: get", "7: get"]);
    }

    #[test]
    fn every_test_with_a_fixture_depends_on_its_end() {
        let nodes = json!([function(0, "fixture"), function(1, "end"), function(2, "other")]);
        let first = json!({ "i": 0, "used": [0], "edges": [], "is_first": true, "nodes": nodes });
        let last = json!({
            "i": 1, "used": [1, 2], "edges": [], "is_first": false, "finalized": [[0, [0, 1]]], "nodes": [],
        });
        assert_eq!(recorded(&[(1, first), (1, last)]).0, ["0: end fixture", "1: end other"]);
    }

    #[test]
    fn inputs_of_the_collection_are_apart_with_their_users() {
        let nodes = json!([function(0, "a"), function(1, "b"), [2, "lines", "", "lines"]]);
        let first = json!({
            "i": 0, "used": [1], "edges": [[0, 1], [1, 2]], "is_first": true, "outside": [0, 1, 2], "nodes": nodes,
        });
        let (tests, outside) = recorded(&[(1, first)]);
        assert_eq!(tests, ["0: b"]);
        assert_eq!(outside, ["a {}", "b {\"a.py\"}", "lines {\"b.py\"}"]);
    }

    #[test]
    fn the_files_of_libraries_are_kept_by_folder() {
        let nodes = json!([
            [0, "library", "/lib/b", "two.py"],
            [1, "library", "/lib/b", "one.py"],
            [2, "library", "/lib", ""],
            [3, "library", "/lib/b", "data.txt"],
            [4, "file", "d.txt", ""],
            function(5, "reader"),
        ]);
        let first = json!({
            "i": 0, "used": [], "edges": [[5, 3]], "is_first": true, "outside": [0, 1, 2, 3, 4], "nodes": nodes,
        });
        let later = json!({
            "i": 1, "used": [], "edges": [], "is_first": false, "outside": [6],
            "nodes": [[6, "library", "/lib/b", "late.py"]],
        });
        let mut recording = Recording::default();
        for report in [first, later] {
            recording.add(1, serde_json::from_value(report).unwrap());
        }
        let recorded = recording.finish();
        let named = recorded.outside_by_folder().map(|(used, files)| format!("{} {} {files:?}", used.path, used.name));
        let libraries = ["/lib/b data.txt {\"reader.py\"}", "/lib  {}", "/lib/b late.py/one.py/two.py {}"];
        assert_eq!(named.collect::<Vec<_>>(), [&["d.txt  {}"][..], &libraries].concat());
    }
}
