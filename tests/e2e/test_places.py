"""Positions of outcomes after changes from outside and restarts; and the warnings of a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from editor import Editor
from world import Project, World

TESTS = """
    import warnings

    def test_first():
        warnings.warn("old ways", DeprecationWarning)

    def test_second():
        assert 1 == 2

    def test_third():
        pass
"""

OPTED_IN = {"pytestLens": True}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root: Path = tmp_path_factory.mktemp("places")
    return Project(root, {"test_a.py": TESTS, "pytest.ini": "[pytest]\n"})


async def test_c1_v1_a_file_changed_outside_has_its_failure_where_the_buffer_has_it(
    world: World, project: Project
) -> None:
    editor = await Editor.start(world, project, options=OPTED_IN)
    document = editor.open("test_a.py")
    await editor.collected()
    run = await editor.run({})
    assert run.outcomes["test_second"] == "failed"
    found = await editor.diagnosed(document, bool, "the failure")
    line = document.line_of("assert 1 == 2")
    assert [one.range.start.line for one in found] == [line]

    before, path = document.text, project.root / "test_a.py"
    path.write_text("# new\n# new\n# new\n" + before)
    document.close()
    document = editor.open("test_a.py", path.read_text())
    await editor.diagnosed(
        document,
        lambda all: [one.range.start.line for one in all] == [line + 3],
        "three further down",
    )
    await editor.run({"ids": ["test_a.py::test_second"]})
    tree = await editor.tree()
    assert tree["test_a.py::test_third"]["range"]["start"]["line"] == document.line_of("test_third")
    assert [one.range.start.line for one in document.diagnostics()] == [line + 3]
    await editor.stop()


async def test_v12_what_a_run_warned_of_is_told(world: World, project: Project) -> None:
    editor = await Editor.start(world, project, options=OPTED_IN)
    document = editor.open("test_a.py")
    run = await editor.run({"ids": ["test_a.py::test_first"]})
    (warning,) = run.finished["warnings"]
    assert warning["category"] == "DeprecationWarning"
    assert warning["message"] == "old ways"
    assert warning["location"]["range"]["start"]["line"] == document.line_of("old ways")
    assert (warning["count"], warning["ids"]) == (1, ["test_a.py::test_first"])
    line = document.line_of("old ways") + 1
    told = [one["params"]["text"] for one in editor.sent("pytestLens/output")]
    assert any(f"test_a.py:{line}: DeprecationWarning: old ways" in text for text in told), told
    await editor.stop()


async def test_v8_after_a_restart_the_last_outcomes_are_shown_as_of_then(
    world: World, project: Project
) -> None:
    editor = await Editor.start(world, project, options=OPTED_IN)
    document = editor.open("test_a.py")
    (found,) = await editor.diagnosed(document, bool, "what is remembered")
    assert found.range.start.line == document.line_of("assert 1 == 2")
    assert re.fullmatch(r"failed, as of 20.* UTC: assert 1 == 2", found.message), found.message
    titles = await document.titles()
    assert any(
        "passed" in title and " · " in title for title in titles[document.line_of("test_third")]
    )
    (told,) = [one["params"] for one in editor.sent("pytestLens/testOutcome")]
    assert {one["id"] for one in told["outcomes"] if one["asOf"]} == {
        f"test_a.py::test_{name}" for name in ("first", "second", "third")
    }
    await editor.run({"ids": ["test_a.py::test_second"]})
    await editor.diagnosed(
        document, lambda all: bool(all) and "assert 1 == 2" in all[0].message, "the news"
    )
    await editor.stop()


ODD = {
    "pytest.ini": "[pytest]\n",
    "support.py": """
        import unittest

        class Base(unittest.TestCase):
            def test_one(self):
                pass

        def make():
            def inner():
                pass
            return inner
        """,
    "test_odd.py": """
        import sys
        from support import Base, make

        class UserTests(Base):
            pass

        if sys.platform == "linux":
            def test_os():  # taken
                pass
        else:
            def test_os():
                assert False

        test_lambda = lambda: None
        test_made = make()

        def check_it():
            pass
        """,
}


async def test_b1_what_only_pytest_knows_has_lenses_and_runs_at_its_lines(
    world: World, tmp_path: Path
) -> None:
    arguments = ["-o", "python_functions=check_* test_*"]
    options = {**OPTED_IN, "settings": {"arguments": arguments}}
    editor = await Editor.start(world, Project(tmp_path / "odd", ODD), options=options)
    document = editor.open("test_odd.py")
    await editor.collected()
    wanted = {
        "class UserTests": "UserTests::test_one",
        "# taken": "test_os",
        "test_lambda =": "test_lambda",
        "test_made =": "test_made",
        "def check_it": "check_it",
    }
    assert set(await document.titles()) == {document.line_of(part) for part in wanted}
    for part, name in wanted.items():
        run = await editor.run(document.cursor(part))
        assert run.outcomes == {name: "passed"}, part
    await editor.stop()
