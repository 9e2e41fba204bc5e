//! Paths in a file's code that may be outside of the project: C libraries open such files unseen.
//!
//! `"/data/a.h5"`, `Path(__file__).parent.parent / "shared" / "a.xml"`, `os.path.join(HERE, "..", name)`: literals, and
//! paths that `pathlib` and `os.path` make from them, from `__file__` and from environment variables, through the
//! module's own names and those that it imports from others. Of a path that is known only in part, the known part counts.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, FStringPart, InterpolatedStringElement, ModModule, Number, Operator};
use serde::{Deserialize, Serialize};

use crate::names::Names;

/// The longest chain of names that is followed.
const MAX_HOPS: usize = 12;

/// The longest path, in bytes.
const MAX_LEN: usize = 1024;

/// Functions whose result is their first argument's path.
const SAME: [&str; 9] = [
    "open",
    "os.fspath",
    "os.path.abspath",
    "os.path.expanduser",
    "os.path.normpath",
    "os.path.realpath",
    "pathlib.PosixPath",
    "pathlib.PurePath",
    "str",
];

/// Methods whose result is the path of their object.
const UNCHANGED: [&str; 6] = ["absolute", "as_posix", "expanduser", "read_bytes", "read_text", "resolve"];

/// A path in code.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedPath {
    /// The path begins at the file itself, whose own name is its first part: `../x` is next to the file. Otherwise it
    /// begins at the working directory.
    pub of_file: bool,
    /// The path begins with the value of this environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// The path begins with the value of this name, which is imported: `settings.DATA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<String>,
    /// The path, with `..` as in the source.
    pub path: String,
}

impl NamedPath {
    fn plain(path: &str) -> Self {
        NamedPath { path: path.to_owned(), ..NamedPath::default() }
    }

    fn join(self, other: NamedPath) -> Option<NamedPath> {
        let is_whole = other.of_file || other.variable.is_some() || other.path.starts_with(['/', '~']);
        if is_whole || other.constant.is_some() {
            return Some(other);
        }
        let path = if self.path.is_empty() { other.path } else { format!("{}/{}", self.path, other.path) };
        (path.len() <= MAX_LEN).then_some(NamedPath { path, ..self })
    }

    fn parent(self) -> Option<NamedPath> {
        self.join(NamedPath::plain(".."))
    }

    /// Whether it may lead out of the file's folder, or out of the working directory.
    fn may_lead_out(&self) -> bool {
        let absolute = self.path.len() > 1 && (self.path.starts_with('/') || self.path.starts_with("~/"));
        let is_made = self.constant.is_some() && !self.path.is_empty();
        absolute || is_made || self.variable.is_some() || self.path.split('/').any(|part| part == "..")
    }

    /// The path, where its constant has this value.
    pub fn from(&self, constant: &NamedPath) -> Option<NamedPath> {
        let path = self.path.trim_start_matches('/');
        if path.is_empty() { Some(constant.clone()) } else { constant.clone().join(NamedPath::plain(path)) }
    }
}

/// A module's own names for paths, sorted.
pub(crate) fn names(names: &Names<'_>) -> Vec<(String, NamedPath)> {
    let reader = Reader { names, found: BTreeSet::new() };
    let value = |(name, value): (&str, _)| Some((name.to_owned(), reader.value(value, MAX_HOPS)?));
    let mut found: Vec<_> = names.assigned().filter_map(value).collect();
    found.sort_unstable();
    found
}

/// All paths that may lead out of the project, sorted, each once.
pub(crate) fn named(tree: &ModModule, names: &Names<'_>) -> Vec<NamedPath> {
    let mut reader = Reader { names, found: BTreeSet::new() };
    reader.visit_body(&tree.body);
    reader.found.into_iter().collect()
}

struct Reader<'a> {
    names: &'a Names<'a>,
    found: BTreeSet<NamedPath>,
}

