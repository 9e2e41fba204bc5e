"""Removes changed test modules from a resident session, and collects them again.

The rest of the session stays as it is: the folders' nodes, which have fixtures, and the conftests.
So this works only for modules that nothing else imports; the engine checks that.
"""

from __future__ import annotations

import importlib
import linecache
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ..preload import hidden_modules
from ..state import Worker
from ..unpatched import os
from ..watching.snapshot import Snapshot, module_file
from ..wire import Message

# Before pytest 8 a folder without `__init__.py` has no node.
FOLDERS = (pytest.Package, getattr(pytest, "Directory", pytest.Package))


class Modules:
    """The test modules that a session has collected."""

    def __init__(
        self, worker: Worker, session: Any, snapshot: Snapshot, kept_fixtures: Any
    ) -> None:
        self._root = worker.root
        self._session = session
        self._snapshot = snapshot
        self._kept_fixtures = kept_fixtures
        self._folders: dict[tuple[type, str], Any] = {}
        for item in session.items:
            for node in item.listchain():
                self._note(node)
        # Folders whose conftests were read, but none of whose tests were collected.
        for by_node in getattr(session._fixturemanager, "_arg2node2fixturedefs", {}).values():
            for node in by_node:
                self._note(node)
        session.config.pluginmanager.register(self, "pytest-lens-modules")

    def _note(self, node: Any) -> Any:
        """The first node that the session made for a folder; any other node itself."""
        if not isinstance(node, FOLDERS):
            return node
        return self._folders.setdefault((type(node), str(node.path)), node)

    @pytest.hookimpl(hookwrapper=True, optionalhook=True)
    def pytest_collect_directory(self) -> Iterator[None]:
        """Folders keep their nodes: fixtures of conftests belong to them, and may be set up."""
        outcome: Any = yield
        if outcome.excinfo is None and outcome.get_result() is not None:
            outcome.force_result(self._note(outcome.get_result()))

    # Forgetting

    def forget(self, paths: list[str]) -> None:
        """Tear down the fixtures of modules, and remove their items and modules."""
        for path in paths:
            absolute = os.path.join(self._root, path)
            self._tear_down(absolute)
            self._session.items = [
                item for item in self._session.items if str(item.path) != absolute
            ]
            for name, module in list(sys.modules.items()):
                if module_file(module) == absolute:
                    del sys.modules[name]
            linecache.checkcache(absolute)

    def _tear_down(self, path: str) -> None:
        session = self._session
        for node in list(session._setupstate.stack):
            is_module = isinstance(node, pytest.File) and not isinstance(node, FOLDERS)
            if is_module and str(node.path) == path:
                self._kept_fixtures.tear_down_to(node.parent)
        nodeid = self._nodeid(path)
        manager = session._fixturemanager
        for definition in _take_definitions(manager, nodeid):
            if definition.cached_result is not None:
                with self._kept_fixtures.guarded():
                    self._kept_fixtures.finish(definition)
        for table in ("_node_autousenames", "_nodeid_autousenames"):
            names = getattr(manager, table, {})
            for key in [key for key in names if _is_within(key, nodeid)]:
                del names[key]

    def _nodeid(self, path: str) -> str:
        """The id that pytest gave a module; outside its rootdir it depends on the arguments."""
        for item in self._session.items:
            if str(item.path) == path:
                for node in item.listchain():
                    if isinstance(node, pytest.File) and not isinstance(node, FOLDERS):
                        return str(node.nodeid)
        relative = os.path.relpath(path, self._session.config.rootpath)
        return relative.replace(os.sep, "/")

    # Collecting

    def collect(self, paths: list[str]) -> Message:
        """Collect files into the session; returns the files that were read, for the engine."""
        session = self._session
        items = session.items
        importlib.invalidate_caches()
        self._snapshot.start(hidden_modules.names())
        new: list[Any] = []
        try:
            with self._kept_fixtures.guarded():
                new = list(session.perform_collect(paths))
        finally:
            session.items = items
        # The engine knows the files that can't be collected: they have no ids.
        session.testsfailed = 0
        for item in new:
            self._attach(item)
        session.items = items + new
        return self._snapshot.finish()

    def _attach(self, item: Any) -> None:
        """Attach an item to the folders' nodes that were there before."""
        node = item
        while node.parent is not None:
            node.parent = self._note(node.parent)
            node = node.parent


def _is_within(key: Any, nodeid: str) -> bool:
    own = getattr(key, "nodeid", key)
    return isinstance(own, str) and (own == nodeid or own.startswith(nodeid + "::"))


def _take_definitions(manager: Any, nodeid: str) -> list[Any]:
    """Remove and return the fixtures that a module and its classes define."""
    taken: list[Any] = []
    # Until pytest 9.0: by name alone.
    by_name: dict[str, list[Any]] = getattr(manager, "_arg2fixturedefs", {})
    for name, definitions in list(by_name.items()):
        own = [one for one in definitions if _is_within(one.baseid, nodeid)]
        taken += own
        left = [one for one in definitions if one not in own]
        if left:
            by_name[name] = left
        else:
            del by_name[name]
    # Since then by name, and within that by the node or its id.
    for table in ("_arg2node2fixturedefs", "_arg2nodeid2fixturedefs"):
        for by_place in getattr(manager, table, {}).values():
            for key in [key for key in by_place if _is_within(key, nodeid)]:
                taken += by_place.pop(key)
    return taken
