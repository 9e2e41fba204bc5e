//! Analyzes a file's text.

use crate::calls;
use crate::collect::collect;
use crate::config::PytestSettings;
use crate::doctests::doctests;
use crate::file_paths;
use crate::literals;
use crate::model::{FileAnalysis, Outline, Pos, StaticNode};
use crate::parse::{MAX_LEN, with_tree};
use crate::scope::Module;
use crate::text::Lines;
use ruff_python_ast::ModModule;

/// The kinds of tests that pytest looks for in a file; see [`PytestSettings::role_of`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRole {
    /// Test functions and classes.
    pub tests: bool,
    /// Docstring tests. pytest names them after the module: its dotted name as Python imports it.
    pub doctest_module: Option<String>,
}

/// Reads a test file's text: functions and classes.
///
/// Docstring tests are left out, because their ids contain the module's name, which the text does not contain:
/// [`analyze_as`] includes them.
pub fn analyze(source: &str, settings: &PytestSettings) -> FileAnalysis {
    let role = FileRole { tests: true, doctest_module: None };
    analyze_as(source, settings, &role)
}

/// Reads the tests of a file's text that its role asks for. Definitions and imports are read for every role.
pub fn analyze_as(source: &str, settings: &PytestSettings, role: &FileRole) -> FileAnalysis {
    if source.len() > MAX_LEN {
        return too_large().into();
    }
    let lines = Lines::new(source);
    with_tree(source, |tree, error| {
        let module = Module::read(tree, &lines);
        let nodes = tests(tree, &module, settings, role);
        let calls = calls::read(tree, &module.names, &lines);
        FileAnalysis {
            nodes,
            calls,
            defs: module.defs,
            imports: module.imports,
            named: literals::named(tree),
            paths: file_paths::named(tree, &module.names),
            path_names: file_paths::names(&module.names),
            syntax_error: error.map(|error| (lines.pos(error.at), error.message)),
        }
    })
}

/// As [`analyze_as`], for a text that is read again after each key, and for listings: without what only the rules about
/// a whole project need.
pub fn outline(source: &str, settings: &PytestSettings, role: &FileRole) -> Outline {
    if source.len() > MAX_LEN {
        return too_large();
    }
    let lines = Lines::new(source);
    with_tree(source, |tree, error| {
        let module = Module::read(tree, &lines);
        let nodes = tests(tree, &module, settings, role);
        let syntax_error = error.map(|error| (lines.pos(error.at), error.message));
        Outline { nodes, defs: module.defs, syntax_error }
    })
}

fn too_large() -> Outline {
    let syntax_error = Some((Pos::default(), "the file is too large to be read".to_owned()));
    Outline { syntax_error, ..Outline::default() }
}

fn tests(tree: &ModModule, module: &Module<'_>, settings: &PytestSettings, role: &FileRole) -> Vec<StaticNode> {
    let mut nodes = match &role.doctest_module {
        Some(name) => doctests(tree, module, name),
        None => Vec::new(),
    };
    if role.tests {
        nodes.extend(collect(module, settings));
    }
    nodes
}
