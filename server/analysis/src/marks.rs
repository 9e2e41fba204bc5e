//! The marks from decorators and `pytestmark`: skip, xfail, number of cases.

use ruff_python_ast::{Arguments, Decorator, Expr, Number, Operator};

use crate::names::{Names, Use};

/// The marks of a function, a class or a module.
#[derive(Debug, Clone)]
pub(crate) struct Marks {
    pub(crate) names: Vec<String>,
    pub(crate) skip: bool,
    pub(crate) xfail: bool,
    pub(crate) parametrized: bool,
    /// The product so far; `None` once a `parametrize` was not literal.
    cases: Option<u32>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { names: Vec::new(), skip: false, xfail: false, parametrized: false, cases: Some(1) }
    }
}

impl Marks {
    /// The marks of decorators, in the order in which Python applies them: the lowest first.
    pub(crate) fn of_decorators<'a>(decorators: &'a [Decorator], names: &Names<'a>) -> Self {
        let mut marks = Self::default();
        for decorator in decorators.iter().rev() {
            if let Some(found) = names.resolve(&decorator.expression) {
                marks.add(&found);
            }
        }
        marks
    }

    /// The marks from values of `pytestmark`.
    pub(crate) fn of_values<'a>(values: &[&'a Expr], names: &Names<'a>) -> Self {
        let mut marks = Self::default();
        for value in values {
            let items: &[Expr] = match value {
                Expr::List(list) => &list.elts,
                Expr::Tuple(tuple) => &tuple.elts,
                single => std::slice::from_ref(single),
            };
            for item in items {
                if let Some(found) = names.resolve(item) {
                    marks.add(&found);
                }
            }
        }
        marks
    }

    /// Adds the marks of an enclosing class or module.
    pub(crate) fn extend(&mut self, outer: &Self) {
        for name in &outer.names {
            self.name(name);
        }
        self.skip |= outer.skip;
        self.xfail |= outer.xfail;
        self.parametrized |= outer.parametrized;
        self.cases = match (self.cases, outer.cases) {
            (Some(inner), Some(outer)) => Some(inner.saturating_mul(outer)),
            _ => None,
        };
    }

    /// The number of cases, if there are `parametrize` marks and all of them are literal.
    pub(crate) fn case_count(&self) -> Option<u32> {
        self.cases.filter(|_| self.parametrized)
    }

    fn name(&mut self, name: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    fn add(&mut self, found: &Use<'_>) {
        let arguments = found.arguments;
        if let Some(name) = found.mark() {
            self.name(name);
            match name {
                "skip" => self.skip = true,
                "skipif" => self.skip |= arguments.is_some_and(|args| condition(args, false)),
                "xfail" => self.xfail |= arguments.is_none_or(|args| condition(args, true)),
                "parametrize" => {
                    self.parametrized = true;
                    let count = arguments
                        .and_then(|args| args.find_argument_value("argvalues", 1))
                        .and_then(|values| case_count(values, 32));
                    // An empty list is one case, skipped.
                    self.cases = match (self.cases, count) {
                        (Some(cases), Some(count)) => Some(cases.saturating_mul(count.max(1))),
                        _ => None,
                    };
                }
                _ => {}
            }
            return;
        }
        let Some(name) = found.path.strip_prefix("unittest.").map(|path| path.strip_prefix("case.").unwrap_or(path))
        else {
            return;
        };
        match name {
            "skip" => self.skip = true,
            "skipIf" => self.skip |= literal_at(arguments, 0) == Some(true),
            "skipUnless" => self.skip |= literal_at(arguments, 0) == Some(false),
            "expectedFailure" => self.xfail = true,
            _ => {}
        }
    }
}

/// Whether a mark's conditions hold, as far as they are literal; `none` if it has no condition at all.
fn condition(arguments: &Arguments, none: bool) -> bool {
    let keyword = arguments.find_keyword("condition").map(|keyword| &keyword.value);
    let mut conditions = arguments.args.iter().chain(keyword).peekable();
    if conditions.peek().is_none() {
        return none;
    }
    conditions.any(|condition| literal_bool(condition) == Some(true))
}

fn literal_at(arguments: Option<&Arguments>, position: usize) -> Option<bool> {
    literal_bool(arguments?.find_positional(position)?)
}

/// `True` and `False`, and the numbers that stand for them.
pub(crate) fn literal_bool(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::BooleanLiteral(literal) => Some(literal.value),
        Expr::NumberLiteral(_) => small_int(expr).map(|value| value != 0),
        _ => None,
    }
}

/// The number of values that a literal yields: lists and tuples, strings, `range` of numbers, and sums of those.
fn case_count(values: &Expr, depth: usize) -> Option<u32> {
    let depth = depth.checked_sub(1)?;
    let count = |elements: &[Expr]| {
        let plain = !elements.iter().any(Expr::is_starred_expr);
        plain.then(|| u32::try_from(elements.len()).ok()).flatten()
    };
    match values {
        Expr::List(list) => count(&list.elts),
        Expr::Tuple(tuple) => count(&tuple.elts),
        Expr::StringLiteral(text) => u32::try_from(text.value.chars().count()).ok(),
        Expr::BinOp(sum) if sum.op == Operator::Add => {
            let left = case_count(&sum.left, depth)?;
            left.checked_add(case_count(&sum.right, depth)?)
        }
        Expr::Call(call) => {
            let is_range = call.func.as_name_expr().is_some_and(|name| name.id == "range");
            if !is_range || !call.arguments.keywords.is_empty() {
                return None;
            }
            match &*call.arguments.args {
                [stop] => u32::try_from(small_int(stop)?).ok(),
                [start, stop] => u32::try_from(small_int(stop)?.saturating_sub(small_int(start)?)).ok(),
                _ => None,
            }
        }
        _ => None,
    }
}

fn small_int(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(value) => value.as_i64(),
            _ => None,
        },
        _ => None,
    }
}
