"""A test that passes and fails on the same code is shown as flaky; one that was repaired is not."""

from __future__ import annotations

from pathlib import Path

from editor import Editor
from lsprotocol import types
from world import Project, World

#: The state lies outside of the project: its code stays the same.
WOBBLY = """
    import os
    import pathlib


    def test_wobbles():
        turns = pathlib.Path(os.environ["TURNS"])
        turn = len(turns.read_text())
        turns.write_text("x" * (turn + 1))
        assert turn % 2 == 0


    def test_stands():
        pass
"""

MENDED = """
    def test_mended():
        assert 1 == 2
"""

WOBBLES = "test_wobbly.py::test_wobbles"


async def test_a_pass_and_a_fail_on_the_same_code(world: World, tmp_path: Path) -> None:
    turns = tmp_path / "turns"
    turns.touch()
    project = Project(tmp_path / "project", {"test_wobbly.py": WOBBLY, "test_mended.py": MENDED})
    settings = {"env": {"TURNS": str(turns)}}
    editor = await Editor.start(world, project, settings=settings)
    document = editor.open("test_wobbly.py")

    def hints() -> list[types.Diagnostic]:
        return [
            one for one in document.diagnostics() if one.severity == types.DiagnosticSeverity.Hint
        ]

    def hinted(id: str) -> list[dict[str, object]]:
        told = [message["params"]["hints"] for message in editor.sent("pytestLens/flakinessHint")]
        return [hint for hints in told for hint in hints if hint["id"] == id and hint["isFlaky"]]

    first = await editor.run({"ids": ["test_wobbly.py"]})
    assert first.outcomes == {"test_wobbles": "passed", "test_stands": "passed"}
    assert not hints() and not hinted(WOBBLES)
    second = await editor.run({"ids": ["test_wobbly.py"]})
    assert second.outcomes == {"test_wobbles": "failed", "test_stands": "passed"}

    (hint, *_) = await editor.until(lambda: hinted(WOBBLES), "the flakiness hint")
    assert hint["evidence"] == "same_code"
    assert hint["failureRate"] == 0.5
    assert (hint["flips"], hint["totalRuns"]) == (1, 2)
    assert (hint["consecutiveFailures"], hint["consecutivePasses"]) == (1, 0)
    assert hint["recentOutcomes"] == ["passed", "failed"]
    assert not hinted("test_wobbly.py::test_stands")
    (shown, *_) = await editor.until(hints, "the hint in the file")
    assert shown.range.start.line == document.line_of("def test_wobbles")
    assert shown.source == "pytest-lens" and "flaky" in shown.message
    titles = await document.titles()
    assert any("flaky" in title for title in titles[document.line_of("def test_wobbles")])
    assert not any("flaky" in title for title in titles[document.line_of("def test_stands")])

    # Its next pass takes the failure away; the hint stays.
    await editor.run({"ids": [WOBBLES]})
    await editor.diagnosed(document, lambda all: len(all) == 1, "the hint alone")
    assert hints()

    # A failure that goes with a change of code is no flakiness.
    mended = editor.open("test_mended.py")
    assert (await editor.run({"ids": ["test_mended.py"]})).outcomes == {"test_mended": "failed"}
    mended.replace("1 == 2", "1 == 1")
    mended.save()
    assert (await editor.run({"ids": ["test_mended.py"]})).outcomes == {"test_mended": "passed"}
    assert not hinted("test_mended.py::test_mended")
    assert all(
        "flaky" not in title for titles in (await mended.titles()).values() for title in titles
    )

    report = await editor.command("pytestLens.flakiness", {})
    assert [test["id"] for test in report["flaky"]] == [WOBBLES]
    told = await editor.command("pytestLens.flakiness", {"id": WOBBLES})
    assert told["failureRate"] > 0
    await editor.stop()
