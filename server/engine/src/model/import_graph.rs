//! Which test files a change on disk can affect, by the imports in the sources.
//!
//! The answer errs on the safe side: an import is taken to reach every file whose path ends with its name. If nothing
//! can be concluded (a data file, a configuration file, a module that is imported by other means), everything is
//! affected.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pytest_lens_analysis::{FileAnalysis, Import};

use crate::model::file_readers::{ANY_FILE, FileReaders};
use crate::model::scope::is_within;

/// Packages whose users start processes, which may read any file.
const STARTS_PROCESSES: [&str; 4] = ["subprocess", "pexpect", "plumbum", "sh"];

/// The test files to collect again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Affected {
    All,
    /// Test files, relative to the root.
    Files(BTreeSet<String>),
}

impl Affected {
    pub(crate) fn has(&self, file: &str) -> bool {
        match self {
            Affected::All => true,
            Affected::Files(files) => files.contains(file),
        }
    }
}

/// The known sources of a project, and the imports between them.
pub(crate) struct ImportGraph {
    /// By path relative to the root.
    files: HashMap<String, Arc<FileAnalysis>>,
    /// The importers of each file, by statements and by names in text.
    importers: HashMap<String, Vec<String>>,
    /// Files that a statement imports.
    in_statements: HashSet<String>,
}

impl ImportGraph {
    /// Builds the graph of these sources, by path relative to the root.
    pub(crate) fn new(files: HashMap<String, Arc<FileAnalysis>>) -> Self {
        let mut graph = ImportGraph { files, importers: HashMap::new(), in_statements: HashSet::new() };
        let statements = graph.statements();
        graph.in_statements = statements.iter().map(|(target, _)| target.clone()).collect();
        for (target, importer) in statements.into_iter().chain(graph.names_in_text()) {
            graph.importers.entry(target).or_default().push(importer);
        }
        graph
    }

    /// Returns whether it was built of these very sources.
    pub(crate) fn is_of(&self, files: &HashMap<String, Arc<FileAnalysis>>) -> bool {
        let same = |(path, analysis): (&String, &Arc<FileAnalysis>)| {
            files.get(path).is_some_and(|other| Arc::ptr_eq(analysis, other))
        };
        self.files.len() == files.len() && self.files.iter().all(same)
    }

    /// The test files to collect again when `changed` (relative to the root) change. `is_new`: nothing has been collected
    /// with it.
    pub(crate) fn affected(
        &self,
        changed: &[String],
        is_new: &dyn Fn(&str) -> bool,
        is_test: &dyn Fn(&Path) -> bool,
    ) -> Affected {
        // A word in a text that happens to be a module's name does not prove that nobody else imports the module. A file
        // that did without a new one has its name.
        let is_known = |path: &String| {
            path.ends_with(".py") && (self.in_statements.contains(path) || is_new(path) || is_test(Path::new(path)))
        };
        let reached = self.walk(changed.iter().map(String::as_str), |_| std::iter::empty());
        // A conftest also decides which files are collected.
        if reached.iter().any(|path| is_conftest(path)) || !changed.iter().all(is_known) {
            return Affected::All;
        }
        Affected::Files(reached.into_iter().filter(|path| is_test(Path::new(path))).map(str::to_owned).collect())
    }