impl<'a> Reader<'a> {
    fn value(&self, expr: &'a Expr, hops: usize) -> Option<NamedPath> {
        let hops = hops.checked_sub(1)?;
        match expr {
            Expr::StringLiteral(text) => plain(text.value.to_str()),
            Expr::Name(name) if name.id.as_str() == "__file__" => {
                Some(NamedPath { of_file: true, ..NamedPath::plain("") })
            }
            Expr::Name(name) => match self.names.value(name.id.as_str()) {
                Some(value) => self.value(value, hops),
                None => self.constant(expr),
            },
            Expr::Attribute(attribute) if attribute.attr.as_str() == "parent" => {
                self.value(&attribute.value, hops)?.parent()
            }
            Expr::Attribute(_) => self.constant(expr),
            Expr::Subscript(subscript) if self.means(&subscript.value, &["os.environ"]) => variable(&subscript.slice),
            Expr::Subscript(subscript) => {
                let Expr::Attribute(attribute) = &*subscript.value else { return None };
                let count = index(&subscript.slice).filter(|_| attribute.attr.as_str() == "parents")?;
                (0..=count).try_fold(self.value(&attribute.value, hops)?, |path, _| path.parent())
            }
            Expr::BinOp(both) => {
                let (left, right) = (self.value(&both.left, hops)?, self.value(&both.right, hops)?);
                match both.op {
                    Operator::Div => left.join(right),
                    Operator::Add => Some(NamedPath { path: left.path + &right.path, ..left }),
                    _ => None,
                }
            }
            Expr::FString(text) => self.formatted(text.value.iter(), hops),
            Expr::Call(call) => self.made(call, hops),
            _ => None,
        }
    }

    /// The value of a name of another module.
    fn constant(&self, expr: &'a Expr) -> Option<NamedPath> {
        let mut base = expr;
        while let Expr::Attribute(attribute) = base {
            base = &attribute.value;
        }
        let Expr::Name(name) = base else { return None };
        let used = self.names.resolve(expr).filter(|_| self.names.is_imported(name.id.as_str()))?;
        let is_of_module = used.arguments.is_none() && used.path.contains('.');
        is_of_module.then(|| NamedPath { constant: Some(used.path), ..NamedPath::plain("") })
    }

    fn formatted(&self, parts: impl Iterator<Item = &'a FStringPart>, hops: usize) -> Option<NamedPath> {
        let mut whole: Option<NamedPath> = None;
        let mut add = |part: NamedPath| {
            whole = Some(match whole.take() {
                None => part,
                Some(before) => NamedPath { path: before.path + &part.path, ..before },
            });
        };
        for part in parts {
            match part {
                FStringPart::Literal(text) => add(plain(&text.value)?),
                FStringPart::FString(text) => {
                    for element in &text.elements {
                        add(match element {
                            InterpolatedStringElement::Literal(text) => plain(&text.value)?,
                            InterpolatedStringElement::Interpolation(inner) => self.value(&inner.expression, hops)?,
                        });
                    }
                }
            }
        }
        whole
    }

    fn made(&self, call: &'a ruff_python_ast::ExprCall, hops: usize) -> Option<NamedPath> {
        let arguments = &call.arguments.args;
        let function = self.names.resolve(&call.func).map_or_else(String::new, |used| used.path);
        let first = || self.value(arguments.first()?, hops);
        match function.as_str() {
            "os.environ.get" | "os.getenv" => return variable(arguments.first()?),
            "pathlib.Path" | "os.path.join" => return self.joined(first()?, &arguments[1..], hops),
            "os.path.dirname" => return first()?.parent(),
            other if SAME.contains(&other) => return first(),
            _ => {}
        }
        let Expr::Attribute(method) = &*call.func else { return None };
        let own = self.value(&method.value, hops)?;
        match method.attr.as_str() {
            "joinpath" => self.joined(own, arguments, hops),
            // A function of another module may have such a name, too.
            _ if own.constant.is_some() && !arguments.is_empty() => None,
            name if UNCHANGED.contains(&name) => Some(own),
            _ => None,
        }
    }

    fn means(&self, expr: &'a Expr, names: &[&str]) -> bool {
        self.names.resolve(expr).is_some_and(|used| used.arguments.is_none() && names.contains(&used.path.as_str()))
    }

    fn joined(&self, start: NamedPath, more: &'a [Expr], hops: usize) -> Option<NamedPath> {
        more.iter().try_fold(start, |path, part| path.join(self.value(part, hops)?))
    }
}

impl<'a> Visitor<'a> for Reader<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        // A name is read where it is assigned.
        let value = if matches!(expr, Expr::Name(_)) { None } else { self.value(expr, MAX_HOPS) };
        match value {
            Some(path) => {
                if path.variable.is_some() || (path.constant.is_some() && path.path.is_empty()) {
                    // The default of an unset variable may be a path, too, and so may what comes before a name.
                    walk_expr(self, expr);
                }
                if path.may_lead_out() {
                    self.found.insert(path);
                }
            }
            None => walk_expr(self, expr),
        }
    }
}

