"""Fixtures for tests that drive real worker processes over sample projects."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from fake_engine import Engine

Project = Callable[..., Engine]


def write(root: Path, files: dict[str, str]) -> None:
    """Write files, dedented, below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A function that writes a project and returns an engine whose root it is."""
    always_fresh = request.node.get_closest_marker("fresh") is not None
    engines = []

    def make(files: dict[str, str], root: str = "project") -> Engine:
        folder = tmp_path / root
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, files)
        engine = Engine(folder, always_fresh=always_fresh)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.close()
