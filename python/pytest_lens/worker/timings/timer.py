"""Measures a session by pytest's hooks: the collection of files, fixtures, and bodies of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..unpatched import os
from ..wire import Message
from .imports import ImportTimer
from .stopwatch import Span, Stopwatch


class Timer:
    """The plugin; it measures the collection or a run, or nothing."""

    def __init__(self, root: str) -> None:
        self.stopwatch = Stopwatch()
        self._root = root
        self._imports = ImportTimer(self.stopwatch)
        # The ids of the items, by their identities.
        self._ids: dict[int, str] = {}
        # Fixtures that are torn down now, by the identities of their definitions.
        self._torn_down: dict[int, Span] = {}

    def start_collection(self) -> None:
        """The session begins."""
        self.stopwatch.start("collection")
        self._imports.install()

    def start_run(self, ids: dict[str, list[Any]]) -> None:
        """A run begins, of items with these ids."""
        self._ids = {id(item): name for name, items in ids.items() for item in items}
        self._torn_down.clear()
        self.stopwatch.start("runner")
        self._imports.install()

    def stop(self) -> Message | None:
        """The collection or the run has ended: the message with its times."""
        self._imports.remove()
        return self.stopwatch.stop()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Iterator[None]:
        """Collecting a file, and its classes later, counts for the file."""
        file = collector.getparent(pytest.File)
        if file is None or isinstance(file, pytest.Package):
            yield
            return
        name = os.path.relpath(str(file.path), self._root).replace(os.sep, "/")
        span = self.stopwatch.begin("file", name)
        yield
        self.stopwatch.end(span, count=int(file is collector))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        span = self.stopwatch.begin("pytest")
        yield
        self.stopwatch.end(span)

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        span = self.stopwatch.begin("body", self._ids.get(id(item), item.nodeid))
        yield
        self.stopwatch.end(span)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        span = self.stopwatch.begin("setup", fixturedef.argname)
        yield
        self.stopwatch.end(span)
        if span is not None:
            # It is the last of the fixture's finalizers, and so the first that runs.
            fixturedef.addfinalizer(lambda: self._begin_teardown(fixturedef))

    def _begin_teardown(self, fixturedef: Any) -> None:
        span = self.stopwatch.begin("teardown", fixturedef.argname)
        if span is not None:
            self._torn_down[id(fixturedef)] = span

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_post_finalizer(self, fixturedef: Any) -> None:
        self.stopwatch.end(self._torn_down.pop(id(fixturedef), None))