    /// The files among `tests` whose outcomes changes of `changed` can alter, by imports and by reads.
    pub(crate) fn reached_by<'a>(
        &'a self,
        reads: &'a FileReaders,
        changed: &'a [String],
        tests: &BTreeSet<String>,
    ) -> Affected {
        // A folder that was listed may now hold another file.
        let folders = changed.iter().map(|path| folder_of(path)).filter(|folder| !folder.is_empty());
        let any = changed.iter().any(|path| !is_prose(path)).then_some(ANY_FILE);
        self.reached_from(reads, changed.iter().map(String::as_str).chain(folders).chain(any), tests)
    }

    /// As [`ImportGraph::reached_by`], but what processes may read does not count.
    pub(crate) fn importing(
        &self,
        reads: &FileReaders,
        changed: &BTreeSet<String>,
        tests: &BTreeSet<String>,
    ) -> Affected {
        self.reached_from(reads, changed.iter().map(String::as_str), tests)
    }

    fn reached_from<'a>(
        &'a self,
        reads: &'a FileReaders,
        from: impl Iterator<Item = &'a str>,
        tests: &BTreeSet<String>,
    ) -> Affected {
        let mut files = BTreeSet::new();
        for path in self.walk(from, |path| reads.readers(path)) {
            if is_conftest(path) {
                files.extend(below(path, tests).cloned());
            } else if tests.contains(path) {
                files.insert(path.to_owned());
            } else if reads.is_read_by_pytest(path) {
                return Affected::All; // a plugin, or configuration
            }
        }
        Affected::Files(files)
    }

    /// The files that import a file.
    pub(super) fn importers(&self, path: &str) -> impl Iterator<Item = &str> {
        self.importers.get(path).into_iter().flatten().map(String::as_str)
    }

    /// The files among `paths` that start processes, as their imports show.
    pub(super) fn starters<'a>(&self, paths: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
        let starts = |path: &&String| {
            let imports = self.files.get(*path).map_or(&[][..], |analysis| &analysis.imports);
            imports.iter().any(|import| {
                let package = import.module.split('.').next().unwrap_or_default();
                import.level == 0 && STARTS_PROCESSES.contains(&package)
            })
        };
        paths.filter(starts).map(String::as_str).collect()
    }

    /// All files of the graph.
    pub(super) fn sources(&self) -> impl Iterator<Item = &String> {
        self.files.keys()
    }

    /// The conftests among the sources.
    pub(super) fn conftests(&self) -> impl Iterator<Item = &String> {
        self.files.keys().filter(|path| is_conftest(path))
    }

    /// `changed` and every file that imports one of them, directly or not.
    pub(crate) fn reach(&self, changed: &[String]) -> BTreeSet<String> {
        let reached = self.walk(changed.iter().map(String::as_str), |_| std::iter::empty());
        reached.into_iter().map(str::to_owned).collect()
    }

    /// These files and all that depend on them, directly or not: by imports and by `dependants`.
    fn walk<'a, D: Iterator<Item = &'a str>>(
        &'a self,
        from: impl Iterator<Item = &'a str>,
        dependants: impl Fn(&'a str) -> D,
    ) -> HashSet<&'a str> {
        let mut open: Vec<&str> = from.collect();
        let mut reached = HashSet::new();
        while let Some(path) = open.pop() {
            if reached.insert(path) {
                open.extend(self.importers.get(path).into_iter().flatten().map(String::as_str));
                open.extend(dependants(path));
            }
        }
        reached
    }

    /// Imports by names in text: the imported files, with their importers.
    fn names_in_text(&self) -> Vec<(String, String)> {
        let modules = self.modules();
        let mut found = Vec::new();
        for (path, analysis) in &self.files {
            for name in &analysis.named {
                let ends = name.match_indices('.').map(|(end, _)| end).chain([name.len()]);
                let targets = ends.filter_map(|end| modules.get(&name[..end])).flatten();
                found.extend(targets.map(|target| ((*target).to_owned(), path.clone())));
            }
        }
        found
    }

    /// The same for import statements.
    fn statements(&self) -> Vec<(String, String)> {
        let mut by_name: HashMap<String, Vec<&str>> = HashMap::new();
        for path in self.files.keys() {
            let module = module_of(path);
            for start in starts(&module) {
                by_name.entry(module[start..].to_owned()).or_default().push(path);
            }
        }
        let mut found = Vec::new();
        for (path, analysis) in &self.files {
            for name in analysis.imports.iter().flat_map(|import| imported_names(path, import)) {
                // `__all__` of a package may name any of its modules.
                let package = name.strip_suffix(".*").and_then(|package| by_name.get(package)).into_iter().flatten();
                let inside = package.filter(|path| path.ends_with("/__init__.py")).flat_map(|path| {
                    self.files.keys().filter(move |file| folder_of(file) == folder_of(path)).map(String::as_str)
                });
                let named = by_name.get(&name).into_iter().flatten().copied();
                found.extend(named.chain(inside).map(|target| (target.to_owned(), path.clone())));
            }
        }
        found
    }

    /// Maps the full names under which files can be imported to the files. A text that is only the end of such a name
    /// is an ordinary word.
    fn modules(&self) -> HashMap<String, Vec<&str>> {
        let mut modules: HashMap<String, Vec<&str>> = HashMap::new();
        for path in self.files.keys() {
            let module = module_of(path);
            for start in starts(&module) {
                let is_inside_package =
                    start > 0 && self.files.contains_key(&format!("{}/__init__.py", &path[..start - 1]));
                if !is_inside_package {
                    modules.entry(module[start..].to_owned()).or_default().push(path);
                }
            }
        }
        modules
    }
}

/// The positions where the parts of a dotted name begin.
fn starts(module: &str) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(module.match_indices('.').map(|(at, _)| at + 1))
}

pub(super) fn is_conftest(path: &str) -> bool {
    path.rsplit('/').next() == Some("conftest.py")
}

/// The files in the folder of a file, at any depth.
pub(super) fn below<'a>(path: &str, files: impl IntoIterator<Item = &'a String>) -> impl Iterator<Item = &'a String> {
    let folder = folder_of(path).to_owned();
    files.into_iter().filter(move |file| folder.is_empty() || is_within(file, &folder))
}

