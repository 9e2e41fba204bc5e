"""`--affected`: ways by which tests depend on code without an import or a call that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from test_affected import RECORDS, Project, pytestmark

pytestmark = [pytestmark, pytest.mark.skipif(not RECORDS, reason="nothing is recorded")]

# A module that is loaded before any test runs.
USED = {"conf.py": "LIMIT = 1\nclass K:\n    x = 1\n", "test_used.py": "import conf\n"}
HOT = """
class A:
    @property
    def value(self): return 5
    def __len__(self): return 5
_kept = {}
def by_property():
    if "p" not in _kept: _kept["p"] = A().value
    return _kept["p"]
def by_operator():
    if "o" not in _kept: _kept["o"] = len(A())
    return _kept["o"]
"""


class Way(NamedTuple):
    """A project with one test that a change of a file breaks."""

    files: dict[str, str]
    test: str
    change: tuple[str, str, str] = ("conf.py", "LIMIT = 1", "LIMIT = 2")
    links: tuple[tuple[str, str], ...] = ()


WAYS = {
    "a script": Way(
        {"examples/one.py": "from conf import LIMIT\n"},
        "import runpy\ndef test(): assert runpy.run_path('examples/one.py')['LIMIT'] == 1\n",
    ),
    "a module by a computed name": Way(
        {
            "plugs/one.py": "import conf\ndef run(): return conf.LIMIT\n",
            "name.txt": "plugs.one",
        },
        "import importlib\nfrom pathlib import Path\n"
        "def test():\n"
        "    name = Path('name.txt').read_text()\n"
        "    assert importlib.import_module(name).run() == 1\n",
    ),
    "a text that is executed": Way(
        {"x.spec": "from conf import LIMIT\nassert LIMIT == 1\n"},
        "def test(): exec(open('x.spec').read(), {})\n",
    ),
    "a pickle": Way(
        {"k.pkl": "cconf\nK\n."},
        "import pickle\ndef test(): assert pickle.loads(open('k.pkl', 'rb').read()).x == 1\n",
        ("conf.py", "x = 1", "x = 2"),
    ),
    "a configuration of loggers": Way(
        {"log.json": '{"version": 1, "root": {"level": "ext://conf.LIMIT"}}'},
        "import json, logging.config\n"
        "def test():\n"
        "    logging.config.dictConfig(json.load(open('log.json')))\n"
        "    assert logging.getLogger().level == 1\n",
    ),
    "an attribute by a computed dotted name": Way(
        {
            "pkg/__init__.py": "",
            "pkg/conf.py": "LIMIT = 1\n",
            "test_pkg.py": "import pkg.conf\n",
        },
        "M = '.'.join(['pkg', 'conf'])\n"
        "def test(monkeypatch): monkeypatch.setattr(M + '.LIMIT', 5)\n",
        ("pkg/conf.py", "LIMIT", "MOST"),
    ),
    "a module that a star imports": Way(
        {"pkg/__init__.py": "__all__ = ['a']\n", "pkg/a.py": "C = 1\n"}
        | {"test_first.py": "from pkg import *\ndef test_first(): pass\n"},
        "from pkg import *\ndef test(): assert a.C == 1\n",
        ("pkg/a.py", "1", "2"),
    ),
    "a package behind a link": Way(
        {"lib/a.py": "C = 1\n"} | {"test_first.py": "import p.a\ndef test_first(): pass\n"},
        "import p.a\ndef test(): assert p.a.C == 1\n",
        ("lib/a.py", "1", "2"),
        links=(("p", "lib"),),
    ),
    "a property that is often read": Way(
        {"hot.py": HOT},
        "import hot\n"
        "def test_often():\n"
        "    for _ in range(17): hot.A().value\n"
        "    hot.by_property()\n"
        "def test(): assert hot.by_property() == 5\n",
        ("hot.py", "value(self): return 5", "value(self): return 6"),
    ),
    "an operator that is often used": Way(
        {"hot.py": HOT},
        "import hot\n"
        "def test_often():\n"
        "    for _ in range(17): len(hot.A())\n"
        "    hot.by_operator()\n"
        "def test(): assert hot.by_operator() == 5\n",
        ("hot.py", "__len__(self): return 5", "__len__(self): return 6"),
    ),
    "a line of a traceback": Way(
        {"core.py": "# one\n\ndef boom(): raise ValueError\n"},
        "import pytest, core\n"
        "def test():\n"
        "    with pytest.raises(ValueError) as e: core.boom()\n"
        "    assert e.traceback[-1].lineno == 2\n",
        ("core.py", "# one\n", "# one\n# two\n"),
    ),
}


def project_of(way: Way, folder: Path) -> Project:
    files = {"pytest-lens.toml": 'runOnSave = "affected"\n', **USED, **way.files}
    files["pytest.ini"] = "[pytest]\npythonpath = .\n"
    return Project(folder, {**files, "test_way.py": way.test}, links=dict(way.links))


@pytest.mark.parametrize("name", WAYS)
def test_a_change_that_arrives_by(tmp_path: Path, name: str) -> None:
    way = WAYS[name]
    project = project_of(way, tmp_path)
    file, old, new = way.change
    text = (project.root / file).read_text(encoding="utf-8")
    assert old in text
    project.write(file, text.replace(old, new, 1))
    assert "test" in project.affected()


def test_examples_in_a_text(tmp_path: Path) -> None:
    files = {"pytest-lens.toml": 'runOnSave = "affected"\n', **USED}
    files["pytest.ini"] = "[pytest]\naddopts = --doctest-glob=*.rst\npythonpath = .\n"
    files["use.rst"] = "\n>>> import conf\n>>> conf.LIMIT\n1\n"
    project = Project(tmp_path, files)
    project.write("conf.py", USED["conf.py"].replace("LIMIT = 1", "LIMIT = 2"))
    assert "use.rst" in project.affected()
    assert project.run("--affected").returncode == 1


def test_a_variable_whatever_its_name(tmp_path: Path) -> None:
    test = "import os\ndef test(): assert os.environ.get('LENS_MODE') is None\n"
    project = Project(tmp_path, {"pytest-lens.toml": 'runOnSave = "affected"\n', "test_v.py": test})
    assert project.affected() == set()
    assert project.affected(LENS_MODE="b") == {"test"}


def test_compiled_sources_of_a_cold_cache_are_no_inputs(tmp_path: Path) -> None:
    project = Project(tmp_path, {**USED, "test_v.py": "import conf\ndef test(): pass\n"})
    project.run()
    assert project.affected() == set()
