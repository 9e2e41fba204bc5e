//! Positions: of definitions, with every kind of text that moves columns, and in broken sources.
#![expect(clippy::panic, reason = "in a test, a failed step is a failed test")]

use pytest_lens_analysis::{
    FileAnalysis, FileRole, Pos, PytestSettings, Span, StaticNode, analyze, analyze_as, innermost_at,
};

fn read(source: &str) -> FileAnalysis {
    analyze(source, &PytestSettings::default())
}

fn node<'a>(analysis: &'a FileAnalysis, id: &str) -> &'a StaticNode {
    let found = analysis.nodes.iter().find(|node| node.id_suffix() == id);
    found.unwrap_or_else(|| panic!("no {id} in {:?}", analysis.nodes))
}

fn span(start: (u32, u32), end: (u32, u32)) -> Span {
    let pos = |(line, col)| Pos { line, col };
    Span { start: pos(start), end: pos(end) }
}

#[test]
fn decorators_and_keywords() {
    let source = "\n@deco(\n    1,\n)\n# note\n@other\nasync  def \\\n  test_a(): pass\n\n\nclass TestB:\n    \"\"\"d\"\"\"\n    @x\n    def test_c(self):\n        pass  # end\n\n";
    let analysis = read(source);
    let a = node(&analysis, "test_a");
    assert_eq!((a.first_line, a.def_line), (2, 7));
    assert!(a.is_async);
    assert_eq!(a.name_span, span((7, 2), (7, 8)));
    assert_eq!(a.full_span, span((1, 0), (7, 16)));
    let b = node(&analysis, "TestB");
    assert_eq!((b.first_line, b.def_line), (11, 11));
    assert_eq!(b.full_span, span((10, 0), (14, 12)));
    let c = node(&analysis, "TestB::test_c");
    assert_eq!((c.first_line, c.def_line), (13, 14));
    assert_eq!(c.name_span, span((13, 8), (13, 14)));
}

#[test]
fn texts_that_move_columns() {
    // (source, line and columns of the name)
    let cases = [
        ("x = 'é😀'; \ndef test_a(): pass\n", 1, 4, 10),
        ("if 1:\n\tdef test_a(): pass\n", 1, 5, 11),
        ("x = 1\r\n\r\ndef test_a():\r\n    pass\r\n", 2, 4, 10),
        ("x = 1\r\rdef test_a():\r    pass\r", 2, 4, 10),
        ("\u{c}\nx = 1\n\u{c}def test_a(): pass\n", 2, 5, 11),
        ("\u{feff}def test_a(): pass\n", 0, 7, 13),
        ("s = '''\u{2028}\u{85}\u{b}'''\ndef test_a(): pass\n", 1, 4, 10),
        ("def test_a(): pass", 0, 4, 10),
    ];
    for (source, line, start, end) in cases {
        let analysis = read(source);
        let found = node(&analysis, "test_a");
        assert_eq!(found.name_span, span((line, start), (line, end)), "{source:?}");
        assert_eq!(found.def_line, line + 1, "{source:?}");
        assert_eq!(analysis.syntax_error, None, "{source:?}");
    }
    let wide = "def test_é(): pass\n";
    let name = node(&read(wide), "test_é").name_span;
    assert_eq!(name, span((0, 4), (0, 11)), "columns are bytes");
}

#[test]
fn all_definitions_and_imports() {
    let source = "import a.b, c as d\nfrom . import e\nfrom ..x.y import (f,\n    g as h)\ndef outer():\n    import i\n    @deco\n    def inner(): pass\nclass A:\n    def b(self):\n        class C:\n            def d(self): pass\nif TYPE_CHECKING:\n    from z import *\n    def unseen(): pass\n";
    let analysis = read(source);
    let defs: Vec<_> = analysis.defs.iter().map(|def| (def.qualname.as_str(), def.first_line, def.def_line)).collect();
    assert_eq!(
        defs,
        [
            ("outer", 5, 5),
            ("outer.inner", 7, 8),
            ("A", 9, 9),
            ("A.b", 10, 10),
            ("A.b.C", 11, 11),
            ("A.b.C.d", 12, 12),
            ("unseen", 15, 15)
        ]
    );
    let imports: Vec<_> = analysis
        .imports
        .iter()
        .map(|import| {
            format!(
                "{} {}{} [{}]",
                import.line,
                ".".repeat(import.level as usize),
                import.module,
                import.names.join(" ")
            )
        })
        .collect();
    assert_eq!(imports, ["1 a.b []", "1 c []", "2 . [e]", "3 ..x.y [f g]", "6 i []", "14 z [*]"]);
}

