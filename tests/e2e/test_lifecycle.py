"""A server's start and end: at once, and without leaving a process behind."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from editor import Editor
from lsprotocol import types
from wire import Json
from world import DEADLINE, Project, World, binary

FOREVER = """
    import time

    while True:
        time.sleep(0.1)


    def test_never():
        pass
"""

RUNNING = """
    import pathlib
    import subprocess
    import sys
    import time


    def test_runs():
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        subprocess.Popen(sleep, start_new_session=True)
        pathlib.Path("spawned").write_text("it")
        time.sleep(600)
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One for each test: its processes are counted."""
    return World(tmp_path / "home")


async def test_lenses_do_not_wait_for_an_import_that_takes_forever(
    world: World, tmp_path: Path
) -> None:
    files = {"test_forever.py": FOREVER, "test_fine.py": "def test_fine():\n    pass\n"}
    editor = await Editor.start(
        world, Project(tmp_path / "project", files), settings={"collectTimeoutMs": 600_000}
    )
    for path, name in [("test_forever.py", "def test_never"), ("test_fine.py", "def test_fine")]:
        document = editor.open(path)
        assert list(await document.titles()) == [document.line_of(name)]
    # pytest has not reported yet: it is still importing.
    upserts = [
        item for event in editor.sent("pytestLens/inventory") for item in event["params"]["upserts"]
    ]
    assert all(item.get("provisional") for item in upserts)
    # Nobody waits for the other file either.
    run = await editor.run({"ids": ["test_fine.py"]})
    assert run.outcomes == {"test_fine": "passed"}
    await editor.stop()
    assert world.wait_until_gone() == {}


async def test_an_import_that_takes_too_long_is_named(world: World, tmp_path: Path) -> None:
    files = {"test_forever.py": FOREVER, "test_fine.py": "def test_fine():\n    pass\n"}
    editor = await Editor.start(
        world, Project(tmp_path / "project", files), settings={"collectTimeoutMs": 1500}
    )
    sentence = await editor.refused("pytestLens.run", {"ids": ["test_forever.py::test_never"]})
    assert "test_forever.py" in sentence and "collectTimeoutMs" in sentence
    await editor.stop()
    assert world.wait_until_gone() == {}


async def test_a_collection_can_be_cancelled(world: World, tmp_path: Path) -> None:
    editor = await Editor.start(world, Project(tmp_path / "project", {"test_forever.py": FOREVER}))
    seen = editor.mark()
    collecting = asyncio.ensure_future(editor.refused("pytestLens.collect", {}))

    def begun() -> set[str]:
        ended = {message["params"]["token"] for message in progress("end")}
        return {message["params"]["token"] for message in progress("begin")} - ended

    def progress(kind: str) -> list[Json]:
        told = editor.sent("$/progress")
        return [message for message in told if message["params"]["value"]["kind"] == kind]

    # The one that opening the folder began, and the command's own.
    for _ in range(2):
        (token, *_) = await editor.until(begun, "a progress of collecting")
        params = types.WorkDoneProgressCancelParams(token)
        editor.client.window_work_done_progress_cancel(params)
        await editor.until(lambda: token not in begun(), "its end")  # noqa: B023
        if collecting.done():
            break
    assert "cancelled" in await editor.in_time(collecting, "the refusal")
    assert editor.mark() > seen
    await editor.stop()
    assert world.wait_until_gone() == {}


async def test_a_runtime_folder_that_is_too_long_for_sockets(world: World, tmp_path: Path) -> None:
    long = tmp_path / ("runtime" * 20)
    long.mkdir(mode=0o700)
    project = Project(tmp_path / "project", {"test_x.py": "def test_x():\n    pass\n"})
    editor = await Editor.start(world, project, env={"XDG_RUNTIME_DIR": str(long)})
    assert (await editor.run({})).outcomes == {"test_x": "passed"}
    await editor.stop()


@pytest.mark.parametrize("how", ["shutdown", "end of input", "killed"])
async def test_a_server_that_ends_takes_everything_with_it(
    world: World, tmp_path: Path, how: str
) -> None:
    project = Project(tmp_path / "project", {"test_runs.py": RUNNING})
    spawned = project.root / "spawned"
    os.mkfifo(spawned)
    editor = await Editor.start(world, project)
    await editor.command("pytestLens.run", {})
    await editor.in_time(asyncio.to_thread(spawned.read_text), "the test's child")
    assert len(world.processes("sleep(600)")) == 1
    server = editor.client._server
    assert server is not None and server.stdin is not None
    if how == "shutdown":
        await editor.stop()
    elif how == "end of input":
        server.stdin.close()
    else:
        server.kill()
    assert await asyncio.to_thread(world.wait_until_gone) == {}
    if how != "shutdown":
        await editor.disconnect()
    if how != "killed":
        assert world.sockets() == []


def test_what_is_no_message_ends_the_server_and_not_the_machine(world: World) -> None:
    server = subprocess.run(
        [binary(), "lsp"],
        input=b"hello\r\n\r\nthis is no message",
        env=world.env(),
        capture_output=True,
        timeout=DEADLINE,
    )
    assert b"panicked" not in server.stderr
