"""Imports whose outcome the sources do not show: of computed names, and those that failed.

A module that was imported before executes nothing when it is imported again, but who asks for it
depends on it. A module that is not found may be there after a change.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any, Callable

from ..unpatched import os
from .named import file_of, is_module, names_of

# Functions that import what their arguments `name` and `package` say, or look for it.
BY_NAME = (importlib.import_module, importlib.util.find_spec)


class Imports:
    """Notes what imports depend on."""

    def __init__(
        self,
        locate: Callable[[str], str | None],
        use: Callable[[tuple[str, ...], int | None], None],
    ) -> None:
        """`locate`: a source's path if it is the project's; `use`: called with input and caller."""
        self._locate = locate
        self._use = use
        # Names that may turn out to be missing, with their callers.
        self._open: list[tuple[str, int | None]] = []

    def begins(self, name: str, caller: int | None) -> None:
        """The import of a module that is not loaded begins."""
        self._open.append((name, caller))

    def asked(self, name: Any, package: Any, caller: int | None) -> None:
        """Code asks for a module by a name that it may have computed."""
        if not isinstance(name, str):
            return
        if name.startswith("."):
            try:
                name = importlib.util.resolve_name(name, package)
            except (ImportError, TypeError, ValueError):
                return
        found, missing = _loaded(name)
        for file in (file for module in found for file in file_of(module)):
            path = self._locate(file)
            if path is not None:
                self._use(("function", path, "<module>"), caller)
        if missing is not None:
            self._open.append((name, caller))

    def end(self) -> None:
        """Note the files by which the modules that were not found could come."""
        while self._open:
            name, caller = self._open.pop()
            with suppress(Exception):  # a project may put anything on its paths
                for path in self._places(name):
                    self._use(("file", path + ".py"), caller)
                    self._use(("folder", path), caller)

    def _places(self, name: str) -> Iterator[str]:
        found, missing = _loaded(name)
        if missing is None:
            return
        folders = names_of(found[-1]).get("__path__", ()) if found else sys.path
        for folder in list(folders):
            path = os.path.abspath(os.path.join(folder, missing))
            located = self._locate(path + ".py")
            if located is not None and located.endswith(".py"):
                yield located[: -len(".py")]


def _loaded(name: str) -> tuple[list[ModuleType], str | None]:
    """The modules that an import of this name finds loaded, and the first part that it does not."""
    found: list[ModuleType] = []
    parts = name.split(".")
    for end, part in enumerate(parts, 1):
        module = sys.modules.get(".".join(parts[:end]))
        if not is_module(module):
            return found, part
        found.append(module)  # type: ignore[arg-type]
    return found, None