/// The folder of a path; empty for the root.
pub(super) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Returns whether a file is documentation, or belongs to git or an editor. No process is taken to depend on such a
/// file.
pub(super) fn is_prose(path: &str) -> bool {
    [".md", ".rst"].iter().any(|suffix| path.ends_with(suffix))
        || [".git", ".vscode", ".idea"].iter().any(|folder| is_within(path, folder))
}

/// `src/pkg/mod.py` -> `src.pkg.mod`; a package's `__init__.py` is the package.
fn module_of(path: &str) -> String {
    let stem = path.strip_suffix(".py").unwrap_or(path);
    let stem = stem.strip_suffix("/__init__").unwrap_or(stem);
    stem.replace('/', ".")
}

/// Every module that an import may execute: the named ones, the packages above them, and imported names that may be
/// modules.
fn imported_names(importer: &str, import: &Import) -> Vec<String> {
    let mut base = String::new();
    if import.level > 0 {
        let module = module_of(importer);
        let mut parts: Vec<&str> = module.split('.').collect();
        let is_package = importer.ends_with("__init__.py");
        let up = (import.level as usize).saturating_sub(usize::from(is_package));
        parts.truncate(parts.len().saturating_sub(up));
        base = parts.join(".");
    }
    let full = match (base.is_empty(), import.module.is_empty()) {
        (true, _) => import.module.clone(),
        (false, true) => base,
        (false, false) => format!("{base}.{}", import.module),
    };
    let mut names: Vec<String> = full.match_indices('.').map(|(end, _)| full[..end].to_owned()).collect();
    names.extend(import.names.iter().map(|name| if full.is_empty() { name.clone() } else { format!("{full}.{name}") }));
    names.push(full);
    names
}

