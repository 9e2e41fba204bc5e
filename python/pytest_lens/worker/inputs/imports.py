"""Imports whose outcome the sources do not show: of computed names, and those that failed.

A module that was imported before executes nothing when it is imported again, but who asks for it
depends on it. A module that is not found may be there after a change.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
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
        # Names that code computed, of modules that were not loaded then.
        self._computed: set[str] = set()
        # By name, places that were searched before a module was found.
        self._earlier: dict[str, list[str]] = {}

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
            self._computed.add(name)
        else:
            self._use_places(self._earlier_places(name, found), caller)

    def end(self) -> None:
        """Note the files by which the modules that were not found could come."""
        while self._open:
            name, caller = self._open.pop()
            with suppress(Exception):  # a project may put anything on its paths
                self._use_places(self._places(name), caller)
                found, missing = _loaded(name)
                if missing is None and name in self._computed:
                    self._use_places(self._earlier_places(name, found), caller)

    def _use_places(self, places: Iterable[str], caller: int | None) -> None:
        for path in places:
            self._use(("file", path + ".py"), caller)
            self._use(("folder", path), caller)

    def _places(self, name: str) -> Iterator[str]:
        found, missing = _loaded(name)
        if missing is None:
            return
        for folder in _folders(found[-1] if found else None):
            yield from self._place(folder, missing)

    def _place(self, folder: str, part: str) -> Iterator[str]:
        located = self._locate(os.path.abspath(os.path.join(folder, part)) + ".py")
        if located is not None and located.endswith(".py"):
            yield located[: -len(".py")]

    def _earlier_places(self, name: str, found: list[ModuleType]) -> list[str]:
        """Where another module would hide one of these, which an import of this name finds."""
        if name not in self._earlier:
            places = self._earlier[name] = []
            with suppress(Exception):  # a project may put anything on its paths
                for package, module, part in zip([None, *found], found, name.split(".")):
                    own = [_place_of(file) for file in file_of(module)]
                    for folder in _folders(package):
                        if not own or os.path.abspath(os.path.join(folder, part)) in own:
                            break
                        places += self._place(folder, part)
        return self._earlier[name]


def _folders(package: ModuleType | None) -> list[str]:
    """The folders in which an import looks for a top-level module, or one of a package."""
    return list(sys.path if package is None else names_of(package).get("__path__", ()))


def _place_of(file: str) -> str:
    """A module's file without the end of its name; the folder of a package."""
    stem = os.path.splitext(os.path.abspath(file))[0]
    return os.path.dirname(stem) if os.path.basename(stem) == "__init__" else stem


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
