"""Modules that can't be imported, in various ways: reported at their lines, and other tests run."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Project, write
from fake_engine import run

pytestmark = pytest.mark.fresh

_TRACEBACK = " (`python -m pytest` prints the traceback)"


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


def test_b5_an_installed_plugin_that_does_not_fit_is_named_and_not_the_import_system(
    project: Project, tmp_path: Path
) -> None:
    packages = tmp_path / "lib" / "site-packages"
    write(
        packages,
        {
            "plug.py": "import helping\n",
            "helping.py": "def make(): pass\nmake(1)\n",
            "plug-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: plug\nVersion: 1\n",
            "plug-1.dist-info/entry_points.txt": "[pytest11]\nplug = plug\n",
        },
    )
    engine = project({"test_a.py": "def test_a(): pass\n"})
    base = engine.base(env={"PYTHONPATH": str(packages)})
    base.wait("ready")
    host = engine.fork(base, "collected")
    host.wait_closed()
    # pytest 9 counts it as a wrong use, older ones let it through.
    (told,) = host.all("usage_error") + host.all("internal_error")
    first = told["message"].removesuffix(_TRACEBACK)
    wanted = "TypeError: make() takes 0 positional arguments but 1 was given"
    assert first == f"{packages / 'helping.py'}:2: {wanted}"


def test_an_installed_plugin_that_refuses_its_options_is_one_sentence(
    project: Project, tmp_path: Path
) -> None:
    packages = tmp_path / "lib" / "site-packages"
    hook = "def pytest_load_initial_conftests():\n    raise ValueError('no such file')\n"
    write(packages, {"plug.py": hook})
    engine = project({"test_a.py": "def test_a(): pass\n"})
    base = engine.base(env={"PYTHONPATH": str(packages), "PYTEST_PLUGINS": "plug"})
    base.wait("ready")
    host = engine.fork(base, "collected")
    host.wait_closed()
    (told,) = host.all("usage_error") + host.all("internal_error")
    wanted = f"{packages / 'plug.py'}:2: ValueError: no such file{_TRACEBACK}"
    assert (told["message"], told["session_exit"]["status"]) == (wanted, 1)


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


DOCTESTS = '''\
class A:
    @property
    def p(self):
        """
        >>> A().p
        """
        return boom()
def boom():
    raise KeyError("k")
def nothing():
    """
    >>> 1 + 1
    """
__test__ = {"kept": """
>>> 2 + 2
5
"""}
'''


def test_c4_a_doctest_fails_in_its_own_file_wherever_it_is_written(project: Project) -> None:
    options = "--doctest-modules --doctest-continue-on-failure --doctest-glob=*.rst"
    engine = project(
        {
            "pytest.ini": f"[pytest]\naddopts = {options}\n",
            "m.py": DOCTESTS,
            "guide.rst": "Guide\n=====\n\n>>> 3\n3\n>>> 3\n4\n>>> 3\n5\n",
        }
    )
    runner = engine.fork(engine.collected(), "runner")
    names = ["m.py::m.A.p", "m.py::m.nothing", "m.py::m.__test__.kept", "guide.rst::guide.rst"]
    told = run(runner, names)
    message = [told[name]["message"] for name in names]
    assert message[0] == "KeyError: 'k'"
    assert message[1:] == ["Expected nothing, got 2", "Expected 5, got 4", "Expected 4, got 3"]
    assert [told[name]["location"]["line"] for name in names] == [5, 12, 15, 6]
    places = [(frame["line"], frame["name"]) for frame in told[names[0]]["frames"]]
    assert places == [(5, "m.A.p"), (7, "p"), (9, "boom")]
    for name in names:
        files = {frame["path"] for frame in told[name]["frames"]}
        assert files == {str(engine.root / name.split("::")[0])}


CUSTOM = """
import pytest
def pytest_collect_file(parent, file_path):
    if file_path.suffix == ".spec":
        return File.from_parent(parent, path=file_path)
class File(pytest.File):
    def collect(self):
        for name in ("told", "broken"):
            yield Item.from_parent(self, name=name)
class Wrong(Exception): pass
class Item(pytest.Item):
    def runtest(self):
        if self.name == "told":
            raise Wrong("not equal")
        raise TypeError("in the machinery")
    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, Wrong):
            return "usecase failed"
        return super().repr_failure(excinfo)
    def reportinfo(self):
        return self.path, 2, self.name
