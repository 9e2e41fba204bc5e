//! Finds code of which Python's compiler warns. A filter may make the warning an error, and in one function it breaks
//! the import of the whole file.
//!
//! The rules are those of CPython's `codegen.c` (`compile.c` until 3.13), its tokenizer and its string parser; some code
//! is found of which no version warns.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{AnyStringFlags, CmpOp, Expr, Stmt, UnaryOp};
use ruff_text_size::{Ranged, TextRange};

/// The expressions and statements of a module of which the compiler may warn.
pub(crate) fn warned(module: &[Stmt]) -> Vec<TextRange> {
    let mut found = Warned::default();
    found.visit_body(module);
    found.ranges
}

#[derive(Default)]
struct Warned {
    ranges: Vec<TextRange>,
    /// The statements are those of a `finally`, which a jump would leave (PEP 765).
    is_finally: bool,
}

impl<'a> Visitor<'a> for Warned {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        let outer = self.is_finally;
        match statement {
            Stmt::Return(_) | Stmt::Break(_) | Stmt::Continue(_) if self.is_finally => {
                self.ranges.push(statement.range());
            }
            Stmt::Assert(assert) if matches!(&*assert.test, Expr::Tuple(tuple) if !tuple.is_empty()) => {
                self.ranges.push(statement.range());
            }
            Stmt::FunctionDef(_) | Stmt::ClassDef(_) => self.is_finally = false,
            Stmt::Try(attempt) => {
                self.visit_body(&attempt.body);
                attempt.handlers.iter().for_each(|handler| self.visit_except_handler(handler));
                self.visit_body(&attempt.orelse);
                self.is_finally = true;
                self.visit_body(&attempt.finalbody);
                self.is_finally = outer;
                return;
            }
            _ => {}
        }
        walk_stmt(self, statement);
        self.is_finally = outer;
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        let is_warned = match expression {
            Expr::Compare(compare) => {
                let is_identity = compare.ops.iter().any(|op| matches!(op, CmpOp::Is | CmpOp::IsNot));
                is_identity && (is_constant(&compare.left) || compare.comparators.iter().any(is_constant))
            }
            Expr::Call(call) => is_value(&call.func),
            Expr::Subscript(subscript) => is_value(&subscript.value) || matches!(*subscript.value, Expr::Lambda(_)),
            Expr::UnaryOp(unary) => unary.op == UnaryOp::Invert && matches!(*unary.operand, Expr::BooleanLiteral(_)),
            _ => false,
        };
        if is_warned {
            self.ranges.push(expression.range());
        }
        walk_expr(self, expression);
    }
}

/// Whether the compiler takes an expression for a constant that has no identity.
fn is_constant(expression: &Expr) -> bool {
    match expression {
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::BytesLiteral(_) => true,
        Expr::UnaryOp(unary) => is_constant(&unary.operand),
        Expr::BinOp(operation) => is_constant(&operation.left) && is_constant(&operation.right),
        Expr::Tuple(tuple) => tuple.iter().all(|part| is_constant(part) || is_singleton(part)),
        _ => false,
    }
}

fn is_singleton(expression: &Expr) -> bool {
    matches!(expression, Expr::NoneLiteral(_) | Expr::BooleanLiteral(_) | Expr::EllipsisLiteral(_))
}

/// Whether an expression makes an object that can't be called, and that has at most some indices.
fn is_value(expression: &Expr) -> bool {
    let is_display = matches!(
        expression,
        Expr::Tuple(_)
            | Expr::List(_)
            | Expr::ListComp(_)
            | Expr::Dict(_)
            | Expr::DictComp(_)
            | Expr::Set(_)
            | Expr::SetComp(_)
            | Expr::Generator(_)
            | Expr::FString(_)
            | Expr::TString(_)
    );
    is_display || is_constant(expression) || is_singleton(expression)
}

/// Whether a token is a number, and the one after it begins without a blank: `1if x`.
pub(crate) fn runs_together(number: TokenKind, next: TokenKind) -> bool {
    matches!(number, TokenKind::Int | TokenKind::Float | TokenKind::Complex)
        && (next.is_keyword() || next == TokenKind::Name)
}

/// Whether the compiler warns of an escape sequence in this string.
pub(crate) fn has_unknown_escape(string: &str, flags: AnyStringFlags) -> bool {
    if flags.is_raw_string() {
        return false;
    }
    let mut letters = string.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            let is_known = match letters.next() {
                Some('N' | 'u' | 'U') => !flags.is_byte_string(),
                // Those of octal numbers may be too large, which is a warning as well.
                Some('4'..='7') => false,
                next => next.is_none_or(|next| "\r\n\\'\"abfnrtvx0123".contains(next)),
            };
            if !is_known {
                return true;
            }
        }
    }
    false
}
