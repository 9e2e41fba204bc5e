//! The types of an analysis of one file, which the engine and the language server share.

use serde::{Deserialize, Serialize};

use crate::file_paths::NamedPath;

/// A position in a text: 0-based line, 0-based column in UTF-8 bytes of that line.
///
/// Lines end at `\n`, `\r\n` or a lone `\r`, as LSP has it; nothing else ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Pos {
    /// 0-based line.
    pub line: u32,
    /// 0-based column, in UTF-8 bytes. A byte order mark counts as three bytes.
    pub col: u32,
}

/// A range of text, its end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: Pos,
    /// The byte after the last.
    pub end: Pos,
}

/// The kind of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NodeKind {
    /// A class that pytest collects.
    Class,
    /// A test function or method.
    Function,
    /// A docstring with examples.
    Doctest,
}

/// A test, or a class of tests, as far as the source shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticNode {
    /// `test_x`, `TestX`, or a doctest's dotted name, the module's name included.
    pub name: String,
    /// The kind of the node.
    pub kind: NodeKind,
    /// The enclosing test classes, outermost first.
    pub parents: Vec<String>,
    /// The identifier after `def` or `class`; for a doctest, the first `>>>`.
    pub name_span: Span,
    /// 1-based line of the `def` or `class` keyword; for a doctest, of its first example.
    pub def_line: u32,
    /// 1-based line of the first decorator, as in `co_firstlineno`; equals `def_line` without decorators.
    pub first_line: u32,
    /// From the first decorator to the end of the body; for a doctest, the docstring.
    pub full_span: Span,
    /// Names of the `pytest.mark`s that apply, each once, closest first: its own, its classes', the module's.
    pub markers: Vec<String>,
    /// `pytest.mark.skip` or `unittest.skip` applies, or a conditional one with a literal condition that holds.
    pub skip: bool,
    /// `pytest.mark.xfail` (no condition, or a literal `True`) or `unittest.expectedFailure` applies.
    pub xfail: bool,
    /// The product of all `parametrize` marks that apply; `None` if there is none, or one is not literal.
    pub case_count: Option<u32>,
    /// A `parametrize` mark applies.
    pub parametrized: bool,
    /// A `unittest.TestCase`, or a method of one.
    pub is_unittest: bool,
    /// An `async def`.
    pub is_async: bool,
    /// Defined by a base class of its class: the ranges are those of the base's `def`.
    pub inherited: bool,
}

impl StaticNode {
    /// The part of the node id after the file: `TestA::TestB::test_x`.
    pub fn id_suffix(&self) -> String {
        let mut id = String::new();
        for parent in &self.parents {
            id.push_str(parent);
            id.push_str("::");
        }
        id.push_str(&self.name);
        id
    }
}

/// A `def` or `class` of the file, or a value assigned to a name outside of functions; test or not. Maps
/// `co_firstlineno` to the keyword's line, and locates tests that only pytest knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefLine {
    /// 1-based line of the first decorator, or `def_line`.
    pub first_line: u32,
    /// 1-based line of the keyword.
    pub def_line: u32,
    /// Python's `__qualname__` without its `<locals>`: `A.b`.
    pub qualname: String,
    /// The identifier.
    pub name_span: Span,
    /// From the first decorator to the end of the body; the whole assignment.
    pub full_span: Span,
    /// `name = value`.
    pub is_value: bool,
}

/// An import statement's module, from anywhere in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// `a.b`; empty for `from . import x`.
    pub module: String,
    /// The names after `from module import`, `*` included; empty for `import module`.
    pub names: Vec<String>,
    /// The number of leading dots.
    pub level: u32,
    /// 1-based line of the statement.
    pub line: u32,
}

/// The analysis of one file's text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileAnalysis {
    /// Doctests first (as in pytest), by name; then tests in source order, each class followed by its members.
    pub nodes: Vec<StaticNode>,
    /// All functions and classes, and values outside of functions, in source order.
    pub defs: Vec<DefLine>,
    /// All imports, in source order.
    pub imports: Vec<Import>,
    /// Dotted names in string literals, which may name modules: they may be arguments of `importlib.import_module` or
    /// `mock.patch`, or in `pytest_plugins`. Sorted, each once.
    #[serde(default)]
    pub named: Vec<String>,
    /// Paths that its code names and that may lie outside of the project.
    #[serde(default)]
    pub paths: Vec<NamedPath>,
    /// Its own names for paths, or parts of paths, sorted: other modules may make paths from them.
    #[serde(default)]
    pub path_names: Vec<(String, NamedPath)>,
    /// The first syntax error. Nodes outside of the broken part are still there.
    pub syntax_error: Option<(Pos, String)>,
    /// The calls in its code.
    #[serde(default)]
    pub calls: Calls,
}

/// The tests and definitions of one file's text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// As [`FileAnalysis::nodes`].
    pub nodes: Vec<StaticNode>,
    /// As [`FileAnalysis::defs`].
    pub defs: Vec<DefLine>,
    /// As [`FileAnalysis::syntax_error`].
    pub syntax_error: Option<(Pos, String)>,
}

/// An analysis of tests and definitions alone.
impl From<Outline> for FileAnalysis {
    fn from(Outline { nodes, defs, syntax_error }: Outline) -> Self {
        FileAnalysis { nodes, defs, syntax_error, ..FileAnalysis::default() }
    }
}

/// A call: its position, and the dotted name of the callee, without aliases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The position of the call.
    pub at: Pos,
    /// `datetime.datetime.now`; for a method of an object that was created here, `Made.method`.
    pub path: String,
}

/// The calls in a file's code, each name once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calls {
    /// Calls while it is imported, and while pytest collects.
    pub at_import: Vec<Call>,
    /// Calls in functions and methods, by their qualified names; tests, and functions without calls, are left out.
    pub functions: Vec<(String, Vec<Call>)>,
    /// Whether one of the calls reads a clock by itself.
    pub reads_clocks: bool,
    /// Its classes, with the names of their bases.
    pub classes: Vec<(String, Vec<String>)>,
    /// The meanings of names of the module: imports and assignments, sorted.
    pub bound: Vec<(String, String)>,
}

/// The index of the innermost test or class around the 0-based line.
///
/// A method that several classes inherit belongs to the class that defines it, if that one is collected.
pub fn innermost_at(nodes: &[StaticNode], line0: u32) -> Option<usize> {
    nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.full_span.start.line <= line0 && line0 <= node.full_span.end.line)
        .min_by_key(|(_, node)| {
            let lines = node.full_span.end.line - node.full_span.start.line;
            let depth = u32::MAX - u32::try_from(node.parents.len()).unwrap_or(u32::MAX);
            (lines, node.kind == NodeKind::Class, node.inherited, depth)
        })
        .map(|(index, _)| index)
}
