//! pytest's collection rules, one table of small sources for each.
#![expect(clippy::panic, reason = "in a test, a failed step is a failed test")]

use pytest_lens_analysis::{NodeKind, PytestSettings, StaticNode, analyze};

fn nodes(source: &str) -> Vec<StaticNode> {
    analyze(source, &PytestSettings::default()).nodes
}

/// The ids of the tests (not of classes).
fn tests(source: &str) -> Vec<String> {
    ids(source, &PytestSettings::default())
}

fn ids(source: &str, settings: &PytestSettings) -> Vec<String> {
    analyze(source, settings)
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Function)
        .map(StaticNode::id_suffix)
        .collect()
}

fn check(cases: &[(&str, &str, &[&str])]) {
    for (what, source, expected) in cases {
        assert_eq!(tests(source), *expected, "{what}:\n{source}");
    }
}

fn named(source: &str, name: &str) -> StaticNode {
    let found = nodes(source).into_iter().find(|node| node.id_suffix() == name);
    found.unwrap_or_else(|| panic!("no {name} in\n{source}"))
}

#[test]
fn names_decide() {
    check(&[
        ("functions by prefix", "def test_a(): pass\ndef testing(): pass\ndef other(): pass\n", &["test_a", "testing"]),
        (
            "classes by prefix",
            "class TestA:\n def test_a(self): pass\nclass Other:\n def test_b(self): pass\n",
            &["TestA::test_a"],
        ),
        (
            "nested classes",
            "class TestA:\n class TestB:\n  class TestC:\n   def test_x(self): pass\n",
            &["TestA::TestB::TestC::test_x"],
        ),
        (
            "async, static and class methods",
            "class TestA:\n async def test_a(self): pass\n @staticmethod\n def test_b(): pass\n @classmethod\n def test_c(cls): pass\n",
            &["TestA::test_a", "TestA::test_b", "TestA::test_c"],
        ),
        (
            "functions in functions are nobody's",
            "def test_a():\n def test_b(): pass\n class TestC:\n  def test_d(self): pass\n",
            &["test_a"],
        ),
        ("a class without tests", "class TestA:\n def helper(self): pass\n", &[]),
    ]);
    let settings = PytestSettings {
        python_classes: vec!["*Suite".to_owned(), "Check".to_owned()],
        python_functions: vec!["it_*".to_owned()],
        ..PytestSettings::default()
    };
    let source = "class MySuite:\n def it_works(self): pass\n def test_not(self): pass\nclass Checks:\n def it_too(self): pass\nclass TestNot:\n def it_not(self): pass\n";
    assert_eq!(ids(source, &settings), ["MySuite::it_works", "Checks::it_too"]);
}

