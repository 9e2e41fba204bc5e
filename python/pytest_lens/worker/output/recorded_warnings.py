"""Gathers Python's warnings, as pytest's summary does: clients do not see its terminal."""

from __future__ import annotations

from typing import Any

from ..unpatched import os
from ..wire import Message, cut

# The most different warnings of one run.
_MANY = 500
# The most occurrences whose tests are named with one warning.
_FEW = 9


# Category, message, file and line.
_Key = tuple[str, str, str, int]


class RecordedWarnings:
    """The warnings of a session, each once with how often it came."""

    def __init__(self) -> None:
        self._found: dict[_Key, Message] = {}
        # How often tests of a file issued each.
        self._files: dict[_Key, dict[str, int]] = {}

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
            self._files[key] = {}
            path = os.path.abspath(key[2])
            if os.path.isfile(path):
                found["path"] = path
            self._found[key] = found
        found["count"] += 1
        if node_id:
            if len(found["ids"]) < _FEW:
                found["ids"].append(node_id)
            files, path = self._files[key], node_id.partition("::")[0]
            files[path] = files.get(path, 0) + 1

    def take(self) -> list[Message]:
        """Return all warnings and forget them."""
        for key, files in self._files.items():
            if files:
                self._found[key]["files"] = list(files.items())
        found, self._found, self._files = self._found, {}, {}
        return list(found.values())
