"""Runs a test that does nothing through pytest's own hooks, while a runner waits for a run.

The first test of a fresh fork is slower than its second: pages are copied, caches are cold, the
interpreter has not specialized pytest's code yet. A rehearsal takes that cost before anybody
waits for it. Plugins and conftests of the project never see it: only hooks of pytest's own plugins
in `_PLUGINS` are called, none of which keeps anything of a test that has passed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from _pytest.fixtures import FuncFixtureInfo

# Those that take part in running a test. Not those that count, show, record or debug tests, and not
# those that report what threads and finalizers raised before: the first test has to report that.
_PLUGINS = frozenset(
    f"_pytest.{name}"
    for name in (
        "assertion",
        "capture",
        "faulthandler",
        "logging",
        "python",
        "runner",
        "skipping",
        "tmpdir",
        "warnings",
    )
)


def rehearse(session: Any) -> None:
    """Set up, call and tear down one function of the worker's own."""
    nothing_used: Any = FuncFixtureInfo((), (), [], {})
    item: Any = _Item.from_parent(
        session, name="rehearsal", callobj=_do_nothing, fixtureinfo=nothing_used
    )
    item.ihook = _Hooks(session.config.pluginmanager)
    try:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    except Exception:  # pytest's internals differ here: the first test is slower, nothing else
        pass


def _do_nothing() -> None:
    pass


class _Item(pytest.Function):
    # An attribute of its own where pytest has a property that asks for the project's conftests.
    ihook: Any = None

    def listchain(self) -> list[Any]:
        """The item by itself: no collector is set up for it."""
        return [self]


class _Hooks:
    """The hooks of `_PLUGINS`, except those that report a test."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._others = [plugin for plugin in manager.get_plugins() if not _is_rehearsed(plugin)]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("pytest_runtest_log"):
            found: Any = _report_nothing
        else:
            found = self._manager.subset_hook_caller(name, remove_plugins=self._others)
        setattr(self, name, found)
        return found


def _is_rehearsed(plugin: Any) -> bool:
    name = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
    return name in _PLUGINS


def _report_nothing(**_event: Any) -> None:
    pass
