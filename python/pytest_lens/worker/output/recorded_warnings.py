"""Gathers Python's warnings, as pytest's summary does: clients do not see its terminal."""

from __future__ import annotations

from typing import Any

from ..unpatched import os
from ..wire import Message, cut

# The most different warnings of one run.
_MANY = 500
# The most tests that are named with one warning.
_FEW = 5


class RecordedWarnings:
    """The warnings of a session, each once with how often it came."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, int], Message] = {}

    def note(self, warning: Any, node_id: str) -> None:
        """Add a warning that pytest recorded; it has no node id before tests run."""
        try:
            message = cut(str(warning.message))
        except Exception:  # a class of the project's whose text can't be made
            message = ""
        category, line = warning.category.__name__, int(warning.lineno)
        key = (category, message, str(warning.filename), line)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= _MANY:
                return
            found = {"category": category, "message": message, "line": line, "count": 0, "ids": []}
            path = os.path.abspath(key[2])
            if os.path.isfile(path):
                found["path"] = path
            self._found[key] = found
        found["count"] += 1
        if node_id and len(found["ids"]) < _FEW and node_id not in found["ids"]:
            found["ids"].append(node_id)

    def take(self) -> list[Message]:
        """Return all warnings and forget them."""
        found, self._found = self._found, {}
        return list(found.values())