#[test]
fn what_is_no_test() {
    check(&[
        (
            "fixtures",
            "import pytest\n@pytest.fixture\ndef test_a(): pass\n@pytest.fixture(scope='module')\ndef test_b(): pass\nfrom pytest import fixture as fx\n@fx\ndef test_c(): pass\n",
            &[],
        ),
        (
            "properties",
            "class TestA:\n @property\n def test_a(self): pass\n @test_a.setter\n def test_a(self, v): pass\n def test_b(self): pass\n",
            &["TestA::test_b"],
        ),
        (
            "constructors",
            "class TestA:\n def __init__(self): pass\n def test_a(self): pass\nclass TestB:\n def __new__(cls): pass\n def test_b(self): pass\n",
            &[],
        ),
        (
            "inherited constructors",
            "class Base:\n def __init__(self): pass\nclass TestA(Base):\n def test_a(self): pass\n",
            &[],
        ),
        (
            "constructors of builtins",
            "class TestError(Exception):\n def test_a(self): pass\nclass TestDict(dict):\n def test_b(self): pass\nclass TestX(pkg.SomeError):\n def test_c(self): pass\n",
            &[],
        ),
        (
            "generated constructors",
            "from dataclasses import dataclass\n@dataclass\nclass TestA:\n x: int = 1\n def test_a(self): pass\n@dataclass(init=False)\nclass TestB:\n def test_b(self): pass\n",
            &["TestB::test_b"],
        ),
        (
            "__test__ = False",
            "class TestA:\n __test__ = False\n def test_a(self): pass\nclass TestB(TestA):\n pass\nclass TestC(TestA):\n __test__ = True\n",
            &["TestC::test_a"],
        ),
        (
            "__test__ from outside",
            "def test_a(): pass\ntest_a.__test__ = False\nclass TestB:\n def test_b(self): pass\nTestB.__test__ = False\ndef test_c(): pass\n",
            &["test_c"],
        ),
        ("__test__ of a module", "__test__ = False\ndef test_a(): pass\n", &[]),
        (
            "__test__ = True",
            "class Any:\n __test__ = True\n def test_a(self): pass\ndef check(): pass\ncheck.__test__ = True\n",
            &["Any::test_a", "check"],
        ),
        (
            "abstract classes",
            "from abc import ABC, abstractmethod\nclass TestBase(ABC):\n @abstractmethod\n def make(self): pass\n def test_a(self): pass\nclass TestReal(TestBase):\n def make(self): pass\n",
            &["TestReal::test_a"],
        ),
        (
            "abstract only with the metaclass",
            "from abc import abstractmethod\nclass TestBase:\n @abstractmethod\n def make(self): pass\n def test_a(self): pass\n",
            &["TestBase::test_a"],
        ),
        (
            "deleted and overwritten names",
            "def test_a(): pass\ndel test_a\ndef test_b(): pass\ntest_b = None\ndef test_c(): pass\ntest_c = wrap(test_c)\n",
            &["test_c"],
        ),
    ]);
}

#[test]
fn the_last_definition_wins() {
    let source = "def test_a(): pass\ndef test_b(): pass\ndef test_a():\n    pass\n";
    assert_eq!(tests(source), ["test_b", "test_a"]);
    assert_eq!(named(source, "test_a").def_line, 3);
    check(&[
        ("an alias is a test of its own", "def test_a(): pass\ntest_b = test_a\n", &["test_a", "test_b"]),
        (
            "a class alias too",
            "class TestA:\n def test_x(self): pass\nTestB = TestA\n",
            &["TestA::test_x", "TestB::test_x"],
        ),
        ("a class hides a function", "def test_a(): pass\nclass test_a: pass\n", &[]),
    ]);
}

#[test]
fn definitions_in_blocks_count() {
    check(&[
        (
            "if and else",
            "if X:\n def test_a(): pass\nelif Y:\n def test_b(): pass\nelse:\n def test_c(): pass\n",
            &["test_a", "test_b", "test_c"],
        ),
        (
            "try",
            "try:\n import x\n def test_a(): pass\nexcept ImportError:\n def test_b(): pass\nelse:\n def test_c(): pass\nfinally:\n def test_d(): pass\n",
            &["test_a", "test_b", "test_c", "test_d"],
        ),
        (
            "with, for, while, match",
            "with x:\n def test_a(): pass\nfor i in y:\n def test_b(): pass\nwhile z:\n def test_c(): pass\nmatch w:\n case 1:\n  def test_d(): pass\n",
            &["test_a", "test_b", "test_c", "test_d"],
        ),
        (
            "within classes",
            "class TestA:\n if X:\n  def test_a(self): pass\n try:\n  def test_b(self): pass\n finally: pass\n",
            &["TestA::test_a", "TestA::test_b"],
        ),
        (
            "branches never taken",
            "if TYPE_CHECKING:\n def test_a(): pass\nif __name__ == '__main__':\n def test_b(): pass\nif False:\n def test_c(): pass\nelse:\n def test_d(): pass\nif not True:\n def test_e(): pass\n",
            &["test_d"],
        ),
        ("a branch does not take a test away", "def test_a(): pass\nif X:\n test_a = None\n", &["test_a"]),
    ]);
}

