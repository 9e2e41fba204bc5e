"""Finds files, processes, timers and threads that collecting left open in this process.

Forks would share them, or lack them. The search runs after collection, since no event reports all
of them.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import Any

from ..processes import process_tree
from ..unpatched import os, signal

# Libraries whose threads are missing in a fork, which then waits for them for ever.
_OPENMP = ("libgomp", "libiomp", "libomp")
_TBB = ("libtbb.", "libtbb-", "libtbb12")
_PAUSE_HARD = 2  # omp_pause_hard: threads end, and come again when they are needed

_TIMERS = ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF")


class OpenResources:
    """Compares the open resources of the process with those at the time this object was made."""

    def __init__(self) -> None:
        self._descriptors = _descriptors()
        self._children = set(process_tree.children_of(os.getpid()))
        self._ours: set[int] = set()

    def ignore(self, files: Iterable[int], children: Iterable[int]) -> None:
        """Leave out descriptors and processes that are this package's own."""
        self._ours.update(files)
        self._children.update(children)

    def reasons(self, config: Any) -> list[str]:
        """A reason for each resource that was not open then."""
        found = self._open_files(config)
        if set(process_tree.children_of(os.getpid())) - self._children:
            found.append("a process that was started while tests were collected is alive")
        for name in _TIMERS:
            timer = getattr(signal, name, None)
            if timer is not None and signal.getitimer(timer)[0]:
                found.append("a timer was set while tests were collected")
        return found + native_threads()

    def _open_files(self, config: Any) -> list[str]:
        known = set(self._descriptors.values()) | {"/dev/null", "/dev/urandom", "/dev/zero"}
        ours = self._ours | _of_capture(config)
        for number, target in _descriptors().items():
            if number in self._descriptors and self._descriptors[number] == target:
                continue
            if number not in ours and target not in known:
                return [f"{_describe(target)} was opened while tests were collected, and is open"]
        return []


def _describe(target: str) -> str:
    kind, _, rest = target.partition(":")
    if rest.startswith("[") and kind in ("socket", "pipe"):
        return f"a {kind}"
    return rest.strip("[]") if kind == "anon_inode" else target


def _descriptors() -> dict[int, str]:
    """Each open descriptor of this process, and what it is open on."""
    found = {}
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return {}
    for name in names:
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except (OSError, ValueError):  # that of the listing itself
            continue
    return found


def _of_capture(config: Any) -> set[int]:
    """The descriptors that pytest's capture opened itself."""
    manager = config.pluginmanager.get_plugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    found: set[int] = set()
    for part in (capturing.in_, capturing.out, capturing.err) if capturing else ():
        for holder in (part, getattr(part, "syscapture", None)):
            for name in ("targetfd", "targetfd_save"):
                number = getattr(holder, name, None)
                if isinstance(number, int):
                    found.add(number)
            try:
                found.add(holder.tmpfile.fileno())  # type: ignore[union-attr]
            except (OSError, ValueError, AttributeError):
                continue
    return found


def native_threads() -> list[str]:
    """Reasons for threads of native libraries that do not survive a fork; pauses those that can."""
    numba: Any = sys.modules.get("numba.np.ufunc.parallel")
    if getattr(numba, "_is_initialized", False):
        return ["numba has started its threads"]
    if _tasks() < 2:
        return []
    reasons = []
    for path in _libraries():
        name = os.path.basename(path)
        if name.startswith(_TBB):
            reasons.append(f"threads of {name} may be alive")
        elif not _pause_threads(path):
            reasons.append(f"threads of {name} (OpenMP) are alive")
    return reasons


def _tasks() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1


def _libraries() -> list[str]:
    """The libraries with such thread pools that this process has loaded."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            return libraries_in(file)
    except OSError:
        return []


def libraries_in(maps: Iterable[str]) -> list[str]:
    """The libraries with such thread pools in `maps`, the text of a process's mappings."""
    found: dict[str, None] = {}
    for line in maps:
        path = line.rstrip("\n").split(None, 5)[-1]
        if os.path.basename(path).startswith((*_OPENMP, *_TBB)):
            found[path] = None
    return list(found)


def _pause_threads(path: str) -> bool:
    try:
        return not ctypes.CDLL(path).omp_pause_resource_all(_PAUSE_HARD)
    except (OSError, AttributeError):
        return False
