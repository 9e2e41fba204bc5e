//! The methods that Python itself calls: for operators, loops, conversions and built-in functions.
//!
//! Source: Python's language reference, "Data model", section "Special method names".

use ruff_python_ast::{CmpOp, Expr, ExprContext, InterpolatedStringElement, Stmt, UnaryOp};

/// The methods that an iteration calls.
const ITERATION: &[&str] = &["__iter__", "__next__", "__getitem__"];

/// The methods that a conversion to text calls.
const TEXT: &[&str] = &["__str__", "__repr__", "__format__"];

/// The methods that a test of truth calls.
const TRUTH: &[&str] = &["__bool__", "__len__"];

/// Takes an operand, and the methods of it that an expression or a statement may call.
pub(crate) trait Take<'a>: FnMut(&'a Expr, &'static [&'static str]) {}

impl<'a, F: FnMut(&'a Expr, &'static [&'static str])> Take<'a> for F {}

/// The methods that evaluating this expression may call, apart from those of the expressions in it.
pub(crate) fn by_expression<'a>(expr: &'a Expr, mut take: impl Take<'a>) {
    match expr {
        Expr::BinOp(binary) => {
            take(&binary.left, one(binary.op.dunder()));
            take(&binary.right, one(binary.op.reflected_dunder()));
        }
        Expr::UnaryOp(unary) => take(&unary.operand, of_unary(unary.op)),
        Expr::BoolOp(both) => both.values.iter().for_each(|value| take(value, TRUTH)),
        Expr::If(choice) => take(&choice.test, TRUTH),
        Expr::Compare(compare) => {
            let mut left = &*compare.left;
            for (op, right) in compare.ops.iter().zip(&compare.comparators) {
                let (of_left, of_right) = of_comparison(*op);
                take(left, of_left);
                take(right, of_right);
                left = right;
            }
        }
        Expr::Subscript(subscript) => take(&subscript.value, of_subscript(subscript.ctx)),
        Expr::Attribute(attribute) => take(&attribute.value, of_attribute(attribute.ctx)),
        Expr::Starred(starred) => take(&starred.value, ITERATION),
        Expr::Await(awaited) => take(&awaited.value, &["__await__"]),
        Expr::FString(string) => {
            for element in string.value.elements() {
                if let InterpolatedStringElement::Interpolation(field) = element {
                    take(&field.expression, TEXT);
                }
            }
        }
        Expr::ListComp(made) => made.generators.iter().for_each(|one| take(&one.iter, ITERATION)),
        Expr::SetComp(made) => made.generators.iter().for_each(|one| take(&one.iter, ITERATION)),
        Expr::DictComp(made) => made.generators.iter().for_each(|one| take(&one.iter, ITERATION)),
        Expr::Generator(made) => made.generators.iter().for_each(|one| take(&one.iter, ITERATION)),
        Expr::Call(call) => {
            if let Expr::Name(function) = &*call.func {
                let methods = of_function(function.id.as_str());
                call.arguments.args.iter().for_each(|argument| take(argument, methods));
            }
        }
        _ => {}
    }
}

/// The methods that executing this statement may call, apart from those of the expressions in it.
pub(crate) fn by_statement<'a>(stmt: &'a Stmt, mut take: impl Take<'a>) {
    match stmt {
        Stmt::AugAssign(assign) => {
            take(&assign.target, one(assign.op.in_place_dunder()));
            take(&assign.target, one(assign.op.dunder()));
            take(&assign.value, one(assign.op.reflected_dunder()));
        }
        Stmt::For(each) => take(&each.iter, ITERATION),
        Stmt::While(repeat) => take(&repeat.test, TRUTH),
        Stmt::Assert(assert) => take(&assert.test, TRUTH),
        Stmt::If(branch) => {
            take(&branch.test, TRUTH);
            branch
                .elif_else_clauses
                .iter()
                .filter_map(|clause| clause.test.as_ref())
                .for_each(|test| take(test, TRUTH));
        }
        Stmt::Assign(assign) if assign.targets.iter().any(|target| target.is_tuple_expr() || target.is_list_expr()) => {
            take(&assign.value, ITERATION);
        }
        _ => {}
    }
}