#[test]
fn unittest_classes() {
    check(&[
        (
            "any name, methods by the alphabet",
            "import unittest\nclass Suite(unittest.TestCase):\n def test_b(self): pass\n def test_a(self): pass\n def check(self): pass\n",
            &["Suite::test_a", "Suite::test_b"],
        ),
        (
            "aliases",
            "from unittest import TestCase as TC, IsolatedAsyncioTestCase\nclass A(TC):\n def testX(self): pass\nclass B(IsolatedAsyncioTestCase):\n async def test_y(self): pass\n",
            &["A::testX", "B::test_y"],
        ),
        (
            "through the file",
            "class Base(SimpleTestCase):\n def test_base(self): pass\nclass Mixin:\n def test_mix(self): pass\nclass Derived(Mixin, Base):\n def test_own(self): pass\n",
            &["Base::test_base", "Derived::test_base", "Derived::test_mix", "Derived::test_own"],
        ),
        (
            "a constructor is no obstacle",
            "import unittest\nclass A(unittest.TestCase):\n def __init__(self, *a): pass\n def test_a(self): pass\n",
            &["A::test_a"],
        ),
        (
            "runTest when there is nothing else",
            "import unittest\nclass A(unittest.TestCase):\n def runTest(self): pass\nclass B(unittest.TestCase):\n def runTest(self): pass\n def test_b(self): pass\n",
            &["A::runTest", "B::test_b"],
        ),
        (
            "no nested classes",
            "import unittest\nclass A(unittest.TestCase):\n class TestB:\n  def test_b(self): pass\n def test_a(self): pass\n",
            &["A::test_a"],
        ),
    ]);
    let node = named(
        "import unittest\nclass A(unittest.TestCase):\n @pytest.mark.parametrize('a', [1, 2])\n def test_a(self): pass\n",
        "A::test_a",
    );
    assert!(node.is_unittest && !node.parametrized && node.case_count.is_none());
}

#[test]
fn inherited_methods_are_nodes_of_the_derived_class() {
    let source = "class Base:\n    def test_base(self): pass\n    def test_both(self): pass\n\nclass TestA(Base):\n    def test_own(self): pass\n    def test_both(self): pass\n    class TestIn:\n        def test_in(self): pass\nclass TestB(TestA):\n    test_own = None\n";
    assert_eq!(
        tests(source),
        [
            "TestA::test_base",
            "TestA::test_own",
            "TestA::test_both",
            "TestA::TestIn::test_in",
            "TestB::test_base",
            "TestB::test_both",
            "TestB::TestIn::test_in"
        ]
    );
    let base = named(source, "TestA::test_base");
    assert!(base.inherited);
    assert_eq!((base.def_line, base.name_span.start.line), (2, 1));
    assert!(!named(source, "TestA::test_both").inherited);
    assert!(named(source, "TestB::TestIn::test_in").inherited);
    check(&[
        (
            "diamonds follow Python's order",
            "class A:\n def test_x(self): pass\nclass B(A):\n test_x = None\nclass C(A):\n def test_y(self): pass\nclass TestD(B, C): pass\n",
            &["TestD::test_y"],
        ),
        (
            "subscripts and attributes",
            "class Outer:\n class Base(Generic[T]):\n  def test_x(self): pass\nclass TestA(Outer.Base[int]): pass\n",
            &["TestA::test_x"],
        ),
        (
            "a class is no base of what is in it",
            "class TestA:\n class TestB(TestA):\n  def test_b(self): pass\n",
            &["TestA::TestB::test_b"],
        ),
    ]);
    // Inherited members from other files are unknown, so the class stays.
    assert_eq!(nodes("class TestA(elsewhere.Base):\n pass\n").len(), 1);
    assert_eq!(nodes("class TestA(object):\n pass\n").len(), 0);
}

