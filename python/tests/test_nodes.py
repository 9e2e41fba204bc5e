"""The properties of each collected item."""

from __future__ import annotations

import random
from typing import Any

import pytest
from conftest import Project
from fake_engine import Engine, Message, run

pytestmark = pytest.mark.core

FILES = {
    "pytest.ini": """
    [pytest]
    addopts = --doctest-modules --doctest-glob=*.rst
    markers =
        slow
        device
    """,
    "conftest.py": """
    import pytest

    class Line(pytest.Item):
        def runtest(self):
            assert self.name != "bad"

        def reportinfo(self):
            return self.path, int(self.name[-1]) if self.name[-1].isdigit() else 0, self.name

    class Lines(pytest.File):
        def collect(self):
            for name in self.path.read_text().split():
                yield Line.from_parent(self, name=name)

    def pytest_collect_file(file_path, parent):
        if file_path.suffix == ".lines":
            return Lines.from_parent(parent, path=file_path)
    """,
    "shared.py": '''
    """A module.

    >>> 1 + 1
    2
    """

    class Shared:
        def test_inherited(self):
            pass
    ''',
    "sub/test_things.py": """
    import functools
    import sys
    import unittest
    import pytest
    from shared import Shared


    def plain(f):
        @functools.wraps(f)
        def inner(*args, **kwargs):
            return f(*args, **kwargs)
        return inner


    @plain
    @pytest.mark.slow
    def test_decorated():
        pass


    @pytest.mark.parametrize("n", [
        1,
        pytest.param(2, marks=pytest.mark.skip),
        pytest.param(3, marks=[pytest.mark.xfail, pytest.mark.slow], id="three"),
    ])
    def test_cases(n):
        pass


    @pytest.mark.device(serial=1, name="x", spare=None, other=object())
    @pytest.mark.skipif(False, reason="never")
    def test_arguments():
        pass


    @pytest.mark.skipif("sys.platform != 'beos'", reason="string")
    def test_skipif_string():
        pass


    @pytest.mark.skipif("undefined_name", reason="broken")
    def test_skipif_broken():
        pass


    @pytest.mark.xdist_group(name="db")
    def test_grouped():
        pass


    @pytest.mark.device
    class TestOuter(Shared):
        @pytest.mark.slow
        class TestInner:
            def test_deep(self):
                pass

    class Case(unittest.TestCase):
        @unittest.skip("no")
        def test_unit(self):
            pass


    test_decorated.speed = "fast"
    """,
    "notes.rst": """
    Notes
    =====

    >>> 2 + 2
    4
    """,
    "items.lines": "one2 bad",
}


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Message]:
    from conftest import write

    root = tmp_path_factory.mktemp("nodes")
    write(root, FILES)
    engine = Engine(root)
    try:
        host = engine.collected()
        nodes = host.nodes()
        assert [len(message["items"]) for message in host.all("nodes")] == [len(nodes)]
        return {node["id"]: node for node in nodes}
    finally:
        engine.close()


def test_all_are_there_once(collected: dict[str, Message]) -> None:
    assert set(collected) == {
        "items.lines::one2",
        "items.lines::bad",
        "notes.rst::notes.rst",
        "shared.py::shared",
        "sub/test_things.py::Case::test_unit",
        "sub/test_things.py::TestOuter::TestInner::test_deep",
        "sub/test_things.py::TestOuter::test_inherited",
        "sub/test_things.py::test_arguments",
        "sub/test_things.py::test_cases[1]",
        "sub/test_things.py::test_cases[2]",
        "sub/test_things.py::test_cases[three]",
        "sub/test_things.py::test_decorated",
        "sub/test_things.py::test_grouped",
        "sub/test_things.py::test_skipif_broken",
        "sub/test_things.py::test_skipif_string",
    }


