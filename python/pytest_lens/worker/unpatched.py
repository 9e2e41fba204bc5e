"""Copies of standard modules, made before the project or a test can patch them.

A test may replace `os.fork`, `os._exit`, `gc.collect`, `signal.signal` or `time.time` and not put
it back; freezegun replaces functions in every module that it finds. The rest of the worker imports
these modules from here, so it always calls the functions that Python started with.
"""

from __future__ import annotations

import faulthandler
import fcntl
import gc
import hashlib
import json
import marshal
import os
import resource
import select
import signal
import struct
import tempfile
import time
from types import ModuleType
from typing import Any

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


def _keep() -> None:
    kept = {name: _copy(globals()[name]) for name in __all__}
    kept["os"].path = _copy(os.path)
    globals().update(kept)


_keep()
