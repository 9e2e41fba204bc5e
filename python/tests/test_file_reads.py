"""The files of the project that each test read: they decide what a changed file can reach."""

from __future__ import annotations

import os

from conftest import Project
from fake_engine import Engine, Message, run

FILES = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
    import pytest, pathlib
    @pytest.fixture(scope="session")
    def settings():
        return pathlib.Path("data/settings.json").read_text()
    """,
    "helper.py": """
    import functools
    from pathlib import Path
    @functools.lru_cache
    def table():
        return Path("data/table.csv").read_text()
    """,
    "lazy.py": "X = 1\n",
    "dynamic.py": "import deep\n",
    "deep.py": "",
    "tool.py": "import sys\n",
    "data/settings.json": "{}",
    "data/table.csv": "a,b",
    "data/cases.txt": "1 2",
    "test_a.py": """
    import importlib, os, pathlib, subprocess, sys
    import pytest
    from helper import table
    @pytest.mark.parametrize("n", pathlib.Path("data/cases.txt").read_text().split())
    def test_cases(n): pass
    def test_table(settings): table()
    def test_lazy():
        import lazy
        importlib.import_module("dynamic")
    def test_tool(tmp_path):
        subprocess.run([sys.executable, "tool.py"], check=True)
        (tmp_path / "x").write_text("x")
    def test_list(): os.listdir("data")
    """,
}


def _edges(messages: list[Message], root: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for message in messages:
        for path, readers in message.get("reads", []):
            relative = {os.path.relpath(reader, root) for reader in readers}
            found.setdefault(path if path == "*" else os.path.relpath(path, root), set()).update(
                relative
            )
    return found


def test_a1_each_read_is_told_with_its_readers(project: Project) -> None:
    engine: Engine = project(FILES)
    base = engine.base()
    base.wait("ready")
    host = engine.fork(base, "collected")
    host.wait("collected")
    edges = _edges(host.all("reads"), str(engine.root))
    assert edges["data/cases.txt"] == {"test_a.py"}
    assert edges["helper.py"] == {"test_a.py"}
    assert "conftest.py" not in edges.get("test_a.py", set())
    assert "data" not in edges, "pytest's own look for tests is no read"
    runner = engine.fork(host, "runner")
    run(runner, [node["id"] for node in host.nodes()])
    edges = _edges(runner.all("reads"), str(engine.root))
    assert edges["data/settings.json"] == {"conftest.py", "test_a.py"}
    assert edges["data/table.csv"] == {"helper.py", "test_a.py"}
    assert edges["lazy.py"] == {"test_a.py"}
    assert edges["dynamic.py"] == {"test_a.py"}
    assert edges["deep.py"] == {"dynamic.py"}
    assert edges["*"] == {"test_a.py"}, "a process may read anything"
    assert edges["data"] == {"test_a.py"}
    assert not any(path.startswith("..") for path in edges)
