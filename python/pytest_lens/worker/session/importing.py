"""Reports each file of the project that is about to run its code while the session collects.

Its import may end the process, or never end. The engine then has the tests collected without that
file: it names it in the options of the next session, which refuses to run the file's code, so that
it is an error of each test file that needs it. Such a session also reports in more detail.
"""

from __future__ import annotations

import importlib.machinery
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from ..collection.collect_errors import relative_path
from ..state import Worker
from ..unpatched import os
from ..wire import Message
from .code_cache import Cache


class RefusedImport(BaseException):
    """The file's code must not run; no handler of the project's is meant for this."""


class Importing:
    """The files whose code runs at the moment."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.is_over = False
        #: The test file that is collected.
        self._within: str | None = None
        self._running: list[str] = []
        self._told: tuple[str | None, str | None] = (None, None)
        #: The first file of those that were refused within the test file.
        self._refused: Message | None = None

    @property
    def _is_detailed(self) -> bool:
        return self._worker.options.crashed is not None

    def collects(self, collector: Any) -> None:
        """A collector begins its work."""
        if self.is_over or "::" in collector.nodeid:
            return  # a resident's, or a class within a file
        is_file = isinstance(collector, pytest.File) and not isinstance(collector, pytest.Package)
        self._refused = None
        self._within = str(collector.path) if is_file else None
        if is_file:
            self._tell(self._within)
            if self._crash_of(str(collector.path)) is not None:
                collector.collect = lambda: self.begin(str(collector.path))
        elif self._told[1] is not None:
            self._tell(None)

    def take_refused(self) -> Message | None:
        """The crash because of which the collector that has ended was refused an import."""
        refused, self._refused = self._refused, None
        return refused

    def begin(self, path: str) -> None:
        """A file is about to run its code: it may never end."""
        if self.is_over:
            return
        crash = self._crash_of(path)
        if crash is not None:
            self._refused = self._refused or crash
            raise RefusedImport(crash["message"])
        self._running.append(path)
        self._tell(path)

    def end(self) -> None:
        """Its code has run: another file's goes on."""
        if self.is_over or not self._running:
            return
        self._running.pop()
        present = self._running[-1] if self._running else self._within
        if present is not None:
            self._tell(present)

    def finish(self) -> None:
        """No file runs its code any more: hooks do."""
        if self._told[1] is not None:
            self._within = None
            self._tell(None)
        self.is_over = True

    @contextmanager
    def in_detail(self, cache: Cache) -> Iterator[None]:
        """Follow all of the project's modules and reads, if files are known to crash."""
        if not self._is_detailed:
            yield
            return
        reads = self._worker.reads
        reads.on_read = self._tell_opened
        try:
            with _every_module_through(cache, self):
                yield
        finally:
            reads.on_read = None

    def _crash_of(self, path: str) -> Message | None:
        crashed = self._worker.options.crashed
        if not crashed:
            return None
        relative = relative_path(path, self._worker.root)
        return next((crash for crash in crashed if crash["path"] == relative), None)

    def _tell(self, path: str | None) -> None:
        if self._told != (path, self._within):
            self._told = (path, self._within)
            root = self._worker.root
            names = {"path": path, "within": self._within}
            shown = {key: relative_path(name, root) for key, name in names.items() if name}
            self._worker.send({"t": "importing", **shown})

    def _tell_opened(self, path: str) -> None:
        if not self.is_over and not path.endswith(".py"):
            self._worker.send({"t": "opened", "path": path})


@contextmanager
def _every_module_through(cache: Cache, importing: Importing) -> Iterator[None]:
    """Tell of modules, too, that pytest does not rewrite."""
    loader: Any = importlib.machinery.SourceFileLoader
    own = loader.__dict__.get("exec_module")
    original = loader.exec_module

    def exec_module(self: Any, module: ModuleType) -> None:
        path = os.path.abspath(self.path) if isinstance(self.path, str) else ""
        if not path or not cache.covers(path):
            original(self, module)
            return
        importing.begin(path)
        try:
            original(self, module)
        finally:
            importing.end()

    loader.exec_module = exec_module
    try:
        yield
    finally:
        if own is None:
            del loader.exec_module
        else:
            loader.exec_module = own
