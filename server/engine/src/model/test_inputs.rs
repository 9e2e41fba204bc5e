//! Whether a test's inputs have changed since it passed, by its record.
//!
//! The rule must miss nothing: a change of a function's body concerns the tests that executed the function. Every other
//! change of a source is executed by the import, so it concerns every test whose file imports the source, directly or
//! not; the same holds for the body of a function that an import executes, and for conftests. Data and variables
//! concern their readers. If there is no answer, the test is affected.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pytest_lens_analysis::functions::{Fingerprint, Functions};
use pytest_lens_history::{AllInputs, Input, InputKind, TestInputs};
use serde::{Deserialize, Serialize};

use crate::model::import_graph::is_conftest;
use crate::model::recording::{Recorded, Used};

/// The name of what a file executes when it is imported, in Python's qualified names.
const MODULE: &str = "<module>";

/// The fingerprint of something that may have changed while tests used it: it equals no other.
pub(crate) const UNSURE: Fingerprint = Fingerprint::MAX;

/// Whether an input that differs from its fingerprint is a file that tests write themselves, which is no change.
pub(crate) fn is_own(kind: InputKind, fingerprint: Fingerprint) -> bool {
    matches!(kind, InputKind::File | InputKind::Exists) && fingerprint == UNSURE
}

/// The state of a project that all tests of a run share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ground {
    /// The interpreter, its libraries, pytest's arguments, and variables that C code reads.
    pub environment: Fingerprint,
    /// Files of pytest's configuration, by path relative to the root.
    pub configuration: BTreeMap<String, Fingerprint>,
    /// The sources, by path relative to the root.
    pub sources: BTreeMap<String, SourceState>,
    /// Inputs of the collection.
    pub outside: Vec<OutsideInput>,
}

/// The fingerprints of a source: what its import executes, and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SourceState(pub Fingerprint, pub Fingerprint);

/// An input that was used while tests were collected: the number of its kind, its path and name, its fingerprint, and
/// the files whose code used it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutsideInput(u8, String, String, Fingerprint, BTreeSet<String>);

/// The present state of a project, to compare with.
pub(crate) trait Present {
    /// The fingerprints of a source, by path relative to the root; `None` if there is none.
    fn source(&self, path: &str) -> Option<Arc<Functions>>;
    /// The paths of all sources.
    fn sources(&self) -> &BTreeSet<String>;
    /// The fingerprint of a file, a folder or a variable; 0 if there is none.
    fn data(&self, kind: InputKind, name: &str) -> Fingerprint;
    /// The fingerprint of these files of a library's folder, and of the modules there.
    fn library(&self, folder: &str, names: &str) -> Fingerprint;
    fn environment(&self) -> Fingerprint;
    fn configuration(&self) -> &BTreeMap<String, Fingerprint>;
}

/// An input as it can be compared: code outside of the project's sources counts as a file.
fn comparable(present: &dyn Present, used: Used) -> Used {
    match used.kind {
        InputKind::Function if !present.sources().contains(&used.path) => {
            Used { kind: InputKind::File, path: used.path, name: String::new() }
        }
        _ => used,
    }
}

/// The present fingerprint of an input.
pub(crate) fn fingerprint_of(present: &dyn Present, used: &Used) -> Fingerprint {
    match used.kind {
        InputKind::Function => present.source(&used.path).map_or(0, |source| source.of(&used.name)),
        InputKind::File | InputKind::Folder | InputKind::Exists => present.data(used.kind, &used.path),
        InputKind::Variable => present.data(used.kind, &used.name),
        InputKind::Library => present.library(&used.path, &used.name),
        InputKind::Lines | InputKind::Stat => 0,
        InputKind::Process | InputKind::Network | InputKind::Extension | InputKind::Tracing => 0,
    }
}

/// Makes the ground of a run that took place in the present state.
pub(crate) fn ground(present: &dyn Present, recorded: &Recorded) -> Ground {
    let sources = present.sources().iter().filter_map(|path| {
        let source = present.source(path)?;
        Some((path.clone(), SourceState(source.outside, source.text)))
    });
    let outside = recorded.outside_by_folder().map(|(used, files)| {
        let used = comparable(present, used);
        let print = fingerprint_of(present, &used);
        OutsideInput(used.kind as u8, used.path, used.name, print, files)
    });
    Ground {
        environment: present.environment(),
        configuration: present.configuration().clone(),
        sources: sources.collect(),
        outside: outside.collect(),
    }
}

