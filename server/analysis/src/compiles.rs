//! Finds what the parser accepts and Python's compiler does not: such an error in one function breaks the import of the
//! whole file.
//!
//! Not seen is a `nonlocal` name that no enclosing function binds.

use std::cell::Cell;

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, PythonVersion, Stmt, StmtFunctionDef};
use ruff_python_parser::semantic_errors::{
    LazyImportContext, SemanticSyntaxChecker, SemanticSyntaxContext, SemanticSyntaxError,
};
use ruff_text_size::TextRange;

/// Whether Python's compiler accepts a module, as far as is known.
pub(crate) fn compiles(source: &str, module: &[Stmt]) -> bool {
    let within = Within { source, scopes: vec![Scope::new(Kind::Module)], failed: Cell::new(false) };
    let mut check = Check { checker: SemanticSyntaxChecker::new(), within };
    check.visit_body(module);
    !check.within.failed.get()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Module,
    Class,
    Function { is_async: bool },
    Lambda,
    Comprehension { is_generator: bool },
}

struct Scope {
    kind: Kind,
    /// The loops of this scope around the current statement.
    loops: u32,
    parameters: Vec<String>,
    globals: Vec<(String, TextRange)>,
}

impl Scope {
    fn new(kind: Kind) -> Self {
        Scope { kind, loops: 0, parameters: Vec::new(), globals: Vec::new() }
    }

    fn of(function: &StmtFunctionDef) -> Self {
        let mut globals = Globals(Vec::new());
        globals.visit_body(&function.body);
        Scope {
            parameters: function.parameters.iter().map(|parameter| parameter.name().to_string()).collect(),
            globals: globals.0,
            ..Scope::new(Kind::Function { is_async: function.is_async })
        }
    }
}

/// The names that the statements of a function declare global.
struct Globals(Vec<(String, TextRange)>);

impl<'a> Visitor<'a> for Globals {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Global(global) => {
                self.0.extend(global.names.iter().map(|name| (name.to_string(), global.range)));
            }
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => {}
            _ => walk_stmt(self, statement),
        }
    }
    fn visit_expr(&mut self, _: &'a Expr) {}
}

struct Check<'s> {
    checker: SemanticSyntaxChecker,
    within: Within<'s>,
}

impl Check<'_> {
    fn inside(&mut self, scope: Scope, visit: impl FnOnce(&mut Self)) {
        self.within.scopes.push(scope);
        visit(self);
        self.within.scopes.pop();
    }

    fn repeated(&mut self, body: &[Stmt], orelse: &[Stmt]) {
        self.within.innermost(|scope| scope.loops += 1);
        self.visit_body(body);
        self.within.innermost(|scope| scope.loops -= 1);
        self.visit_body(orelse);
    }
}

impl<'a> Visitor<'a> for Check<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.checker.visit_stmt(statement, &self.within);
        match statement {
            Stmt::FunctionDef(function) => {
                function.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                self.visit_parameters(&function.parameters);
                function.returns.iter().for_each(|returned| self.visit_annotation(returned));
                self.inside(Scope::of(function), |check| check.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                class.decorator_list.iter().for_each(|decorator| self.visit_decorator(decorator));
                class.arguments.iter().for_each(|arguments| self.visit_arguments(arguments));
                self.inside(Scope::new(Kind::Class), |check| check.visit_body(&class.body));
            }
            Stmt::For(repeat) => {
                self.visit_expr(&repeat.iter);
                self.visit_expr(&repeat.target);
                self.repeated(&repeat.body, &repeat.orelse);
            }
            Stmt::While(repeat) => {
                self.visit_expr(&repeat.test);
                self.repeated(&repeat.body, &repeat.orelse);
            }
            _ => walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        self.checker.visit_expr(expression, &self.within);
        match expression {
            Expr::Lambda(lambda) => {
                lambda.parameters.iter().for_each(|parameters| self.visit_parameters(parameters));
                self.inside(Scope::new(Kind::Lambda), |check| check.visit_expr(&lambda.body));
            }
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                let is_generator = matches!(expression, Expr::Generator(_));
                self.inside(Scope::new(Kind::Comprehension { is_generator }), |check| walk_expr(check, expression));
            }
            _ => walk_expr(self, expression),
        }
    }
}

/// The scopes around the current place.
struct Within<'s> {
    source: &'s str,
    scopes: Vec<Scope>,
    failed: Cell<bool>,
}

impl Within<'_> {
    fn innermost(&mut self, change: impl FnOnce(&mut Scope)) {
        if let Some(scope) = self.scopes.last_mut() {
            change(scope);
        }
    }

    fn kind(&self) -> Kind {
        self.scopes.last().map_or(Kind::Module, |scope| scope.kind)
    }

    /// The kinds of the scopes, the innermost first.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.scopes.iter().rev().map(|scope| scope.kind)
    }

    fn around_comprehensions(&self) -> Kind {
        self.kinds().find(|kind| !matches!(kind, Kind::Comprehension { .. })).unwrap_or(Kind::Module)
    }
}

