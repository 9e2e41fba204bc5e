"""One project, one server and one daemon for all tests of a module."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from agent import Project, World, connected, end_daemon
from traps import Stage


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home for the binary. Nothing of it is left when its daemon is ended."""
    made = World(tmp_path_factory.mktemp("home"))
    with made.runtime:
        yield made
        end_daemon(made)


@pytest_asyncio.fixture(scope="module")
async def stage(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A project with an agent in it."""
    project = Project(Path(tmp_path_factory.mktemp("project")))
    found: asyncio.Future[Stage] = asyncio.get_running_loop().create_future()
    enough = asyncio.Event()

    async def stay() -> None:
        # The client must be closed by the task that opened it.
        async with connected(world, project.root) as agent:
            found.set_result(Stage(world, project, agent))
            await enough.wait()

    staying = asyncio.create_task(stay())
    await asyncio.wait({found, staying}, return_when=asyncio.FIRST_COMPLETED)
    if staying.done():
        await staying
    yield await found
    enough.set()
    await staying
