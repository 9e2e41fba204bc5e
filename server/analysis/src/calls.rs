//! The calls in a file's code: those made while it is imported, and those in its functions. [`crate::clocks`] finds out
//! from all files of a project whether a call reads a clock.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{BoolOp, Decorator, Expr, ExprCall, ModModule, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::{Ranged, TextSize};

use crate::clocks::is_clock;
use crate::implied;
use crate::model::{Call, Calls};
use crate::names::Names;
use crate::text::Lines;

/// Hooks that pytest calls before any test runs.
const EARLY_HOOKS: [&str; 5] = [
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_load_initial_conftests",
    "pytest_sessionstart",
];

/// The same hooks, by common parts of their names.
const EARLY_KINDS: [&str; 5] =
    ["pytest_cmdline_", "pytest_collect", "pytest_pycollect_", "pytest_itemcollected", "pytest_make_"];

/// Modules of the standard library and others that read no clock.
const INNOCENT: [&str; 13] = [
    "collections",
    "dataclasses",
    "functools",
    "itertools",
    "json",
    "logging",
    "os",
    "pathlib",
    "pytest",
    "re",
    "sys",
    "typing",
    "unittest",
];

/// Functions that call their arguments.
const CALLERS: [&str; 7] =
    ["filter", "functools.reduce", "itertools.accumulate", "itertools.starmap", "map", "max", "min"];

/// Decorators that make a method an attribute.
const PROPERTIES: [&str; 4] = ["abstractproperty", "cached_property", "classproperty", "property"];

/// Stands before the last part of a dotted name: the attribute is read, and not called.
pub(crate) const READ: char = '@';

/// A call of a parameter, of which a caller knows what it is.
pub(crate) const GIVEN: &str = "$given";

/// Stands between a function and what it is given.
pub(crate) const WITH: char = '>';

/// Arguments that are called when an object of the class is created.
const FACTORIES: [&str; 2] = ["default_factory", "factory"];

pub(crate) fn read(tree: &ModModule, names: &Names<'_>, lines: &Lines<'_>) -> Calls {
    let mut reader = Reader {
        names,
        lines,
        found: Calls::default(),
        known: HashMap::new(),
        seen: HashSet::new(),
        enclosing: Enclosing::default(),
        locals: HashMap::new(),
    };
    reader.visit_body(&tree.body);
    let mut found = reader.found;
    found.functions.retain(|(_, calls)| !calls.is_empty());
    found.reads_clocks = found.functions.iter().flat_map(|(_, calls)| calls).any(|call| is_clock(&call.path));
    found.bound = names.bound().collect();
    found.bound.sort_unstable();
    found
}

/// The code that is being read.
#[derive(Default)]
struct Enclosing {
    /// The function, by its index; `None`: what importing the file runs.
    function: Option<usize>,
    /// The class around it: `A.B`.
    class: String,
}

struct Reader<'a> {
    names: &'a Names<'a>,
    lines: &'a Lines<'a>,
    found: Calls,
    /// The indices of functions, by their names.
    known: HashMap<String, usize>,
    /// The calls already in `found`, by function.
    seen: HashSet<(Option<usize>, String)>,
    enclosing: Enclosing,
    /// The meanings of names in the function that is being read.
    locals: HashMap<&'a str, String>,
}

impl<'a> Reader<'a> {
    /// A dotted name: the callee, or a use of a call's result.
    fn path(&self, expr: &'a Expr) -> Option<String> {
        match expr {
            Expr::Call(call) => match self.path(&call.func)? {
                path if path == "functools.partial" => self.path(call.arguments.args.first()?),
                path => Some(path),
            },
            Expr::Subscript(subscript) => self.path(&subscript.value),
            Expr::Attribute(attribute) => Some(format!("{}.{}", self.path(&attribute.value)?, attribute.attr)),
            Expr::Name(name) => {
                let id = name.id.as_str();
                if matches!(id, "self" | "cls") && !self.enclosing.class.is_empty() {
                    return Some(self.enclosing.class.clone());
                }
                self.locals.get(id).cloned().or_else(|| self.names.resolve(expr).map(|used| used.path))
            }
            _ => None,
        }
    }

