"""Agents of one daemon that have activated different environments: each runs in its own."""

from __future__ import annotations

from pathlib import Path

from agent import Project, World, connected
from environments import environment

FILES = {
    "test_x.py": """
        import pytest

        @pytest.mark.parametrize("name", ["first", "second"])
        def test_in(name):
            __import__(f"only_{name}")
    """
}


async def test_each_agent_runs_in_its_environment(world: World, tmp_path: Path) -> None:
    first, second = (environment(tmp_path / name) for name in ("first", "second"))
    of_first, of_second = (Project(tmp_path / f"of {name}", FILES).root for name in "ab")
    ids = {name: [f"test_x.py::test_in[{name}]"] for name in ("first", "second")}
    async with (
        connected(world, of_first, env=first) as one,
        connected(world, of_second, env=second) as other,
        connected(world, of_first, env=second) as guest,
    ):
        for _ in range(2):
            assert (await one.run(ids=ids["first"])).verdict == "PASSED"
            assert (await other.run(ids=ids["second"])).verdict == "PASSED"
            assert (await guest.run(ids=ids["second"])).verdict == "PASSED"
            for agent, foreign in ((one, "second"), (other, "first"), (guest, "first")):
                answer = await agent.run(ids=ids[foreign])
                assert answer.verdict == "FAILED" and f"only_{foreign}" in answer.text, answer.text


async def test_agents_that_shared_a_projects_environment_go_on_in_their_own(
    world: World, tmp_path: Path
) -> None:
    first, second = (environment(tmp_path / name) for name in ("first", "second"))
    root = Project(tmp_path / "project", FILES).root
    environment(root / ".venv")
    async with connected(world, root, env=first) as one, connected(world, root, env=second) as two:
        for agent in (one, two):
            assert (await agent.run()).first.startswith("FAILED: 2 failed")
        (root / ".venv").rename(tmp_path / "away")
        for agent, name in ((one, "first"), (two, "second")):
            answer = await agent.run()
            assert answer.first.startswith("FAILED: 1 failed, 1 passed"), answer.text
            passing = await agent.run(ids=[f"test_x.py::test_in[{name}]"])
            assert passing.verdict == "PASSED", passing.text
