//! Properties of every text: no panic, positions that lie in the text, and earlier tests that later typing does not
//! change.

use proptest::prelude::*;
use pytest_lens_analysis::{
    FileAnalysis, FileRole, NodeKind, Outline, Pos, PytestSettings, Span, analyze, analyze_as, innermost_at, outline,
};

/// Sources with most of the syntax that the reader knows.
const SOURCES: [&str; 4] = [
    "import pytest\nfrom a.b import c as d\n\npytestmark = [pytest.mark.slow]\n\n@pytest.mark.parametrize('a,b', [(1, 2), (3, 4)])\ndef test_a(a, b):\n    \"\"\"Doc.\n\n    >>> 1\n    \"\"\"\n    assert a\n\nclass TestB:\n    __test__ = True\n    @pytest.mark.skipif(True, reason='é😀')\n    async def test_c(self):\n        if x: pass\n",
    "import unittest\r\nclass Base(unittest.TestCase):\r\n\tdef test_x(self):\r\n\t\tpass\r\nclass Derived(Base):\r\n\ttest_y = Base.test_x\r\n\tclass TestIn: pass\r\n",
    "\u{feff}try:\n    import x\nexcept ImportError:\n    def test_a(): pass\nelse:\n    class TestA(Outer.Inner[int], metaclass=M):\n        def test_b(self): return f'{x!r:>{width}}'\nfinally:\n    test_z = test_a\nmatch x:\n    case [1, *rest]: pass\n",
    "x = '''\n>>> a\n'''\n\u{c}@deco(\n  1)\ndef test_a(): return (lambda x, *y: [i for i in x])\n\ndel x\nwith open(a) as b, c: \n  def test_b(): ...\n",
];

fn role() -> FileRole {
    FileRole { tests: true, doctest_module: Some("m".to_owned()) }
}

fn read(source: &str) -> FileAnalysis {
    analyze_as(source, &PytestSettings::default(), &role())
}

/// A source with some places cut, doubled, or overwritten.
fn mutated() -> impl Strategy<Value = String> {
    let scraps = prop::sample::select(vec![
        "", "(", ")", "[", "{", "\"\"\"", "'", "f'''{", "\\", "\n", "\r", "\t", " ", ":", "@", "def ", "class ",
        "async ", "=", ",", "*", "#", "\u{2028}", "é", "\0", ">>> ", "lambda:", "if ", "else:", "0x", "import ",
    ]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, scraps), 1..6);
    (prop::sample::select(SOURCES.to_vec()), edits).prop_map(|(source, edits)| {
        let mut chars: Vec<char> = source.chars().collect();
        for (at, cut, scrap) in edits {
            let at = at.index(chars.len() + 1);
            let end = chars.len().min(at + cut);
            chars.splice(at..end, scrap.chars());
        }
        chars.into_iter().collect()
    })
}

/// Text that looks a little like Python.
fn python_like() -> impl Strategy<Value = String> {
    let tokens = prop::sample::select(vec![
        "def test_a(): pass\n",
        "class TestA(TestB):\n",
        "class TestB:\n",
        "    def test_b(self):\n",
        "        pass\n",
        "    class TestA(TestB):\n",
        "@pytest.mark.x\n",
        "TestA = TestB\n",
        "    TestC = TestB\n",
        "if x:\n",
        "else:\n",
        "try:\n",
        "del TestA\n",
        "    pass\n",
        "\"\"\"\n",
        "x = [\n",
        ")\n",
        "\\\n",
        "\r",
        "\u{c}",
        "import a\n",
        "(",
    ]);
    prop::collection::vec(tokens, 0..40).prop_map(|tokens| tokens.concat())
}

/// Lines as LSP counts them.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\r', '\n']) {
        lines.push(&rest[..at]);
        let end = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + end..];
    }
    lines.push(rest);
    lines
}

