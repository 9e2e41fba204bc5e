"""Leaves out the folders of nested projects: their tests belong to sessions of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..unpatched import os


class LeftOut:
    """The plugin for a session whose project has others in it."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = frozenset(folders)

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> None:
        """pytest imports the conftests of its start paths, and collects these without a question.

        Without any of its own the session collects nothing, instead of all folders.
        """
        decide = getattr(early_config, "_decide_args", None)
        if decide is None:  # before pytest 7.3; see `pytest_cmdline_main`
            return
        start = str(early_config.invocation_params.dir)

        def decide_own(**named: Any) -> Any:
            args, source = decide(**named)
            return self._own(start, args), source

        early_config._decide_args = decide_own

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        start = str(config.invocation_params.dir)
        config.args[:] = self._own(start, config.args)

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return True if str(collection_path) in self._folders else None

    def _own(self, start: str, args: list[Any]) -> list[Any]:
        return [arg for arg in args if not self._holds(start, str(arg))]

    def _holds(self, start: str, arg: str) -> bool:
        path = Path(os.path.normpath(os.path.join(start, arg.partition("::")[0])))
        return not self._folders.isdisjoint(map(str, (path, *path.parents)))