/// Inputs with their fingerprints, in the same order.
pub(crate) fn with_fingerprints(present: &dyn Present, used: Vec<Used>) -> Vec<Input> {
    let with = |used: Used| {
        let used = comparable(present, used);
        let fingerprint = fingerprint_of(present, &used);
        Input { kind: used.kind, path: used.path, name: used.name, fingerprint }
    };
    used.into_iter().map(with).collect()
}

/// The differences between a ground and the present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroundChanges {
    /// Reasons why every test is affected.
    pub everything: Vec<Why>,
    /// Changed sources whose importers are affected, and files that read changed data when they were imported.
    pub imported: BTreeSet<String>,
    /// The sources that import one of these, directly or not. The caller adds them.
    pub importing: BTreeSet<String>,
    /// The reasons for these.
    pub causes: Arc<Causes>,
    /// Sources whose text differs in any way.
    pub texts: BTreeSet<String>,
    /// Those that came or went.
    pub came_or_went: Arc<BTreeSet<String>>,
}

/// The inputs of imports that changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Causes {
    /// Sources and data.
    pub files: BTreeSet<String>,
    /// Folders or variables are among them, or nobody can know.
    pub has_others: bool,
}

/// The reason why a test is affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// The interpreter, its libraries or pytest's arguments.
    Environment,
    Configuration(String),
    /// A source that its file imports, directly or not: what changed of all that are imported.
    Imports(Arc<Causes>),
    /// An input that changed.
    Changed(Input),
    /// It reads lines or texts of sources, and one that it executes changed.
    Lines(String),
    /// It asks for the existence, size or time of files, nobody knows of which, and these changed.
    Stat(Arc<BTreeSet<String>>),
    /// Nobody can know what it depends on.
    Unknown(InputKind),
    /// The record names something that this version does not know.
    Unreadable,
}

/// Compares a ground with the present.
pub(crate) fn compare(ground: &Ground, present: &dyn Present) -> GroundChanges {
    let mut changes = GroundChanges::default();
    if ground.environment != present.environment() {
        changes.everything.push(Why::Environment);
    }
    let configured = ground.configuration.keys().chain(present.configuration().keys());
    let differs = |path: &&String| ground.configuration.get(*path) != present.configuration().get(*path);
    let configured: BTreeSet<&String> = configured.filter(differs).collect();
    changes.everything.extend(configured.into_iter().cloned().map(Why::Configuration));
    let reads_lines = |path: &str| {
        ground.outside.iter().any(|OutsideInput(kind, .., files)| *kind == InputKind::Lines as u8 && !files.is_empty())
            || is_conftest(path)
    };
    let (mut came_or_went, mut causes) = (BTreeSet::new(), Causes::default());
    for path in ground.sources.keys().chain(present.sources()).collect::<BTreeSet<_>>() {
        let then = ground.sources.get(path);
        let now = present.source(path).map(|source| SourceState(source.outside, source.text));
        let (outside, text) = (then.map(|state| state.0), then.map(|state| state.1));
        if text != now.map(|state| state.1) {
            changes.texts.insert(path.clone());
            if outside != now.map(|state| state.0) || reads_lines(path) {
                changes.imported.insert(path.clone());
                causes.files.insert(path.clone());
            }
            if then.is_some() != now.is_some() {
                came_or_went.insert(path.clone());
                // pytest imports it by itself, and names the modules of its folder by it.
                if path.ends_with("__init__.py") {
                    changes.everything.push(Why::Configuration(path.clone()));
                }
            }
        }
    }
    changes.came_or_went = Arc::new(came_or_went);
    for OutsideInput(kind, path, name, fingerprint, files) in &ground.outside {
        let Some(kind) = kind_of(*kind) else {
            changes.everything.push(Why::Unreadable);
            continue;
        };
        let used = Used { kind, path: path.clone(), name: name.clone() };
        match kind {
            InputKind::Function if changes.texts.contains(path) => {
                // The sources may not show that its users import it.
                let is_imported = name == MODULE && changes.imported.contains(path);
                if is_imported || fingerprint_of(present, &used) != *fingerprint {
                    changes.imported.insert(path.clone());
                    changes.imported.extend(files.iter().cloned());
                    causes.files.insert(path.clone());
                }
            }
            InputKind::Function | InputKind::Lines | InputKind::Stat => {}
            InputKind::Process | InputKind::Network | InputKind::Extension | InputKind::Tracing => {
                // Each of these tests counts as one that nobody can know.
                causes.has_others = true;
                match files.is_empty() {
                    true => changes.everything.push(Why::Unknown(kind)),
                    false => changes.imported.extend(files.iter().cloned()),
                }
            }
            InputKind::File | InputKind::Folder | InputKind::Variable | InputKind::Exists | InputKind::Library => {
                if fingerprint_of(present, &used) != *fingerprint {
                    match kind {
                        // Tests write it themselves.
                        _ if is_own(kind, *fingerprint) => {}
                        InputKind::File => drop(causes.files.insert(path.clone())),
                        _ => causes.has_others = true,
                    }
                    match files.is_empty() {
                        true => changes.everything.push(Why::Changed(input(used, *fingerprint))),
                        false => changes.imported.extend(files.iter().cloned()),
                    }
                }
            }
        }
    }
    changes.causes = Arc::new(causes);
    changes
}