fn check(source: &str) -> Result<(), TestCaseError> {
    let analysis = read(source);
    let lines = lines(source);
    let inside = |pos: Pos| -> Result<(), TestCaseError> {
        let line = lines.get(pos.line as usize);
        prop_assert!(line.is_some(), "{pos:?} is beyond the text");
        // A position may be that of the line's end, including the `\r` of `\r\n`.
        let len = line.map_or(0, |line| line.len()) + 1;
        prop_assert!(pos.col as usize <= len, "{pos:?} is beyond its line");
        Ok(())
    };
    let within = |outer: Span, inner: Span| outer.start <= inner.start && inner.end <= outer.end;
    for node in &analysis.nodes {
        for pos in [node.name_span.start, node.name_span.end, node.full_span.start, node.full_span.end] {
            inside(pos)?;
        }
        prop_assert!(node.full_span.start <= node.full_span.end);
        prop_assert!(within(node.full_span, node.name_span), "{node:?}");
        prop_assert!(node.first_line <= node.def_line);
        prop_assert!(node.full_span.start.line < node.first_line || node.kind == NodeKind::Doctest);
        let line = lines[node.name_span.start.line as usize];
        let text = line.get(node.name_span.start.col as usize..node.name_span.end.col as usize);
        match node.kind {
            NodeKind::Doctest => prop_assert!(text == Some(">>>") || node.name_span.start == node.name_span.end),
            _ => prop_assert!(text.is_some_and(|text| !text.is_empty())),
        }
        let found = innermost_at(&analysis.nodes, node.name_span.start.line);
        prop_assert!(found.is_some());
    }
    for def in &analysis.defs {
        prop_assert!(def.first_line >= 1 && def.first_line <= def.def_line);
        prop_assert!(def.def_line as usize <= lines.len());
    }
    let mut ids: Vec<_> =
        analysis.nodes.iter().map(|node| (node.kind == NodeKind::Doctest, node.id_suffix())).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    prop_assert_eq!(ids.len(), all, "an id is there twice");
    if let Some((at, message)) = analysis.syntax_error {
        inside(at)?;
        prop_assert!(!message.is_empty());
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_read(source in any::<String>()) {
        check(&source)?;
    }

    #[test]
    fn any_printable_text_is_read(source in "[ -~\n\r\t\u{c}é😀]{0,200}") {
        check(&source)?;
    }

    #[test]
    fn mutated_python_is_read(source in mutated()) {
        check(&source)?;
    }

    #[test]
    fn python_like_text_is_read(source in python_like()) {
        check(&source)?;
    }

    #[test]
    fn typing_at_the_end_keeps_what_is_before(
        source in prop::sample::select(SOURCES.to_vec()),
        broken in prop::sample::select(vec![
            "def", "def test_new(", "class TestNew(", "x = [1,", "@pytest.mark.", "\"\"\"", "f'''{", "x = 'a", "if", "for x in",
            "def test_new():\n    y = (", ")", "    oops", "class", "import", "from . import (", "lambda", "x = {'a': [", "\\",
        ]),
    ) {
        let settings = PytestSettings::default();
        let before = analyze(source, &settings);
        let after = analyze(&format!("{source}\n{broken}"), &settings);
        for node in &before.nodes {
            let kept = after.nodes.iter().find(|kept| kept.id_suffix() == node.id_suffix());
            prop_assert!(kept.is_some(), "{} is lost to {broken:?}", node.id_suffix());
            prop_assert_eq!(kept.map(|kept| kept.name_span), Some(node.name_span));
        }
    }

    #[test]
    fn reading_twice_gives_the_same(source in mutated()) {
        prop_assert_eq!(read(&source), read(&source));
    }

    #[test]
    fn an_outline_has_the_tests_of_the_whole(source in mutated()) {
        let FileAnalysis { nodes, defs, syntax_error, .. } = read(&source);
        prop_assert_eq!(outline(&source, &PytestSettings::default(), &role()), Outline { nodes, defs, syntax_error });
    }
}
