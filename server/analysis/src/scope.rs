//! The definitions of a module and its classes, by name: reads the statements in the order in which Python executes
//! them, so that a later definition takes a name from an earlier one.

use std::collections::HashMap;

use ruff_python_ast::{Expr, ModModule, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange, TextSize};

use crate::classes::{Class, linearize};
use crate::marks::literal_bool;
use crate::model::{DefLine, Import};
use crate::names::Names;
use crate::text::{Lines, keyword_before};

/// The object that a name is bound to.
#[derive(Clone, Copy)]
pub(crate) enum Thing<'a> {
    Function(&'a StmtFunctionDef),
    /// An index into [`Module::classes`].
    Class(usize),
    /// Anything other than a `def` or `class` of this file.
    Other,
}

/// A name's binding.
#[derive(Clone, Copy)]
pub(crate) struct Bound<'a> {
    pub(crate) thing: Thing<'a>,
    /// Bound by `name = other`, not by its own statement.
    pub(crate) alias: bool,
    /// `name.__test__ = ...`
    pub(crate) test_flag: Option<bool>,
}

/// The names of a module or class, in the order of Python's own dict.
#[derive(Default)]
pub(crate) struct Scope<'a> {
    order: Vec<(&'a str, Option<Bound<'a>>)>,
    index: HashMap<&'a str, usize>,
    /// The values of `pytestmark`.
    pub(crate) pytestmark: Vec<&'a Expr>,
    /// `__test__ = ...`
    pub(crate) test_flag: Option<bool>,
}

impl<'a> Scope<'a> {
    /// All bindings, first bound first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a str, Bound<'a>)> + '_ {
        self.order.iter().filter_map(|(name, bound)| Some((*name, (*bound)?)))
    }

    /// The binding of a name.
    pub(crate) fn get(&self, name: &str) -> Option<Bound<'a>> {
        self.index.get(name).and_then(|&at| self.order[at].1)
    }

    fn set(&mut self, name: &'a str, bound: Bound<'a>) {
        match self.index.get(name) {
            Some(&at) => self.order[at].1 = Some(bound),
            None => {
                self.index.insert(name, self.order.len());
                self.order.push((name, Some(bound)));
            }
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(at) = self.index.remove(name) {
            self.order[at].1 = None;
        }
    }
}

/// A file's definitions.
pub(crate) struct Module<'a> {
    pub(crate) lines: &'a Lines<'a>,
    pub(crate) names: Names<'a>,
    pub(crate) top: Scope<'a>,
    pub(crate) classes: Vec<Class<'a>>,
    pub(crate) defs: Vec<DefLine>,
    pub(crate) imports: Vec<Import>,
}

/// The scope that a statement binds names in.
#[derive(Clone, Copy, PartialEq)]
enum Target {
    Module,
    Class(usize),
    /// A function's body, or a branch that never runs: its names count nowhere.
    Nowhere,
}

/// How certain it is that a statement is executed.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Odds {
    Certain,
    Maybe,
    /// An `except` branch: the bindings of its `try` take precedence.
    Fallback,
}

impl<'a> Module<'a> {
    /// Reads a tree.
    pub(crate) fn read(tree: &'a ModModule, lines: &'a Lines<'a>) -> Self {
        let mut module = Self {
            lines,
            names: Names::default(),
            top: Scope::default(),
            classes: Vec::new(),
            defs: Vec::new(),
            imports: Vec::new(),
        };
        module.block(&tree.body, Target::Module, Odds::Certain, &mut String::new());
        module
    }

    /// The 1-based line of the keyword of a definition.
    pub(crate) fn def_line(&self, name_start: TextSize, keyword: &str) -> u32 {
        self.lines.line1(keyword_before(self.lines.text(), name_start, keyword))
    }

