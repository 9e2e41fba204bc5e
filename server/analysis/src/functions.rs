//! Fingerprints of a source file's functions: they show whether a change concerns the bodies of functions alone.
//!
//! A function's fingerprint covers its body, with all that is defined inside of it. The rest of the file counts as
//! *outside*: it is executed when the file is imported. Decorators, parameters with their defaults and annotations,
//! docstrings, class bodies and lambdas of a module or class are outside. Comments, blank lines and the positions of
//! lines count for neither: they show only to code that reads lines or texts of sources, and
//! [`Functions::text`] covers these. Code of which the compiler warns counts for both, since that may be an error.

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{AnyStringFlags, ExceptHandler, Expr, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};
use sha2::{Digest, Sha256};

use crate::compiler_warnings::{has_unknown_escape, runs_together, warned};
use crate::compiles::compiles;
use crate::parse::{MAX_LEN, with_parsed};

/// The beginning of a SHA-256.
pub type Fingerprint = u64;

/// The fingerprints of one source file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Functions {
    /// The text as it is.
    pub text: Fingerprint,
    /// All that is executed when the file is imported.
    pub outside: Fingerprint,
    /// The bodies of functions and methods, by qualified name. Definitions of the same name count as one.
    pub bodies: BTreeMap<String, Fingerprint>,
    /// Classes, and functions that are nothing but a docstring: all of them is outside.
    pub hollow: BTreeSet<String>,
}

impl Functions {
    /// The fingerprint of code with this qualified name, as Python names it; 0 if all of it is outside: a module, a
    /// class body, a lambda.
    #[must_use]
    pub fn of(&self, name: &str) -> Fingerprint {
        match self.bodies.get(name) {
            Some(body) => *body,
            None if name.contains('<') || self.hollow.contains(name) => 0,
            // A name that the text does not show: any change may be one of its body.
            None => self.text,
        }
    }
}

/// Computes the fingerprint of some content.
#[must_use]
pub fn fingerprint(content: &[u8]) -> Fingerprint {
    first_bytes(Sha256::new_with_prefix(content))
}

