"""A folder that is not trusted: all comes from its source, and nothing of it is executed."""

from __future__ import annotations

from pathlib import Path

from editor import Editor
from world import Project, World

#: Importing it leaves a trace.
TRACE = """
    import pathlib

    pathlib.Path(__file__).with_name("executed").touch()
"""

TESTS = """
    import conftest


    def test_x():
        pass


    class TestY:
        def test_y(self):
            pass
"""


async def test_nothing_is_executed_until_it_is_trusted(world: World, tmp_path: Path) -> None:
    project = Project(
        tmp_path,
        {
            "conftest.py": TRACE,
            "test_x.py": TESTS,
        },
    )
    trace = project.root / "executed"
    editor = await Editor.start(world, project, options={"pytestLens": True, "trusted": False})
    document = editor.open("test_x.py")
    titles = await document.titles()
    assert sorted(titles) == [
        document.line_of(part) for part in ("def test_x", "class TestY", "def test_y")
    ]

    def provisional() -> list[dict[str, object]]:
        upserts = [
            item
            for event in editor.sent("pytestLens/inventory")
            for item in event["params"]["upserts"]
        ]
        return [item for item in upserts if item["id"] == "test_x.py::TestY::test_y"]

    (item, *_) = await editor.until(provisional, "the tree of the source")
    assert item["provisional"] is True
    for name, argument in [
        ("run", document.cursor("def test_x")),
        ("run", {}),
        ("collect", {}),
        ("flakiness", {}),
    ]:
        sentence = await editor.refused(f"pytestLens.{name}", argument)
        assert "trust" in sentence, f"{name}: {sentence}"
    tree = await editor.tree()
    assert "test_x.py::test_x" in tree
    document.save()
    assert not trace.exists()
    # No interpreter was started at all.
    assert [line for line in world.processes().values() if "python" in line] == []

    editor.client.protocol.notify("pytestLens/trust", {"trusted": True})
    run = await editor.run(document.cursor("def test_x"))
    assert run.outcomes == {"test_x": "passed"}
    assert trace.exists()
    await editor.collected()
    assert "provisional" not in (await editor.tree())["test_x.py::test_x"]

    # And back: what was known stays, and nothing runs.
    editor.client.protocol.notify("pytestLens/trust", {"trusted": False})
    assert "trust" in await editor.refused("pytestLens.run", {})
    assert await document.titles()
    assert "test_x.py::test_x" in await editor.tree()
    await editor.stop()
