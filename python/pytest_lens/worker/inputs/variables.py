"""Notes which variables of `os.environ` are read.

C code that reads the environment itself is not seen.
"""

from __future__ import annotations

import collections.abc
import sys
from typing import Any, Callable

from ..unpatched import os

# pytest and this worker set these themselves.
_OURS = ("PYTEST_", "LENS_")
# They read all variables, to restore or pass them on.
_COPIERS = ("/unittest/mock.py", "/subprocess.py")
# The methods of `os.environ`, and their base classes'.
_METHODS = (os.__file__, collections.abc.__file__, "<frozen os>", "<frozen _collections_abc>")


def watch(note: Callable[[str], None]) -> None:
    """Call `note` with the name of each variable that is looked up from now on.

    `os.environ` encodes each name before it looks it up, by a function that is its attribute.
    """
    environ: Any = os.environ
    original = environ.encodekey

    def encodekey(key: Any) -> Any:
        if type(key) is str and not key.startswith(_OURS) and _is_read():
            note(key)
        return original(key)

    environ.encodekey = encodekey


def _is_read() -> bool:
    """Whether a value matters: not if it is replaced, or copied by the standard library."""
    frame: Any = sys._getframe(2)
    if frame is not None and frame.f_code.co_name in ("__setitem__", "__delitem__"):
        return False
    while frame is not None and frame.f_code.co_filename in _METHODS:
        frame = frame.f_back
    return frame is None or not frame.f_code.co_filename.endswith(_COPIERS)