def lines_of(name: str) -> list[str]:
    import textwrap

    return textwrap.dedent(FILES[name]).lstrip("\n").splitlines()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sub/test_things.py::test_decorated", "@plain"),
        ("sub/test_things.py::test_cases[three]", '@pytest.mark.parametrize("n", ['),
        ("sub/test_things.py::TestOuter::TestInner::test_deep", "        def test_deep(self):"),
        ("sub/test_things.py::Case::test_unit", '    @unittest.skip("no")'),
        ("shared.py::shared", ">>> 1 + 1"),
        ("notes.rst::notes.rst", ">>> 2 + 2"),
    ],
)
def test_first_lines(collected: dict[str, Message], name: str, text: str) -> None:
    assert collected[name]["line"] == lines_of(name.split("::")[0]).index(text) + 1


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("test_decorated", {"kind": "function", "param": False, "markers": ["slow"]}),
        (
            "test_cases[three]",
            {
                "originalname": "test_cases",
                "param": True,
                "xfail": True,
                "skip": False,
                "markers": ["parametrize", "xfail", "slow"],
            },
        ),
        ("test_cases[2]", {"skip": True, "xfail": False}),
        (
            "test_arguments",
            {
                "skip": False,
                "mark_args": [
                    ["skipif", {"reason": "never"}],
                    ["device", {"serial": 1, "name": "x", "spare": None}],
                ],
            },
        ),
        ("test_skipif_string", {"skip": True}),
        ("test_skipif_broken", {"skip": False}),
        ("test_grouped", {"group": "db"}),
        (
            "TestOuter::TestInner::test_deep",
            {"cls": "TestOuter::TestInner", "markers": ["slow", "device"], "name": "test_deep"},
        ),
        ("Case::test_unit", {"cls": "Case", "skip": True, "kind": "function"}),
        ("TestOuter::test_inherited", {"path": "sub/test_things.py"}),
    ],
)
def test_facts(collected: dict[str, Message], name: str, wanted: dict[str, Any]) -> None:
    node = collected[f"sub/test_things.py::{name}"]
    assert {key: node.get(key) for key in wanted} == wanted


def test_inherited_code_names_its_file(collected: dict[str, Message]) -> None:
    node = collected["sub/test_things.py::TestOuter::test_inherited"]
    assert node["def_path"].endswith("/shared.py")
    assert node["line"] == lines_of("shared.py").index("    def test_inherited(self):") + 1
    assert "def_path" not in collected["sub/test_things.py::test_decorated"]


def test_kinds_of_items_that_are_no_functions(collected: dict[str, Message]) -> None:
    assert collected["shared.py::shared"]["kind"] == "doctest"
    assert collected["notes.rst::notes.rst"]["kind"] == "doctest"
    assert collected["items.lines::one2"]["kind"] == "item"
    assert collected["items.lines::one2"]["line"] == 3


def test_keywords_are_pytest_s(collected: dict[str, Message]) -> None:
    decorated = set(collected["sub/test_things.py::test_decorated"]["keywords"])
    assert {"test_decorated", "slow", "speed"} <= decorated
    assert any(name.endswith("test_things.py") for name in decorated)
    deep = set(collected["sub/test_things.py::TestOuter::TestInner::test_deep"]["keywords"])
    assert {"TestOuter", "TestInner", "test_deep", "slow", "device"} <= deep
    # Special items of a parametrized test differ from its siblings.
    assert "xfail" in collected["sub/test_things.py::test_cases[three]"]["keywords"]
    assert "xfail" not in collected["sub/test_things.py::test_cases[1]"]["keywords"]


def test_everything_that_is_told_can_be_run(project: Project) -> None:
    engine = project(FILES)
    host = engine.collected()
    ids = [node["id"] for node in host.nodes()]
    random.Random(1).shuffle(ids)
    verdicts = run(engine.fork(host, "runner"), ids)
    failed = {name for name, verdict in verdicts.items() if verdict["outcome"] == "failed"}
    errors = {name for name, verdict in verdicts.items() if verdict["outcome"] == "error"}
    assert failed == {"items.lines::bad"}
    assert errors == {"sub/test_things.py::test_skipif_broken"}


