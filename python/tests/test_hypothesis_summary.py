"""The end of a session in an environment that has hypothesis."""

from __future__ import annotations

import pytest
from conftest import Project
from fake_engine import run

# A stand-in for the plugin: its summary imports hypothesis.
PLUGIN = """
import pathlib, sys
def pytest_terminal_summary(terminalreporter):
    from hypothesis.internal.observability import _WROTE_TO
    pathlib.Path("summary").write_text("yes")
"""
FILES = {
    "_hypothesis_pytestplugin.py": PLUGIN,
    "hypothesis/__init__.py": "",
    "hypothesis/internal/__init__.py": "",
    "hypothesis/internal/observability.py": "_WROTE_TO = []\n",
    "pytest.ini": "[pytest]\naddopts = -p _hypothesis_pytestplugin\npythonpath = .\n",
}


@pytest.mark.parametrize("uses", [True, False])
def test_hypothesis_is_not_imported_for_its_summary_alone(project: Project, uses: bool) -> None:
    code = "import hypothesis.internal.observability\n" if uses else ""
    engine = project({**FILES, "test_a.py": f"def test_a():\n    {code or 'pass'}\n"})
    host = engine.collected()
    runner = engine.fork(host, "runner")
    run(runner, ["test_a.py::test_a"])
    runner.wait_closed()
    host.wait("exited", host=runner.name)
    assert (engine.root / "summary").exists() == uses