fn first_bytes(hash: Sha256) -> Fingerprint {
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// Computes the fingerprints of a source. All of a source that can't be compiled, or is not UTF-8, is outside.
#[must_use]
pub fn functions(source: &[u8]) -> Functions {
    let whole = fingerprint(source);
    let unread = Functions { text: whole, outside: whole, ..Functions::default() };
    let Some(text) = std::str::from_utf8(source).ok().filter(|text| text.len() <= MAX_LEN) else { return unread };
    with_parsed(text, |parsed, error| {
        if error.is_some() || !compiles(text, &parsed.syntax().body) {
            return unread;
        }
        let mut found = Definitions::default();
        found.find("", &parsed.syntax().body);
        found.bodies.sort_unstable_by_key(|body| body.range.start());
        let tokens = parsed.tokens().iter().map(|token| (token.kind(), token.range(), token.string_flags()));
        split(text, whole, tokens, found, &warned(&parsed.syntax().body))
    })
}

/// Gives each token to the body that it is in, or to the outside.
fn split(
    text: &str,
    whole: Fingerprint,
    tokens: impl Iterator<Item = (TokenKind, TextRange, Option<AnyStringFlags>)>,
    found: Definitions,
    warned: &[TextRange],
) -> Functions {
    let mut outside = Sha256::new();
    for range in warned {
        outside.update(b"\x00warns\x00");
        outside.update(text.get(range.to_std_range()).unwrap_or_default());
    }
    let mut hashes: BTreeMap<String, Sha256> = BTreeMap::new();
    let mut bodies = found.bodies.into_iter().peekable();
    let mut current: Option<Body> = None;
    let (mut depth, mut begins_line) = (0_u32, true);
    let (mut formatted, mut end) = (0_u32, TextSize::default());
    let mut before = TokenKind::Newline;
    for (kind, range, string) in tokens {
        match kind {
            // Their place does not depend on the line that they are before: the depth of a line counts instead.
            TokenKind::Indent => depth += 1,
            TokenKind::Dedent => depth = depth.saturating_sub(1),
            TokenKind::Comment if !names_encoding(text, range) => {}
            TokenKind::NonLogicalNewline | TokenKind::EndOfFile => {}
            _ => {
                if current.as_ref().is_some_and(|body| range.start() >= body.range.end()) && kind != TokenKind::Newline
                {
                    current = None;
                }
                if let Some(body) = bodies.next_if(|body| body.range.start() <= range.start()) {
                    outside.update(if body.yields { b"\x00yields\x00" } else { b"\x00body\x00\x00\x00" });
                    hashes.entry(body.name.clone()).or_default().update(b"\x00body\x00");
                    current = Some(body);
                }
                let words = text.get(range.to_std_range()).unwrap_or_default();
                let is_warned = string.is_some_and(|flags| has_unknown_escape(words, flags))
                    || (end == range.start() && runs_together(before, kind));
                if current.is_some() && is_warned {
                    outside.update(words.as_bytes());
                }
                before = kind;
                let hash = match &current {
                    Some(body) => hashes.entry(body.name.clone()).or_default(),
                    None => &mut outside,
                };
                // `f"{x = }"` has the blanks in its value.
                if formatted > 0 {
                    hash.update(text.get(end.to_usize()..range.start().to_usize()).unwrap_or_default());
                }
                end = range.end();
                match kind {
                    TokenKind::FStringStart | TokenKind::TStringStart => formatted += 1,
                    TokenKind::FStringEnd | TokenKind::TStringEnd => formatted = formatted.saturating_sub(1),
                    _ => {}
                }
                if begins_line {
                    hash.update(depth.to_be_bytes());
                }
                begins_line = kind == TokenKind::Newline;
                let shown = if begins_line { "\n" } else { words };
                hash.update(shown.as_bytes());
                hash.update([0]);
            }
        }
    }
    let bodies = hashes.into_iter().map(|(name, hash)| (name, first_bytes(hash))).collect();
    Functions { text: whole, outside: first_bytes(outside), bodies, hollow: found.hollow }
}

/// Whether a comment may name the encoding of the file, as the first two lines can (PEP 263).
fn names_encoding(text: &str, comment: TextRange) -> bool {
    let before = text.get(..comment.start().to_usize()).unwrap_or_default();
    before.matches('\n').count() < 2 && text.get(comment.to_std_range()).is_some_and(|words| words.contains("coding"))
}

/// The body of a function that is in no other function.
struct Body {
    range: TextRange,
    /// Its qualified name.
    name: String,
    /// It makes the function a generator: a call executes nothing of it, which shows to callers that never iterate.
    yields: bool,
}

#[derive(Default)]
struct Definitions {
    bodies: Vec<Body>,
    hollow: BTreeSet<String>,
}

impl Definitions {
    fn find(&mut self, within: &str, statements: &[Stmt]) {
        for statement in statements {
            match statement {
                Stmt::FunctionDef(function) => {
                    let name = qualified(within, &function.name);
                    match body_range(&function.body) {
                        Some(range) => self.bodies.push(Body { range, name, yields: yields(&function.body) }),
                        None => drop(self.hollow.insert(name)),
                    }
                }
                Stmt::ClassDef(class) => {
                    let name = qualified(within, &class.name);
                    self.find(&name, &class.body);
                    self.hollow.insert(name);
                }
                Stmt::If(test) => {
                    self.find(within, &test.body);
                    test.elif_else_clauses.iter().for_each(|clause| self.find(within, &clause.body));
                }
                Stmt::For(repeat) => [&repeat.body, &repeat.orelse].iter().for_each(|part| self.find(within, part)),
                Stmt::While(repeat) => [&repeat.body, &repeat.orelse].iter().for_each(|part| self.find(within, part)),
                Stmt::With(with) => self.find(within, &with.body),
                Stmt::Try(attempt) => {
                    self.find(within, &attempt.body);
                    for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
                        self.find(within, &handler.body);
                    }
                    self.find(within, &attempt.orelse);
                    self.find(within, &attempt.finalbody);
                }
                Stmt::Match(choice) => choice.cases.iter().for_each(|case| self.find(within, &case.body)),
                _ => {}
            }
        }
    }
}

/// Whether a function with this body is a generator.
fn yields(body: &[Stmt]) -> bool {
    struct Yields(bool);
    impl<'a> Visitor<'a> for Yields {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            if !matches!(statement, Stmt::FunctionDef(_) | Stmt::ClassDef(_)) {
                walk_stmt(self, statement);
            }
        }
        fn visit_expr(&mut self, expression: &'a Expr) {
            match expression {
                Expr::Yield(_) | Expr::YieldFrom(_) => self.0 = true,
                Expr::Lambda(_) => {}
                _ => walk_expr(self, expression),
            }
        }
    }
    let mut found = Yields(false);
    body.iter().for_each(|statement| found.visit_stmt(statement));
    found.0
}

fn qualified(within: &str, name: &str) -> String {
    if within.is_empty() { name.to_owned() } else { format!("{within}.{name}") }
}

