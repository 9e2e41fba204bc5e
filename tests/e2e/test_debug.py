"""Debugging: a run waits for a debugger, stops at its breakpoints, and is otherwise a run like any
other.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from daemon import Client, Daemon
from dap import Debugger
from editor import Editor
from world import Project, World

CODE = """
    LIMIT = 3


    def double(number):
        twice = number * 2
        return twice
"""

TESTS = """
    from code_under_test import double

    COUNT = 20


    def test_good():
        number = 21
        got = double(number)
        assert got == 42


    def test_bad():
        left = [1, 2]
        assert left == [1, 3]
"""

FILES = {"code_under_test.py": CODE, "test_it.py": TESTS}
GOOD, BAD = "test_it.py::test_good", "test_it.py::test_bad"


@pytest.fixture(scope="module")
def daemon(world: World) -> Iterator[Daemon]:
    running = Daemon(world, "--socket", str(Path(world.runtime.name) / "debug.sock"))
    yield running
    running.end()
    assert world.wait_until_gone() == {}


@pytest.fixture(params=["embedded", "subprocess"])
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


class Context:
    """A project that is open in a daemon."""

    def __init__(self, client: Client, root: Path, mode: str | None = None, **settings: Any):
        self.client = client
        self.project = Project(root, FILES)
        answer = client.expect(
            "context_ready",
            "init_context",
            protocol_version=1,
            repo_path=str(self.project.root),
            python_path=sys.executable,
            execution_mode=mode,
        )
        self.id = answer["context_id"]
        if settings:
            client.expect("config_ack", "configure_context", context_id=self.id, settings=settings)

    def debug(self, *ids: str) -> dict[str, Any]:
        return self.client.expect(
            "debug_started", "debug_run", context_id=self.id, node_ids=list(ids)
        )

    def path(self, name: str) -> Path:
        return self.project.root / name

    def line(self, name: str, part: str) -> int:
        return self.project.line_of(name, part) + 1

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """The log's events of a run, to its end."""
        cursor, found = 0, []
        while not found or found[-1]["event"] != "runFinished":
            answer = self.client.expect(
                "events", "get_events", context_id=self.id, cursor=cursor, wait_ms=60_000
            )
            cursor = answer["cursor"]
            found += [event for event in answer["events"] if event.get("runId") == run_id]
        return found

    def outcomes(self, run_id: str) -> dict[str, Any]:
        """The outcome of each test by its id, and the run's status under no name."""
        events = self.events(run_id)
        told = [event for event in events if event["event"] == "testOutcome"]
        outcomes = {it["id"]: it["outcome"] for event in told for it in event["outcomes"]}
        return {**outcomes, "": events[-1]["status"]}


def test_breakpoints_locals_and_the_outcome(daemon: Daemon, tmp_path: Path, mode: str) -> None:
    client = daemon.client()
    context = Context(client, tmp_path / "project", mode)
    started = context.debug(GOOD, BAD)
    debugger = Debugger(started["host"], started["port"])
    code, tests = context.path("code_under_test.py"), context.path("test_it.py")
    imported, called = context.line(code.name, "LIMIT = 3"), context.line(code.name, "return twice")
    debugger.attach({code: [imported, called], tests: [context.line(tests.name, "assert got")]})

    thread, frames = debugger.stopped()
    assert (frames[0]["source"]["path"], frames[0]["line"]) == (str(code), imported)
    debugger.ask("continue", threadId=thread)
    thread, frames = debugger.stopped()
    assert (frames[0]["source"]["path"], frames[0]["line"]) == (str(code), called)
    assert debugger.local(frames[0], "twice") == "42"
    assert not [frame for frame in frames if "_pytest_lens" in frame["source"].get("path", "")]
    debugger.ask("stepOut", threadId=thread)
    thread, frames = debugger.stopped()
    assert frames[0]["name"] == "test_good"
    debugger.ask("continue", threadId=thread)
    thread, frames = debugger.stopped()
    assert (frames[0]["source"]["path"], frames[0]["name"]) == (str(tests), "test_good")
    assert debugger.local(frames[0], "got") == "42"
    # Out of the last frame of the user's own, the program runs on.
    debugger.ask("stepOut", threadId=thread)
    debugger.event("terminated")

    events = context.events(started["run_id"])
    assert [event["event"] for event in events[:2]] == ["runStarted", "testStarted"]
    outcomes = {it["id"]: it for event in events if "outcomes" in event for it in event["outcomes"]}
    assert {id: it["outcome"] for id, it in outcomes.items()} == {GOOD: "passed", BAD: "failed"}
    assert "At index 1 diff" in outcomes[BAD]["longrepr"], "assertions are rewritten"
    assert events[-1]["counts"]["passed"] == 1
    debugger.close()
    client.close()


