//! `-k` and `-m`: a table whose right-hand side is what pytest itself answers, and properties
//! against a plain evaluator.

use proptest::prelude::*;
use pytest_lens_plan::select::{Keyword, Literal, Mark, MarkerExpr};

const NAMES: [&str; 6] = ["test_sum[1-a]", "TestMath", "test_math.py", "tests/unit", "slow", "Straße"];

#[test]
fn keywords_select_as_in_pytest() {
    let cases = [
        ("", true),
        ("   ", true),
        ("sum", true),
        ("  SUM  ", true),
        ("math and slow", true),
        ("math and not slow", false),
        ("nothing or unit", true),
        ("nothing or slow and sum", true),
        ("(nothing or slow) and fast", false),
        ("not nothing", true),
        ("not not slow", true),
        ("not not not slow", false),
        ("not (slow or sum)", false),
        ("[1-a]", true),
        ("sum[1", true),
        ("tests/unit", true),
        ("math.py", true),
        ("straße", true),
        ("STRASSE", false),
        ("True", false),
        ("None or slow", true),
        ("-", true),
        ("and_", false),
        ("AND", false),
        ("slow\tor\tfast", true),
    ];
    for (expr, expected) in cases {
        let keyword = Keyword::parse(expr).unwrap();
        assert_eq!(keyword.matches(&NAMES), expected, "-k {expr:?}");
    }
    assert!(Keyword::parse("none").unwrap().matches(&["None"]));
    assert!(!Keyword::parse("a").unwrap().matches(&[]));
    assert!(Keyword::parse("\u{1c}\n").unwrap().is_empty());
    assert!(!Keyword::parse("a").unwrap().is_empty());
    assert!(MarkerExpr::parse("").unwrap().is_empty());
    assert!(!MarkerExpr::parse(" ").unwrap().is_empty(), "it selects nothing");
}

