"""The inputs of tests, numbered: a test's record is a set of numbers, and each is described once.

An input is a list whose first part is its kind:

- ``["function", path, qualified name]``: a function or method; functions inside of it belong to it
- ``["file", path]``: a file that was read as data, ``["folder", path]``: one that was listed
- ``["variable", name]``: an environment variable that was read
- ``["lines"]``: the line numbers, or the text, of sources
- ``["stat"]``: the existence, size or time of files, nobody sees of which
- ``["process"]``, ``["network"]``, ``["extension"]``: nobody can know what was read there
"""

from __future__ import annotations

import itertools
from typing import Any

PROCESS = ("process",)
NETWORK = ("network",)
EXTENSION = ("extension",)
LINES = ("lines",)
STAT = ("stat",)


class Nodes:
    """The known inputs of one process. Threads use it at the same time, without a lock."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._count = itertools.count()
        self._told = 0

    def number(self, node: tuple[str, ...]) -> int:
        """The number of an input."""
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers.setdefault(node, next(self._count))
        return number

    def new(self) -> list[list[Any]]:
        """The inputs since the last call: number, kind, path, name; empty where there is none."""
        if len(self._numbers) == self._told:
            return []
        found = [
            [number, *_parts(*node)] for node, number in list(self._numbers.items())[self._told :]
        ]
        self._told += len(found)
        return found


def _parts(kind: str, first: str = "", name: str = "") -> tuple[str, str, str]:
    return (kind, "", first) if kind == "variable" else (kind, first, name)
