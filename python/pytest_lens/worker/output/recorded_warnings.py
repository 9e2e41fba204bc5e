"""What Python warned of: pytest's summary, for those who don't see its terminal."""

from __future__ import annotations

from typing import Any

from ..unpatched import os
from ..wire import Message, cut

# Of one run; a project with more has other worries.
_MANY = 500
# Tests that are named with one warning.
_FEW = 5


class Warned:
    """The warnings of a session, each once with how often it came."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str, int], Message] = {}

    def note(self, warning: Any, node_id: str) -> None:
        """One that pytest recorded; without a node id while it was configured or collected."""
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
        """All of them, once."""
        found, self._found = self._found, {}
        return list(found.values())
