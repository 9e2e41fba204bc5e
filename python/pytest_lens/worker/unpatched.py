"""The worker's own references to what projects replace: copies of modules, made before any of it.

A test may put something else in place of `os.fork`, `os._exit`, `gc.collect`, `signal.signal` or
`time.time`, and forget it there; freezegun does so in every module that it finds. The rest of the
worker imports these modules from here, so that it goes on with what they were at its start.
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

# What the other files of this package import from here.
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