#[test]
fn markers_closest_first() {
    let source = "import pytest\nfrom pytest import mark\nimport pytest as pt\nslow = pytest.mark.slow\npytestmark = [pytest.mark.mod, mark.shared]\n@pytest.mark.outer\nclass TestA:\n    pytestmark = pytest.mark.cls\n    @slow\n    @pt.mark.own(1)\n    @mark.shared\n    @other.mark.no\n    def test_a(self): pass\nclass TestB(TestA):\n    pass\n";
    let expected = ["shared", "own", "slow", "cls", "outer", "mod"];
    assert_eq!(named(source, "TestA::test_a").markers, expected);
    assert_eq!(named(source, "TestB::test_a").markers, expected);
    assert_eq!(named(source, "TestA").markers, ["cls", "outer", "mod", "shared"]);
}

#[test]
fn skip_and_xfail() {
    let cases = [
        ("@pytest.mark.skip\n", true, false),
        ("@pytest.mark.skip(reason='x')\n", true, false),
        ("@pytest.mark.skipif(True, reason='x')\n", true, false),
        ("@pytest.mark.skipif(condition=True, reason='x')\n", true, false),
        ("@pytest.mark.skipif(False, reason='x')\n", false, false),
        ("@pytest.mark.skipif(sys.version_info < (3, 8), reason='x')\n", false, false),
        ("@unittest.skip('x')\n", true, false),
        ("@unittest.skipIf(True, 'x')\n", true, false),
        ("@unittest.skipUnless(False, 'x')\n", true, false),
        ("@unittest.skipUnless(HAS, 'x')\n", false, false),
        ("@pytest.mark.xfail\n", false, true),
        ("@pytest.mark.xfail(raises=ValueError, strict=True)\n", false, true),
        ("@pytest.mark.xfail(BROKEN, reason='x')\n", false, false),
        ("@pytest.mark.xfail(True, reason='x')\n", false, true),
        ("@unittest.expectedFailure\n", false, true),
        ("", false, false),
    ];
    for (decorator, skip, xfail) in cases {
        let node = named(&format!("import pytest, unittest\n{decorator}def test_a(): pass\n"), "test_a");
        assert_eq!((node.skip, node.xfail), (skip, xfail), "{decorator}");
    }
    let inherited =
        "import pytest\npytestmark = pytest.mark.xfail\n@pytest.mark.skip\nclass TestA:\n def test_a(self): pass\n";
    let node = named(inherited, "TestA::test_a");
    assert!(node.skip && node.xfail);
}

#[test]
fn literal_cases_are_counted() {
    let cases = [
        ("[1, 2, 3]", Some(3)),
        ("(1, 2)", Some(2)),
        ("[]", Some(1)),
        ("[pytest.param(1, id='x'), 2]", Some(2)),
        ("[(1, [2, 3]), (4, [])]", Some(2)),
        ("range(4)", Some(4)),
        ("range(2, 5)", Some(3)),
        ("'abc'", Some(3)),
        ("[1] + [2, 3]", Some(3)),
        ("[*X, 1]", None),
        ("[x for x in y]", None),
        ("CASES", None),
        ("cases()", None),
        ("range(n)", None),
    ];
    for (values, expected) in cases {
        let source = format!("import pytest\n@pytest.mark.parametrize('a', {values})\ndef test_a(a): pass\n");
        let node = named(&source, "test_a");
        assert!(node.parametrized, "{values}");
        assert_eq!(node.case_count, expected, "{values}");
    }
    let product = "import pytest\nfrom pytest import mark\nparametrize = pytest.mark.parametrize\npytestmark = mark.parametrize('m', [1, 2])\n@mark.parametrize(argnames='c', argvalues=[1, 2, 3])\nclass TestA:\n @parametrize('a,b', [(1, 2), (3, 4)], ids=str)\n @mark.parametrize('d', (1, 2))\n def test_a(self, a, b, c, d, m): pass\n def test_b(self, c, m): pass\n";
    assert_eq!(named(product, "TestA::test_a").case_count, Some(24));
    assert_eq!(named(product, "TestA::test_b").case_count, Some(6));
    let plain = named("def test_a(): pass\n", "test_a");
    assert!(!plain.parametrized && plain.case_count.is_none());
}