#[test]
fn broken_sources_keep_the_rest() {
    let cases = [
        ("def test_a():\n    foo(\n\ndef test_b(): pass\n", "test_a test_b"),
        (
            "def test_a(): pass\nclass TestB:\n    def test_c(self):\n        x = [1,\n    def test_d(self): pass\n",
            "test_a TestB TestB::test_c TestB::test_d",
        ),
        ("def test_a(): pass\ndef\ndef test_b(): pass\n", "test_a test_b"),
        ("class TestA\n    def test_b(self): pass\ndef test_c(): pass\n", "TestA TestA::test_b test_c"),
        ("@pytest.mark.\ndef test_a(): pass\n@\ndef test_b(): pass\n", "test_a test_b"),
        ("def test_a(: pass\nx = 'open\ndef test_b(): pass\n", "test_a test_b"),
        ("def test_a():\n    \"\"\"open\n    pass\n\ndef test_b(): pass\n", "test_a test_b"),
        ("def test_a():\n    x = rb'''open\n    pass\n\ndef test_b(): pass\n", "test_a test_b"),
        ("def test_a():\n    x = f\"\"\"open {x}\n    pass\n\ndef test_b(): pass\n", "test_a test_b"),
        ("import a.\nfrom . import\nif x\n    def test_a(): pass\nfor\ndef test_b(): pass\n", "test_a test_b"),
        ("def test_a():\ndef test_b(): pass\n", "test_a test_b"),
        ("def test_a(): pass\n    indented\n  def test_b(): pass\ndef test_c(): pass\n", "test_a test_c"),
    ];
    for (source, expected) in cases {
        let analysis = read(source);
        let found: Vec<_> = analysis.nodes.iter().map(StaticNode::id_suffix).collect();
        for id in expected.split(' ') {
            assert!(found.iter().any(|found| found == id), "{id} missing: {found:?} in\n{source}");
        }
        assert!(analysis.syntax_error.is_some(), "{source}");
    }
    let (at, message) = read("def test_a(): pass\nx = 1 +\ny = 2\n").syntax_error.unwrap();
    assert_eq!(at.line, 1);
    assert!(!message.is_empty());
}

#[test]
fn deep_nesting_does_not_overflow() {
    let deep = 5_000;
    let sources = [
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}", "f(".repeat(deep)),
        format!("x = {}1", "-".repeat(deep)),
        format!("x = {}1", "1+".repeat(deep)),
        format!("@a{}\ndef f(): pass", ".b".repeat(deep)),
        format!("x = {}1", "lambda a, b: ".repeat(deep)),
        format!("match x:\n case {}", "a(".repeat(deep)),
    ];
    for source in sources {
        let source = format!("{source}\ndef test_z(): pass\n");
        // A thread with the smallest stack that thread pools use.
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        thread.spawn(move || read(&source).nodes.len()).unwrap().join().unwrap();
    }
}

#[test]
fn the_innermost_node_of_a_line() {
    let source = "class Base:\n    def test_x(self):\n        pass\n\nclass TestA(Base):\n    a = 1\n    @mark\n    def test_y(self):\n        pass\n    class TestB:\n        def test_z(self): pass\n\ndef test_w(): pass\nclass TestC(TestA): pass\n";
    let nodes = read(source).nodes;
    let at = |line| innermost_at(&nodes, line).map(|index| nodes[index].id_suffix());
    let expected = [
        (0, None),
        (1, Some("TestA::test_x")),
        (3, None),
        (4, Some("TestA")),
        (6, Some("TestA::test_y")),
        (8, Some("TestA::test_y")),
        (9, Some("TestA::TestB")),
        (10, Some("TestA::TestB::test_z")),
        (11, None),
        (12, Some("test_w")),
        (99, None),
    ];
    for (line, id) in expected {
        assert_eq!(at(line).as_deref(), id, "line {line}");
    }
}

#[test]
fn docstring_tests() {
    let source = "\"\"\"Top.\n\n>>> 1\n1\n\"\"\"\nimport os\n\ndef f():\n    \"\"\">>> f()\n    \"\"\"\n\ndef no():\n    \"\"\"Nothing.\n\n    >>> # only a comment\n    \"\"\"\n\nclass A:\n    '''\n    >>> A()\n    '''\n    @property\n    def p(self):\n        r'''Doc.\n\n            >>> skipped()  # doctest: +SKIP\n        '''\n    @p.setter\n    def p(self, value): pass\n    class B:\n        def m(self):\n            \">>> escaped\\n\"\ng = f\n";
    let role = FileRole { tests: false, doctest_module: Some("pkg.mod".to_owned()) };
    let settings = PytestSettings::default();
    let analysis = analyze_as(source, &settings, &role);
    let found: Vec<_> = analysis
        .nodes
        .iter()
        .map(|node| (node.id_suffix(), node.def_line, node.name_span.start.col, node.skip))
        .collect();
    let expected = [
        ("pkg.mod", 3, 0, false),
        ("pkg.mod.A", 20, 4, false),
        ("pkg.mod.A.B.m", 32, 13, false),
        ("pkg.mod.A.p", 26, 12, true),
        ("pkg.mod.f", 9, 7, false),
    ];
    let expected: Vec<_> = expected.iter().map(|(id, line, col, skip)| (id.to_string(), *line, *col, *skip)).collect();
    assert_eq!(found, expected);
    assert!(analyze(source, &settings).nodes.is_empty(), "without the module's name there are no ids");
}
