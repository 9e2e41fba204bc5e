"""Fixtures for the tests of the installed package: a world of its own for each, and projects."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

DEADLINE = 60


@dataclass
class World:
    """An environment whose state is nobody else's, and a project in it."""

    root: Path
    env: dict[str, str]

    def write(self, files: dict[str, str]) -> None:
        """Write files of the project, dedented."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def python(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run this environment's interpreter in the project."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def lens(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m pytest_lens` in the project."""
        return self.python("-m", "pytest_lens", *arguments, **env)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world for this process and those that it starts."""
    for name, folder in (
        ("HOME", "home"),
        ("XDG_CACHE_HOME", "home/cache"),
        ("XDG_STATE_HOME", "home/state"),
        ("XDG_RUNTIME_DIR", "runtime"),
    ):
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
        monkeypatch.setenv(name, str(path))
    for name in ("CI", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "project"
    root.mkdir()
    yield World(root, dict(os.environ))
