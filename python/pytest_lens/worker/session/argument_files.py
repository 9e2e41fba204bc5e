"""Options that open files while pytest reads its arguments, before it is known what will run.

`argparse.FileType("w")` as an option's type empties the file, and so does pytest's own `--debug`.
If a session writes no reports, the file must stay as it is: the option gets a file that keeps
nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ..unpatched import os

_FileType: Any = argparse.FileType
_open = _FileType.__call__


class ArgumentFiles:
    """A plugin for the time in which one session reads its arguments."""

    def __init__(self, wanted: bool) -> None:
        # Whether the session writes the reports that its options ask for.
        self._wanted = wanted
        self._kept_empty: list[Any] = []

    def start(self) -> None:
        """Begin: pytest is about to read its arguments."""
        if self._wanted:
            return

        def opened(kind: Any, path: str) -> Any:
            """Open a file, as the type of an option."""
            if path == "-" or not set(kind._mode) & set("wax") or not _is_of_pytest():
                return _open(kind, path)
            return self._empty(kind, path)

        _FileType.__call__ = opened

    def finish(self) -> None:
        """End: pytest has read its arguments."""
        _FileType.__call__ = _open

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_cmdline_parse(self) -> Iterator[None]:
        """Runs closest to the parser: pytest's own plugin opens the file of `--debug` after it."""
        outcome: Any = yield
        self.finish()
        if not self._wanted and outcome.excinfo is None:
            outcome.get_result().option.debug = None

    def asked(self, options: Any) -> list[str]:
        """The options that got an empty file."""
        return [
            "--" + dest.replace("_", "-")
            for dest, value in vars(options).items()
            if any(value is file for file in self._kept_empty)
        ]

    def _empty(self, kind: Any, path: str) -> Any:
        mode = kind._mode.replace("x", "w")
        file: Any = open(os.devnull, mode, kind._bufsize, kind._encoding, kind._errors)  # noqa: SIM115 (the option's)
        raw = getattr(file, "buffer", file)
        getattr(raw, "raw", raw).name = path
        self._kept_empty.append(file)
        return file


def _is_of_pytest() -> bool:
    """Whether the parser that opens a file is pytest's, and not one of the project."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") == "argparse":
        frame = frame.f_back
    return str(frame.f_globals.get("__name__")).startswith("_pytest.")