fn input(used: Used, fingerprint: Fingerprint) -> Input {
    Input { kind: used.kind, path: used.path, name: used.name, fingerprint }
}

fn kind_of(number: u8) -> Option<InputKind> {
    InputKind::ALL.into_iter().find(|kind| *kind as u8 == number)
}

/// All reasons why a test is affected; none if none of its inputs changed. `changes`: of its ground; `is_reached`: whether
/// its file imports one of the changed sources, directly or not; `asks`: what it asks of files.
pub(crate) fn reasons(
    test: &TestInputs,
    all: &HashMap<i64, Input>,
    changes: &GroundChanges,
    is_reached: bool,
    asks: Asks,
    present: &dyn Present,
) -> Vec<Why> {
    let mut reasons = changes.everything.clone();
    let (mut reads_lines, mut imports) = (false, is_reached);
    let mut executed: BTreeSet<&str> = BTreeSet::new();
    let mut modules: BTreeMap<&str, &Input> = BTreeMap::new();
    for number in &test.inputs {
        let Some(input) = all.get(number) else {
            reasons.push(Why::Unreadable);
            continue;
        };
        let used = || Used { kind: input.kind, path: input.path.clone(), name: input.name.clone() };
        let has_changed = match input.kind {
            InputKind::Process | InputKind::Network | InputKind::Extension | InputKind::Tracing => {
                reasons.push(Why::Unknown(input.kind));
                false
            }
            InputKind::Lines => {
                reads_lines = true;
                false
            }
            InputKind::Stat => false,
            InputKind::Function => {
                executed.insert(&input.path);
                // Its file was imported, by whatever way; the sources may not show by which.
                if changes.imported.contains(&input.path) && !is_reached {
                    modules.insert(&input.path, input);
                }
                imports |= changes.importing.contains(&input.path);
                changes.texts.contains(&input.path) && fingerprint_of(present, &used()) != input.fingerprint
            }
            InputKind::File | InputKind::Folder | InputKind::Variable | InputKind::Exists | InputKind::Library => {
                fingerprint_of(present, &used()) != input.fingerprint
            }
        };
        if has_changed {
            reasons.push(Why::Changed(input.clone()));
        }
    }
    imports &= is_reached || modules.is_empty();
    let module = |input: &Input| Input { name: MODULE.to_owned(), ..input.clone() };
    reasons.extend(modules.into_values().map(|input| Why::Changed(module(input))));
    if reads_lines {
        let changed = executed.into_iter().filter(|path| changes.texts.contains(*path));
        reasons.extend(changed.map(|path| Why::Lines(path.to_owned())));
    }
    // The caller knows the other files that changed.
    if (asks.own || asks.imported) && !changes.came_or_went.is_empty() {
        reasons.push(Why::Stat(Arc::clone(&changes.came_or_went)));
    }
    if imports {
        reasons.push(Why::Imports(Arc::clone(&changes.causes)));
    }
    reasons
}

/// The reasons for a test of which only the shared ground is known, as [`reasons`].
pub(crate) fn reasons_without_record(changes: &GroundChanges, is_reached: bool) -> Vec<Why> {
    let imports = is_reached.then(|| Why::Imports(Arc::clone(&changes.causes)));
    changes.everything.iter().cloned().chain(imports).collect()
}

