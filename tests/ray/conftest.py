"""One cluster of three nodes for all tests; the other fixtures are those of the tests in e2e."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nodes import Nodes, cluster

pytest_plugins = ["world_fixtures"]


@pytest.fixture(scope="session")
def nodes() -> Iterator[Nodes]:
    """Three nodes. A test that kills one adds another."""
    with cluster(3) as made:
        yield made
