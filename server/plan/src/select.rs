//! Which tests an expression selects: pytest's `-k` and `-m`.
//!
//! The grammar is pytest's own, errors included, so that an expression means the same here as on
//! pytest's command line. The names and marks of a test are those that pytest computes for it.

mod parser;
mod scanner;

use parser::Expr;

/// A syntax error of an expression, in one sentence as pytest words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Wrong expression passed to '{option}': {expression}: at column {column}: {reason}")]
pub struct ExprError {
    option: &'static str,
    expression: String,
    column: usize,
    reason: String,
}

impl ExprError {
    /// The 1-based column of the culprit, counted in characters of the expression.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// The fault at that position, without the expression.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// The position and the reason of the first fault; the caller adds the option.
#[derive(Debug)]
struct Fault {
    /// 0-based, in characters.
    position: usize,
    reason: String,
}

impl Fault {
    fn within(self, option: &'static str, expression: &str) -> ExprError {
        ExprError { option, expression: expression.to_owned(), column: self.position + 1, reason: self.reason }
    }
}

/// A `-k` expression. The empty one selects everything.
#[derive(Debug, Clone)]
pub struct Keyword(Option<Expr>);

impl Keyword {
    /// Parses an expression; blanks before it are ignored, as in pytest.
    ///
    /// # Errors
    /// The first fault in the expression. Arguments, as in `device(serial=1)`, are a fault: only `-m` accepts them.
    pub fn parse(expr: &str) -> Result<Self, ExprError> {
        let expr = expr.trim_start_matches(is_python_space);
        if expr.is_empty() {
            return Ok(Self(None));
        }
        let fail = |fault: Fault| fault.within("-k", expr);
        let mut parsed = parser::parse(expr).map_err(fail)?;
        if let Some(position) = parsed.first_call() {
            let reason = "keyword expressions do not support call parameters; \
                          use -m to match the arguments of a marker";
            return Err(fail(Fault { position, reason: reason.to_owned() }));
        }
        parsed.for_each_name(&mut |name| *name = name.to_lowercase());
        Ok(Self(Some(parsed)))
    }

    /// Whether a test with these names is selected: an identifier holds when it is part of any of them, in upper or
    /// lower case.
    #[must_use]
    pub fn matches(&self, names: &[&str]) -> bool {
        let Some(expr) = &self.0 else { return true };
        let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
        expr.holds(&|wanted, _| names.iter().any(|name| name.contains(wanted)))
    }

    /// Whether everything is selected because the expression is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// A `-m` expression. The empty one selects everything; one of blanks alone selects nothing, as in pytest.
#[derive(Debug, Clone)]
pub struct MarkerExpr(Option<Expr>);

impl MarkerExpr {
    /// Parses an expression.
    ///
    /// # Errors
    /// The first fault in the expression.
    pub fn parse(expr: &str) -> Result<Self, ExprError> {
        if expr.is_empty() {
            return Ok(Self(None));
        }
        match parser::parse(expr) {
            Ok(parsed) => Ok(Self(Some(parsed))),
            Err(fault) => Err(fault.within("-m", expr)),
        }
    }

    /// Whether a test with these marks, its own and inherited ones, is selected: an identifier
    /// holds when a mark has exactly this name and every argument that the expression gives.
    #[must_use]
    pub fn matches(&self, marks: &[Mark]) -> bool {
        let Some(expr) = &self.0 else { return true };
        expr.holds(&|name, wanted| marks.iter().any(|mark| mark.name == name && mark.has_all(wanted)))
    }

    /// Whether everything is selected because the expression is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The marker names in the expression, sorted, each once; pytest's `strict_markers` compares them with the
    /// registered ones.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        if let Some(mut expr) = self.0.clone() {
            expr.for_each_name(&mut |name| names.push(name.clone()));
        }
        names.sort();
        names.dedup();
        names
    }
}

/// A marker as it is attached to a test: its name and its keyword arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// `slow` of `@pytest.mark.slow`.
    pub name: String,
    /// Keyword arguments by name, each name once.
    pub kwargs: Vec<(String, Literal)>,
}

impl Mark {
    fn has_all(&self, wanted: &[(String, Literal)]) -> bool {
        wanted.iter().all(|(name, value)| self.kwargs.iter().any(|(own, actual)| own == name && actual.equals(value)))
    }
}

/// A value that an expression can compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// A string.
    Str(String),
    /// An integer.
    Int(i64),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// Anything else, larger integers included; it equals nothing.
    Other,
}

impl Literal {
    /// Python's `==`, for which `True` equals 1 and `False` 0.
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::None, Self::None) => true,
            _ => matches!((self.as_int(), other.as_int()), (Some(a), Some(b)) if a == b),
        }
    }

    fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i64::from(*value)),
            Self::Str(_) | Self::None | Self::Other => None,
        }
    }
}

/// The characters that Python's `str.lstrip` removes.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