/// A list of one method: `dunder()` and its kin give a name, and these lists are constants.
fn one(name: &'static str) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "__add__",
        "__radd__",
        "__iadd__",
        "__sub__",
        "__rsub__",
        "__isub__",
        "__mul__",
        "__rmul__",
        "__imul__",
        "__matmul__",
        "__rmatmul__",
        "__imatmul__",
        "__truediv__",
        "__rtruediv__",
        "__itruediv__",
        "__floordiv__",
        "__rfloordiv__",
        "__ifloordiv__",
        "__mod__",
        "__rmod__",
        "__imod__",
        "__pow__",
        "__rpow__",
        "__ipow__",
        "__lshift__",
        "__rlshift__",
        "__ilshift__",
        "__rshift__",
        "__rrshift__",
        "__irshift__",
        "__and__",
        "__rand__",
        "__iand__",
        "__xor__",
        "__rxor__",
        "__ixor__",
        "__or__",
        "__ror__",
        "__ior__",
    ];
    ALL.iter().position(|known| *known == name).map_or(&[], |at| &ALL[at..=at])
}

fn of_unary(op: UnaryOp) -> &'static [&'static str] {
    match op {
        UnaryOp::Invert => &["__invert__"],
        UnaryOp::Not => TRUTH,
        UnaryOp::UAdd => &["__pos__"],
        UnaryOp::USub => &["__neg__"],
    }
}

/// The methods of the left and of the right operand.
fn of_comparison(op: CmpOp) -> (&'static [&'static str], &'static [&'static str]) {
    match op {
        CmpOp::Eq => (&["__eq__"], &["__eq__"]),
        CmpOp::NotEq => (&["__ne__", "__eq__"], &["__ne__", "__eq__"]),
        CmpOp::Lt => (&["__lt__"], &["__gt__"]),
        CmpOp::LtE => (&["__le__"], &["__ge__"]),
        CmpOp::Gt => (&["__gt__"], &["__lt__"]),
        CmpOp::GtE => (&["__ge__"], &["__le__"]),
        CmpOp::In | CmpOp::NotIn => (&[], &["__contains__", "__iter__", "__getitem__"]),
        CmpOp::Is | CmpOp::IsNot => (&[], &[]),
    }
}

fn of_attribute(context: ExprContext) -> &'static [&'static str] {
    match context {
        ExprContext::Store => &["__setattr__"],
        ExprContext::Del => &["__delattr__"],
        ExprContext::Load | ExprContext::Invalid => &["__getattr__", "__getattribute__"],
    }
}

fn of_subscript(context: ExprContext) -> &'static [&'static str] {
    match context {
        ExprContext::Store => &["__setitem__"],
        ExprContext::Del => &["__delitem__"],
        // A class that is subscripted.
        ExprContext::Load | ExprContext::Invalid => &["__getitem__", "__class_getitem__"],
    }
}

/// The methods that a built-in function calls on its arguments.
fn of_function(name: &str) -> &'static [&'static str] {
    match name {
        "abs" => &["__abs__"],
        "all" | "any" | "dict" | "enumerate" | "frozenset" | "iter" | "list" | "next" | "set" | "sum" | "tuple"
        | "zip" => &["__iter__", "__next__", "__getitem__", "__len__", "keys"],
        "ascii" | "format" | "print" | "repr" | "str" => TEXT,
        "bool" => TRUTH,
        "bytes" => &["__bytes__", "__iter__"],
        "complex" | "float" => &["__complex__", "__float__", "__index__"],
        "dir" => &["__dir__"],
        "divmod" => &["__divmod__", "__rdivmod__"],
        "filter" | "map" | "max" | "min" | "sorted" => &["__iter__", "__next__", "__lt__", "__gt__"],
        "hash" => &["__hash__"],
        "hex" | "int" | "oct" | "bin" | "range" => &["__int__", "__index__", "__trunc__"],
        "getattr" | "hasattr" => &["__getattr__", "__getattribute__"],
        "len" => &["__len__"],
        "pow" => &["__pow__", "__rpow__"],
        "reversed" => &["__reversed__", "__getitem__"],
        "round" => &["__round__"],
        "setattr" => &["__setattr__"],
        "delattr" => &["__delattr__"],
        _ => &[],
    }
}
