"""Modules that do not import, in ways of their own: told at their place, and the rest runs."""

from __future__ import annotations

from conftest import Project
from fake_engine import run


def test_b4_a_module_that_exits_is_an_error_of_its_own(project: Project) -> None:
    engine = project(
        {
            "test_a.py": "def test_a(): pass\n",
            "test_exit.py": "import sys\n\nsys.exit(2)\n",
            "test_main.py": "import unittest\nclass T(unittest.TestCase): pass\nunittest.main()\n",
        }
    )
    host = engine.collected()
    message = host.all("collected")[0]
    told = {error["path"]: (error["line"], error["message"]) for error in message["errors"]}
    assert told["test_exit.py"][0] == 3 and told["test_exit.py"][1].startswith("SystemExit: 2")
    assert told["test_main.py"][0] == 3
    ids = [node["id"] for nodes in host.all("nodes") for node in nodes["items"]]
    assert ids == ["test_a.py::test_a"]


def test_b5_a_plugin_that_does_not_import_is_told_by_its_cause(project: Project) -> None:
    engine = project(
        {
            "conftest.py": 'pytest_plugins = ["fix.db"]\n',
            "fix/__init__.py": "",
            "fix/db.py": "import os\nimport no_such_driver\n",
            "test_a.py": "def test_a(): pass\n",
        }
    )
    base = engine.base()
    base.wait("ready")
    told = engine.fork(base, "collected").wait("usage_error")
    wanted = "fix/db.py:2: ModuleNotFoundError: No module named 'no_such_driver'"
    assert (told["message"], told["path"], told["line"]) == (wanted, "fix/db.py", 2)


def test_b4_a_hook_that_raises_is_told_in_a_sentence_at_its_line(project: Project) -> None:
    engine = project(
        {
            "conftest.py": "def pytest_collection_modifyitems(items):\n    1 / 0\n",
            "test_a.py": "def test_a(): pass\n",
        }
    )
    base = engine.base()
    base.wait("ready")
    told = engine.fork(base, "collected").wait("usage_error")
    wanted = "conftest.py:2: ZeroDivisionError: division by zero"
    assert (told["message"], told["path"], told["line"]) == (wanted, "conftest.py", 2)


def test_c4_a_doctest_fails_at_its_example(project: Project) -> None:
    engine = project(
        {
            "pytest.ini": "[pytest]\naddopts = --doctest-modules\n",
            "m.py": 'def f():\n    """\n    >>> f()\n    5\n    >>> 1 / 0\n    """\n    return 4\n',
        }
    )
    host = engine.collected()
    runner = engine.fork(host, "runner")
    told = run(runner, ["m.py::m.f"])["m.py::m.f"]
    assert told["message"] == "Expected 5, got 4"
    assert told["location"] == {"path": str(engine.root / "m.py"), "line": 3}
    assert [(frame["line"], frame["text"]) for frame in told["frames"]] == [(3, "f()")]
