//! Which test files a change reaches that was made before the project was opened, and by which way.
//!
//! As in `import_graph`, a guess to the safe side. Nobody has seen the tests read their files, so that a data file
//! reaches everything, and a test file that starts processes is reached by any change.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use pytest_lens_analysis::is_cached_bytecode;

use super::file_readers::{ANY_FILE, FileReaders};
use super::import_graph::{ImportGraph, below, folder_of, is_conftest, is_prose};

/// The known dependencies between a project's files.
pub(crate) struct Known<'a> {
    pub graph: &'a ImportGraph,
    pub reads: &'a FileReaders,
    /// From a changed file to the sources that name it.
    pub naming: HashMap<String, BTreeSet<String>>,
    pub tests: &'a BTreeSet<String>,
    /// Sources in whose text an interpreter is started.
    pub starters: BTreeSet<String>,
}

/// The test files that a change reaches. A way begins with the reached file and ends with a changed one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Impact {
    /// The way to every test, if there is one.
    pub everything: Vec<String>,
    pub files: BTreeMap<String, Vec<String>>,
}

/// The kind of a changed file, which says where it leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To who imports it, and to who names it if nobody does.
    Source,
    /// To who names it.
    Prose,
    /// To everything: any test may read it.
    Data,
}

/// Folders and files that tools make, in projects whose `.gitignore` does not name them.
const MADE: [&str; 8] =
    ["__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache", ".tox", ".nox", "htmlcov"];

/// Whether tools make this file.
pub(crate) fn is_made(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| MADE.contains(&part) || part.ends_with(".egg-info"))
        || name == ".coverage"
        || name.starts_with(".coverage.")
        || is_cached_bytecode(name)
        || ["~", ".swp"].iter().any(|end| name.ends_with(end))
}

/// The kind of a changed file, relative to the root.
pub(crate) fn kind(path: &str) -> Kind {
    let first = path.split('/').next().unwrap_or_default();
    let is_for_tools = [".github", ".gitlab", ".circleci", ".gitignore", ".gitattributes", ".editorconfig"]
        .contains(&first)
        || ["LICENSE", "LICENCE", ".pre-commit-config.yaml", ".readthedocs.yaml", ".gitlab-ci.yml"].contains(&path);
    match () {
        () if is_for_tools || is_made(path) || is_prose(path) => Kind::Prose,
        () if path.ends_with(".py") => Kind::Source,
        () => Kind::Data,
    }
}

impl Known<'_> {
    /// The files among those that import changed ones, directly or not, of which it has to be known who names them: the
    /// imports do not say all of who uses them. Those that are in `naming` are not looked for again.
    pub(crate) fn unnamed(&self, changed: &BTreeSet<String>) -> Vec<String> {
        let known: BTreeSet<String> = changed.iter().chain(self.naming.values().flatten()).cloned().collect();
        let mut reached = self.graph.reach(&known.into_iter().collect::<Vec<_>>());
        reached.retain(|path| match kind(path) {
            Kind::Source => !self.tests.contains(path) && !is_conftest(path),
            Kind::Prose => true,
            Kind::Data => false,
        });
        reached.into_iter().filter(|path| !self.naming.contains_key(path)).collect()
    }

    /// Whether no statement or name in a source imports this one.
    pub(crate) fn is_unimported(&self, path: &str) -> bool {
        self.graph.importers(path).next().is_none()
    }

    /// Computes what these changed files reach, relative to the root.
    pub(crate) fn impact(&self, changed: &BTreeSet<String>) -> Impact {
        let is_data = |path: &&String| kind(path) == Kind::Data && !self.tests.contains(*path);
        if let Some(data) = changed.iter().find(is_data) {
            return Impact { everything: vec![data.clone()], ..Impact::default() };
        }
        let any = changed.iter().any(|path| kind(path) != Kind::Prose).then_some(ANY_FILE);
        let folders = changed.iter().map(|path| folder_of(path)).filter(|folder| !folder.is_empty());
        let starts = changed.iter().map(String::as_str).chain(folders).chain(any);
        let mut from: HashMap<&str, Option<&str>> = HashMap::new();
        let mut open: VecDeque<&str> = VecDeque::new();
        for start in starts {
            if from.insert(start, None).is_none() {
                open.push_back(start);
            }
        }
        let mut impact = Impact::default();
        while let Some(path) = open.pop_front() {
            if self.tests.contains(path) {
                impact.files.insert(path.to_owned(), way(&from, path));
            } else if !is_conftest(path) && self.reads.is_read_by_pytest(path) {
                impact.everything = way(&from, path);
                return impact;
            }
            for next in self.next(path) {
                if !from.contains_key(next) {
                    from.insert(next, Some(path));
                    open.push_back(next);
                }
            }
        }
        impact
    }

    /// The files that depend on a file, in order.
    fn next<'a>(&'a self, path: &'a str) -> BTreeSet<&'a str> {
        let mut next: BTreeSet<&str> = self.graph.importers(path).chain(self.reads.readers(path)).collect();
        next.extend(self.naming.get(path).into_iter().flatten().map(String::as_str));
        if is_conftest(path) {
            next.extend(below(path, self.tests).map(String::as_str));
        }
        if path == ANY_FILE {
            next.extend(self.graph.starters(self.tests.iter().chain(self.graph.conftests())));
            next.extend(self.starters.iter().map(String::as_str));
            // Nobody knows the imports of a text file of doctests.
            next.extend(self.tests.iter().map(String::as_str).filter(|path| !path.ends_with(".py")));
        }
        next
    }
}

