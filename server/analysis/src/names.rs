//! The meanings of names at module level: imports and plain assignments, enough to see `pytest.mark.x` through an
//! alias.

use std::collections::HashMap;

use ruff_python_ast::{Arguments, Expr};

/// The longest chain of aliases that is followed.
const MAX_HOPS: usize = 8;

/// Stands behind a dotted name for what a call of it returns.
pub(crate) const MADE: &str = ".()";

/// A module's imported names, and the values of its assigned ones.
#[derive(Default)]
pub(crate) struct Names<'a> {
    imported: HashMap<&'a str, String>,
    assigned: HashMap<&'a str, &'a Expr>,
}

/// An expression used as a decorator or mark: a dotted name, and the arguments if it is called.
pub(crate) struct Use<'a> {
    /// `pytest.mark.parametrize`, without aliases.
    pub(crate) path: String,
    /// The arguments of the call, if it is one.
    pub(crate) arguments: Option<&'a Arguments>,
}

impl Use<'_> {
    /// The last segment of the dotted name.
    pub(crate) fn last(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or(&self.path)
    }

    /// The name of the mark, if this is a `pytest.mark`.
    pub(crate) fn mark(&self) -> Option<&str> {
        let name = self.path.strip_prefix("pytest.mark.")?;
        (!name.contains('.')).then_some(name)
    }
}

impl<'a> Names<'a> {
    /// `import path as name`, or `from x import y as name` with `x.y` as the path.
    pub(crate) fn import(&mut self, name: &'a str, path: String) {
        self.assigned.remove(name);
        self.imported.insert(name, path);
    }

    /// `name = value`.
    pub(crate) fn assign(&mut self, name: &'a str, value: &'a Expr) {
        self.assigned.insert(name, value);
    }

    /// Whether a name was imported.
    pub(crate) fn is_imported(&self, name: &str) -> bool {
        self.imported.contains_key(name)
    }

    /// The module's own names, with their values.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = (&'a str, &'a Expr)> {
        self.assigned.iter().map(|(name, value)| (*name, *value))
    }

    /// The value assigned to a name.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Expr> {
        self.assigned.get(name).copied()
    }

    /// The meanings of the module's names that stand for another dotted name, called or not.
    pub(crate) fn bound(&self) -> impl Iterator<Item = (String, String)> {
        let imported = self.imported.iter().map(|(name, path)| ((*name).to_owned(), path.clone()));
        let assigned = self.assigned.iter().filter(|(name, _)| !self.imported.contains_key(*name));
        // `clock = Clock()`: what was made by the call.
        let assigned = assigned.filter_map(|(name, value)| {
            let used = self.resolve(value)?;
            Some(((*name).to_owned(), if used.arguments.is_some() { used.path + MADE } else { used.path }))
        });
        imported.chain(assigned).filter(|(name, path)| name != path)
    }

    /// The dotted name of an expression used as a decorator, mark or base class; `None` if it is no dotted name, called
    /// or not.
    pub(crate) fn resolve(&self, expr: &'a Expr) -> Option<Use<'a>> {
        self.resolve_hops(expr, MAX_HOPS)
    }

    fn resolve_hops(&self, expr: &'a Expr, hops: usize) -> Option<Use<'a>> {
        let hops = hops.checked_sub(1)?;
        match expr {
            Expr::Call(call) => {
                let inner = self.resolve_hops(&call.func, hops)?;
                if inner.path == "functools.partial" {
                    return self.resolve_hops(call.arguments.args.first()?, hops);
                }
                Some(Use { path: inner.path, arguments: Some(&call.arguments) })
            }
            // `class A(Base[int])`
            Expr::Subscript(subscript) => self.resolve_hops(&subscript.value, hops),
            Expr::Attribute(attribute) => {
                let inner = self.resolve_hops(&attribute.value, hops)?;
                inner
                    .arguments
                    .is_none()
                    .then(|| Use { path: format!("{}.{}", inner.path, attribute.attr.as_str()), arguments: None })
            }
            Expr::Name(name) => {
                let id = name.id.as_str();
                if let Some(path) = self.imported.get(id) {
                    return Some(Use { path: path.clone(), arguments: None });
                }
                self.assigned
                    .get(id)
                    .and_then(|value| self.resolve_hops(value, hops))
                    .or_else(|| Some(Use { path: id.to_owned(), arguments: None }))
            }
            _ => None,
        }
    }
}
