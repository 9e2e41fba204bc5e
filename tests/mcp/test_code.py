"""Only runs on the same code prove that a test is flaky."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from agent import Project, World, connected

# The engine reads the code shortly after the beginning of a run, and the edit comes later.
WAITS = """
    import pathlib
    import time

    FOLDER = pathlib.Path(__file__).parents[1]

    def test_waits():
        time.sleep(0.5)
        (FOLDER / "started").touch()
        while not (FOLDER / "goes_on").exists():
            time.sleep(0.005)

    def test_value():
        from values import value
        assert value() == 2
"""


def value(number: int) -> str:
    """A module with a value."""
    return f"def value():\n    return {number}\n"


async def test_an_edit_while_the_tests_run_is_no_flakiness(world: World, tmp_path: Path) -> None:
    project = Project(tmp_path / "app")
    project.write("test_values.py", WAITS)
    project.write("values.py", value(1))
    started, goes_on = tmp_path / "started", tmp_path / "goes_on"
    async with connected(world, project.root) as agent:
        goes_on.touch()
        assert (await agent.run()).verdict == "FAILED"
        started.unlink()
        goes_on.unlink()
        running = asyncio.ensure_future(agent.run())
        while not started.exists():
            assert not running.done(), await running
            await asyncio.sleep(0.005)
        project.write("values.py", value(2))
        goes_on.touch()
        assert (await running).verdict == "OUTDATED"
        flaky = await agent.call("is_it_flaky", id="test_values.py::test_value")
        assert flaky.verdict == "SUSPECTED", flaky.text


@pytest.mark.parametrize("place", ["../lib", "made"])
async def test_an_edit_of_a_source_outside_of_the_root_or_git_is_no_flakiness(
    world: World, tmp_path: Path, place: str
) -> None:
    project = Project(tmp_path / "app")
    project.write(".gitignore", "made/\n")
    project.write("pytest.ini", f"[pytest]\npythonpath = {place}\n")
    text = "from values import value\n\ndef test_value():\n    assert value() == 1\n"
    project.write("test_value.py", text)
    async with connected(world, project.root) as agent:
        for number, verdict in ((1, "PASSED"), (2, "FAILED"), (1, "PASSED")):
            project.write(f"{place}/values.py", value(number))
            assert (await agent.run()).verdict == verdict
        flaky = await agent.call("is_it_flaky", id="test_value.py::test_value")
        assert flaky.verdict == "SUSPECTED", flaky.text
