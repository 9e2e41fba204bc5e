"""Errors of collection: one for each file that could not be read, with its place and message."""

from __future__ import annotations

from typing import Any

import pytest

from .. import own_code
from ..reports.exception_text import cause_of, exception_line, line_in
from ..reports.verdict import skip_reason, text_of
from ..unpatched import os
from ..wire import MESSAGE_LIMIT, Message, cut
from . import nested_projects


def shown(path: str, root: str) -> str:
    """A path relative to the root, with slashes, if it is below; else absolute."""
    absolute = os.path.join(root, path)
    relative = os.path.relpath(absolute, root)
    return absolute if relative.startswith("..") else relative.replace(os.sep, "/")


class Errors:
    """Gathers what went wrong, beside the nodes that were found all the same."""

    def __init__(self, root: str, args: list[str]) -> None:
        self._root = root
        self.found: list[Message] = []
        # Files that leave themselves out, by path: why.
        self.skipped: dict[str, str] = {}
        self.existing: list[str] = []
        for arg in args:
            path = arg.split("::", 1)[0]
            if os.path.exists(os.path.join(root, path)):
                self.existing.append(arg)
            else:
                self._add(path, None, f"file or directory not found: {path}", "")
        if not self.existing:  # pytest would collect everything; let it complain instead
            self.existing = list(args)

    def _add(self, path: str, line: Any, message: str, longrepr: str) -> None:
        self.found.append(
            {
                "path": shown(path, self._root),
                "line": line,
                "message": cut(message, MESSAGE_LIMIT),
                "longrepr": cut(longrepr),
            }
        )

    def see(self, collector: Any, report: Any) -> None:
        """A collector could not tell its children."""
        call = getattr(report, "call", None)
        error = call.excinfo.value if call is not None and call.excinfo else None
        path = str(getattr(collector, "path", None) or getattr(collector, "fspath", self._root))
        try:
            text = _of_the_project(text_of(report), error)
        except Exception as failure:
            text = f"(no text: {type(failure).__name__})"
        if error is None:
            self._add(path, None, _last_lines(text), text)
            return
        failing = getattr(error, "path", None)  # a conftest.py, say
        if failing is not None:
            path = str(failing)
        cause = cause_of(error)
        if os.path.isdir(path):
            init = os.path.join(path, "__init__.py")
            path = init if os.path.exists(init) else path
        line = line_in(cause, path)
        own_words = cause is error and type(error).__name__ == "CollectError"
        message = str(error) if own_words else exception_line(cause)
        hint = nested_projects.hint(cause, path, self._root, collector.config.inipath)
        self._add(path, line, message + hint, text + hint)

    def see_skipped(self, collector: Any, report: Any) -> None:
        """A file skips itself as a whole: it has no tests, and says why."""
        path = str(getattr(collector, "path", None) or getattr(collector, "fspath", self._root))
        self.skipped[shown(path, self._root)] = cut(skip_reason(report), MESSAGE_LIMIT)

    def exited(self, collector: Any, error: SystemExit) -> Any:
        """A module that ends the interpreter when it is imported: an error of its own, as any."""
        path = str(getattr(collector, "path", self._root))
        message = f"SystemExit: {error}: the file ends the interpreter when it is imported"
        self._add(path, line_in(error, path), message, message)
        return pytest.CollectReport(collector.nodeid, "failed", message, [])


def _of_the_project(text: str, error: BaseException | None) -> str:
    """pytest's text without frames that say nothing: ours, and all those of what does not parse."""
    if error is not None and isinstance(cause_of(error), SyntaxError):
        return "\n".join(line for line in text.splitlines() if line.startswith("E "))
    kept: list[str] = []
    is_ours = False
    for line in text.splitlines():
        if not line.startswith(" "):
            is_ours = line.startswith(own_code.FOLDER)
        if not is_ours:
            kept.append(line)
    return "\n".join(kept)


def _last_lines(text: str) -> str:
    marked = [line[1:].strip() for line in text.splitlines() if line.startswith("E ")]
    return "\n".join(marked) or text.strip().rsplit("\n", 1)[-1]
