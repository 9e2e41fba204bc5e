"""Sees which paths libraries ask about, with functions that raise no audit event.

`gettext` looks for a catalog so, `glob` for a name without wildcards, a template loader for a
template. Of the project's own code it shows in its names; but not which path.
"""

from __future__ import annotations

import functools
import pathlib
from types import FunctionType
from typing import Any, Callable

from ..unpatched import os
from ..watching import audit_hook
from . import readers

_NAMES = ("exists", "lexists", "isfile", "isdir", "islink", "realpath")
_METHODS = ("exists", "is_file", "is_dir", "is_symlink", "stat", "lstat")


GLOBS = ("pathlib.Path.glob", "pathlib.Path.rglob")


def looks_for_name(event: str, pattern: Any) -> bool:
    """Whether a pattern has a name without wildcards below one: C code looks for the file."""
    parts = [part for part in str(pattern).split(os.sep) if part]
    has_wildcard = [any(sign in part for sign in "*?[") for part in parts]
    if event == "pathlib.Path.rglob":
        has_wildcard.insert(0, True)
    first = has_wildcard.index(True) if True in has_wildcard else -1
    return not all(has_wildcard[first + 1 :])


def watch(
    arm: Callable[[Any, Callable[[Any], None]], None], asked: Callable[[str, Any], None]
) -> None:
    """Call `asked` with each path that the project asks about from now on, and the frame.

    `arm`: watches one function.
    """
    own_work = audit_hook.OwnWork()

    def called(name: str, frame: Any) -> None:
        # Most are pytest's; a look at its frame takes less than one at the path.
        if own_work.is_active() or readers.reader_above(frame) != "project":
            return
        path = frame.f_locals.get(name)
        if isinstance(path, (str, bytes, os.PathLike)):
            with own_work:
                asked(os.path.abspath(os.fsdecode(path)), frame)

    functions = [getattr(os.path, name, None) for name in _NAMES]
    functions += [getattr(pathlib.Path, name, None) for name in _METHODS]
    for function in functions:
        # Some are C code, in some versions.
        if isinstance(function, FunctionType):
            first = function.__code__.co_varnames[0]
            arm(function, functools.partial(called, first))
