"""Runs that do not end well: stop, kill, a canceled progress, crashes, slow tests."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from editor import Editor
from lsprotocol import types
from world import Project, World

#: Each of them waits for a file in its folder, which the test creates.
LONG = """
    import pathlib
    import subprocess
    import sys
    import time

    HERE = pathlib.Path(__file__).parent


    def wait_for(name):
        while not (HERE / name).exists():
            time.sleep(0.01)


    def test_first():
        pass


    def test_long():
        wait_for("go-on")


    def test_next():
        time.sleep(1)  # a stop that arrives as it begins is known at its end


    def test_last():
        pass


    def test_leaves_children():
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(sleep)
        subprocess.Popen(sleep, start_new_session=True)
        (HERE / "spawned").write_text("both")
        wait_for("never")
"""

HARD = """
    import ctypes
    import os
    import time


    def test_before():
        pass


    def test_exits():
        os._exit(3)


    def test_between():
        pass


    def test_segfaults():
        ctypes.string_at(0)


    def test_hangs():
        time.sleep(600)


    def test_after():
        pass
"""


@pytest_asyncio.fixture(scope="module")
async def editor(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Editor]:
    project = Project(
        tmp_path_factory.mktemp("control"), {"test_long.py": LONG, "test_hard.py": HARD}
    )
    editor = await Editor.start(world, project, settings={"workers": 1})
    await editor.collected()
    yield editor
    await editor.stop()


SLOW = [f"test_long.py::{name}" for name in ("test_first", "test_long", "test_next", "test_last")]


@pytest.mark.parametrize("named", [True, False])
async def test_stop_finishes_what_runs_and_starts_nothing(editor: Editor, named: bool) -> None:
    gate = editor.project.root / "go-on"
    gate.unlink(missing_ok=True)
    answer = await editor.command("pytestLens.run", {"ids": SLOW})
    await editor.started("test_long.py::test_long", answer["runId"])
    stopped = await editor.command("pytestLens.stop", {"runId": answer["runId"]} if named else {})
    assert stopped == {"stopped": [answer["runId"]]}
    gate.touch()
    run = await editor.finished(answer)
    # The answer may come a moment before the runner knows: it may have begun the next test by then.
    outcomes = dict(run.outcomes)
    began = int(outcomes.pop("test_next") == "passed")
    assert outcomes == {"test_first": "passed", "test_long": "passed", "test_last": "not_run"}
    assert run.finished["status"] == "stopped"
    assert run.results[SLOW[3]]["message"]
    counts = run.finished["counts"]
    assert (counts["total"], counts["passed"]) == (2 + began, 2 + began)


async def test_kill_ends_the_whole_process_tree(editor: Editor) -> None:
    spawned = editor.project.root / "spawned"
    os.mkfifo(spawned)
    answer = await editor.command("pytestLens.run", {"ids": ["test_long.py::test_leaves_children"]})
    await editor.in_time(asyncio.to_thread(spawned.read_text), "the children")
    assert len(editor.world.processes("sleep(600)")) == 2
    await editor.command("pytestLens.kill", {"runId": answer["runId"]})
    run = await editor.finished(answer)
    assert run.finished["status"] == "killed"
    assert run.outcomes == {"test_leaves_children": "not_run"}
    assert await asyncio.to_thread(editor.world.wait_until_gone, "sleep(600)") == {}
    after = await editor.run({"ids": ["test_long.py::test_first"]})
    assert after.outcomes == {"test_first": "passed"}


@pytest.mark.parametrize("how", ["mode", "interpreter", "trust"])
async def test_a_run_whose_processes_are_closed_reports_every_test(
    world: World, tmp_path: Path, how: str
) -> None:
    editor = await Editor.start(world, Project(tmp_path, {"test_long.py": LONG}))
    answer = await editor.command("pytestLens.run", {"ids": SLOW})
    await editor.started("test_long.py::test_long", answer["runId"])
    if how == "mode":
        editor.configure({"executionMode": "subprocess"})
    elif how == "interpreter":
        editor.configure({"pythonPath": sys.executable})
    else:
        editor.client.protocol.notify("pytestLens/trust", {"trusted": False})
    run = await editor.finished(answer)
    assert run.finished["status"] == "killed"
    assert set(run.results) == set(SLOW)
    left = [result for result in run.results.values() if result["outcome"] == "not_run"]
    assert "test_long.py::test_long" in [result["id"] for result in left]
    assert {result["message"] for result in left} == {run.finished["message"]}
    assert run.finished["counts"]["notRun"] == len(left)
    assert run.finished["counts"]["total"] == len(SLOW) - len(left)
    await editor.stop()


async def test_a_cancelled_progress_is_a_stop_and_then_a_kill(editor: Editor) -> None:
    (editor.project.root / "go-on").unlink(missing_ok=True)
    seen = editor.mark()
    answer = await editor.command("pytestLens.run", {"ids": SLOW})
    await editor.started("test_long.py::test_long", answer["runId"])

    def begun() -> str | None:
        for message in editor.sent("$/progress", since=seen):
            if (
                message["params"]["value"]["kind"] == "begin"
                and "4 tests" in message["params"]["value"]["title"]
            ):
                assert message["params"]["value"]["cancellable"] is True
                return str(message["params"]["token"])
        return None

    token = await editor.until(begun, "the progress of the run")
    created = [
        message["params"]["token"]
        for message in editor.sent("window/workDoneProgress/create", since=seen)
    ]
    assert token in created
    for _ in range(2):
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    run = await editor.finished(answer)
    assert run.finished["status"] == "killed"
    assert run.outcomes == {
        "test_first": "passed",
        "test_long": "not_run",
        "test_next": "not_run",
        "test_last": "not_run",
    }
    values = [
        m["params"]["value"]
        for m in editor.sent("$/progress", since=seen)
        if m["params"]["token"] == token
    ]
    kinds = [value["kind"] for value in values]
    assert kinds[0] == "begin" and kinds.count("begin") == 1
    percentages = [value["percentage"] for value in values if "percentage" in value]
    assert percentages == sorted(percentages)
    await editor.until(
        lambda: [
            message
            for message in editor.sent("$/progress", since=seen)
            if message["params"]["token"] == token and message["params"]["value"]["kind"] == "end"
        ],
        "the end of the progress",
    )


async def test_a_crash_blames_the_test_that_ran_and_the_rest_runs_on(editor: Editor) -> None:
    run = await editor.run({"ids": ["test_hard.py"], "timeoutMs": 2000})
    assert run.outcomes == {
        "test_before": "passed",
        "test_exits": "crashed",
        "test_between": "passed",
        "test_segfaults": "crashed",
        "test_hangs": "timed_out",
        "test_after": "passed",
    }
    assert "3" in run.results["test_hard.py::test_exits"]["message"]
    assert "SIGSEGV" in run.results["test_hard.py::test_segfaults"]["message"]
    counts = run.finished["counts"]
    assert {name: counts[name] for name in ("total", "passed", "failed", "skipped", "errors")} == {
        "total": 6,
        "passed": 3,
        "failed": 1,
        "skipped": 0,
        "errors": 2,
    }
    assert run.finished["status"] == "failed"
    document = editor.open("test_hard.py")
    found = await editor.diagnosed(document, lambda all: len(all) == 3, "three diagnostics")
    # If nobody knows how far a test had come, its definition stands for it.
    places = sorted((one.range.start.line, one.code) for one in found)
    exits, crashes, hangs = [
        document.line_of(f"def test_{name}") for name in ("exits", "segfaults", "hangs")
    ]
    assert [code for _, code in places] == ["crashed", "crashed", "timed_out"]
    assert all(
        line in (start, start + 1) for (line, _), start in zip(places, (exits, crashes, hangs))
    )
    document.close()


async def test_two_runs_at_once(editor: Editor) -> None:
    gate = editor.project.root / "go-on"
    gate.unlink(missing_ok=True)
    first = await editor.command("pytestLens.run", {"ids": SLOW[:2]})
    await editor.started("test_long.py::test_long", first["runId"])
    second = await editor.run({"ids": ["test_long.py::test_next"]})
    assert second.outcomes == {"test_next": "passed"}
    assert not editor.ends(first["runId"])
    gate.touch()
    assert set((await editor.finished(first)).outcomes.values()) == {"passed"}