impl SemanticSyntaxContext for Within<'_> {
    fn future_annotations_or_stub(&self) -> bool {
        false
    }
    fn lazy_import_context(&self) -> Option<LazyImportContext> {
        None
    }
    fn python_version(&self) -> PythonVersion {
        PythonVersion::latest()
    }
    fn source(&self) -> &str {
        self.source
    }
    fn global(&self, name: &str) -> Option<TextRange> {
        let globals = &self.scopes.last()?.globals;
        globals.iter().find(|(global, _)| global == name).map(|(_, range)| *range)
    }
    fn has_nonlocal_binding(&self, _: &str) -> bool {
        self.kinds().skip(1).any(|kind| matches!(kind, Kind::Function { .. }))
    }
    fn in_async_context(&self) -> bool {
        self.around_comprehensions() == Kind::Function { is_async: true }
    }
    fn in_await_allowed_context(&self) -> bool {
        matches!(self.around_comprehensions(), Kind::Function { .. } | Kind::Lambda)
    }
    fn in_yield_allowed_context(&self) -> bool {
        matches!(self.kind(), Kind::Function { .. } | Kind::Lambda)
    }
    fn in_sync_comprehension(&self) -> bool {
        false
    }
    fn in_class_body_comprehension(&self) -> bool {
        matches!(self.kind(), Kind::Comprehension { .. }) && self.around_comprehensions() == Kind::Class
    }
    fn in_module_scope(&self) -> bool {
        self.kind() == Kind::Module
    }
    fn in_function_scope(&self) -> bool {
        matches!(self.kind(), Kind::Function { .. })
    }
    fn in_generator_context(&self) -> bool {
        self.kind() == Kind::Comprehension { is_generator: true }
    }
    fn in_notebook(&self) -> bool {
        false
    }
    fn report_semantic_error(&self, _: SemanticSyntaxError) {
        self.failed.set(true);
    }
    fn in_loop_context(&self) -> bool {
        self.scopes.last().is_some_and(|scope| scope.loops > 0)
    }
    fn is_bound_parameter(&self, name: &str) -> bool {
        self.scopes.last().is_some_and(|scope| scope.parameters.iter().any(|parameter| parameter == name))
    }
}

#[cfg(test)]
mod tests {
    use crate::parse::with_parsed;

    fn compiles(text: &str) -> bool {
        with_parsed(text, |parsed, error| {
            assert!(error.is_none(), "{text}");
            super::compiles(text, &parsed.syntax().body)
        })
    }

    #[test]
    fn what_the_compiler_refuses_is_found() {
        let refused = [
            "def f():\n    await x\n",
            "def f():\n    return [await x for x in y]\n",
            "def f():\n    async with x: pass\n",
            "def f():\n    for x in y: pass\n    continue\n",
            "def f():\n    if x: break\n",
            "for x in y:\n    def f(): break\n",
            "class A:\n    return 1\n",
            "def f():\n    nonlocal x\n",
            "def f():\n    x = 1\n    global x\n",
            "def f():\n    class A:\n        yield 1\n",
            "def f():\n    g(a=1, a=2)\n",
            "def f():\n    def g(a, a): pass\n",
            "def f():\n    __debug__ = 1\n",
            "async def f():\n    yield 1\n    return 1\n",
        ];
        for text in refused {
            assert!(!compiles(text), "{text}");
        }
    }

    #[test]
    fn what_the_compiler_accepts_is_accepted() {
        let accepted = [
            "'''Doc.'''\nfrom __future__ import annotations\nimport os\n",
            "async def f():\n    await x\n    async for y in z: break\n    return [await x async for x in y]\n",
            "async def f():\n    yield await x\n",
            "def f(a):\n    for x in y:\n        if x: continue\n        while a: break\n    else:\n        return lambda: (yield)\n",
            "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x = 2\n    return g\n",
            "def f():\n    global x\n    x = 1\n    return (y for y in x)\n",
            "class A:\n    xs = [y for y in range(3)]\n    def m(self): return super().m()\n",
            "def f(x):\n    match x:\n        case [1, *rest]: return rest\n        case {'a': a, **more}: return a\n        case _: pass\n",
            "def f(*args, **kw): return g(*args, a=1, **kw)\n",
            "x: int = 1\ndef f[T](a: T = 1) -> T: return (b := a)\n",
        ];
        for text in accepted {
            assert!(compiles(text), "{text}");
        }
    }
}
