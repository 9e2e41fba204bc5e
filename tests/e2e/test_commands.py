"""The commands: their selections and answers, and the sentences of their refusals."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from editor import Document, Editor
from world import Project, World

ONE = """
    import pytest


    def test_good():
        assert True


    def test_bad():
        assert "left" == "right"


    @pytest.mark.parametrize("number", [1, 2])
    def test_number(number):
        assert number != 2


    class TestGroup:
        @pytest.mark.slow
        def test_inside(self):
            pass

    GREETING = "no test"
"""

TWO = """
    import sys

    import pytest


    def test_arguments(request):
        print("seen:", request.config.getoption("--tb"))


    @pytest.mark.skip(reason="not today")
    def test_skipped():
        pass
"""


@pytest_asyncio.fixture(scope="module")
async def editor(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    files = {
        "pytest.ini": "[pytest]\nmarkers = slow: slow\n",
        "test_one.py": ONE,
        "sub/test_two.py": TWO,
    }
    editor = await Editor.start(world, Project(tmp_path_factory.mktemp("commands"), files))
    await editor.collected()
    yield editor
    await editor.stop()


@pytest.fixture(scope="module")
def document(editor: Editor) -> Document:
    return editor.open("test_one.py")


FILE_ONE = {
    "test_good": "passed",
    "test_bad": "failed",
    "test_number[1]": "passed",
    "test_number[2]": "failed",
    "TestGroup::test_inside": "passed",
}
FILE_TWO = {"test_arguments": "passed", "test_skipped": "skipped"}


async def test_everything(editor: Editor) -> None:
    run = await editor.run({})
    assert run.outcomes == {**FILE_ONE, **FILE_TWO}
    assert run.total == 7
    assert "runs" not in run.answer


async def test_a_file(editor: Editor, document: Document) -> None:
    run = await editor.run({"textDocument": document.identifier})
    assert run.outcomes == FILE_ONE


async def test_the_innermost_test_at_the_cursor(editor: Editor, document: Document) -> None:
    for part, expected in [
        ("def test_good", ["test_good"]),
        ("assert number", ["test_number[1]", "test_number[2]"]),
        ("@pytest.mark.slow", ["TestGroup::test_inside"]),
        ("class TestGroup", ["TestGroup::test_inside"]),
    ]:
        run = await editor.run(document.cursor(part))
        assert sorted(run.outcomes) == sorted(expected), part


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["test_one.py::test_number"], ["test_number[1]", "test_number[2]"]),
        (["test_one.py::test_number[2]"], ["test_number[2]"]),
        (["test_one.py::TestGroup"], ["TestGroup::test_inside"]),
        (["sub/test_two.py"], ["test_arguments", "test_skipped"]),
        (["sub"], ["test_arguments", "test_skipped"]),
        (
            ["test_one.py::test_good", "sub/test_two.py::test_arguments"],
            ["test_good", "test_arguments"],
        ),
        (["test_one.py::test_good", "test_one.py::test_good"], ["test_good"]),
    ],
)
async def test_ids(editor: Editor, ids: list[str], expected: list[str]) -> None:
    run = await editor.run({"ids": ids, "workspace": editor.project.uri()})
    assert sorted(run.outcomes) == sorted(expected)
    assert run.total == len(expected)


async def test_failed_and_last(editor: Editor, document: Document) -> None:
    await editor.run({})
    failed = await editor.run({}, "pytestLens.runFailed")
    assert failed.outcomes == {"test_bad": "failed", "test_number[2]": "failed"}
    await editor.run({"ids": ["test_one.py::test_good"]})
    last = await editor.run({"workspace": editor.project.uri()}, "pytestLens.runLast")
    assert last.outcomes == {"test_good": "passed"}


async def test_options_of_a_run(editor: Editor) -> None:
    run = await editor.run({"keyword": "good or inside"})
    assert sorted(run.outcomes) == ["TestGroup::test_inside", "test_good"]
    run = await editor.run({"marker": "slow"})
    assert sorted(run.outcomes) == ["TestGroup::test_inside"]
    run = await editor.run(
        {"ids": ["sub/test_two.py"], "runDisabled": True, "arguments": ["--tb=line"]}
    )
    assert run.outcomes == {"test_arguments": "passed", "test_skipped": "passed"}
    assert "seen: line" in run.results["sub/test_two.py::test_arguments"]["stdout"]
    run = await editor.run({"ids": ["test_one.py"], "workers": 2})
    assert run.outcomes == FILE_ONE
    run = await editor.run({"ids": ["test_one.py"], "workers": 1, "maxfail": 1})
    assert run.outcomes == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_number[1]": "not_run",
        "test_number[2]": "not_run",
        "TestGroup::test_inside": "not_run",
    }
    assert run.finished["counts"]["total"] == 2


async def test_a_failure_is_repeated_on_demand(editor: Editor) -> None:
    run = await editor.run({"ids": ["test_one.py::test_bad"], "rerun": True})
    assert run.outcomes == {"test_bad": "failed"}
    assert len(run.attempts) >= 2
    assert [one["attempt"] for one in run.attempts] == list(range(1, len(run.attempts) + 1))
    assert all(one["willRerun"] for one in run.attempts[:-1])
    assert "willRerun" not in run.attempts[-1]


async def test_output_of_the_last_run(editor: Editor) -> None:
    await editor.run({"ids": ["test_one.py::test_bad", "sub/test_two.py::test_arguments"]})
    told = await editor.command("pytestLens.output", {"id": "test_one.py::test_bad"})
    assert told["id"] == "test_one.py::test_bad"
    assert told["outcome"] == "failed"
    assert "'left' == 'right'" in told["message"]
    told = await editor.command("pytestLens.output", {"id": "sub/test_two.py::test_arguments"})
    assert "seen:" in told["stdout"]
    assert None not in told.values()


async def test_collecting_counts(editor: Editor) -> None:
    assert await editor.command("pytestLens.collect", {}) == {"nodeCount": 7}
    assert await editor.command("pytestLens.collect", {"force": True}) == {"nodeCount": 7}


async def test_stopping_nothing_is_no_error(editor: Editor) -> None:
    assert await editor.command("pytestLens.stop", {}) == {"stopped": []}
    assert await editor.command("pytestLens.kill", {}) == {"stopped": []}


REFUSED: list[tuple[str, list[Any], list[str]]] = [
    ("run", [{"ids": ["test_one.py::test_nothing"]}], ["test_one.py::test_nothing"]),
    ("run", [{"ids": ["test_gone.py::test_x"]}], ["test_gone.py"]),
    ("run", [{"ids": []}], ["ids"]),
    ("run", [{"ids": "test_one.py"}], ["ids"]),
    ("run", [{"ids": [1]}], ["string"]),
    ("run", [{"workers": "many"}], ["many"]),
    ("run", [{"workers": -1}], ["-1"]),
    ("run", [{"position": {"line": 1, "character": 0}}], ["position", "textDocument"]),
    ("run", [{"keyword": "and and"}], ["and and"]),
    ("run", [{"marker": "slow and ("}], ["slow and ("]),
    ("run", [{"keyword": "matches_no_test"}], ["keyword"]),
    ("run", [{"workspace": "file:///nowhere/at/all"}], ["file:///nowhere/at/all"]),
    ("run", [{"textDocument": {"uri": "untitled:Untitled-1"}}], ["untitled:Untitled-1", "save"]),
    (
        "run",
        [{"textDocument": {"uri": "file:///nowhere/test_x.py"}}],
        ["/nowhere/test_x.py", "folder"],
    ),
    ("run", [{"colour": "red"}], ["colour"]),
    ("run", [{}, {}], ["object"]),
    ("run", ["test_one.py"], ["object"]),
    ("debug", [{"ids": []}], ["ids"]),
    ("stop", [{"runId": "run-0"}], ["run-0"]),
    ("kill", [{"runId": 7}], ["7"]),
    ("collect", [{"force": "yes"}], ["yes"]),
    ("tests", [{"cursor": "third page"}], ["cursor"]),
    ("output", [{}], ["id"]),
    ("output", [{"id": "test_one.py::test_nothing"}], ["test_one.py::test_nothing"]),
    ("flakiness", [{"id": "test_one.py::test_nothing"}], ["test_one.py::test_nothing"]),
    ("nonsense", [{}], ["pytestLens.nonsense", "pytestLens.run"]),
]


@pytest.mark.parametrize(("name", "arguments", "named"), REFUSED)
async def test_a_wrong_argument_is_refused_by_name(
    editor: Editor, name: str, arguments: list[Any], named: list[str]
) -> None:
    sentence = await editor.refused(f"pytestLens.{name}", *arguments)
    assert all(part in sentence for part in named), sentence
    # The next command works as always.
    assert (await editor.run({"ids": ["test_one.py::test_good"]})).outcomes == {
        "test_good": "passed"
    }


async def test_no_test_at_the_cursor(editor: Editor, document: Document) -> None:
    sentence = await editor.refused("pytestLens.run", document.cursor("GREETING"))
    assert "test_one.py" in sentence and str(document.line_of("GREETING") + 1) in sentence
    sentence = await editor.refused("pytestLens.run", document.cursor("import pytest"))
    assert "no test" in sentence


async def test_nothing_to_repeat(world: World, editor: Editor) -> None:
    fresh = await Editor.start(
        world, Project(editor.project.root.parent / "fresh", {"test_x.py": "def test_x(): pass\n"})
    )
    assert "run" in await fresh.refused("pytestLens.runLast", {})
    assert "failed" in await fresh.refused("pytestLens.runFailed", {})
    await fresh.stop()


def documented() -> dict[str, set[str]]:
    """The commands that client authors read of, each with its fields."""
    text = (Path(__file__).parents[2] / "docs/lsp-extensions.md").read_text()
    sections = text.split("\n### `pytestLens.")[1:]
    sections = [section.split("\n## ")[0] for section in sections if "| field | |" in section]
    fields = re.compile(r"^\| (`.*?`) \|", re.MULTILINE)
    return {
        f"pytestLens.{section.split('`')[0]}": {
            name for row in fields.findall(section) for name in re.findall(r"`(\w+)`", row)
        }
        for section in sections
    }


async def test_every_command_and_field_is_documented_and_there_are_no_others(
    editor: Editor,
) -> None:
    provider = editor.capabilities.execute_command_provider
    assert provider is not None
    taken = {}
    for command in provider.commands:
        sentence = await editor.refused(command, {"bogus": 0})
        _, expected = sentence.split("; it takes ")[0].split("unknown field `bogus`, expected ")
        taken[command] = set(re.findall(r"`(\w+)`", expected))
    assert documented() == taken
