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
    "a library that calls back": Way(
        {
            "hot.py": "import json\n"
            "def plain(value): return sorted(value)\n"
            "_kept = {}\n"
            "def text():\n"
            "    if 0 not in _kept: _kept[0] = json.dumps({2, 1}, default=plain)\n"
            "    return _kept[0]\n"
        },
        "import json, hot\n"
        "def test_often():\n"
        "    json.dumps([{1}, {2}], default=hot.plain)\n"
        "    hot.text()\n"
        "def test(): assert hot.text() == '[1, 2]'\n",
        ("hot.py", "sorted(value)", "sorted(value)[::-1]"),
    ),
    "code that was made": Way(
        {
            "hot.py": "import dataclasses\n"
            "@dataclasses.dataclass\n"
            "class P:\n"
            "    n: int\n"
            "    def __post_init__(self): self.d = self.n * 2\n"
            "_kept = {}\n"
            "def get():\n"
            "    if 0 not in _kept: _kept[0] = P(3)\n"
            "    return _kept[0].d\n"
        },
        "import hot\n"
        "def test_often():\n"
        "    hot.P(1), hot.P(2)\n"
        "    hot.get()\n"
        "def test(): assert hot.get() == 6\n",
        ("hot.py", "n * 2", "n * 3"),
    ),
    "the same place of another function": Way(
        {
            "hot.py": "def norm(x): return x * 2\n"
            "_kept = {}\n"
            "def one(xs): return list(map(norm, xs))\n"
            "def two(xs):\n"
            "    if 0 not in _kept: _kept[0] = list(map(norm, xs))\n"
            "    return _kept[0]\n"
        },
        "import hot\n"
        "def test_often():\n"
        "    hot.one([1]), hot.one([2])\n"
        "    hot.two([1])\n"
        "def test(): assert hot.two([1]) == [2]\n",
        ("hot.py", "x * 2", "x * 3"),
    ),
    "a thread of its own": Way(
        {
            "hot.py": "import threading\n"
            "class Job(threading.Thread):\n"
            "    def run(self): self.out = 5\n"
            "_kept = {}\n"
            "def get():\n"
            "    if 0 not in _kept:\n"
            "        job = Job(); job.start(); job.join(); _kept[0] = job.out\n"
            "    return _kept[0]\n"
        },
        "import hot\ndef test_first(): hot.get()\ndef test(): assert hot.get() == 5\n",
        ("hot.py", "out = 5", "out = 6"),
    ),
    "tasks of an event loop": Way(
        {
            "hot.py": "import asyncio\n"
            "async def fetch(key): return key * 2\n"
            "_kept = {}\n"
            "async def get():\n"
            "    if 0 not in _kept: _kept[0] = await asyncio.gather(*map(fetch, [1]))\n"
            "    return _kept[0]\n"
        },
        "import asyncio, hot\n"
        "def test_first(): asyncio.run(hot.get())\n"
        "def test(): assert asyncio.run(hot.get()) == [2]\n",
        ("hot.py", "key * 2", "key * 3"),
    ),
    "a getter that fills more": Way(
        {
            "hot.py": "class Settings:\n"
            "    def __getattr__(self, name):\n"
            "        vars(self).update(load())\n"
            "        return vars(self)[name]\n"
            "def load(): return {'host': 'h', 'port': 5}\n"
            "S = Settings()\n"
        },
        "import hot\ndef test_first(): hot.S.host\ndef test(): assert hot.S.port == 5\n",
        ("hot.py", "'port': 5", "'port': 6"),
    ),
    "a file that a thread reads": Way(
        {
            "d.txt": "1",
            "hot.py": "from concurrent.futures import ThreadPoolExecutor\n"
            "from pathlib import Path\n"
            "_kept = {}\n"
            "def get():\n"
            "    if 0 not in _kept:\n"
            "        with ThreadPoolExecutor() as pool:\n"
            "            _kept[0] = list(pool.map(Path.read_text, [Path('d.txt')]))\n"
            "    return _kept[0]\n",
        },
        "import hot\ndef test_first(): hot.get()\ndef test(): assert hot.get() == ['1']\n",
        ("d.txt", "1", "2"),
    ),
    "a way out of a link": Way(
        {"x/y/z": "", "x/s.txt": "s", "s.txt": "q"},
        "def test(): assert open('p/../s.txt').read() == 's'\n",
        ("x/s.txt", "s", "t"),
        links=(("p", "x/y"),),
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
