"""Hostile projects: each ends, names the guilty, spares the others, runs again, leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from daemon import Daemon
from hostile_projects import PROJECTS, HostileProject, Seen, project_names, visit
from world import World

# Two cores, and many of these projects wait.
_AT_ONCE = 4


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files of all that runs."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def daemon(world: World, temporary: Path) -> Iterator[Daemon]:
    place = str(Path(world.runtime.name) / "hostile.sock")
    running = Daemon(world, "--socket", place, env={"TMPDIR": str(temporary)})
    yield running
    if running.process.poll() is None:
        running.end()


@pytest.fixture(scope="module")
def visited(
    request: pytest.FixtureRequest,
    world: World,
    daemon: Daemon,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Seen]:
    """All requested projects, several of which run in the one engine at a time."""
    home = tmp_path_factory.mktemp("hostile")
    wanted = [
        item.callspec.params["name"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_survives"
    ]
    with ThreadPoolExecutor(_AT_ONCE) as visitors:
        found = visitors.map(lambda name: visit(world, daemon, home, name), wanted)
        return dict(zip(wanted, found))


@pytest.mark.parametrize("name", project_names())
def test_survives(visited: dict[str, Seen], name: str) -> None:
    project, seen = HostileProject.read(PROJECTS / f"{name}.py"), visited[name]
    print(f"{seen.seconds:.1f} s", *seen.messages, sep="\n")
    assert seen.broke == ""
    expected = {**project.expected, "": project.status}
    assert seen.runs == [expected, expected]
    said = "\n".join(seen.messages)
    assert [name for name in project.names if name not in said] == []
    assert seen.left == {}
    assert seen.harm == set()


def test_nothing_is_left(
    visited: dict[str, Seen], daemon: Daemon, world: World, temporary: Path
) -> None:
    """After all of them, the engine ends as ever, with no process, socket or temporary file."""
    assert len(visited) > 0
    client = daemon.client()
    client.expect("pong", "ping")
    client.close()
    assert daemon.end() == 0
    assert world.wait_until_gone() == {}
    assert world.sockets() == []
    # The temporary folders of the last runs stay, as pytest's do.
    assert [path.name for path in temporary.iterdir()] == [f"lens-{os.getuid()}"]
