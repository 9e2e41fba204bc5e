"""A world for the binary, one for each module: no test sees another module's history."""

from __future__ import annotations

import pytest
from world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Home, caches and state of the binaries that a module starts."""
    return World(tmp_path_factory.mktemp("home"))
