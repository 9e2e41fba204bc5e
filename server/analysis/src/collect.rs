//! pytest's rules for tests: `PyCollector`, `Class` and `UnitTestCase` of pytest, applied to the definitions.

use std::collections::HashSet;

use ruff_python_ast::{Decorator, Identifier, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};

use crate::config::PytestSettings;
use crate::marks::Marks;
use crate::model::{NodeKind, StaticNode};
use crate::pattern::prefix_or_glob;
use crate::scope::{Bound, Module, Thing};

/// The most tests of a module: inheritance can multiply tests without end. No real file comes near.
const MAX_NODES: usize = 200_000;

/// Nested classes deeper than this are left out.
const MAX_DEPTH: usize = 64;

/// The tests of a module.
pub(crate) fn collect(module: &Module<'_>, settings: &PytestSettings) -> Vec<StaticNode> {
    let mut collector = Collector { module, settings, nodes: Vec::new() };
    if module.top.test_flag != Some(false) {
        let container = Container {
            parents: Vec::new(),
            marks: Marks::of_values(&module.top.pytestmark, &module.names),
            inherited: false,
        };
        for (name, bound) in module.top.iter() {
            collector.member(name, bound, &container);
        }
    }
    in_source_order(collector.nodes)
}

/// The class or module around a node.
struct Container {
    parents: Vec<String>,
    /// The marks that apply to everything here: the classes' marks, innermost first, then the module's.
    marks: Marks,
    inherited: bool,
}

struct Collector<'m, 'a> {
    module: &'m Module<'a>,
    settings: &'m PytestSettings,
    nodes: Vec<StaticNode>,
}

