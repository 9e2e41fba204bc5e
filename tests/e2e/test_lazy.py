"""A client that requests tests file by file, in a project too large to be sent as a whole."""

from __future__ import annotations

from pathlib import Path

import schema
from editor import Editor
from world import Project, World

CASES = """import pytest


@pytest.mark.parametrize("number", range({count}))
def test_number(number):
    assert number >= 0


def test_other():
    pass
"""


def told(editor: Editor, since: int = 0) -> list[schema.Json]:
    """The inventory notifications, each in the shape that it should have."""
    messages = editor.sent("pytestLens/inventory", since=since)
    for message in messages:
        schema.check_notification(message)
    return [message["params"] for message in messages]


def known(editor: Editor) -> dict[str, schema.Json]:
    """The tree as such a client knows it."""
    items: dict[str, schema.Json] = {}
    for delta in told(editor):
        upserts = {item["id"]: item for item in delta["upserts"]}
        whole = tuple(f"{file}::" for file in delta.get("wholeFiles", []))
        below = tuple(f"{id}{joint}" for id in delta["removed"] for joint in ["::", "[", "/"])
        gone = [
            id
            for id in items
            if id in delta["removed"]
            or id.startswith(below)
            or (id.startswith(whole) and id not in upserts)
        ]
        for id in gone:
            del items[id]
        items.update(upserts)
    return items


async def test_tests_are_told_when_somebody_asks_or_runs_them(world: World, tmp_path: Path) -> None:
    files = {f"many/test_{n}.py": CASES.format(count=1500) for n in range(4)}
    files["few/test_few.py"] = CASES.format(count=2)
    project = Project(tmp_path / "project", files)
    editor = await Editor.start(
        world, project, options={"pytestLens": True, "lazyTests": True, "settings": {}}
    )
    await editor.collected()
    # pytest has collected 6,000 cases; the source has ten functions.
    outline = {
        "few",
        "few/test_few.py",
        "many",
        *(f"many/test_{n}.py" for n in range(4)),
    }
    page = await editor.command("pytestLens.tests", {"outline": True})
    assert {item["id"] for item in page["items"]} == outline

    # A client that reads these starts again: nothing else is sent until it asks.
    seen = editor.mark()
    answer = await editor.command("pytestLens.resolve", {"ids": ["few/test_few.py::test_other"]})
    assert answer == {"files": ["few/test_few.py"]}
    await editor.until(
        lambda: [delta for delta in told(editor, seen) if delta.get("wholeFiles")],
        "the file",
    )
    [delta] = [delta for delta in told(editor, seen) if delta.get("wholeFiles")]
    assert delta["wholeFiles"] == ["few/test_few.py"]
    function = "few/test_few.py::test_number"
    assert [item["id"] for item in delta["upserts"]] == [
        function,
        f"{function}[0]",
        f"{function}[1]",
        "few/test_few.py::test_other",
    ]

    # Changes in the file are sent; changes in others are not.
    seen = editor.mark()
    project.write("few/test_few.py", CASES.format(count=3))
    project.write("many/test_3.py", CASES.format(count=1501))
    await editor.collected()
    await editor.until(lambda: f"{function}[2]" in known(editor), "the new case")
    changed = {item["id"] for delta in told(editor, seen) for item in delta["upserts"]}
    assert not [id for id in changed if id.startswith("many/test_3.py::")]

    # A test that runs is sent before its outcome.
    seen = editor.mark()
    run = await editor.run({"ids": ["many/test_3.py::test_other"]})
    assert run.outcomes == {"test_other": "passed"}
    methods = [message["method"] for message in editor.sent(since=seen)]
    whole = [delta["wholeFiles"] for delta in told(editor, seen) if delta.get("wholeFiles")]
    assert whole == [["many/test_3.py"]]
    inventory = methods.index("pytestLens/inventory")
    assert inventory < methods.index("pytestLens/testStarted")
    assert "many/test_3.py::test_number[1500]" in known(editor)
    await editor.stop()
    assert world.wait_until_gone() == {}
