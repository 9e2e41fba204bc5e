"""Fixtures: a project on disk, and a Neovim in it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from editor import REPO, Editor

# A debugger's client, which the e2e tests have.
sys.path.append(str(REPO / "tests" / "e2e"))

Start = Callable[..., Editor]


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project of files, by their paths."""

    def make(files: dict[str, str]) -> Path:
        root = tmp_path / "project"
        for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))
        return root

    return make


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Neovims, each in a project, and ends them."""
    with ExitStack() as stack:

        def begin(root: Path, options: dict[str, Any] | None = None, **more: Any) -> Editor:
            home = tmp_path / "home"
            home.mkdir(exist_ok=True)
            return stack.enter_context(Editor(root, home, options, **more))

        yield begin