    fn add(&mut self, at: TextSize, path: String) {
        let root = path.split('.').next().unwrap_or_default();
        if INNOCENT.contains(&root) {
            return;
        }
        if self.seen.insert((self.enclosing.function, path.clone())) {
            let calls = match self.enclosing.function {
                Some(index) => &mut self.found.functions[index].1,
                None => &mut self.found.at_import,
            };
            calls.push(Call { at: self.lines.pos(at), path });
        }
    }

    fn add_called(&mut self, called: &'a Expr) {
        let Some(path) = self.path(called) else { return };
        // `clock()`, `make()()`: what a call has made is called.
        let is_made = match called {
            Expr::Call(call) => self.path(&call.func).is_some_and(|path| path != "functools.partial"),
            Expr::Name(name) => {
                !self.locals.contains_key(name.id.as_str())
                    && self.names.value(name.id.as_str()).is_some_and(|value| {
                        matches!(value, Expr::Call(call) if self.path(&call.func).is_some_and(|path| path != "functools.partial"))
                    })
            }
            _ => false,
        };
        self.add(called.start(), if is_made { path + ".__call__" } else { path });
    }

    /// A method that Python itself calls on what an expression gives.
    fn add_method(&mut self, of: &'a Expr, method: &str) {
        if let Some(path) = self.path(of) {
            self.add(of.start(), format!("{path}.{method}"));
        }
    }

    /// Methods of an operand that Python calls. Only an operand counts that this file shows to be an object of a class:
    /// the result of a call, or a name for it; at module level, an imported object as well.
    fn add_implied(&mut self, operand: &'a Expr, methods: &[&str]) {
        let is_object = match operand {
            Expr::Call(_) => true,
            Expr::Name(name) => {
                let id = name.id.as_str();
                let is_local = self.locals.get(id).is_some_and(|path| path != GIVEN);
                is_local || self.enclosing.function.is_none() || self.names.value(id).is_some_and(Expr::is_call_expr)
            }
            Expr::Attribute(_) => self.enclosing.function.is_none(),
            _ => false,
        };
        if is_object {
            for method in methods {
                self.add_method(operand, method);
            }
        }
    }

    /// Adds the arguments of a call, which the callee may call.
    fn given(&mut self, call: &'a ExprCall) {
        let callee = self.path(&call.func);
        let is_caller = callee.as_deref().is_some_and(|path| CALLERS.contains(&path));
        let values = call.arguments.args.iter().chain(call.arguments.keywords.iter().map(|one| &one.value));
        for value in values {
            match value {
                Expr::Lambda(lambda) if is_caller => self.visit_expr(&lambda.body),
                Expr::Name(_) | Expr::Attribute(_) | Expr::Call(_) if is_caller => {
                    if let Some(path) = self.path(value) {
                        self.add(value.start(), path);
                    }
                }
                Expr::Name(_) | Expr::Attribute(_) => {
                    if let (Some(callee), Some(path)) = (&callee, self.path(value)) {
                        self.add(value.start(), format!("{callee}{WITH}{path}"));
                    }
                }
                _ => {}
            }
        }
    }

    /// The name of the function that is being read, with its outer ones.
    fn current(&self) -> Option<String> {
        self.enclosing.function.map(|index| self.found.functions[index].0.clone())
    }

    /// `return inner`: calling what a call of the function returns calls that.
    fn returned(&mut self, value: &'a Expr) {
        let Some(outer) = self.current() else { return };
        let index = self.function(&format!("{outer}.__call__"));
        let locals = self.locals.clone();
        self.within(index, |reader| {
            reader.locals = locals;
            match value {
                Expr::Lambda(lambda) => reader.visit_expr(&lambda.body),
                Expr::Name(_) => reader.add_called(value),
                _ => {}
            }
        });
    }

    /// A function's index, by its name in the file.
    fn function(&mut self, name: &str) -> usize {
        let functions = &mut self.found.functions;
        *self.known.entry(name.to_owned()).or_insert_with(|| {
            functions.push((name.to_owned(), Vec::new()));
            functions.len() - 1
        })
    }

