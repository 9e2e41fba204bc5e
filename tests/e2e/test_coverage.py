"""Coverage for editors: equal to coverage.py's for plain pytest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from editor import Editor
from world import Project, World, path_of

FILES = {
    "pytest.ini": "[pytest]\n",
    "conftest.py": """
        import pytest

        from shop import prices


        @pytest.fixture(scope="session")
        def table():
            yield {"tea": prices.price("tea")}
            prices.close()
    """,
    "shop/__init__.py": "",
    "shop/prices.py": """
        import sys

        KNOWN = {"tea": 3}

        if sys.platform == "nowhere":
            KNOWN["coffee"] = 4

        closed = False


        def price(name):
            for known in KNOWN:
                if known == name:
                    return KNOWN[known]
            return None


        def discount(number):
            if number > 10:
                number -= 1
            return number


        def close():
            global closed
            closed = True


        def never():
            return 1
    """,
    "shop/unused.py": "LINE = 1\n",
    "tests/test_prices.py": """
        import pytest

        from shop.prices import discount, price


        def test_tea(table):
            assert table["tea"] == 3


        @pytest.mark.parametrize("number", [1, 2])
        def test_discount(number):
            assert discount(number) == number


        def test_unknown():
            if price("milk"):
                raise AssertionError
    """,
    "tests/test_more.py": """
        from shop import prices


        def test_many():
            assert prices.discount(11) == 10
    """,
}

# An interpreter that has no coverage.py.
WITHOUT = """
    import importlib.abc
    import sys


    class Without(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name.partition(".")[0] == "coverage":
                raise ModuleNotFoundError(name=name)
            return None


    sys.meta_path.insert(0, Without())
"""

IDS = [
    "tests/test_more.py::test_many",
    "tests/test_prices.py::test_discount[1]",
    "tests/test_prices.py::test_discount[2]",
    "tests/test_prices.py::test_tea",
    "tests/test_prices.py::test_unknown",
]

Lines = dict[str, dict[str, Any]]


def plain(project: Project, folder: Path) -> Lines:
    """Returns coverage.py's report for plain pytest in a copy of the project."""
    copy = shutil.copytree(project.root, folder, ignore=shutil.ignore_patterns("__pycache__"))
    env = {name: text for name, text in os.environ.items() if not name.startswith(("COV_", "PY"))}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"

    def coverage(*arguments: str) -> None:
        command = [sys.executable, "-m", "coverage", *arguments]
        subprocess.run(command, cwd=copy, env=env, check=True, capture_output=True)

    coverage("run", "--branch", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    coverage("json", "-q")
    report = json.loads((copy / "coverage.json").read_text(encoding="utf-8"))
    return {
        path: {
            "executed": file["executed_lines"],
            "missing": file["missing_lines"],
            "executedBranches": sorted(file["executed_branches"]),
            "missingBranches": sorted(file["missing_branches"]),
        }
        for path, file in report["files"].items()
    }


async def measured(editor: Editor, **more: Any) -> tuple[Lines, Lines]:
    """The coverage of a run of all tests, by file: lines and branches, and the tests of each."""
    run = await editor.run({"coverage": True, **more})
    assert set(run.outcomes.values()) == {"passed"}
    answer = await editor.command("pytestLens.coverage", {"runId": run.run_id})
    lines: Lines = {}
    contexts: Lines = {}
    for file in answer["files"]:
        path = path_of(file.pop("uri")).relative_to(editor.project.root).as_posix()
        contexts[path] = file.pop("contexts")
        for kind in ("executedBranches", "missingBranches"):
            file[kind] = sorted(file[kind])
        lines[path] = file
    return lines, contexts


@pytest.mark.parametrize("mode", ["embedded", "subprocess"])
async def test_as_plain_coverage_says(world: World, tmp_path: Path, mode: str) -> None:
    project = Project(tmp_path / "project", FILES)
    editor = await Editor.start(world, project, settings={"executionMode": mode})
    # Warm processes have imported the project before anything is measured.
    await editor.run({})
    expected = plain(project, tmp_path / "plain")
    lines, contexts = await measured(editor)
    assert lines == expected
    several, _ = await measured(editor, workers=2)
    assert several == expected

    of = contexts["shop/prices.py"]
    line = project.line_of("shop/prices.py", "number -= 1") + 1
    assert of[str(line)] == [IDS[0]]
    assert {test for tests in of.values() for test in tests} == set(IDS)

    # An edit moves the lines, and no older code may be measured.
    text = project.read("shop/prices.py")
    project.write("shop/prices.py", "# One more.\n\n" + text.replace("number > 10", "number > 11"))
    project.write("tests/test_more.py", project.read("tests/test_more.py").replace("10", "11"))
    expected = plain(project, tmp_path / "edited")
    lines, _ = await measured(editor)
    assert lines == expected
    await editor.stop()


async def test_what_is_refused(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", FILES)
    editor = await Editor.start(world, project)
    run = await editor.run({})
    for run_id in (run.run_id, "run-none"):
        told = await editor.refused("pytestLens.coverage", {"runId": run_id})
        assert run_id in told and "coverage: true" in told
    await editor.stop()

    hidden = Project(tmp_path / "hidden", {"sitecustomize.py": WITHOUT})
    env = {"PYTHONPATH": str(hidden.root)}
    editor = await Editor.start(world, project, settings={"env": env})
    told = await editor.refused("pytestLens.run", {"coverage": True})
    assert "-m pip install coverage" in told
    await editor.stop()