/// The way from a reached file to the changed one.
fn way(from: &HashMap<&str, Option<&str>>, reached: &str) -> Vec<String> {
    let mut way = vec![reached.to_owned()];
    let mut at = reached;
    while let Some(Some(previous)) = from.get(at) {
        way.push((*previous).to_owned());
        at = previous;
    }
    way
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use pytest_lens_analysis::{PytestSettings, analyze};

    use super::*;
    use crate::model::file_readers::FileReads;

    fn impact(files: &[(&str, &str)], naming: &[(&str, &str)], changed: &[&str]) -> Impact {
        let settings = PytestSettings::default();
        let read = |(path, text): &(&str, &str)| ((*path).to_owned(), Arc::new(analyze(text, &settings)));
        let graph = ImportGraph::new(files.iter().map(read).collect());
        let is_test = |path: &&str| path.rsplit('/').next().is_some_and(|name| name.starts_with("test_"));
        let tests = files.iter().map(|(path, _)| *path).filter(is_test).map(str::to_owned).collect();
        let naming = naming.iter().map(|(path, by)| ((*path).to_owned(), BTreeSet::from([(*by).to_owned()]))).collect();
        let mut reads = FileReaders::default();
        reads.add(Path::new("/p"), &[FileReads("/p/plugin.py".into(), vec![])]);
        let known = Known { graph: &graph, reads: &reads, naming, tests: &tests, starters: BTreeSet::new() };
        known.impact(&changed.iter().map(|path| (*path).to_owned()).collect())
    }

    fn files(ways: &[&[&str]]) -> Impact {
        let way = |way: &&[&str]| (way[0].to_owned(), way.iter().map(|path| (*path).to_owned()).collect());
        Impact { files: ways.iter().map(way).collect(), ..Impact::default() }
    }

    fn everything(way: &[&str]) -> Impact {
        Impact { everything: way.iter().map(|path| (*path).to_owned()).collect(), ..Impact::default() }
    }

    const PROJECT: &[(&str, &str)] = &[
        ("pkg/__init__.py", ""),
        ("pkg/low.py", ""),
        ("pkg/high.py", "from . import low"),
        ("plugin.py", "import pkg.extra"),
        ("pkg/extra.py", ""),
        ("a/conftest.py", "import helpers"),
        ("helpers.py", ""),
        ("a/test_a.py", ""),
        ("test_high.py", "import pkg.high"),
        ("test_none.py", "import os"),
    ];

    #[test]
    fn the_way_is_the_shortest_one() {
        let way = files(&[&["test_high.py", "pkg/high.py", "pkg/low.py"]]);
        assert_eq!(impact(PROJECT, &[], &["pkg/low.py"]), way);
        assert_eq!(impact(PROJECT, &[], &["helpers.py"]), files(&[&["a/test_a.py", "a/conftest.py", "helpers.py"]]));
        assert_eq!(impact(PROJECT, &[], &["a/test_a.py", "helpers.py"]), files(&[&["a/test_a.py"]]));
        assert_eq!(impact(PROJECT, &[], &[]), files(&[]));
    }

    #[test]
    fn what_cannot_be_followed_reaches_everything() {
        assert_eq!(impact(PROJECT, &[], &["data/x.json", "test_none.py"]), everything(&["data/x.json"]));
        assert_eq!(impact(PROJECT, &[], &["pyproject.toml"]), everything(&["pyproject.toml"]));
        assert_eq!(impact(PROJECT, &[], &["pkg/extra.py"]), everything(&["plugin.py", "pkg/extra.py"]));
    }

    #[test]
    fn prose_and_unimported_sources_reach_who_names_them() {
        let naming = [("README.md", "test_none.py"), ("tool.py", "pkg/low.py")];
        assert_eq!(impact(PROJECT, &naming, &["README.md"]), files(&[&["test_none.py", "README.md"]]));
        let tool = files(&[&["test_high.py", "pkg/high.py", "pkg/low.py", "tool.py"]]);
        assert_eq!(impact(PROJECT, &naming, &["tool.py"]), tool);
        let others = ["README.md", ".github/workflows/ci.yml", "LICENSE", "a/__pycache__/x.pyc", ".coverage.host.1"];
        assert_eq!(impact(PROJECT, &[], &others), files(&[]));
    }

    #[test]
    fn tests_that_start_processes_depend_on_any_file() {
        let project =
            [PROJECT, &[("test_tool.py", "from subprocess import run"), ("b/test_b.py", "import sh")]].concat();
        let any = files(&[&["test_none.py"], &["test_tool.py", "*"], &["b/test_b.py", "*"]]);
        assert_eq!(impact(&project, &[], &["test_none.py"]), any);
        assert_eq!(impact(&project, &[], &["README.md"]), files(&[]));
    }
}
