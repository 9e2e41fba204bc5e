"""The fixtures of all tests of the binary: a world for each module, and no server that stays.

No test sees another module's history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from editor import Editor
from world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Home, caches and state of the binaries that a module starts."""
    return World(tmp_path_factory.mktemp("home"))


@pytest_asyncio.fixture(autouse=True)
async def nothing_left_running() -> AsyncIterator[None]:
    """A test that fails does not leave its own server running; those of its module continue."""
    before = list(Editor.running)
    yield
    for editor in [editor for editor in Editor.running if editor not in before]:
        await editor.abandon()
