//! Docstring tests, as `--doctest-modules` finds them: the examples of the module, its functions and its classes.

use ruff_python_ast::{Expr, ExprStringLiteral, ModModule, Stmt};
use ruff_text_size::{TextRange, TextSize};

use crate::model::{NodeKind, StaticNode};
use crate::scope::{Bound, Module, Scope, Thing};

/// Nested classes deeper than this are left out.
const MAX_DEPTH: usize = 64;

/// The doctests of a module that Python calls `name`, in doctest's own order: by name.
pub(crate) fn doctests(tree: &ModModule, module: &Module<'_>, name: &str) -> Vec<StaticNode> {
    let mut finder = Finder { module, nodes: Vec::new() };
    finder.docstring(&tree.body, name);
    finder.scope(&module.top, name, 0);
    let mut nodes = finder.nodes;
    nodes.sort_by(|left, right| left.name.cmp(&right.name));
    nodes
}

struct Finder<'m, 'a> {
    module: &'m Module<'a>,
    nodes: Vec<StaticNode>,
}

impl<'a> Finder<'_, 'a> {
    fn scope(&mut self, scope: &Scope<'a>, prefix: &str, depth: usize) {
        for (name, bound) in scope.iter() {
            // Under its second name an object is skipped.
            if bound.alias || depth >= MAX_DEPTH {
                continue;
            }
            self.member(&format!("{prefix}.{name}"), bound, depth);
        }
    }

    fn member(&mut self, name: &str, bound: Bound<'a>, depth: usize) {
        match bound.thing {
            Thing::Function(def) => self.docstring(&def.body, name),
            Thing::Class(id) => {
                let module = self.module;
                self.docstring(&module.classes[id].def.body, name);
                self.scope(&module.classes[id].scope, name, depth + 1);
            }
            Thing::Other => {}
        }
    }

    fn docstring(&mut self, body: &[Stmt], name: &str) {
        let Some(Stmt::Expr(statement)) = body.first() else {
            return;
        };
        let Expr::StringLiteral(literal) = &*statement.value else {
            return;
        };
        let examples = Examples::of(literal.value.to_str());
        if examples.count == 0 {
            return;
        }
        let lines = self.module.lines;
        let prompt = self.prompt(literal);
        let def_line = lines.line1(prompt.start());
        self.nodes.push(StaticNode {
            name: name.to_owned(),
            kind: NodeKind::Doctest,
            parents: Vec::new(),
            name_span: lines.span(prompt),
            def_line,
            first_line: def_line,
            full_span: lines.span(literal.range),
            markers: Vec::new(),
            skip: examples.skipped == examples.count,
            xfail: false,
            case_count: None,
            parametrized: false,
            is_unittest: false,
            is_async: false,
            inherited: false,
        });
    }

    /// The position of the first example's `>>>` in the source; the docstring's start if escapes hide it.
    fn prompt(&self, literal: &ExprStringLiteral) -> TextRange {
        let mut offset = literal.range.start();
        for line in self.module.lines.slice(literal.range).split_inclusive(['\n', '\r']) {
            let first = offset == literal.range.start();
            let body = line.trim_start_matches(|c: char| {
                c == ' ' || c == '\t' || (first && (c.is_ascii_alphabetic() || c == '"' || c == '\''))
            });
            if is_example(body) {
                let skipped = line.len() - body.len();
                let start = offset + TextSize::try_from(skipped).unwrap_or_default();
                return TextRange::at(start, TextSize::new(3));
            }
            offset += TextSize::try_from(line.len()).unwrap_or_default();
        }
        TextRange::empty(literal.range.start())
    }
}

/// The number of examples in a docstring, and the number of those marked to be skipped.
struct Examples {
    count: usize,
    skipped: usize,
}

impl Examples {
    fn of(docstring: &str) -> Self {
        let mut found = Self { count: 0, skipped: 0 };
        for line in docstring.split('\n') {
            let line = line.trim_start_matches([' ', '\t']);
            if is_example(line) {
                found.count += 1;
                let directive = line.split("doctest:").nth(1);
                found.skipped += usize::from(directive.is_some_and(|text| text.contains("+SKIP")));
            }
        }
        found
    }
}

/// A prompt with code to execute after it.
fn is_example(line: &str) -> bool {
    line.strip_prefix(">>>").is_some_and(|source| {
        let source = source.trim();
        !source.is_empty() && !source.starts_with('#')
    })
}