fn plain(text: &str) -> Option<NamedPath> {
    let is_path = text.len() <= MAX_LEN && !text.contains(['\n', '\0']);
    is_path.then(|| NamedPath::plain(text))
}

/// The path that begins with an environment variable.
fn variable(name: &Expr) -> Option<NamedPath> {
    let Expr::StringLiteral(name) = name else { return None };
    Some(NamedPath { variable: Some(name.value.to_str().to_owned()), ..NamedPath::plain("") })
}

fn index(expr: &Expr) -> Option<usize> {
    let Expr::NumberLiteral(number) = expr else { return None };
    let Number::Int(number) = &number.value else { return None };
    number.as_usize().filter(|number| *number < MAX_HOPS)
}

#[cfg(test)]
mod tests {
    use crate::{NamedPath, PytestSettings, analyze};

    fn named(source: &str) -> Vec<String> {
        let paths = analyze(source, &PytestSettings::default()).paths;
        let start = |named: &NamedPath| match (&named.variable, &named.constant) {
            (Some(name), _) => format!("${name}/"),
            (_, Some(name)) => format!("<{name}>"),
            _ => if named.of_file { "@" } else { "" }.to_owned(),
        };
        paths.into_iter().map(|named| start(&named) + &named.path).collect()
    }

    #[test]
    fn p14_paths_that_code_makes_are_known() {
        for (source, path) in [
            ("tree = etree.parse('/data/a.xml')", "/data/a.xml"),
            ("tree = etree.parse('../data/a.xml')", "../data/a.xml"),
            ("from pathlib import Path\nf = h5py.File(Path(__file__).parent.parent / 'a' / 'b.h5')", "@/../../a/b.h5"),
            ("import pathlib as p\nH = p.Path(__file__).resolve().parents[2]\nx = load(str(H / 'b'))", "@/../../../b"),
            (
                "import os\nH = os.path.dirname(os.path.abspath(__file__))\nx = load(os.path.join(H, '..', 'b'))",
                "@/../../b",
            ),
            ("from os.path import join, dirname\nx = load(join(dirname(__file__), '../b'))", "@/../../b"),
            ("import os\nx = load(f'{os.path.dirname(__file__)}/../b')", "@/../../b"),
            ("import os\nx = load(os.path.dirname(__file__) + '/../b')", "@/../../b"),
            (
                "from pathlib import Path\ndef read(name): return load(Path('/srv/data').joinpath('x', 'y') / name)",
                "/srv/data/x/y",
            ),
            ("import os\nx = load(os.path.expanduser('~/b.xml'))", "~/b.xml"),
            ("from settings import DATA\nx = load(DATA / 'a' / 'b.xml')", "<settings.DATA>a/b.xml"),
            ("import conf.settings as s\nD = s.DATA\nx = load(f'{D}/b.xml')", "<conf.settings.DATA>/b.xml"),
            ("import os\nfrom .s import D\nx = load(os.path.join(D.parent, 'b.xml'))", "<s.D>../b.xml"),
            ("import os, s\nx = s.load(os.path.join(s.D, 'b.xml'))", "<s.D>b.xml"),
            ("import s\nx = s.read_text('/data/b.xml')", "/data/b.xml"),
            ("import os\nx = load(os.environ['DATA'])", "$DATA/"),
            ("from os import environ\nx = load(environ.get('DATA', '/srv') + '/b.xml')", "$DATA//b.xml"),
            ("from os import environ\nx = load(environ.get('DATA', '/srv') + '/b.xml')", "/srv"),
            (
                "import os\nfrom pathlib import Path\nD = Path(os.getenv('DATA'))\nx = load(D.parent / 'b.xml')",
                "$DATA/../b.xml",
            ),
        ] {
            let found = named(source);
            assert!(found.iter().any(|one| one.replace("@..", "@/..") == path), "{source}: {found:?}");
        }
    }

    #[test]
    fn p14_paths_inside_are_none() {
        for source in
            ["tree = etree.parse('data/a.xml')", "URL = 'data' + '/' + 'x'", "SEP = '/'", "x = 1 / 2", "x = f'{a}/{b}'"]
        {
            assert!(named(source).is_empty(), "{source}: {:?}", named(source));
        }
    }
}
