"""Repeats after crashes, as pytest-rerunfailures has them with pytest-xdist.

The plugin repeats a failed test by itself. If the test ends its process, xdist's controller gives
the test to another worker: here the engine does, as often as the plugin would.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any


def count_here() -> None:
    """In a session that is none of xdist's: keep the plugin from serving workers that don't exist.

    It would start a server, whose thread and socket keep a collection from being shared.
    """
    plugin: Any = sys.modules.get("pytest_rerunfailures")
    server = getattr(plugin, "ServerStatusDB", None)
    if not isinstance(server, type):
        return

    def __init__(counts: Any) -> None:
        plugin.StatusDB.__init__(counts)
        counts.rerunfailures_db = {}

    plugin.ServerStatusDB = type("Counts", (server,), {"__init__": __init__})


def allowed(item: Any) -> int:
    """How often the plugin repeats a test after crashes; 0 without it, and in a plain session."""
    plugin: Any = sys.modules.get("pytest_rerunfailures")
    if plugin is None or _counts(item.config) is None:
        return 0
    try:
        return int(plugin.get_reruns_count(item) or 0)
    except Exception:  # another version of the plugin
        return 0


def note_crashes(items: list[Any], crashes: Iterable[tuple[int, int]]) -> None:
    """Let the plugin know how often tests have crashed in this run, by their indices."""
    for index, count in crashes:
        item = items[index]
        counts: Any = None if item is None else _counts(item.config)
        for _ in range(count if counts is not None else 0):
            counts.add_test_failure(item.nodeid)


def _counts(config: Any) -> Any:
    """The plugin's counts of crashes, if this session poses as a worker of xdist."""
    counts = getattr(config, "failures_db", None) if hasattr(config, "workerinput") else None
    return counts if hasattr(counts, "add_test_failure") else None
