"""Leaves out the folders of nested projects: their tests belong to sessions of their own."""

from __future__ import annotations

from pathlib import Path

import pytest


class LeftOut:
    """The plugin for a session whose project has others in it."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = frozenset(folders)

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return True if str(collection_path) in self._folders else None