    fn scope(&mut self, target: Target) -> Option<&mut Scope<'a>> {
        match target {
            Target::Module => Some(&mut self.top),
            Target::Class(id) => Some(&mut self.classes[id].scope),
            Target::Nowhere => None,
        }
    }

    /// Looks a name up as code in `target` would.
    fn lookup(&self, target: Target, name: &str) -> Option<Bound<'a>> {
        match target {
            Target::Class(id) => self.classes[id].scope.get(name),
            _ => None,
        }
        .or_else(|| self.top.get(name))
    }

    fn bind(&mut self, target: Target, odds: Odds, name: &'a str, bound: Bound<'a>) {
        if let Some(scope) = self.scope(target)
            && !name.is_empty()
            && !(odds == Odds::Fallback && scope.get(name).is_some())
        {
            scope.set(name, bound);
        }
    }

    fn block(&mut self, body: &'a [Stmt], target: Target, odds: Odds, qualname: &mut String) {
        for statement in body {
            self.statement(statement, target, odds, qualname);
        }
    }

    fn statement(&mut self, statement: &'a Stmt, target: Target, odds: Odds, qual: &mut String) {
        let maybe = if odds < Odds::Maybe { Odds::Maybe } else { odds };
        match statement {
            Stmt::FunctionDef(def) => self.function(def, target, odds, qual),
            Stmt::ClassDef(def) => self.class(def, target, odds, qual),
            Stmt::If(branch) => {
                let taken = truth(&branch.test);
                let first = if taken == Some(false) { Target::Nowhere } else { target };
                let rest = if taken == Some(true) { Target::Nowhere } else { target };
                let odds = if taken.is_some() { odds } else { maybe };
                self.block(&branch.body, first, odds, qual);
                for clause in &branch.elif_else_clauses {
                    let dead = clause.test.as_ref().and_then(truth) == Some(false);
                    let target = if dead { Target::Nowhere } else { rest };
                    self.block(&clause.body, target, odds, qual);
                }
            }
            Stmt::Try(attempt) => {
                self.block(&attempt.body, target, odds, qual);
                for handler in &attempt.handlers {
                    let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                    self.block(&handler.body, target, Odds::Fallback, qual);
                }
                self.block(&attempt.orelse, target, odds, qual);
                self.block(&attempt.finalbody, target, odds, qual);
            }
            Stmt::With(with) => self.block(&with.body, target, odds, qual),
            Stmt::For(repeat) => {
                self.block(&repeat.body, target, maybe, qual);
                self.block(&repeat.orelse, target, maybe, qual);
            }
            Stmt::While(repeat) => {
                let dead = truth(&repeat.test) == Some(false);
                let body = if dead { Target::Nowhere } else { target };
                self.block(&repeat.body, body, maybe, qual);
                self.block(&repeat.orelse, target, maybe, qual);
            }
            Stmt::Match(choice) => {
                for case in &choice.cases {
                    self.block(&case.body, target, maybe, qual);
                }
            }
            Stmt::Import(import) => {
                let line = self.lines.line1(import.range.start());
                for alias in &import.names {
                    let module = alias.name.as_str();
                    self.imports.push(Import { module: module.to_owned(), names: Vec::new(), level: 0, line });
                    match &alias.asname {
                        Some(name) => self.imported(target, odds, name.as_str(), module.to_owned()),
                        None => {
                            let first = module.split('.').next().unwrap_or(module);
                            self.imported(target, odds, first, first.to_owned());
                        }
                    }
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                self.imports.push(Import {
                    module: module.to_owned(),
                    names: import.names.iter().map(|alias| alias.name.to_string()).collect(),
                    level: import.level,
                    line: self.lines.line1(import.range.start()),
                });
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    let path = format!("{module}.{}", alias.name.as_str());
                    self.imported(target, odds, name, path);
                }
            }
            Stmt::Assign(assign) => {
                for place in &assign.targets {
                    self.value(place, assign.range, target, qual);
                    self.assign(place, &assign.value, target, odds);
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.value(&assign.target, assign.range, target, qual);
                    self.assign(&assign.target, value, target, odds);
                }
            }
            Stmt::AugAssign(assign) => {
                if let Expr::Name(name) = &*assign.target
                    && name.id == "pytestmark"
                    && let Some(scope) = self.scope(target)
                {
                    scope.pytestmark.push(&assign.value);
                }
            }
            Stmt::Delete(delete) if odds == Odds::Certain => {
                for gone in &delete.targets {
                    if let Expr::Name(name) = gone
                        && let Some(scope) = self.scope(target)
                    {
                        scope.remove(&name.id);
                    }
                }
            }
            _ => {}
        }
    }

    fn imported(&mut self, target: Target, odds: Odds, name: &'a str, path: String) {
        if target != Target::Nowhere {
            self.names.import(name, path);
        }
        self.bind(target, odds, name, OTHER);
    }

    fn define(
        &mut self,
        name: &'a ruff_python_ast::Identifier,
        keyword: &str,
        first: Option<TextSize>,
        range: TextRange,
        qual: &mut String,
    ) {
        if !qual.is_empty() {
            qual.push('.');
        }
        qual.push_str(name.as_str());
        if name.as_str().is_empty() {
            return;
        }
        let def_line = self.def_line(name.range.start(), keyword);
        let first_line = first.map_or(def_line, |first| self.lines.line1(first));
        let (name_span, full_span) = (self.lines.span(name.range), self.lines.span(range));
        let qualname = qual.clone();
        self.defs.push(DefLine { first_line, def_line, qualname, name_span, full_span, is_value: false });
    }

    /// A value assigned to a name of the module or of a class.
    fn value(&mut self, place: &Expr, range: TextRange, target: Target, qual: &str) {
        let Expr::Name(name) = place else { return };
        if target == Target::Nowhere {
            return;
        }
        let name_span = self.lines.span(name.range);
        let line = name_span.start.line + 1;
        let joint = if qual.is_empty() { "" } else { "." };
        self.defs.push(DefLine {
            first_line: line,
            def_line: line,
            qualname: format!("{qual}{joint}{}", name.id),
            name_span,
            full_span: self.lines.span(range),
            is_value: true,
        });
    }

    fn function(&mut self, def: &'a StmtFunctionDef, target: Target, odds: Odds, qual: &mut String) {
        let (outer, name) = (qual.len(), def.name.as_str());
        let first = def.decorator_list.first().map(|first| first.expression.start());
        self.define(&def.name, "def", first, def.range, qual);
        self.block(&def.body, Target::Nowhere, odds, qual);
        qual.truncate(outer);
        // `@name.setter` makes a property of an existing one: the name stays what its getter made it.
        let accessor = def.decorator_list.iter().any(|decorator| {
            decorator.expression.as_attribute_expr().is_some_and(|attribute| {
                matches!(attribute.attr.as_str(), "setter" | "deleter" | "getter")
                    && attribute.value.as_name_expr().is_some_and(|value| value.id == *name)
            })
        });
        if !accessor {
            self.bind(target, odds, name, Bound { thing: Thing::Function(def), ..OTHER });
        }
    }

    fn class(&mut self, def: &'a StmtClassDef, target: Target, odds: Odds, qual: &mut String) {
        let outer = qual.len();
        let first = def.decorator_list.first().map(|first| first.expression.start());
        self.define(&def.name, "class", first, def.range, qual);
        if target == Target::Nowhere {
            self.block(&def.body, Target::Nowhere, odds, qual);
            qual.truncate(outer);
            return;
        }
        let mut class = Class::new(def);
        let mut bases = Vec::new();
        for base in def.arguments.iter().flat_map(|arguments| &arguments.args) {
            match self.base(base, target) {
                Some(id) => bases.push(id),
                None => class.foreign_bases.push(self.names.resolve(base).map(|base| base.path)),
            }
        }
        for keyword in def.arguments.iter().flat_map(|arguments| &arguments.keywords) {
            if keyword.arg.as_ref().is_some_and(|arg| arg == "metaclass")
                && let Some(meta) = self.names.resolve(&keyword.value)
            {
                class.abc |= meta.last() == "ABCMeta";
            }
        }
        let id = self.classes.len();
        class.mro = linearize(id, &bases, &self.classes);
        self.classes.push(class);
        self.block(&def.body, Target::Class(id), Odds::Certain, qual);
        qual.truncate(outer);
        // Bound after its body, as in Python: nothing in a class can refer to the class itself.
        self.bind(target, odds, def.name.as_str(), Bound { thing: Thing::Class(id), ..OTHER });
    }

    /// The class of this file that a base expression means: `Base`, `Base[int]`, `Outer.Base`.
    fn base(&self, expr: &Expr, target: Target) -> Option<usize> {
        let mut path = Vec::new();
        let mut expr = expr;
        let name = loop {
            match expr {
                Expr::Attribute(attribute) => {
                    path.push(attribute.attr.as_str());
                    expr = &attribute.value;
                }
                Expr::Subscript(subscript) => expr = &subscript.value,
                Expr::Name(name) => break name,
                _ => return None,
            }
        };
        let mut bound = self.lookup(target, &name.id)?;
        while let Some(attribute) = path.pop() {
            let Thing::Class(id) = bound.thing else {
                return None;
            };
            bound = self.classes[id].scope.get(attribute)?;
        }
        match bound.thing {
            Thing::Class(id) => Some(id),
            _ => None,
        }
    }

    fn assign(&mut self, place: &'a Expr, value: &'a Expr, target: Target, odds: Odds) {
        match place {
            Expr::Name(name) => self.assign_name(name.id.as_str(), value, target, odds),
            Expr::Attribute(attribute) if attribute.attr.as_str() == "__test__" => {
                let (Some(name), Some(flag)) = (attribute.value.as_name_expr(), literal_bool(value)) else {
                    return;
                };
                let Some(bound) = self.lookup(target, &name.id) else {
                    return;
                };
                if let Thing::Class(id) = bound.thing {
                    self.classes[id].scope.test_flag = Some(flag);
                } else {
                    let bound = Bound { test_flag: Some(flag), ..bound };
                    self.bind(target, odds, name.id.as_str(), bound);
                }
            }
            Expr::Tuple(tuple) => {
                for element in &tuple.elts {
                    if let Expr::Name(name) = element
                        && odds == Odds::Certain
                    {
                        self.bind(target, odds, name.id.as_str(), OTHER);
                    }
                }
            }
            _ => {}
        }
    }

    fn assign_name(&mut self, name: &'a str, value: &'a Expr, target: Target, odds: Odds) {
        let Some(scope) = self.scope(target) else {
            return;
        };
        match name {
            "pytestmark" => scope.pytestmark = vec![value],
            "__test__" => scope.test_flag = literal_bool(value).or(scope.test_flag),
            _ => {}
        }
        if target == Target::Module && odds != Odds::Fallback {
            self.names.assign(name, value);
        }
        if let Expr::Name(source) = value
            && let Some(bound) = self.lookup(target, &source.id)
            && !matches!(bound.thing, Thing::Other)
        {
            if source.id != *name {
                self.bind(target, odds, name, Bound { alias: true, ..bound });
            }
            return;
        }
        let defined = self.lookup(target, name).is_some_and(|bound| !matches!(bound.thing, Thing::Other));
        // `test_x = wrap(test_x)` is still that test, and in a branch it is unknown which one it is.
        if !(defined && (odds != Odds::Certain || mentions(value, name, 6))) {
            self.bind(target, odds, name, OTHER);
        }
    }
}