def test_detached_it_runs_on(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    context = Context(client, tmp_path / "project")
    started = context.debug(GOOD)
    debugger = Debugger(started["host"], started["port"])
    tests = context.path("test_it.py")
    debugger.attach({tests: [context.line(tests.name, "number = 21")]})
    debugger.stopped()
    debugger.ask("disconnect", terminateDebuggee=False)
    debugger.close()
    assert context.outcomes(started["run_id"]) == {GOOD: "passed", "": "passed"}
    client.close()


@pytest.mark.parametrize("control, status", [("stop_run", "stopped"), ("kill_run", "killed")])
def test_ended_while_it_waits(
    daemon: Daemon, world: World, tmp_path: Path, control: str, status: str
) -> None:
    client = daemon.client()
    context = Context(client, tmp_path / "project")
    started = context.debug(GOOD, BAD)
    assert world.processes("debugpy"), "the adapter listens"
    client.expect("control_ack", control, run_id=started["run_id"])
    told = context.outcomes(started["run_id"])
    assert told == {GOOD: "not_run", BAD: "not_run", "": status}
    assert world.wait_until_gone("debugpy") == {}
    client.close()


def test_killed_at_a_breakpoint(daemon: Daemon, world: World, tmp_path: Path) -> None:
    client = daemon.client()
    context = Context(client, tmp_path / "project")
    started = context.debug(GOOD)
    debugger = Debugger(started["host"], started["port"])
    tests = context.path("test_it.py")
    debugger.attach({tests: [context.line(tests.name, "number = 21")]})
    debugger.stopped()
    client.expect("control_ack", "kill_run", run_id=started["run_id"])
    assert context.outcomes(started["run_id"]) == {GOOD: "not_run", "": "killed"}
    debugger.event("terminated")
    debugger.close()
    assert world.wait_until_gone("debugpy") == {}
    client.close()


def test_a_client_that_never_comes(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    context = Context(client, tmp_path / "project", debugTimeoutMs=200)
    started = context.debug(GOOD)
    events = context.events(started["run_id"])
    (outcome,) = [it for event in events if "outcomes" in event for it in event["outcomes"]]
    assert outcome["outcome"] == "not_run"
    assert f"127.0.0.1:{started['port']}" in outcome["message"]
    assert "debugTimeoutMs" in outcome["message"]
    client.close()


def test_what_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    client = daemon.client()
    context = Context(client, tmp_path / "project")
    for id in ["test_it.py::test_none", "test_none.py"]:
        told = client.refused("invalid_request", "debug_run", context_id=context.id, node_ids=[id])
        assert id in told
    client.refused("context_not_found", "debug_run", context_id="none", node_ids=[])
    client.close()


def test_an_interpreter_without_debugpy(daemon: Daemon, tmp_path: Path) -> None:
    # As if it were not there: the first one found can't be imported.
    hidden = Project(tmp_path / "hidden", {"debugpy.py": "raise ImportError"})
    client = daemon.client()
    context = Context(client, tmp_path / "project", env={"PYTHONPATH": str(hidden.root)})
    told = client.refused("python_not_found", "debug_run", context_id=context.id, node_ids=[])
    assert f"run `{sys.executable} -m pip install debugpy`" in told
    client.close()


@pytest_asyncio.fixture
async def editor(world: World, tmp_path: Path) -> AsyncIterator[Editor]:
    editor = await Editor.start(world, Project(tmp_path / "project", FILES))
    yield editor
    await editor.stop()


async def test_the_command_of_a_lens(editor: Editor) -> None:
    document = editor.open("test_it.py")
    line = document.line_of("def test_good")
    await editor.collected()
    lenses = [lens.command for lens in await document.lenses() if lens.range.start.line == line]
    (debug,) = [command for command in lenses if command and command.title == "Debug"]
    answer = await editor.command(debug.command, *(debug.arguments or []))
    assert set(answer) == {"runId", "host", "port"}
    debugger = Debugger(answer["host"], answer["port"])
    debugger.attach({})
    run = await editor.finished({**answer, "total": 1})
    debugger.close()
    assert run.outcomes == {"test_good": "passed"}
    assert run.events[0]["method"] == "pytestLens/runStarted"