@pytest.mark.parametrize("below", [True, False])
def test_ids_are_relative_to_the_root(project: Project, below: bool) -> None:
    """The rootdir may be above the root (its config file is), or below it (an option says so)."""
    if below:
        engine = project({"sub/test_a.py": "def test_a(): pass"})
        host = engine.collected(arguments=["--rootdir=sub"])
        wanted = "sub/test_a.py::test_a"
    else:
        project({"pytest.ini": "[pytest]"}, root="above")
        engine = project({"test_a.py": "def test_a(): pass"}, root="above/root")
        host = engine.collected()
        wanted = "test_a.py::test_a"
    assert [(node["id"], node["path"]) for node in host.nodes()] == [(wanted, wanted[:-8])]
    assert run(engine.fork(host, "runner"), [wanted])[wanted]["outcome"] == "passed"


OUTSIDE = {
    "config/pytest.ini": "[pytest]",
    "tests/test_a.py": """
    import pytest
    class TestA:
        @pytest.mark.parametrize("n", ["::", 2])
        def test_a(self, n): pass
    """,
    "tests/deep/test_b.py": "def test_b(): pass",
}


@pytest.mark.parametrize(
    "arguments", [["-c", "config/pytest.ini"], ["--rootdir=config"], ["--rootdir=tests/deep"]]
)
def test_b2_an_item_outside_of_the_rootdir_is_named_by_its_own_path(
    project: Project, arguments: list[str]
) -> None:
    engine = project(OUTSIDE)
    wanted = {
        "tests/test_a.py::TestA::test_a[::]": "tests/test_a.py",
        "tests/test_a.py::TestA::test_a[2]": "tests/test_a.py",
        "tests/deep/test_b.py::test_b": "tests/deep/test_b.py",
    }
    host = engine.collected(arguments=arguments)
    assert {node["id"]: node["path"] for node in host.nodes()} == wanted
    verdicts = run(engine.fork(host, "runner"), list(wanted))
    assert {name: verdict["outcome"] for name, verdict in verdicts.items()} == dict.fromkeys(
        wanted, "passed"
    )
    for part in ["tests/test_a.py", "tests/deep/test_b.py"]:
        host = engine.collected(arguments=arguments, args=[part])
        assert {node["id"] for node in host.nodes()} == {id for id in wanted if wanted[id] == part}


def test_b2_fixtures_of_modules_outside_of_the_rootdir_stay_their_own(project: Project) -> None:
    module = """
    import pytest

    @pytest.fixture
    def value(): return {name!r}

    def test_value(value): assert value == {name!r}
    """
    files = {f"tests/test_{name}.py": module.format(name=name) for name in "ab"}
    engine = project({"config/pytest.ini": "[pytest]", **files})
    host = engine.collected(arguments=["-c", "config/pytest.ini"], args=list(files))
    ids = [f"{path}::test_value" for path in files]
    verdicts = run(engine.fork(host, "runner"), ids)
    assert {name: verdict["outcome"] for name, verdict in verdicts.items()} == dict.fromkeys(
        ids, "passed"
    )


def test_a_part_has_the_whole_project_s_configuration(project: Project) -> None:
    engine = project(
        {
            "sub/pytest.ini": "[pytest]\npython_functions = check*",
            "sub/test_a.py": "def test_a(): pass\ndef check_a(): pass",
        }
    )
    whole = engine.collected()
    part = engine.collected(args=["sub/test_a.py"])
    assert [node["id"] for node in whole.nodes()] == ["sub/test_a.py::test_a"]
    assert [node["id"] for node in part.nodes()] == ["sub/test_a.py::test_a"]


def test_many_items_come_in_batches(project: Project) -> None:
    engine = project(
        {
            "test_a.py": """
            import pytest
            @pytest.mark.parametrize("n", range(1200))
            def test_a(n): pass
            """
        }
    )
    host = engine.collected()
    assert [len(message["items"]) for message in host.all("nodes")] == [500, 500, 200]
    assert [node["id"] for node in host.nodes()] == [f"test_a.py::test_a[{n}]" for n in range(1200)]
