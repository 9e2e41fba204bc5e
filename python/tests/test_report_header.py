"""The lines with which pytest begins its output."""

from __future__ import annotations

import subprocess
import sys

from conftest import Project

FILES = {
    "pytest.ini": "[pytest]\ntestpaths = tests\n",
    "conftest.py": """
    def pytest_report_header(config):
        return ["database: none", "seed: 1\\nshuffled: no"]

    def pytest_report_collectionfinish(items):
        return f"first: {items[0].name}"
    """,
    "tests/conftest.py": """
    def pytest_report_header():
        return "never: it is not loaded yet"

    def pytest_report_collectionfinish(items):
        return [f"tests: {len(items)}", "at last"]
    """,
    "tests/test_a.py": "def test_a(): pass",
}


def test_the_header_is_that_of_plain_pytest(project: Project) -> None:
    engine = project(FILES)
    collected = engine.collected().all("collected")[0]
    lines, on_collected = collected["header"], collected["on_collected"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    plain = subprocess.run(command, cwd=engine.root, capture_output=True, text=True).stdout
    printed = plain.splitlines()
    begin, end = (
        next(index for index, line in enumerate(printed) if line.startswith(start))
        for start in ("platform ", "collected ")
    )
    assert "seed: 1" in lines
    assert lines == printed[begin + 1 : end]
    assert "first: test_a" in on_collected
    assert on_collected == printed[end + 1 : printed.index("", end)]