"""


def test_c4_a_custom_item_fails_in_its_own_file(project: Project) -> None:
    engine = project({"conftest.py": CUSTOM, "a.spec": "one\ntwo\nthree\n"})
    runner = engine.fork(engine.collected(), "runner")
    names = ["a.spec::told", "a.spec::broken"]
    told = run(runner, names)
    own = str(engine.root / "a.spec")
    for name in names:
        assert told[name]["location"] == {"path": own, "line": 3}
    assert told[names[0]]["message"] == "usecase failed"
    assert [frame["path"] for frame in told[names[0]]["frames"]] == [own]
    assert [frame["line"] for frame in told[names[1]]["frames"]] == [3, 14]


@pytest.mark.parametrize(
    ("name", "text", "is_one"),
    [
        ("pyproject.toml", '[project]\nname = "x"\n[tool.pytest.ini_options]\n', True),
        ("pyproject.toml", '[project]\nname = "x"\n', False),
        ("tox.ini", "[pytest]\n", True),
        ("setup.cfg", "[tool:pytest]\n", True),
        ("pytest.ini", "", True),
    ],
)
def test_b11_an_import_that_fails_in_a_nested_project_names_its_configuration(
    project: Project, name: str, text: str, is_one: bool
) -> None:
    files = {f"pkg/api/{name}": text, "pkg/api/tests/test_v.py": "import views\ndef test_v(): pass"}
    engine = project({**files, "test_root.py": "import nowhere"})
    errors = engine.collected().all("collected")[0]["errors"]
    told = {error["path"]: error["message"] for error in errors}
    assert told["test_root.py"] == "ModuleNotFoundError: No module named 'nowhere'"
    first, *more = told["pkg/api/tests/test_v.py"].split("\n")
    assert first == "ModuleNotFoundError: No module named 'views'"
    wanted = f"pkg/api/{name} is a pytest configuration of its own"
    assert [line.startswith(wanted) for line in more] == ([True] if is_one else [])
    assert ["`pytest-lens run --root pkg/api`" in line for line in more] == ([True] * is_one)
    texts = {error["path"]: error["longrepr"] for error in errors}
    assert (wanted in texts["pkg/api/tests/test_v.py"]) == is_one


def test_b11_a_configuration_in_force_is_no_nested_one(project: Project) -> None:
    engine = project({"pkg/pytest.ini": "[pytest]", "pkg/test_v.py": "import views"})
    host = engine.collected(arguments=["-c", "pkg/pytest.ini"])
    (error,) = host.all("collected")[0]["errors"]
    assert error["message"] == "ModuleNotFoundError: No module named 'views'"


def test_b11_a_conftest_that_does_not_import_in_a_nested_project(project: Project) -> None:
    files = {"pkg/pytest.ini": "[pytest]", "pkg/conftest.py": "import views"}
    engine = project({**files, "pkg/test_v.py": "def test_v(): pass"})
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "session", args=["pkg/test_v.py"])
    told = host.wait("usage_error")["message"]
    assert "No module named 'views'\npkg/pytest.ini is a pytest configuration of its own" in told


def test_a_hook_that_takes_the_place_of_the_session_is_named(project: Project) -> None:
    conftest = "def pytest_cmdline_main(config):\n    return 0\n"
    engine = project({"conftest.py": conftest, "test_a.py": "def test_a(): pass\n"})
    base = engine.base()
    base.wait("ready")
    told = engine.fork(base, "collected").wait("usage_error")["message"]
    assert "status 0" in told and "pytest_cmdline_main (conftest.py:1)" in told


def test_a_usage_error_keeps_its_lines(project: Project) -> None:
    conftest = """
        import pytest

        def pytest_configure():
            raise pytest.UsageError("no server:\\n  start one\\n  or set SERVER")
    """
    engine = project({"conftest.py": conftest, "test_it.py": "def test_a(): pass\n"})
    base = engine.base()
    base.wait("ready")
    refused = engine.fork(base, "collected").wait("usage_error")
    assert refused["message"].splitlines() == ["no server:", "  start one", "  or set SERVER"]
