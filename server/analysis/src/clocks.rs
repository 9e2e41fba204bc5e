//! Readings of a clock while a module is imported: what they give differs from import to import.
//!
//! Seen are calls in a module's and its classes' own code, in defaults and decorators, and in functions of the module
//! that such code calls.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Expr, ExprCall, ModModule, Stmt, StmtFunctionDef};
use ruff_text_size::{Ranged, TextSize};

use crate::names::Names;

/// Methods that read a clock, whatever they are methods of.
const METHODS: [&str; 5] = ["now", "utcnow", "today", "time_ns", "uuid1"];

/// Functions of the module `time`.
const FUNCTIONS: [&str; 9] = [
    "time.time",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.localtime",
    "time.gmtime",
    "time.ctime",
    "time.strftime",
];

/// The first reading of a clock at import: where, and the dotted name of what is called.
pub(crate) fn first(tree: &ModModule, names: &Names<'_>) -> Option<(TextSize, String)> {
    let mut readings = Readings { names, functions: HashMap::new(), entered: HashSet::new(), found: None };
    for stmt in &tree.body {
        if let Stmt::FunctionDef(function) = stmt {
            readings.functions.insert(function.name.as_str(), function);
        }
    }
    readings.visit_body(&tree.body);
    readings.found
}

struct Readings<'a> {
    names: &'a Names<'a>,
    functions: HashMap<&'a str, &'a StmtFunctionDef>,
    entered: HashSet<&'a str>,
    found: Option<(TextSize, String)>,
}

impl<'a> Readings<'a> {
    fn call(&mut self, call: &'a ExprCall) {
        if let Some(path) = self.names.resolve(&call.func).map(|used| used.path) {
            let last = path.rsplit('.').next().unwrap_or_default();
            if FUNCTIONS.contains(&path.as_str()) || (path.contains('.') && METHODS.contains(&last)) {
                self.found.get_or_insert((call.start(), path));
            }
        }
        if let Expr::Name(name) = &*call.func
            && let Some(function) = self.functions.get(name.id.as_str()).copied()
            && self.entered.insert(function.name.as_str())
        {
            self.visit_body(&function.body);
        }
    }
}

impl<'a> Visitor<'a> for Readings<'a> {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::FunctionDef(function) => {
                for decorator in &function.decorator_list {
                    self.visit_decorator(decorator);
                }
                for default in function.parameters.iter_non_variadic_params().filter_map(|one| one.default.as_deref()) {
                    self.visit_expr(default);
                }
            }
            Stmt::If(branch) if is_for_programs(&branch.test) => {
                for clause in &branch.elif_else_clauses {
                    self.visit_body(&clause.body);
                }
            }
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Lambda(_) => return,
            Expr::Call(call) => self.call(call),
            _ => {}
        }
        walk_expr(self, expr);
    }
}

/// `__name__ == "__main__"`, and what is for type checkers.
fn is_for_programs(test: &Expr) -> bool {
    let is_name = |expr: &Expr, id: &str| matches!(expr, Expr::Name(name) if name.id.as_str() == id);
    match test {
        Expr::Compare(compare) => is_name(&compare.left, "__name__"),
        other => is_name(other, "TYPE_CHECKING"),
    }
}

#[cfg(test)]
mod tests {
    use crate::{PytestSettings, analyze};

    fn reading(source: &str) -> Option<(u32, String)> {
        analyze(source, &PytestSettings::default()).clock.map(|(at, what)| (at.line + 1, what))
    }

    #[test]
    fn r11_readings_at_import_are_found() {
        let found = [
            ("import time\nSTART = time.time()", 2, "time.time"),
            ("from time import time as t\nSTART = t()", 2, "time.time"),
            ("from datetime import datetime\nclass A:\n    at = datetime.now()", 3, "datetime.datetime.now"),
            ("import datetime as dt\nTODAY = dt.date.today().isoformat()", 2, "datetime.date.today"),
            ("from django.utils import timezone\nNOW = timezone.now()", 2, "django.utils.timezone.now"),
            ("from django.utils.timezone import now\nNOW = [now() for _ in 'ab']", 2, "django.utils.timezone.now"),
            ("import time\ndef f(at=time.time()): pass", 2, "time.time"),
            ("import time\ndef make():\n    return time.time() + 5\nTOKEN = make()", 3, "time.time"),
            ("import uuid\nif True:\n    ID = f'{uuid.uuid1()}'", 3, "uuid.uuid1"),
        ];
        for (source, line, what) in found {
            assert_eq!(reading(source), Some((line, what.to_owned())), "{source}");
        }
    }

    #[test]
    fn r11_readings_of_tests_are_none() {
        for source in [
            "import time\ndef test(): time.time()",
            "import time\nclass TestA:\n    def test(self): return time.time()",
            "import time\nnow = lambda: time.time()",
            "import time\nif __name__ == '__main__':\n    print(time.time())",
            "import time\ndef make(): return time.time()\ndef test(): make()",
            "import time\nread = time.time\ntime.sleep(0)",
            "def now(): return 1\nNOW = now()",
        ] {
            assert_eq!(reading(source), None, "{source}");
        }
    }
}
