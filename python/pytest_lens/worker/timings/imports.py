"""Times the imports of modules where `-X importtime` does: where Python finds and loads a module.

The import statement and `importlib` call it for each module that is not loaded yet.
"""

from __future__ import annotations

import importlib
from typing import Any

from .stopwatch import Stopwatch

# Python leaves frames of this file out of the tracebacks of failed imports, and out of the way to
# the line that a warning names.
_FILE = "<frozen importlib._bootstrap>"
_SOURCE = """
def _find_and_load(name, import_):
    span = begin("import", name)
    try:
        return find_and_load(name, import_)
    finally:
        end(span)
"""
_CODE = compile(_SOURCE, _FILE, "exec")


class ImportTimer:
    """Takes the place of Python's function while it is installed."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._original: Any = None
        self._ours: Any = None

    def install(self) -> None:
        """Time the imports from now on, if this Python has that function."""
        bootstrap: Any = importlib._bootstrap
        original = getattr(bootstrap, "_find_and_load", None)
        if original is None or self._original is not None:
            return
        scope = {
            "__name__": "importlib._bootstrap",
            "begin": self._stopwatch.begin,
            "end": self._stopwatch.end,
            "find_and_load": original,
        }
        exec(_CODE, scope)
        self._original, self._ours = original, scope["_find_and_load"]
        bootstrap._find_and_load = self._ours

    def remove(self) -> None:
        """Leave Python's own function, unless somebody else has put another one around this."""
        bootstrap: Any = importlib._bootstrap
        if self._original is not None and bootstrap._find_and_load is self._ours:
            bootstrap._find_and_load = self._original
            self._original = None