/// The range of a body without its docstring, which is executed with the definition; `None` if nothing is left.
fn body_range(body: &[Stmt]) -> Option<TextRange> {
    let is_docstring = |statement: &Stmt| match statement {
        Stmt::Expr(expression) => matches!(*expression.value, Expr::StringLiteral(_)),
        _ => false,
    };
    let rest = if body.first().is_some_and(is_docstring) { body.get(1..)? } else { body };
    Some(TextRange::new(start_of(rest.first()?), rest.last()?.end()))
}

/// The start of a statement, its decorators included.
fn start_of(statement: &Stmt) -> TextSize {
    let decorators = match statement {
        Stmt::FunctionDef(function) => &function.decorator_list,
        Stmt::ClassDef(class) => &class.decorator_list,
        _ => return statement.start(),
    };
    decorators.first().map_or(statement.start(), |decorator| decorator.start().min(statement.start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
"""A module."""
import os

LIMIT = 1

@cached(1)
def parse(text, limit=LIMIT):
    """Parses."""
    if text:
        return text
    def inner(x=1):
        return x
    return inner()

class Tree(Base):
    kind = "tree"
    key = lambda self: 1

    @property
    def size(self): return 1

    @size.setter
    def size(self, value):
        self._size = value
        for _ in value:
            pass

if os.name == "nt":
    def walk(): return 1
else:
    def walk(): return 2
"#;

    /// The names of the bodies that a replacement changes, and whether it changes the outside.
    fn changed(from: &str, to: &str) -> (Vec<String>, bool) {
        assert!(SOURCE.contains(from), "{from}");
        let (old, new) = (functions(SOURCE.as_bytes()), functions(SOURCE.replacen(from, to, 1).as_bytes()));
        assert_ne!(old.text, new.text);
        let names = old.bodies.keys().chain(new.bodies.keys().filter(|name| !old.bodies.contains_key(*name)));
        let names = names.filter(|name| old.bodies.get(*name) != new.bodies.get(*name)).cloned().collect();
        (names, old.outside != new.outside)
    }

    fn body(name: &str) -> (Vec<String>, bool) {
        (vec![name.to_owned()], false)
    }

    const OUTSIDE: (Vec<String>, bool) = (Vec::new(), true);
    const NOTHING: (Vec<String>, bool) = (Vec::new(), false);

    #[test]
    fn the_functions_of_a_file_are_found() {
        let names: Vec<_> = functions(SOURCE.as_bytes()).bodies.into_keys().collect();
        assert_eq!(names, ["Tree.size", "parse", "walk"]);
    }

    #[test]
    fn a_change_in_a_body_concerns_that_function_alone() {
        assert_eq!(changed("return text", "return None"), body("parse"));
        assert_eq!(changed("def inner(x=1)", "def inner(x=2)"), body("parse"));
        assert_eq!(changed("    if text:\n        return text\n", ""), body("parse"));
        assert_eq!(changed("    return inner()\n", "    if inner:\n        return inner()\n"), body("parse"));
        assert_eq!(changed("    return inner()\n", "    @wraps\n    def last(): pass\n"), body("parse"));
        assert_eq!(changed("size(self): return 1", "size(self): return 2"), body("Tree.size"));
        assert_eq!(changed("            pass\n", "            pass\n        return\n"), body("Tree.size"));
        assert_eq!(changed("    for _ in value:\n            pass\n", "    pass\n"), body("Tree.size"));
        assert_eq!(changed("def walk(): return 2", "def walk(): return 3"), body("walk"));
        assert_eq!(changed("    return inner()\n", "  # odd\n    return inner(1)  # even\n"), body("parse"));
    }

    #[test]
    fn the_rest_of_a_file_is_outside() {
        let replacements = [
            ("LIMIT = 1", "LIMIT = 2"),
            ("import os", "import sys as os"),
            ("A module", "Another module"),
            ("Parses.", "Reads."),
            ("cached(1)", "cached(2)"),
            ("@cached(1)\n", ""),
            ("limit=LIMIT", "limit=0"),
            ("text, limit", "text: str, limit"),
            ("kind = \"tree\"", "kind = \"leaf\""),
            ("lambda self: 1", "lambda self: 2"),
            ("(Base)", "(Other)"),
            ("\"nt\"", "\"posix\""),
        ];
        for (from, to) in replacements {
            assert_eq!(changed(from, to), OUTSIDE, "{from}");
        }
        assert!(changed("class Tree", "class Bush").1);
        let (names, is_outside) = changed("def parse(", "def parses(");
        assert_eq!((names.len(), is_outside), (2, true));
        assert!(changed("class Tree(Base):\n", "class Tree(Base):\n    def more(self): pass\n").1, "a new method");
        let indented = changed("    @property\n    def size(self): return 1\n", "    def size(self): return 1\n");
        assert!(indented.1);
    }

    #[test]
    fn a_function_that_becomes_a_generator_shows_to_callers_that_never_iterate() {
        assert_eq!(changed("    return inner()\n", "    yield inner()\n"), (vec!["parse".to_owned()], true));
        assert_eq!(changed("        return x\n", "        yield x\n"), body("parse"));
        assert_eq!(changed("    return inner()\n", "    return lambda: (yield)\n"), body("parse"));
    }

    #[test]
    fn code_of_which_the_compiler_warns_is_in_the_body_and_outside() {
        let warned = [
            "return x is 1",
            "return 'a' is not x",
            "return x is -1",
            "return x is (1, None)",
            "assert (x, 'always true')",
            "return 1if x else 2",
            "return [(1, 2) (3, 4)]",
            "return 'a'(x)",
            "return {1}[0]",
            "return [1]['a']",
            "return ~True",
            "return '\\d'",
            "try: pass\n        finally: return 1",
            "try: pass\n        finally:\n            if x: return 1",
        ];
        for code in warned {
            let (names, is_outside) = changed("return x\n", &format!("{code}\n"));
            assert_eq!((names.as_slice(), is_outside), (["parse".to_owned()].as_slice(), true), "{code}");
        }
        let sound = [
            "return x is None",
            "return x is not ...",
            "return x is True",
            "return x == 1",
            "assert x, (1, 2)",
            "assert ()",
            "return 1 if x else 2",
            "return x(1)[0]",
            "return 'a'.join(x)",
            "return r'\\d'",
            "return ~x",
            "try: return 1\n        finally: pass",
            "try: pass\n        finally:\n            def last(): return 1",
        ];
        for code in sound {
            assert_eq!(changed("return x\n", &format!("{code}\n")), body("parse"), "{code}");
        }
    }

    #[test]
    fn code_is_found_by_its_name_in_python() {
        let found = functions(b"class A:\n    def f(self): 'doc'\n    def g(self): return 1\n");
        assert_eq!([found.of("<module>"), found.of("A"), found.of("A.f"), found.of("A.<lambda>")], [0; 4]);
        assert_eq!(found.of("A.g"), found.bodies["A.g"]);
        assert_eq!(found.of("g"), found.text, "as one that a class declares global");
    }

    #[test]
    fn a_statement_that_leaves_a_body_is_outside() {
        assert!(changed("    return inner()\n", "    pass\nreturned = inner()\n").1);
        assert!(changed("        for _ in value:\n            pass\n", "    for _ in value:\n        pass\n").1);
    }

    #[test]
    fn comments_and_blank_lines_are_nothing() {
        assert_eq!(changed("import os\n", "# about os\n\nimport os  # here\n"), NOTHING);
        assert_eq!(changed("    return inner()", "\n    # now\n\n    return inner()  # done"), NOTHING);
        assert_eq!(changed("\n\"\"\"A", "# a module\n\"\"\"A"), NOTHING);
        assert_eq!(changed("\n\"\"\"A", "# coding: latin-1\n\"\"\"A"), OUTSIDE);
    }

    #[test]
    fn blanks_in_a_formatted_string_may_be_in_its_value() {
        let formatted = |string: &str| functions(format!("def f(x):\n    return {string}, x + 1\n").as_bytes()).of("f");
        for (one, other) in [("f'{x=}'", "f'{x = }'"), ("f'{x+1=}'", "f'{x + 1=}'"), ("f'''{\n x=}'''", "f'''{x=}'''")]
        {
            assert_ne!(formatted(one), formatted(other), "{one}");
        }
        assert_eq!(formatted("f'{x=}'"), formatted("  f'{x=}'"));
    }

    #[test]
    fn a_file_that_can_not_be_compiled_is_outside() {
        for text in ["def f(:\n    pass\n", "def f():\n    await x\n"] {
            let broken = functions(text.as_bytes());
            assert_eq!((broken.outside, broken.bodies.len()), (broken.text, 0));
        }
        let (names, is_outside) = changed("    return inner()\n", "    continue\n");
        assert_eq!((names.len(), is_outside), (3, true));
    }

    #[test]
    fn an_escape_sequence_of_which_the_compiler_warns_is_outside_as_well() {
        let both = || (vec!["parse".to_owned()], true);
        for string in [r"'\d'", r"b'\u1'", r"f'{x}\d'", r"'\400'", r#"rf'{f"\d"}'"#] {
            assert_eq!(changed("return inner()", &format!("return {string}")), both(), "{string}");
        }
        for string in [r"r'\d'", r"'\\d\u0041\x41\0\n'", r"rf'\d{x}'", r"rb'\d'"] {
            assert_eq!(changed("return inner()", &format!("return {string}")), body("parse"), "{string}");
        }
    }
}
