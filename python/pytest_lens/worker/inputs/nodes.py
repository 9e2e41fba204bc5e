"""The inputs of tests, numbered: a test's record is a set of numbers, and each is described once.

An input is a list whose first part is its kind:

- ``["function", path, qualified name]``: a function or method; functions inside of it belong to it
- ``["file", path]``: a file that was read as data, ``["folder", path]``: one that was listed
- ``["exists", path]``: whether a file or folder exists, and its kind, as a library asks
- ``["variable", name]``: an environment variable that was read
- ``["lines"]``: the line numbers, or the text, of sources
- ``["stat"]``: the existence, size or time of files, nobody sees of which
- ``["library", folder, name]``: a file of a library, or all modules of a folder if there is no name
- ``["process"]``, ``["network"]``, ``["extension"]``, ``["tracing"]``: nobody can know what was
  read or executed there
"""

from __future__ import annotations

import itertools
from typing import Any

PROCESS = ("process",)
NETWORK = ("network",)
EXTENSION = ("extension",)
TRACING = ("tracing",)
LINES = ("lines",)
STAT = ("stat",)


class Nodes:
    """The known inputs of one process. Threads use it at the same time, without a lock."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._count = itertools.count()
        self._new: list[tuple[int, tuple[str, ...]]] = []

    def known(self, node: tuple[str, ...]) -> int | None:
        """The number of an input that has one."""
        return self._numbers.get(node)

    def number(self, node: tuple[str, ...]) -> int:
        """The number of an input."""
        number = self._numbers.get(node)
        if number is None:
            made = next(self._count)
            number = self._numbers.setdefault(node, made)
            if number == made:
                self._new.append((number, node))
        return number

    def new(self) -> list[list[Any]]:
        """The inputs since the last call: number, kind, path, name; empty where there is none."""
        new = self._new[:]
        del self._new[: len(new)]
        return [[number, *_parts(*node)] for number, node in new]


def _parts(kind: str, first: str = "", name: str = "") -> tuple[str, str, str]:
    return (kind, "", first) if kind == "variable" else (kind, first, name)