/// The path relative to the root, `/`-separated; `None` if it is outside of the root.
pub(crate) fn relative(root: &Path, path: &Path) -> Option<String> {
    let inside: PathBuf = path.strip_prefix(root).ok()?.to_owned();
    inside.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::file_readers::FileReads;
    use pytest_lens_analysis::{PytestSettings, analyze};

    fn sources(files: &[(&str, &str)]) -> ImportGraph {
        let settings = PytestSettings::default();
        let read = |(path, text): &(&str, &str)| ((*path).to_owned(), Arc::new(analyze(text, &settings)));
        ImportGraph::new(files.iter().map(read).collect())
    }

    fn affected(sources: &ImportGraph, changed: &[&str]) -> Affected {
        let changed: Vec<String> = changed.iter().map(|path| (*path).to_owned()).collect();
        sources.affected(&changed, &|path| path.contains("new"), &|path| {
            path.file_name().unwrap().to_str().unwrap().starts_with("test_")
        })
    }

    fn files(paths: &[&str]) -> Affected {
        Affected::Files(paths.iter().map(|path| (*path).to_owned()).collect())
    }

    #[test]
    fn a_change_reaches_what_imports_it_directly_or_not() {
        let project = sources(&[
            ("src/pkg/__init__.py", ""),
            ("src/pkg/low.py", ""),
            ("src/pkg/high.py", "from . import low"),
            ("tests/test_high.py", "from pkg.high import x"),
            ("tests/test_low.py", "import pkg.low"),
            ("tests/test_none.py", "import os"),
        ]);
        assert_eq!(affected(&project, &["src/pkg/low.py"]), files(&["tests/test_high.py", "tests/test_low.py"]));
        assert_eq!(affected(&project, &["src/pkg/high.py"]), files(&["tests/test_high.py"]));
        assert_eq!(affected(&project, &["tests/test_none.py"]), files(&["tests/test_none.py"]));
    }

    #[test]
    fn a_conftest_and_what_it_imports_decide_which_files_are_collected() {
        let project = sources(&[
            ("a/conftest.py", "import helpers"),
            ("helpers.py", ""),
            ("a/test_x.py", ""),
            ("a/b/test_y.py", ""),
            ("c/test_z.py", ""),
        ]);
        assert_eq!(affected(&project, &["a/conftest.py"]), Affected::All);
        assert_eq!(affected(&project, &["a/b/conftest.py"]), Affected::All);
        assert_eq!(affected(&project, &["helpers.py"]), Affected::All);
        assert_eq!(affected(&project, &["c/test_z.py"]), files(&["c/test_z.py"]));
    }

    #[test]
    fn a_new_module_reaches_who_imports_or_names_it() {
        let project = sources(&[
            ("new.py", ""),
            ("src/new_other.py", ""),
            ("test_import.py", "import new"),
            ("test_later.py", "pytest.importorskip('new_other')"),
            ("test_none.py", ""),
        ]);
        assert_eq!(affected(&project, &["new.py"]), files(&["test_import.py"]));
        assert_eq!(affected(&project, &["src/new_other.py"]), files(&["test_later.py"]));
        assert_eq!(affected(&project, &["new_unknown.py"]), files(&[]));
        assert_eq!(affected(&project, &["new.json"]), Affected::All);
    }

    #[test]
    fn a1_a_name_in_text_is_an_import_where_it_is_a_module_in_full() {
        let project = sources(&[
            ("low.py", ""),
            ("src/pkg/__init__.py", ""),
            ("src/pkg/users.py", ""),
            ("fix/db.py", "import low"),
            ("a/conftest.py", "pytest_plugins = ['fix.db']"),
            ("a/test_a.py", ""),
            ("test_import.py", "def test_x():\n    importlib.import_module('low')"),
            ("test_patch.py", "@mock.patch('pkg.users.find')\ndef test_x(found): ..."),
            ("test_word.py", "def test_x():\n    assert page('users')"),
        ]);
        let tests = ["a/test_a.py", "test_import.py", "test_patch.py", "test_word.py"].map(str::to_owned).into();
        let reached = |path: &str| project.reached_by(&FileReaders::default(), &[path.to_owned()], &tests);
        assert_eq!(reached("low.py"), files(&["a/test_a.py", "test_import.py"]));
        assert_eq!(reached("fix/db.py"), files(&["a/test_a.py"]));
        assert_eq!(reached("src/pkg/users.py"), files(&["test_patch.py"]));
        assert_eq!(reached("src/pkg/__init__.py"), files(&["test_patch.py"]));
        // A collection needs more than the text shows: it does not say who imports a module.
        assert_eq!(affected(&project, &["src/pkg/users.py"]), Affected::All);
    }

    #[test]
    fn a_graph_is_of_its_sources_as_they_were() {
        let of = |text: &str| sources(&[("a.py", text), ("test_a.py", "import a")]);
        let graph = of("");
        assert!(graph.is_of(&graph.files.clone()));
        assert!(!graph.is_of(&of("x = 1").files));
        let mut fewer = graph.files.clone();
        fewer.remove("a.py");
        assert!(!graph.is_of(&fewer));
    }

    #[test]
    fn what_cannot_be_followed_reaches_all() {
        let project = sources(&[("plugin.py", ""), ("test_x.py", "import importlib")]);
        assert_eq!(affected(&project, &["plugin.py"]), Affected::All);
        assert_eq!(affected(&project, &["data.json"]), Affected::All);
        assert_eq!(affected(&project, &["pytest.ini"]), Affected::All);
    }

    #[test]
    fn a1_what_was_read_reaches_its_readers_and_what_rests_on_them() {
        let project = sources(&[
            ("low.py", ""),
            ("high.py", "import low"),
            ("plugin.py", ""),
            ("a/conftest.py", ""),
            ("a/test_a.py", "import high"),
            ("a/test_data.py", ""),
            ("test_tool.py", ""),
        ]);
        let mut reads = FileReaders::default();
        let read = |path: &str, readers: &[&str]| {
            let at = |path: &str| if path == ANY_FILE { path.to_owned() } else { format!("/p/{path}") };
            FileReads(at(path), readers.iter().map(|reader| at(reader)).collect())
        };
        reads.add(
            Path::new("/p"),
            &[
                read("data/cases.json", &["high.py"]),
                read("data/settings.toml", &["a/conftest.py"]),
                read("data", &["a/test_data.py"]),
                read("plugin.py", &[]),
                read("a/test_a.py", &[]),
                read(ANY_FILE, &["test_tool.py"]),
            ],
        );
        let tests = ["a/test_a.py", "a/test_data.py", "test_tool.py"].map(str::to_owned).into();
        let reached = |path: &str| project.reached_by(&reads, &[path.to_owned()], &tests);
        assert_eq!(reached("low.py"), files(&["a/test_a.py", "test_tool.py"]));
        assert_eq!(reached("data/cases.json"), files(&["a/test_a.py", "a/test_data.py", "test_tool.py"]));
        assert_eq!(reached("data/settings.toml"), files(&["a/test_a.py", "a/test_data.py", "test_tool.py"]));
        assert_eq!(reached("data/new.csv"), files(&["a/test_data.py", "test_tool.py"]));
        assert_eq!(reached("a/test_a.py"), files(&["a/test_a.py", "test_tool.py"]));
        assert_eq!(reached("README.md"), files(&[]));
        assert_eq!(reached(".git/COMMIT_EDITMSG"), files(&[]));
        assert_eq!(reached("plugin.py"), Affected::All);
    }
}