fn mark(name: &str, kwargs: &[(&str, Literal)]) -> Mark {
    Mark {
        name: name.to_owned(),
        kwargs: kwargs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

#[test]
fn markers_select_as_in_pytest() {
    let text = |text: &str| Literal::Str(text.to_owned());
    let marks = [
        mark("slow", &[]),
        mark("device", &[("serial", Literal::Int(1)), ("name", text("x"))]),
        mark("device", &[("serial", Literal::Int(2)), ("live", Literal::Bool(true))]),
        mark("odd", &[("a", Literal::Other), ("b", Literal::None)]),
    ];
    let cases = [
        ("", true),
        ("  ", false),
        ("slow", true),
        ("Slow", false),
        ("slo", false),
        ("not fast", true),
        ("device", true),
        ("device(serial=1)", true),
        ("device(serial=1, name='x')", true),
        ("device ( serial = 1 , name = \"x\" )", true),
        ("device(serial=2, name='x')", false),
        ("device(serial=3)", false),
        ("device(serial='1')", false),
        ("device(serial=True)", true),
        ("device(live=1)", true),
        ("device(live=0)", false),
        ("device(missing=None)", false),
        ("device(serial=001) and not fast(x=1)", true),
        ("device(serial=-1) or slow", true),
        ("odd(b=None)", true),
        ("odd(b=False)", false),
        ("odd(a=99999999999999999999)", false),
        ("slow(x=1)", false),
    ];
    for (expr, expected) in cases {
        let parsed = MarkerExpr::parse(expr).unwrap();
        assert_eq!(parsed.matches(&marks), expected, "-m {expr:?}");
    }
    let names = MarkerExpr::parse("b or a and not b(x=1)").unwrap().names();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn parentheses_may_be_many_but_not_deep() {
    let many = vec!["(a)"; 1_000].join(" or ");
    assert!(MarkerExpr::parse(&many).is_ok());
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(MarkerExpr::parse(&nested(200)).is_ok());
    let error = MarkerExpr::parse(&nested(201)).unwrap_err();
    assert_eq!((error.column(), error.reason()), (201, "more than 200 parentheses within each other"));
}

#[test]
fn faults_are_told_as_pytest_tells_them() {
    let cases = [
        ("(", 2, "expected not OR left parenthesis OR identifier; got end of input"),
        ("()", 2, "expected not OR left parenthesis OR identifier; got right parenthesis"),
        ("a or", 5, "expected not OR left parenthesis OR identifier; got end of input"),
        ("or a", 1, "expected not OR left parenthesis OR identifier; got or"),
        ("a not b", 3, "expected end of input; got not"),
        ("a b", 3, "expected end of input; got identifier"),
        ("(a", 3, "expected right parenthesis; got end of input"),
        ("a)", 2, "expected end of input; got right parenthesis"),
        ("é == b", 3, "expected end of input; got ="),
        ("a | b", 3, "unexpected character \"|\""),
        ("a(b=1", 6, "expected right parenthesis; got end of input"),
        ("a()", 3, "expected identifier; got right parenthesis"),
        ("a(b)", 4, "expected =; got right parenthesis"),
        ("a(b=1,)", 7, "expected identifier; got right parenthesis"),
        ("a(b='x", 5, "closing quote \"'\" is missing"),
        (r"a(b='x\n')", 7, r#"escaping with "\" not supported in marker expression"#),
        ("a(b=+1)", 5, "unexpected character/s \"+1\""),
        ("a(b=1.0)", 5, "unexpected character/s \"1.0\""),
        ("a(1=2)", 3, "not a valid python identifier 1"),
        ("a(b.c=2)", 3, "not a valid python identifier b.c"),
        ("a(class=1)", 3, "unexpected reserved python keyword `class`"),
        ("a(or=1)", 3, "expected identifier; got or"),
        ("a(\"x\")", 3, "expected identifier; got string literal"),
        ("a(b=1, b=2)", 8, "keyword argument repeated: b"),
    ];
    for (expr, column, reason) in cases {
        let error = MarkerExpr::parse(expr).unwrap_err();
        assert_eq!((error.column(), error.reason()), (column, reason), "{expr:?}");
        let sentence = format!("Wrong expression passed to '-m': {expr}: at column {column}: {reason}");
        assert_eq!(error.to_string(), sentence);
    }
}

#[test]
fn keyword_faults_count_from_the_first_word() {
    insta::assert_snapshot!(
        Keyword::parse("  slow and").unwrap_err(),
        @"Wrong expression passed to '-k': slow and: at column 9: expected not OR left parenthesis OR identifier; got end of input"
    );
    insta::assert_snapshot!(
        Keyword::parse("slow or device(serial=1)").unwrap_err(),
        @"Wrong expression passed to '-k': slow or device(serial=1): at column 9: keyword expressions do not support call parameters; use -m to match the arguments of a marker"
    );
}

#[test]
fn length_is_no_limit_and_depth_is() {
    let long = vec!["a"; 50_000].join(" or ");
    assert!(Keyword::parse(&long).unwrap().matches(&["a"]));
    let negated = format!("{} a", "not ".repeat(50_001));
    assert!(!Keyword::parse(&negated).unwrap().matches(&["a"]));
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Keyword::parse(&nested(200)).unwrap().matches(&["a"]));
    let error = Keyword::parse(&nested(50_000)).unwrap_err();
    assert_eq!(error.column(), 201);
}

/// An expression with its meaning: over the names `a` to `e`, as bits.
#[derive(Debug, Clone)]
enum Tree {
    Name(usize),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

const LETTERS: [&str; 5] = ["a", "b", "c", "d", "e"];

impl Tree {
    fn holds(&self, set: &[bool]) -> bool {
        match self {
            Self::Name(at) => set[*at],
            Self::Not(inner) => !inner.holds(set),
            Self::And(left, right) => left.holds(set) && right.holds(set),
            Self::Or(left, right) => left.holds(set) || right.holds(set),
        }
    }

    /// With only the parentheses that the precedence needs; `level` is that of the place.
    fn render(&self, level: u8) -> String {
        let (own, text) = match self {
            Self::Name(at) => return LETTERS[*at].to_owned(),
            Self::Not(inner) => (2, format!("not {}", inner.render(2))),
            Self::And(left, right) => (1, format!("{} and {}", left.render(1), right.render(1))),
            Self::Or(left, right) => (0, format!("{} or {}", left.render(0), right.render(0))),
        };
        if own < level { format!("({text})") } else { text }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = (0..LETTERS.len()).prop_map(Tree::Name);
    leaf.prop_recursive(5, 40, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(|tree| Tree::Not(Box::new(tree))),
            pair.clone().prop_map(|(a, b)| Tree::And(Box::new(a), Box::new(b))),
            pair.prop_map(|(a, b)| Tree::Or(Box::new(a), Box::new(b))),
        ]
    })
}

proptest! {
    #[test]
    fn precedence_is_pythons(tree in tree(), set in prop::collection::vec(any::<bool>(), 5)) {
        let present: Vec<&str> = (0..5).filter(|at| set[*at]).map(|at| LETTERS[at]).collect();
        let marks: Vec<Mark> = present.iter().map(|name| mark(name, &[])).collect();
        let expr = tree.render(0);
        let expected = tree.holds(&set);
        prop_assert_eq!(Keyword::parse(&expr).unwrap().matches(&present), expected);
        prop_assert_eq!(MarkerExpr::parse(&expr).unwrap().matches(&marks), expected);
    }

    #[test]
    fn any_text_parses_or_names_a_column_of_its_own(text in r#"([ab()=,'" \t1é]|and|or|not| ){0,30}|\PC{0,30}"#) {
        let errors = [Keyword::parse(&text).err(), MarkerExpr::parse(&text).err()];
        for error in errors.into_iter().flatten() {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column()));
            prop_assert!(!error.reason().is_empty());
        }
    }

    #[test]
    fn keywords_find_any_part_in_any_case(name in "[a-zA-Z_:+.\\[\\]/-]{1,12}", from in 0..12_usize, len in 1..12_usize) {
        let from = from.min(name.len() - 1);
        let part = &name[from..(from + len).min(name.len())];
        prop_assume!(!["and", "or", "not"].contains(&part));
        prop_assert!(Keyword::parse(part).unwrap().matches(&["x", &name.to_uppercase()]));
    }

    #[test]
    fn a_mark_is_found_by_its_own_arguments(serial in any::<i64>(), text in "[^'\\\\]{0,8}") {
        let own = mark("m", &[("serial", Literal::Int(serial)), ("text", Literal::Str(text.clone()))]);
        let expr = MarkerExpr::parse(&format!("m(serial={serial}, text='{text}')")).unwrap();
        prop_assert!(expr.matches(std::slice::from_ref(&own)));
        let other = mark("m", &[("serial", Literal::Int(serial.wrapping_add(1))), ("text", Literal::Str(text))]);
        prop_assert!(!expr.matches(&[other]));
    }
}