    fn qualified(&self, name: &str) -> String {
        if self.enclosing.class.is_empty() { name.to_owned() } else { format!("{}.{name}", self.enclosing.class) }
    }

    /// Reads code that runs when a function is called.
    fn within(&mut self, function: usize, read: impl FnOnce(&mut Self)) {
        let outer = self.enclosing.function.replace(function);
        let locals = std::mem::take(&mut self.locals);
        read(self);
        self.enclosing.function = outer;
        self.locals = locals;
    }

    fn define(&mut self, function: &'a StmtFunctionDef) {
        self.decorated(&function.decorator_list);
        for default in function.parameters.iter_non_variadic_params().filter_map(|one| one.default.as_deref()) {
            self.visit_expr(default);
        }
        let name = function.name.as_str();
        if let Some(outer) = self.current() {
            return self.define_inner(function, &outer);
        }
        // Only pytest calls a test.
        if name.starts_with("test") {
            return;
        }
        if self.enclosing.class.is_empty() && is_early_hook(name) {
            self.add(function.start(), name.to_owned());
        }
        let decorators: Vec<_> = function.decorator_list.iter().filter_map(|one| self.path(&one.expression)).collect();
        let is_property =
            decorators.iter().any(|path| PROPERTIES.iter().any(|last| path.rsplit('.').next() == Some(last)));
        let name = if is_property { format!("{READ}{name}") } else { name.to_owned() };
        let index = self.function(&self.qualified(&name));
        self.within(index, |reader| {
            reader.locals = parameters(function);
            // Its decorators may have put a function of theirs in front of it.
            for path in decorators {
                reader.add(function.start(), path + ".__call__");
            }
            reader.visit_body(&function.body);
        });
    }

    /// A function within another one.
    fn define_inner(&mut self, function: &'a StmtFunctionDef, outer: &str) {
        let name = format!("{outer}.{}", function.name);
        self.locals.insert(function.name.as_str(), name.clone());
        let (index, mut locals) = (self.function(&name), self.locals.clone());
        locals.extend(parameters(function));
        self.within(index, |reader| {
            reader.locals = locals;
            reader.visit_body(&function.body);
        });
    }

    fn class(&mut self, class: &'a StmtClassDef) {
        self.decorated(&class.decorator_list);
        let name = self.qualified(class.name.as_str());
        for base in class.arguments.iter().flat_map(|all| &all.args) {
            self.add_method(base, "__init_subclass__");
        }
        for keyword in class.arguments.iter().flat_map(|all| &all.keywords) {
            if keyword.arg.as_ref().is_some_and(|name| name.as_str() == "metaclass") {
                self.add_called(&keyword.value);
            }
        }
        let bases: Vec<&Expr> = class.arguments.as_deref().map(|all| all.args.iter().collect()).unwrap_or_default();
        let bases = bases.into_iter().filter_map(|base| self.path(base)).collect();
        if self.enclosing.function.is_none() {
            self.found.classes.push((name.clone(), bases));
        }
        let outer = std::mem::replace(&mut self.enclosing.class, name);
        self.visit_body(&class.body);
        self.enclosing.class = outer;
    }

    /// A decorator is called, whether it has arguments or not.
    fn decorated(&mut self, decorators: &'a [Decorator]) {
        for decorator in decorators {
            self.visit_expr(&decorator.expression);
            self.add_called(&decorator.expression);
        }
    }

    /// In a class, the functions that make the values of fields are called when an object is created.
    fn factories(&mut self, call: &'a ExprCall) {
        if self.enclosing.class.is_empty() || self.enclosing.function.is_some() {
            return;
        }
        let named = call.arguments.keywords.iter();
        let factories = named.filter(|one| one.arg.as_ref().is_some_and(|name| FACTORIES.contains(&name.as_str())));
        for factory in factories {
            let index = self.function(&self.qualified("__init__"));
            self.within(index, |reader| match &factory.value {
                Expr::Lambda(lambda) => reader.visit_expr(&lambda.body),
                made => reader.add_called(made),
            });
        }
    }

