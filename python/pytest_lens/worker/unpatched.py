"""Copies of standard modules, made before the project or a test can patch them.

A test may replace `os.fork`, `os._exit`, `gc.collect`, `signal.signal` or `time.time` and not put
it back; freezegun replaces functions in every module that it finds. The rest of the worker imports
these modules from here, so it always calls the functions that Python started with.

Windows and macOS lack some of these functions. `_fill_gaps` puts stand-ins into the copies, so that
the rest of the worker does not ask for the system.
"""

from __future__ import annotations

import faulthandler
import gc
import hashlib
import json
import marshal
import os
import select
import signal
import struct
import tempfile
import time
from types import ModuleType
from typing import Any

try:
    import fcntl
    import resource
except ImportError:  # Windows
    fcntl = resource = None  # type: ignore[assignment]

# The modules that the other files of this package import from here.
__all__ = [
    "faulthandler",
    "fcntl",
    "gc",
    "hashlib",
    "json",
    "marshal",
    "os",
    "resource",
    "select",
    "signal",
    "struct",
    "tempfile",
    "time",
]


def _copy(module: ModuleType) -> Any:
    copy = ModuleType(module.__name__, module.__doc__)
    vars(copy).update(vars(module))
    return copy


class _Poll:
    """`select.poll` for sockets, where there is only `select.select`."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def register(self, number: int, _events: int) -> None:
        self._numbers.append(number)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        seconds = None if timeout is None else timeout / 1000
        ready, _, _ = _select(self._numbers, [], [], seconds)
        return [(number, 1) for number in ready]


_select = select.select


def _fill_gaps(kept: dict[str, Any]) -> None:
    """Add what this system lacks to the copies.

    Without forks there are no children: nothing stands in for the functions that wait for them.
    """
    # New files are neither inherited nor translated, as everywhere else.
    private = getattr(os, "O_NOINHERIT", 0) | getattr(os, "O_BINARY", 0)
    gaps: dict[str, dict[str, Any]] = {
        "os": {"O_CLOEXEC": private, "O_NOCTTY": 0, "register_at_fork": lambda **_: None},
        "select": {"poll": _Poll, "POLLIN": 1},
        # No signal interrupts a system call there.
        "signal": {"pthread_sigmask": lambda *_: set(), "SIG_BLOCK": 0, "SIG_SETMASK": 2},
    }
    for name, stand_ins in gaps.items():
        for attribute, stand_in in stand_ins.items():
            vars(kept[name]).setdefault(attribute, stand_in)


def _keep() -> None:
    modules = {name: globals()[name] for name in __all__}
    kept = {name: module and _copy(module) for name, module in modules.items()}
    kept["os"].path = _copy(os.path)
    _fill_gaps(kept)
    globals().update(kept)


_keep()
