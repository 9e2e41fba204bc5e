"""Notes which variables of `os.environ` are read.

C code that reads the environment itself is not seen.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Callable

from ..unpatched import os
from . import readers
from .unaudited import identity

# Stands for the names of all variables.
ALL = "*"

# pytest and this worker set the first ones themselves. A change of the others affects all tests in
# any case: `READ_BY_C` of the engine's `test_records.rs`.
_UNWATCHED = ("PYTEST_", "PYTHON", "LANG", "LC_", "TZ", "TMP", "TEMP")
# They read all variables, to restore or pass them on.
_COPIERS = ("/unittest/mock.py", "/subprocess.py")
# The globals of the methods of `os.environ`, by identity: its own, and those of its base class.
_METHODS = frozenset(
    identity(method.__globals__) for method in (type(os.environ).__getitem__, Mapping.get)
)


def watch(note: Callable[[str], None]) -> None:
    """Call `note` with the name of each variable that is looked up from now on."""
    _watch(os.environ, note)
    if os.supports_bytes_environ:
        _watch(os.environb, note)


def _watch(environ: Any, note: Callable[[str], None]) -> None:
    """Replace the functions by which it encodes each name to look it up, and decodes all names.

    They are its attributes.
    """
    encode, decode = environ.encodekey, environ.decodekey

    def encodekey(key: Any) -> Any:
        if isinstance(key, (str, bytes)):
            name = os.fsdecode(key)
            if not name.startswith(_UNWATCHED) and _is_read():
                note(name)
        return encode(key)

    def decodekey(key: Any) -> Any:
        if _is_read():
            note(ALL)
        return decode(key)

    environ.encodekey, environ.decodekey = encodekey, decodekey


def _is_read() -> bool:
    """Whether a value matters: not if it is replaced, or copied by the standard library."""
    frame: Any = sys._getframe(2)
    if frame is not None and frame.f_code.co_name in ("__setitem__", "__delitem__"):
        return False
    while frame is not None and identity(frame.f_globals) in _METHODS:
        frame = frame.f_back
    return frame is None or not readers.file_of(frame).endswith(_COPIERS)
