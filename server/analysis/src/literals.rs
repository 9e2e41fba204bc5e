//! Names in string literals: an import by a name in a string shows in no import statement.
//!
//! `importlib.import_module("low")`, `mock.patch("pkg.low.f")`, `pytest_plugins = ["fix.db"]`: a caller that knows the
//! project's modules can match these.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, ModModule};

/// The longest text that can name a module, in bytes.
const MAX_LEN: usize = 200;

/// All string literals that look like dotted names, sorted, each once.
pub(crate) fn named(tree: &ModModule) -> Vec<String> {
    let mut found = Literals::default();
    found.visit_body(&tree.body);
    found.names.into_iter().map(str::to_owned).collect()
}

#[derive(Default)]
struct Literals<'a> {
    names: BTreeSet<&'a str>,
}

impl<'a> Visitor<'a> for Literals<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::StringLiteral(literal) = expr {
            let text = literal.value.to_str();
            if is_dotted_name(text) {
                self.names.insert(text);
            }
        }
        walk_expr(self, expr);
    }
}

fn is_dotted_name(text: &str) -> bool {
    text.len() <= MAX_LEN && text.split('.').all(is_identifier)
}

fn is_identifier(part: &str) -> bool {
    let is_inside = |letter: char| letter == '_' || letter.is_alphanumeric();
    part.chars().all(is_inside) && part.starts_with(|first: char| first == '_' || first.is_alphabetic())
}

#[cfg(test)]
mod tests {
    use crate::{PytestSettings, analyze};

    fn named(source: &str) -> Vec<String> {
        analyze(source, &PytestSettings::default()).named
    }

    #[test]
    fn a1_names_are_found_wherever_a_literal_stands() {
        let source = r#"
pytest_plugins = ["fix.db", "pytester"]
@mock.patch("pkg.low.f", new="two words")
def test_x(monkeypatch, name="größe"):
    """Prose."""
    if (found := importlib.import_module("low")):
        monkeypatch.setattr("pkg." "other.g", lambda: {"key": f"{'inner'}"})
    return ["", ".", "a.", ".a", "1a", "a-b", "a/b.py", b"bytes", "low"]
"#;
        assert_eq!(named(source), ["fix.db", "größe", "inner", "key", "low", "pkg.low.f", "pkg.other.g", "pytester"]);
    }
}