    /// `name = value`: a lambda at module level is a function; a function's own names are followed.
    fn assign(&mut self, target: &'a Expr, value: &'a Expr) {
        let Expr::Name(name) = target else { return };
        match (self.enclosing.function, value) {
            // Python calls two methods of a descriptor: one with its name, one for each access.
            (None, Expr::Call(_)) if !self.enclosing.class.is_empty() => {
                self.add_method(value, "__set_name__");
                let index = self.function(&self.qualified(&format!("{READ}{}", name.id)));
                self.within(index, |reader| reader.add_method(value, "__get__"));
            }
            (Some(index), Expr::Lambda(lambda)) => {
                let inner = format!("{}.{}", self.found.functions[index].0, name.id);
                self.locals.insert(name.id.as_str(), inner.clone());
                let (index, locals) = (self.function(&inner), self.locals.clone());
                self.within(index, |reader| {
                    reader.locals = locals;
                    reader.visit_expr(&lambda.body);
                });
            }
            (None, Expr::Lambda(lambda)) => {
                let index = self.function(&self.qualified(name.id.as_str()));
                self.within(index, |reader| reader.visit_expr(&lambda.body));
            }
            (Some(_), Expr::Call(_) | Expr::Name(_) | Expr::Attribute(_)) => {
                if let Some(path) = self.path(value) {
                    self.locals.insert(name.id.as_str(), path);
                }
            }
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Reader<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        implied::by_statement(stmt, |operand, methods| self.add_implied(operand, methods));
        match stmt {
            Stmt::FunctionDef(function) => self.define(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::If(branch) if is_for_programs(&branch.test) => {
                for clause in &branch.elif_else_clauses {
                    self.visit_body(&clause.body);
                }
            }
            Stmt::ImportFrom(import) if self.enclosing.function.is_some() => {
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    let module = if module.is_empty() { String::new() } else { format!("{module}.") };
                    let dots = ".".repeat(import.level as usize);
                    self.locals.insert(name, format!("{dots}{module}{}", alias.name));
                }
            }
            Stmt::With(with) => {
                for item in &with.items {
                    self.add_method(&item.context_expr, "__enter__");
                }
                walk_stmt(self, stmt);
            }
            Stmt::Return(back) => {
                walk_stmt(self, stmt);
                if let Some(value) = &back.value {
                    self.returned(value);
                }
            }
            Stmt::Assign(assign) => {
                walk_stmt(self, stmt);
                for target in &assign.targets {
                    self.assign(target, &assign.value);
                }
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        implied::by_expression(expr, |operand, methods| self.add_implied(operand, methods));
        match expr {
            Expr::Lambda(_) => return,
            Expr::Call(call) => {
                self.add_called(&call.func);
                self.factories(call);
                self.given(call);
                match &*call.func {
                    Expr::Attribute(method) => self.visit_expr(&method.value),
                    Expr::Lambda(lambda) => self.visit_expr(&lambda.body),
                    other => self.visit_expr(other),
                }
                return self.visit_arguments(&call.arguments);
            }
            Expr::Attribute(attribute) => {
                if let Some(path) = self.path(&attribute.value) {
                    self.add(expr.start(), format!("{path}.{READ}{}", attribute.attr));
                }
            }
            _ => {}
        }
        walk_expr(self, expr);
    }
}

/// The parameters of a function, each with the same meaning: its caller knows the value.
fn parameters(function: &StmtFunctionDef) -> HashMap<&str, String> {
    let names = function.parameters.iter_non_variadic_params().map(|one| one.parameter.name.as_str());
    names.filter(|name| !matches!(*name, "self" | "cls")).map(|name| (name, GIVEN.to_owned())).collect()
}

fn is_early_hook(name: &str) -> bool {
    EARLY_HOOKS.contains(&name) || EARLY_KINDS.iter().any(|kind| name.starts_with(kind))
}

/// `__name__ == "__main__"`, and branches for type checkers.
fn is_for_programs(test: &Expr) -> bool {
    let is_name = |expr: &Expr, id: &str| matches!(expr, Expr::Name(name) if name.id.as_str() == id);
    match test {
        Expr::Compare(compare) => is_name(&compare.left, "__name__"),
        Expr::BoolOp(both) if both.op == BoolOp::And => both.values.iter().any(is_for_programs),
        other => is_name(other, "TYPE_CHECKING"),
    }
}
