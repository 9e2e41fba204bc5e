//! Whether pytest alone can execute certain tests of a file, so that a change of their bodies concerns no other test.
//!
//! A guess to the safe side, by the file's text alone: that nobody else imports or reads the file is the caller's part.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{Decorator, Expr, Stmt};

use crate::parse::with_tree;

/// Code with these words may find functions without their names, looks at texts, lines or places of sources, or leaves
/// values for other tests.
const REFLECTS: [&str; 27] = [
    "__class__",
    "__dict__",
    "__file__",
    "__globals__",
    "__import__",
    "__subclasses__",
    "attrgetter",
    "co_firstlineno",
    "currentframe",
    "dir",
    "eval",
    "exec",
    "getattr",
    "getmembers",
    "getmodule",
    "global",
    "globals",
    "import_module",
    "inspect",
    "linecache",
    "lineno",
    "locals",
    "methodcaller",
    "modules",
    "pytester",
    "traceback",
    "vars",
];

/// Decorators of these modules and names neither call a test nor keep it for others.
const DECORATES: [&str; 8] = ["example", "given", "hypothesis", "mock", "patch", "pytest", "settings", "unittest"];

/// Classes with these bases call no test by its name.
const BASES: [&str; 4] = ["IsolatedAsyncioTestCase", "TestCase", "object", "unittest"];

/// Returns whether nothing in the file refers to these functions, by qualified name, or may do so.
#[must_use]
pub fn are_lone(text: &str, names: &BTreeSet<String>) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for word in text.split(|c| !is_word(c)) {
        *uses.entry(word).or_default() += 1;
    }
    if REFLECTS.iter().any(|word| uses.contains_key(word)) {
        return false;
    }
    // The definition is the one use.
    if names.iter().any(|name| uses.get(last(name)) != Some(&1)) {
        return false;
    }
    with_tree(text, |module, error| {
        let mut left: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let classes: BTreeMap<&str, &[Expr]> = module
            .body
            .iter()
            .filter_map(|statement| match statement {
                Stmt::ClassDef(class) if class.decorator_list.is_empty() && class.keywords().is_empty() => {
                    Some((class.name.as_str(), class.bases()))
                }
                _ => None,
            })
            .collect();
        error.is_none() && are_plain(&module.body, "", &classes, &mut left) && left.is_empty()
    })
}

/// The name without the classes that it is in.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Removes the functions from `left` that are defined here; false if one of them may be called by others. `classes`: those
/// of the module.
fn are_plain(body: &[Stmt], within: &str, classes: &BTreeMap<&str, &[Expr]>, left: &mut BTreeSet<&str>) -> bool {
    body.iter().all(|statement| match statement {
        Stmt::FunctionDef(function) => {
            let name =
                if within.is_empty() { function.name.to_string() } else { format!("{within}.{}", function.name) };
            !left.remove(name.as_str()) || function.decorator_list.iter().all(is_harmless)
        }
        Stmt::ClassDef(class) if within.is_empty() => {
            let start = format!("{}.", class.name);
            !left.iter().any(|name| name.starts_with(&start))
                || (is_plain_class(&class.name, classes, 0) && are_plain(&class.body, &class.name, classes, left))
        }
        _ => true,
    })
}

/// Whether a class of the module has no bases but such classes and known ones.
fn is_plain_class(name: &str, classes: &BTreeMap<&str, &[Expr]>, depth: usize) -> bool {
    let is_plain = |base: &Expr| {
        root_of(base).is_some_and(|root| {
            BASES.contains(&root) || (base.is_name_expr() && is_plain_class(root, classes, depth + 1))
        })
    };
    depth < 10 && classes.get(name).is_some_and(|bases| bases.iter().all(is_plain))
}

fn is_harmless(decorator: &Decorator) -> bool {
    root_of(&decorator.expression).is_some_and(|root| DECORATES.contains(&root))
}

/// The name with which an expression such as `a.b(c)` begins.
fn root_of(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(&name.id),
        Expr::Attribute(attribute) => root_of(&attribute.value),
        Expr::Call(call) => root_of(&call.func),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
import pytest
from unittest import mock

def helper(): pass
@pytest.mark.slow
@mock.patch('a.b')
def test_a(): helper()
def test_b(): pass
class Base:
    def test_in_base(self): pass
class TestC(Base):
    def test_m(self): self.x()
";

    fn lone(text: &str, name: &str) -> bool {
        are_lone(text, &BTreeSet::from([name.to_owned()]))
    }

    #[test]
    fn a_test_that_nothing_refers_to_is_lone() {
        for name in ["test_a", "test_b", "Base.test_in_base", "TestC.test_m"] {
            assert!(lone(SOURCE, name), "{name}");
        }
        assert!(!lone(SOURCE, "helper"), "it is called");
        assert!(!lone(SOURCE, "test_none"));
    }

    #[test]
    fn a_test_that_others_may_reach_is_not_lone() {
        let with = |more: &str| format!("{SOURCE}{more}");
        let not = |more: &str, name: &str| assert!(!lone(&with(more), name), "{more}");
        not("test_again = test_a\n", "test_a");
        not("def test_x(): test_b()\n", "test_b");
        not("def test_x(): getattr(TestC(), 'test_' + 'm')()\n", "TestC.test_m");
        not("def test_x(): eval('test' + '_b()')\n", "test_b");
        not("@register\ndef test_x(): pass\n", "test_x");
        not("@pytest\n@lib.register(1)\ndef test_x(): pass\n", "test_x");
        not("class TestD(lib.Base):\n    def test_d(self): pass\n", "TestD.test_d");
        not("class Other(lib.Base): pass\nclass TestD(Other):\n    def test_d(self): pass\n", "TestD.test_d");
        not("class TestD(Base, metaclass=Meta):\n    def test_d(self): pass\n", "TestD.test_d");
        not("@every\nclass TestD:\n    def test_d(self): pass\n", "TestD.test_d");
        not("class TestD:\n    class In:\n        def test_d(self): pass\n", "TestD.In.test_d");
        not("if 1:\n    def test_x(): pass\n", "test_x");
        not("def test_x(: pass\n", "test_b");
        not("class A(B): pass\nclass B(A):\n    def test_d(self): pass\n", "B.test_d");
    }
}
