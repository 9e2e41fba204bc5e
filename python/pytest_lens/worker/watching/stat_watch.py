"""Watches reads of the disk that have no audit event: whether a file exists, how large it is.

While a session collects, this module replaces `os.stat`, `os.lstat` and `os.access` (which
`os.path` and `pathlib` use; imports do not), and `os.open` for its `dir_fd`, which is not in the
audit event. It puts all back when the session has collected.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import stat as modes
import sys
from typing import Any, Callable

from . import disk_state

# Functions of `os.path` and `pathlib` whose result depends on the kind of a path alone.
_EXISTENCE = frozenset(
    ("exists", "lexists", "isfile", "isdir", "islink", "ismount")
    + ("is_file", "is_dir", "is_symlink", "is_mount", "is_socket", "is_fifo")
)
_WAYS = frozenset(("realpath", "_joinrealpath", "resolve", "samefile"))
_MODULES = ("genericpath", "posixpath", "pathlib")


class StatWatch:
    """Watches a process's stats of the disk, between :meth:`start` and :meth:`stop`.

    `saw` gets the path, its stat (None: there is nothing) and whether the caller reads its kind
    only; `opened` the path of a file that is opened through a folder's descriptor; `linked` the
    path of a symbolic link.
    """

    def __init__(
        self,
        saw: Callable[[str, os.stat_result | None, bool], None],
        opened: Callable[[str, int], None],
        linked: Callable[[str], None],
    ) -> None:
        self._saw, self._opened, self._linked = saw, opened, linked
        self._undo = contextlib.ExitStack()

    def start(self) -> None:
        """Begin."""
        self.stop()
        for name, original, watched in (
            ("stat", disk_state.real_stat, self._stat),
            ("lstat", disk_state.real_lstat, self._lstat),
            ("access", disk_state.real_access, self._access),
            ("open", disk_state.real_open, self._open),
        ):
            if getattr(os, name) is original:
                self._replace(name, original, _stand_in(original, watched))

    def stop(self) -> None:
        """Put the real functions back, unless other code replaced them again."""
        self._undo.close()

    def _replace(self, name: str, original: Any, watched: Any) -> None:
        sets = [getattr(os, key) for key in dir(os) if key.startswith("supports_")]
        holders: list[Any] = [os]
        accessor = getattr(pathlib, "_NormalAccessor", None)  # until Python 3.11
        if accessor is not None and vars(accessor).get(name) is original:
            holders.append(accessor)
        for holder in holders:
            value = watched if holder is os else staticmethod(watched)
            setattr(holder, name, value)
        known = [names for names in sets if isinstance(names, set) and original in names]
        for names in known:
            names.add(watched)

        def undo() -> None:
            for holder in holders:
                if getattr(holder, name) is watched:
                    setattr(holder, name, original)
            for names in known:
                names.discard(watched)

        self._undo.callback(undo)

    def _stat(self, original: Any, path: Any, args: Any, named: Any) -> Any:
        where = _absolute(path, named)
        if where is None:
            return original(path, *args, **named)
        if not named.get("follow_symlinks", True):
            return self._lstat(original, path, args, named)
        existence = _asks_for()
        try:
            found = original(path, *args, **named)
        except (OSError, ValueError):
            self._saw(where, None, True)
            raise
        self._saw(where, found, existence == "existence")
        return found

    def _lstat(self, original: Any, path: Any, args: Any, named: Any) -> Any:
        where = _absolute(path, named)
        if where is None:
            return original(path, *args, **named)
        asks = _asks_for()
        try:
            found = original(path, *args, **named)
        except (OSError, ValueError):
            self._saw(where, None, True)
            raise
        if modes.S_ISLNK(found.st_mode):
            self._linked(where)
        elif asks != "way":
            self._saw(where, found, asks == "existence")
        return found

    def _access(self, original: Any, path: Any, args: Any, named: Any) -> Any:
        where = _absolute(path, named)
        found = original(path, *args, **named)
        if where is not None:
            try:
                stat = disk_state.real_stat(where)
            except (OSError, ValueError):
                self._saw(where, None, True)
            else:
                self._saw(where, stat, False)
        return found

    def _open(self, original: Any, path: Any, args: Any, named: Any) -> Any:
        if named.get("dir_fd") is not None:
            where = _absolute(path, named)
            flags = args[0] if args else named.get("flags", 0)
            if where is not None:
                self._opened(where, flags)
        return original(path, *args, **named)


def _stand_in(original: Any, watched: Any) -> Any:
    """A function that looks like `original`, by name, module and signature."""

    @functools.wraps(original)
    def function(path: Any, *args: Any, **named: Any) -> Any:
        return watched(original, path, args, named)

    _stand_ins[id(function)] = (function, original)
    return function


# Keeps the functions alive, so that no other object gets the id of one.
_stand_ins: dict[int, tuple[Any, Any]] = {}


def real(value: Any) -> Any:
    """The real function that one of ours replaces; other values are returned as they are."""
    return _stand_ins.get(id(value), (None, value))[1]


def _absolute(path: Any, named: Any) -> str | None:
    """The absolute path; none for descriptors, and for values that are no path."""
    if isinstance(path, int):
        return None
    try:
        name = os.fsdecode(path)
        if named.get("dir_fd") is not None:
            return os.path.join(os.readlink(f"/proc/self/fd/{named['dir_fd']}"), name)
        return os.path.abspath(name)
    except (OSError, ValueError, TypeError):
        return None


def _asks_for() -> str:
    """The part of a stat that its caller reads: "existence", a "way" through links, or "all"."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals is globals():
        frame = frame.f_back
    for _ in range(6):
        if frame is None or not frame.f_globals.get("__name__", "").startswith(_MODULES):
            return "all"
        name = frame.f_code.co_name
        if name in _EXISTENCE:
            return "existence"
        if name in _WAYS:
            return "way"
        frame = frame.f_back
    return "all"