const OTHER: Bound<'static> = Bound { thing: Thing::Other, alias: false, test_flag: None };

/// Whether a condition is known without running anything.
fn truth(test: &Expr) -> Option<bool> {
    match test {
        Expr::Name(name) if name.id == "TYPE_CHECKING" => Some(false),
        Expr::Attribute(attribute) if attribute.attr.as_str() == "TYPE_CHECKING" => Some(false),
        Expr::UnaryOp(not) if not.op.is_not() => truth(&not.operand).map(|value| !value),
        // A test module is never the main one.
        Expr::Compare(compare) => {
            let is_name = compare.left.as_name_expr().is_some_and(|name| name.id == "__name__");
            let [Expr::StringLiteral(text)] = &*compare.comparators else {
                return None;
            };
            (is_name && compare.ops.first().is_some_and(|op| op.is_eq()) && text.value == *"__main__").then_some(false)
        }
        _ => literal_bool(test),
    }
}

/// Whether a call passes a name on.
fn mentions(value: &Expr, name: &str, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match value {
        Expr::Name(found) => found.id == *name,
        Expr::Call(call) => {
            mentions(&call.func, name, depth)
                || call.arguments.args.iter().any(|arg| mentions(arg, name, depth))
                || call.arguments.keywords.iter().any(|keyword| mentions(&keyword.value, name, depth))
        }
        Expr::Attribute(attribute) => mentions(&attribute.value, name, depth),
        _ => false,
    }
}
