//! Parses tokens into an expression tree, by recursive descent over pytest's grammar:
//!
//! ```text
//! expression: expr? end
//! expr:       and_expr ('or' and_expr)*
//! and_expr:   not_expr ('and' not_expr)*
//! not_expr:   'not' not_expr | '(' expr ')' | identifier ('(' kwargs ')')?
//! kwargs:     name '=' value (',' name '=' value)*
//! ```

use super::scanner::{Kind, Scanner, Token};
use super::{Fault, Literal};

/// The deepest nesting that is accepted: recursion must not overflow the stack.
const MAX_DEPTH: usize = 200;

/// Words that Python does not accept as names of arguments.
const PYTHON_KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
    "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// Decides whether a name with these arguments holds.
pub(super) type Matcher<'a> = dyn Fn(&str, &[(String, Literal)]) -> bool + 'a;

#[derive(Debug, Clone)]
pub(super) enum Expr {
    /// Holds if any part does; without parts it is the empty expression, which never holds.
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Name {
        name: String,
        /// Empty if the name has no parentheses.
        kwargs: Vec<(String, Literal)>,
        /// 0-based, in characters.
        position: usize,
    },
}

impl Expr {
    /// Evaluates with `matcher` deciding each name.
    pub(super) fn holds(&self, matcher: &Matcher<'_>) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(matcher)),
            Self::And(parts) => parts.iter().all(|part| part.holds(matcher)),
            Self::Not(part) => !part.holds(matcher),
            Self::Name { name, kwargs, .. } => matcher(name, kwargs),
        }
    }

    /// Position of the first name with arguments.
    pub(super) fn first_call(&self) -> Option<usize> {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().find_map(Self::first_call),
            Self::Not(part) => part.first_call(),
            Self::Name { kwargs, position, .. } => (!kwargs.is_empty()).then_some(*position),
        }
    }

    /// Visits every name, from left to right.
    pub(super) fn for_each_name(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Self::Or(parts) | Self::And(parts) => {
                for part in parts {
                    part.for_each_name(visit);
                }
            }
            Self::Not(part) => part.for_each_name(visit),
            Self::Name { name, .. } => visit(name),
        }
    }
}

pub(super) fn parse(input: &str) -> Result<Expr, Fault> {
    let mut scanner = Scanner::new(input);
    let current = scanner.next()?;
    let mut parser = Parser { scanner, current, depth: 0 };
    if parser.current.kind == Kind::End {
        return Ok(Expr::Or(Vec::new()));
    }
    let expr = parser.expr()?;
    if parser.current.kind == Kind::End { Ok(expr) } else { Err(parser.unexpected("end of input")) }
}

struct Parser {
    scanner: Scanner,
    current: Token,
    depth: usize,
}

impl Parser {
    fn expr(&mut self) -> Result<Expr, Fault> {
        let first = self.and_expr()?;
        let mut parts = vec![first];
        while self.accept(Kind::Or)?.is_some() {
            parts.push(self.and_expr()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn and_expr(&mut self) -> Result<Expr, Fault> {
        let first = self.not_expr()?;
        let mut parts = vec![first];
        while self.accept(Kind::And)?.is_some() {
            parts.push(self.not_expr()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn not_expr(&mut self) -> Result<Expr, Fault> {
        // Any number of `not` counts as none or one.
        let mut negated = false;
        while self.accept(Kind::Not)?.is_some() {
            negated = !negated;
        }
        let expr = self.operand()?;
        Ok(if negated { Expr::Not(Box::new(expr)) } else { expr })
    }

    fn operand(&mut self) -> Result<Expr, Fault> {
        if let Some(open) = self.accept(Kind::LeftParenthesis)? {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(Fault {
                    position: open.position,
                    reason: format!("more than {MAX_DEPTH} parentheses within each other"),
                });
            }
            let inner = self.expr()?;
            self.expect(Kind::RightParenthesis)?;
            self.depth -= 1;
            return Ok(inner);
        }
        let Some(name) = self.accept(Kind::Identifier)? else {
            return Err(self.unexpected("not OR left parenthesis OR identifier"));
        };
        let mut kwargs = Vec::new();
        if self.accept(Kind::LeftParenthesis)?.is_some() {
            self.kwarg(&mut kwargs)?;
            while self.accept(Kind::Comma)?.is_some() {
                self.kwarg(&mut kwargs)?;
            }
            self.expect(Kind::RightParenthesis)?;
        }
        Ok(Expr::Name { name: name.text, kwargs, position: name.position })
    }

    fn kwarg(&mut self, kwargs: &mut Vec<(String, Literal)>) -> Result<(), Fault> {
        let name = self.expect(Kind::Identifier)?;
        let fault = if !is_identifier(&name.text) {
            Some(format!("not a valid python identifier {}", name.text))
        } else if PYTHON_KEYWORDS.contains(&name.text.as_str()) {
            Some(format!("unexpected reserved python keyword `{}`", name.text))
        } else if name.text == "__debug__" {
            Some("cannot assign to __debug__".to_owned())
        } else if kwargs.iter().any(|(known, _)| *known == name.text) {
            Some(format!("keyword argument repeated: {}", name.text))
        } else {
            None
        };
        if let Some(reason) = fault {
            return Err(Fault { position: name.position, reason });
        }
        self.expect(Kind::Equal)?;
        let value = match self.accept(Kind::Text)? {
            Some(text) => Literal::Str(text.text),
            None => literal(&self.expect(Kind::Identifier)?)?,
        };
        kwargs.push((name.text, value));
        Ok(())
    }

    fn accept(&mut self, kind: Kind) -> Result<Option<Token>, Fault> {
        if self.current.kind != kind {
            return Ok(None);
        }
        let next = self.scanner.next()?;
        Ok(Some(std::mem::replace(&mut self.current, next)))
    }

    fn expect(&mut self, kind: Kind) -> Result<Token, Fault> {
        self.accept(kind)?.ok_or_else(|| self.unexpected(kind.name()))
    }

    fn unexpected(&self, expected: &str) -> Fault {
        Fault {
            position: self.current.position,
            reason: format!("expected {expected}; got {}", self.current.kind.name()),
        }
    }
}

fn one_or(mut parts: Vec<Expr>, join: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { join(parts) }
}

fn literal(token: &Token) -> Result<Literal, Fault> {
    let digits = token.text.strip_prefix('-').unwrap_or(&token.text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that does not fit is legal, but no mark's number is known to equal it.
        return Ok(token.text.parse().map_or(Literal::Other, Literal::Int));
    }
    match token.text.as_str() {
        "True" => Ok(Literal::Bool(true)),
        "False" => Ok(Literal::Bool(false)),
        "None" => Ok(Literal::None),
        other => Err(Fault { position: token.position, reason: format!("unexpected character/s \"{other}\"") }),
    }
}

/// Python's `str.isidentifier`, but for a few numeric signs that no one names an argument with.
fn is_identifier(word: &str) -> bool {
    word.chars().all(|c| c == '_' || c.is_alphanumeric()) && word.chars().next().is_some_and(|c| !c.is_numeric())
}