/// Whether anybody asks for the existence, size or time of files, of which any may be a changed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    /// The test itself.
    pub own: bool,
    /// A source that it imports, while tests were collected.
    pub imported: bool,
}

/// Whether a test itself asks for the existence, size or time of files.
pub(crate) fn asks(test: &TestInputs, all: &HashMap<i64, Input>) -> bool {
    test.inputs.iter().any(|number| all.get(number).is_some_and(|input| input.kind == InputKind::Stat))
}

/// The sources whose code asked so while tests were collected, and those that imported these by whatever way; `None`
/// if it is not known which.
pub(crate) fn asking(ground: &Ground) -> Option<BTreeSet<String>> {
    let mut asking = BTreeSet::new();
    for OutsideInput(kind, .., files) in &ground.outside {
        if *kind == InputKind::Stat as u8 {
            if files.is_empty() {
                return None;
            }
            asking.extend(files.iter().cloned());
        }
    }
    let mut known = 0;
    while known < asking.len() {
        known = asking.len();
        for OutsideInput(kind, path, _, _, files) in &ground.outside {
            if *kind == InputKind::Function as u8 && asking.contains(path) {
                asking.extend(files.iter().cloned());
            }
        }
    }
    Some(asking)
}

/// The grounds of all records, read; one that can't be read is missing.
pub(crate) fn grounds(all: &AllInputs) -> HashMap<i64, Ground> {
    let read = |(id, text): (&i64, &String)| Some((*id, serde_json::from_str(text).ok()?));
    all.grounds.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use pytest_lens_analysis::functions::functions;

    use super::*;

    /// A project in memory.
    #[derive(Clone, Default)]
    struct Project {
        sources: BTreeMap<String, Arc<Functions>>,
        paths: BTreeSet<String>,
        data: BTreeMap<String, Fingerprint>,
        environment: Fingerprint,
        configuration: BTreeMap<String, Fingerprint>,
    }

    impl Project {
        fn with(mut self, path: &str, text: &str) -> Self {
            self.sources.insert(path.to_owned(), Arc::new(functions(text.as_bytes())));
            self.paths.insert(path.to_owned());
            self
        }

        fn without(mut self, path: &str) -> Self {
            self.sources.remove(path);
            self.paths.remove(path);
            self
        }

        fn with_data(mut self, name: &str, content: Fingerprint) -> Self {
            self.data.insert(name.to_owned(), content);
            self
        }
    }

    impl Present for Project {
        fn source(&self, path: &str) -> Option<Arc<Functions>> {
            self.sources.get(path).cloned()
        }
        fn sources(&self) -> &BTreeSet<String> {
            &self.paths
        }
        fn data(&self, _: InputKind, name: &str) -> Fingerprint {
            self.data.get(name).copied().unwrap_or_default()
        }
        fn library(&self, folder: &str, names: &str) -> Fingerprint {
            self.data.get(&format!("{folder} {names}")).copied().unwrap_or_default()
        }
        fn environment(&self) -> Fingerprint {
            self.environment
        }
        fn configuration(&self) -> &BTreeMap<String, Fingerprint> {
            &self.configuration
        }
    }

    const CORE: &str = "LIMIT = 1\ndef parse(x=1):\n    return x\ndef walk(): return 1\ndef early(): return 1\n";

    fn project() -> Project {
        Project::default()
            .with("core.py", CORE)
            .with("conftest.py", "import pytest\n")
            .with("late.py", "x = 1\n")
            .with("named.py", "x = 1\n")
            .with_data("data.txt", 1)
            .with_data("cases.txt", 1)
            .with_data("OWN", 1)
    }

    fn used(kind: InputKind, path: &str, name: &str) -> Used {
        Used { kind, path: path.to_owned(), name: name.to_owned() }
    }

    /// The sources that count as imported again, and why a test with these inputs is affected.
    fn judged(inputs: &[Used], after: &Project) -> (Vec<String>, Option<Why>) {
        let before = project();
        let mut recorded = Recorded::default();
        let files = || BTreeSet::from(["test_a.py".to_owned()]);
        recorded.outside.insert(used(InputKind::Function, "core.py", "early"), files());
        recorded.outside.insert(used(InputKind::Function, "named.py", MODULE), files());
        recorded.outside.insert(used(InputKind::File, "cases.txt", ""), files());
        recorded.outside.insert(used(InputKind::Lines, "", ""), BTreeSet::new());
        let text = serde_json::to_string(&ground(&before, &recorded)).unwrap();
        let ground: Ground = serde_json::from_str(&text).unwrap();
        let inputs = with_fingerprints(&before, inputs.to_vec());
        let all: HashMap<i64, Input> = (0..).zip(inputs).collect();
        let test = TestInputs { id: "test_a.py::a".into(), at_ms: 1, ground: 1, inputs: all.keys().copied().collect() };
        let changes = compare(&ground, after);
        let asks = Asks { own: asks(&test, &all), imported: false };
        let why = reasons(&test, &all, &changes, false, asks, after).into_iter().next();
        (changes.imported.into_iter().collect(), why)
    }

    fn changed(kind: InputKind, path: &str, name: &str) -> Option<String> {
        Some(format!("{kind:?} {path} {name}"))
    }

    fn shown(why: Option<Why>) -> Option<String> {
        why.map(|why| match why {
            Why::Changed(input) => format!("{:?} {} {}", input.kind, input.path, input.name),
            Why::Imports(_) => "Imports".to_owned(),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn nothing_changed() {
        let all = InputKind::ALL[..5].iter().map(|kind| used(*kind, "core.py", "parse")).collect::<Vec<_>>();
        assert_eq!(judged(&all, &project()), (vec![], None));
    }

    #[test]
    fn a_body_concerns_the_tests_that_executed_it() {
        let after = project().with("core.py", &CORE.replace("return x", "return -x"));
        let parse = used(InputKind::Function, "core.py", "parse");
        let walk = used(InputKind::Function, "core.py", "walk");
        let (imported, why) = judged(&[parse], &after);
        assert_eq!((imported, shown(why)), (vec![], changed(InputKind::Function, "core.py", "parse")));
        assert_eq!(judged(std::slice::from_ref(&walk), &after), (vec![], None));
        let lines = used(InputKind::Lines, "", "");
        assert_eq!(judged(&[walk, lines.clone()], &after).1, Some(Why::Lines("core.py".into())));
        assert_eq!(judged(&[lines], &after).1, None, "it executes nothing there");
    }

    #[test]
    fn the_rest_of_a_source_concerns_its_importers() {
        let core = || vec!["core.py".to_owned()];
        for (from, to) in [("LIMIT = 1", "LIMIT = 2"), ("x=1", "x=2"), ("def walk", "def wander")] {
            assert_eq!(judged(&[], &project().with("core.py", &CORE.replace(from, to))), (core(), None), "{from}");
        }
        let early = CORE.replace("early(): return 1", "early(): return 2");
        let and_user = |path: &str| vec![path.to_owned(), "test_a.py".to_owned()];
        let early = judged(&[], &project().with("core.py", &early)).0;
        assert_eq!(early, and_user("core.py"), "an import executes it, by whatever way");
        let named = judged(&[], &project().with("named.py", "x = 2\n")).0;
        assert_eq!(named, and_user("named.py"), "it is imported by a name that no source shows");
        assert_eq!(judged(&[], &project().with("core.py", &format!("# new\n{CORE}"))), (vec![], None));
        assert_eq!(judged(&[], &project().without("core.py")).0, and_user("core.py"));
        assert_eq!(judged(&[], &project().with("new.py", "")), (vec!["new.py".to_owned()], None));
        let package = judged(&[], &project().with("pkg/__init__.py", ""));
        assert_eq!(package.1, Some(Why::Configuration("pkg/__init__.py".into())));
        let conftest = project().with("conftest.py", "import pytest\n# changed\n");
        assert_eq!(judged(&[], &conftest), (vec!["conftest.py".to_owned()], None));
        let late = judged(&[used(InputKind::Function, "late.py", "<module>")], &project().with("late.py", "x = 2\n"));
        assert_eq!(shown(late.1), changed(InputKind::Function, "late.py", "<module>"));
    }

    #[test]
    fn data_concerns_its_readers() {
        let after = project().with_data("data.txt", 2).with_data("OWN", 2);
        let file = judged(&[used(InputKind::File, "data.txt", "")], &after);
        assert_eq!(shown(file.1), changed(InputKind::File, "data.txt", ""));
        let variable = judged(&[used(InputKind::Variable, "", "OWN")], &after);
        assert_eq!(shown(variable.1), changed(InputKind::Variable, "", "OWN"));
        assert_eq!(judged(&[], &after), (vec![], None));
        assert_eq!(judged(&[], &project().with_data("cases.txt", 2)).0, ["test_a.py"], "it was read at import");
    }

    #[test]
    fn code_outside_of_the_sources_counts_as_a_file() {
        let hidden = used(InputKind::Function, ".hidden/x.py", "f");
        let (_, why) = judged(&[hidden], &project().with_data(".hidden/x.py", 5));
        assert_eq!(shown(why), changed(InputKind::File, ".hidden/x.py", ""));
    }

    #[test]
    fn the_unknown_is_affected() {
        for kind in [InputKind::Process, InputKind::Network, InputKind::Extension, InputKind::Tracing] {
            assert_eq!(judged(&[used(kind, "", "")], &project()).1, Some(Why::Unknown(kind)));
        }
        let mut other = project();
        other.environment = 5;
        assert_eq!(judged(&[], &other).1, Some(Why::Environment));
        let mut other = project();
        other.configuration.insert("pytest.ini".into(), 5);
        assert_eq!(judged(&[], &other).1, Some(Why::Configuration("pytest.ini".into())));
        let test = TestInputs { id: "t".into(), at_ms: 1, ground: 1, inputs: vec![7] };
        let of = |test: &TestInputs, is_reached| {
            reasons(test, &HashMap::new(), &GroundChanges::default(), is_reached, Asks::default(), &project())
        };
        assert_eq!(of(&test, false), [Why::Unreadable]);
        assert!(matches!(&of(&TestInputs { inputs: vec![], ..test }, true)[..], [Why::Imports(_)]));
    }

    #[test]
    fn every_reason_is_told_since_not_every_change_is_asked_for() {
        let before = project();
        let mut after = project().with("core.py", &CORE.replace("return x", "return -x")).with_data("data.txt", 2);
        after.environment = 5;
        after.configuration.insert("pytest.ini".into(), 5);
        let ground = ground(&before, &Recorded::default());
        let used = [
            used(InputKind::Process, "", ""),
            used(InputKind::Function, "core.py", "parse"),
            used(InputKind::File, "data.txt", ""),
        ];
        let all: HashMap<i64, Input> = (0..).zip(with_fingerprints(&before, used.to_vec())).collect();
        let test = TestInputs { id: "t".into(), at_ms: 1, ground: 1, inputs: vec![0, 1, 2] };
        let why = reasons(&test, &all, &compare(&ground, &after), true, Asks::default(), &after);
        let told: Vec<String> = why.into_iter().filter_map(|why| shown(Some(why))).collect();
        let everything = ["Environment", "Configuration(\"pytest.ini\")", "Unknown(Process)"];
        assert_eq!(told[..3], everything);
        assert_eq!(told[3..], ["Function core.py parse", "File data.txt ", "Imports"]);
    }

    #[test]
    fn a_source_that_comes_or_goes_concerns_who_asks_for_files() {
        let stat = || [used(InputKind::Stat, "", "")];
        let paths = |path: &str| Some(Why::Stat(Arc::new(BTreeSet::from([path.to_owned()]))));
        assert_eq!(judged(&stat(), &project().with("new.py", "")).1, paths("new.py"));
        assert_eq!(judged(&stat(), &project().without("late.py")).1, paths("late.py"));
        assert_eq!(judged(&stat(), &project().with("late.py", "x = 2\n")).1, None, "an edit is not");
        assert_eq!(judged(&[], &project().with("new.py", "")).1, None);
    }

    #[test]
    fn who_asked_while_tests_were_collected_is_known_by_the_importers() {
        let of = |asking: &[&str]| {
            let mut recorded = Recorded::default();
            let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>();
            recorded.outside.insert(used(InputKind::Stat, "", ""), set(asking));
            recorded.outside.insert(used(InputKind::Function, "late.py", MODULE), set(&["named.py"]));
            recorded.outside.insert(used(InputKind::Function, "named.py", MODULE), set(&["test_a.py"]));
            super::asking(&ground(&project(), &recorded)).map(|files| files.into_iter().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of(&["late.py"]).as_deref(), Some("late.py named.py test_a.py"));
        assert_eq!(of(&["core.py"]).as_deref(), Some("core.py"));
        assert_eq!(of(&[]), None);
    }
}
