"""One cluster of three nodes for all tests, and a home for the binary."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from editor import Editor
from nodes import Nodes
from world import World


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """Three nodes. A test that kills one adds another."""
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="lens-ray-", ignore_cleanup_errors=True) as folder:
        made = Nodes(3, Path(folder))
        yield made
        made.end()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Home, caches and state of the binaries that a module starts."""
    return World(tmp_path_factory.mktemp("home"))


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_running() -> AsyncIterator[None]:
    """A test that fails does not leave its own server running."""
    before = list(Editor.running)
    yield
    for editor in [editor for editor in Editor.running if editor not in before]:
        await editor.abandon()