impl<'a> Collector<'_, 'a> {
    fn member(&mut self, name: &str, bound: Bound<'a>, container: &Container) {
        if self.nodes.len() >= MAX_NODES {
            return;
        }
        match bound.thing {
            Thing::Function(def) => {
                let named = prefix_or_glob(&self.settings.python_functions, name);
                if bound.test_flag.unwrap_or(named) && self.is_callable_test(def) {
                    self.function(name, def, container, false);
                }
            }
            Thing::Class(id) => self.class(name, id, container),
            Thing::Other => {}
        }
    }

    fn class(&mut self, name: &str, id: usize, container: &Container) {
        let module = self.module;
        let flag = module.test_flag(id);
        if container.parents.len() >= MAX_DEPTH || flag == Some(false) || module.is_abstract(id) {
            return;
        }
        let is_unittest = module.is_testcase(id);
        if !is_unittest {
            let named = prefix_or_glob(&self.settings.python_classes, name);
            if !(named || flag == Some(true)) || module.has_constructor(id) {
                return;
            }
        }
        let inner = Container {
            parents: container.parents.iter().cloned().chain([name.to_owned()]).collect(),
            marks: self.class_marks(id, &container.marks),
            inherited: container.inherited,
        };
        let def = module.classes[id].def;
        let at = self.nodes.len();
        let node = self.node(
            name,
            Definition {
                kind: NodeKind::Class,
                identifier: &def.name,
                keyword: "class",
                decorators: &def.decorator_list,
                range: def.range,
            },
            container,
            inner.marks.clone(),
        );
        self.nodes.push(StaticNode { is_unittest, parametrized: false, case_count: None, ..node });
        if is_unittest {
            self.testcase_members(id, inner);
        } else {
            self.class_members(id, inner);
        }
        if self.nodes.len() == at + 1 && !module.has_unknown_base(id) {
            self.nodes.truncate(at);
        }
    }

    /// Inherited members come before own ones, each name from the class that Python would take it from.
    fn class_members(&mut self, id: usize, mut container: Container) {
        let inherited = container.inherited;
        let mut seen = HashSet::new();
        let mut by_class = Vec::new();
        for &class in &self.module.classes[id].mro {
            let own: Vec<_> = self.module.classes[class].scope.iter().filter(|(name, _)| seen.insert(*name)).collect();
            by_class.push((class, own));
        }
        for (class, members) in by_class.into_iter().rev() {
            container.inherited = inherited || class != id;
            for (name, bound) in members {
                self.member(name, bound, &container);
            }
        }
    }

    /// unittest's loader: callables called `test*`, by name; `runTest` when there are none.
    fn testcase_members(&mut self, id: usize, mut container: Container) {
        let inherited = container.inherited;
        let mut seen = HashSet::new();
        let mut tests = Vec::new();
        let mut run_test = None;
        for &class in &self.module.classes[id].mro {
            for (name, bound) in self.module.classes[class].scope.iter() {
                let first = seen.insert(name);
                if let Thing::Function(def) = bound.thing
                    && first
                    && bound.test_flag != Some(false)
                    && self.is_callable_test(def)
                {
                    if name.starts_with("test") {
                        tests.push((name, def, class != id));
                    } else if name == "runTest" {
                        run_test = Some((name, def, class != id));
                    }
                }
            }
        }
        tests.sort_by_key(|(name, ..)| *name);
        if tests.is_empty() {
            tests.extend(run_test);
        }
        for (name, def, from_base) in tests {
            container.inherited = inherited || from_base;
            self.function(name, def, &container, true);
        }
    }

    fn function(&mut self, name: &str, def: &'a StmtFunctionDef, container: &Container, is_unittest: bool) {
        if self.nodes.len() >= MAX_NODES {
            return;
        }
        let mut marks = Marks::of_decorators(&def.decorator_list, &self.module.names);
        marks.extend(&container.marks);
        let node = self.node(
            name,
            Definition {
                kind: NodeKind::Function,
                identifier: &def.name,
                keyword: "def",
                decorators: &def.decorator_list,
                range: def.range,
            },
            container,
            marks,
        );
        // pytest does not parametrize the methods of a TestCase.
        self.nodes.push(StaticNode {
            is_unittest,
            parametrized: node.parametrized && !is_unittest,
            case_count: node.case_count.filter(|_| !is_unittest),
            is_async: def.is_async,
            ..node
        });
    }

    fn node(&self, name: &str, def: Definition<'_>, container: &Container, marks: Marks) -> StaticNode {
        let lines = self.module.lines;
        let def_line = self.module.def_line(def.identifier.range.start(), def.keyword);
        StaticNode {
            name: name.to_owned(),
            kind: def.kind,
            parents: container.parents.clone(),
            name_span: lines.span(def.identifier.range),
            def_line,
            first_line: def.decorators.first().map_or(def_line, |first| lines.line1(first.expression.start())),
            full_span: lines.span(def.range),
            case_count: marks.case_count(),
            markers: marks.names,
            skip: marks.skip,
            xfail: marks.xfail,
            parametrized: marks.parametrized,
            is_unittest: false,
            is_async: false,
            inherited: container.inherited,
        }
    }

    /// A class's marks: its bases' first, as pytest orders them, then those around it.
    fn class_marks(&self, id: usize, outer: &Marks) -> Marks {
        let mut marks = Marks::default();
        for &base in self.module.classes[id].mro.iter().rev() {
            let class = &self.module.classes[base];
            marks.extend(&Marks::of_values(&class.scope.pytestmark, &self.module.names));
            marks.extend(&Marks::of_decorators(&class.def.decorator_list, &self.module.names));
        }
        marks.extend(outer);
        marks
    }

    /// A function that no decorator turns into a fixture, a property, or another object that pytest does not call.
    fn is_callable_test(&self, def: &'a StmtFunctionDef) -> bool {
        !def.decorator_list.iter().any(|decorator| {
            self.module.names.resolve(&decorator.expression).is_some_and(|found| {
                matches!(
                    found.last(),
                    "fixture"
                        | "yield_fixture"
                        | "property"
                        | "cached_property"
                        | "abstractproperty"
                        | "command"
                        | "group"
                        | "nottest"
                )
            })
        })
    }
}

/// The parts of a `def` or `class` that a node is made of.
struct Definition<'d> {
    kind: NodeKind,
    identifier: &'d Identifier,
    keyword: &'static str,
    decorators: &'d [Decorator],
    range: TextRange,
}

/// Orders definitions at module level by position in the file (Python's dict keeps a redefined name in its first
/// place), each class followed by its members.
fn in_source_order(nodes: Vec<StaticNode>) -> Vec<StaticNode> {
    let mut groups: Vec<Vec<StaticNode>> = Vec::new();
    for node in nodes {
        match groups.last_mut() {
            Some(group) if !node.parents.is_empty() => group.push(node),
            _ => groups.push(vec![node]),
        }
    }
    groups.sort_by_key(|group| {
        let start = group[0].full_span.start;
        (start.line, start.col)
    });
    groups.into_iter().flatten().collect()
}
