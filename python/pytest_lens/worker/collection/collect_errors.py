"""Errors of collection: one for each file that failed, with its line and message."""

from __future__ import annotations

import inspect
import traceback
from typing import Any

import pytest

from .. import own_code
from ..reports import report_text
from ..reports.exception_text import attribute, cause_of, exception_line, line_in, own_text
from ..reports.verdict import skip_reason, text_of
from ..unpatched import os
from ..wire import MESSAGE_LIMIT, Message, cut
from . import nested_projects


def relative_path(path: str, root: str) -> str:
    """A path relative to the root, with slashes, if it is below the root; else absolute."""
    absolute = os.path.join(root, path)
    relative = os.path.relpath(absolute, root)
    return absolute if relative.startswith("..") else relative.replace(os.sep, "/")


class CollectErrors:
    """Gathers the errors of one collection."""

    def __init__(self, root: str, args: list[str]) -> None:
        self._root = root
        self.found: list[Message] = []
        # Files that skip themselves, by path: their reasons, and pytest's reports.
        self.skipped: dict[str, Message] = {}
        self.existing: list[str] = []
        for arg in args:
            path = arg.split("::", 1)[0]
            if os.path.exists(os.path.join(root, path)):
                self.existing.append(arg)
            else:
                self._add(path, None, f"file or directory not found: {path}", "")
        if not self.existing:  # without arguments pytest would collect everything: let it complain
            self.existing = list(args)

    def goes_on(self) -> None:
        """Another collector starts: pytest stops there if it has failures enough."""
        for error in reversed(self.found):
            if "followed" in error:
                break  # so are those before it
            error["followed"] = True

    def _add(self, path: str, line: Any, message: str, longrepr: str) -> None:
        self.found.append(
            {
                "path": relative_path(path, self._root),
                "line": line,
                "message": cut(message, MESSAGE_LIMIT),
                "longrepr": cut(longrepr),
            }
        )

    def add_failed(self, collector: Any, report: Any) -> None:
        """Add the error of a collector that failed."""
        call = getattr(report, "call", None)
        error = call.excinfo.value if call is not None and call.excinfo else None
        path = str(getattr(collector, "path", None) or getattr(collector, "fspath", self._root))
        try:
            text = _of_the_project(text_of(report), error)
        except BaseException as failure:
            text = f"(no text: {type(failure).__name__})"
        if error is None:
            self._add(path, None, _last_lines(text), text)
            return
        failing = attribute(error, "path")  # a conftest.py, say
        if failing is not None:
            path = str(failing)
        cause = cause_of(error)
        if os.path.isdir(path):
            init = os.path.join(path, "__init__.py")
            path = init if os.path.exists(init) else path
        line = line_in(cause, path) or _line_of_parametrized(cause, path)
        own_words = cause is error and type(error).__name__ == "CollectError"
        message = own_text(error) if own_words else exception_line(cause)
        hint = nested_projects.hint(cause, path, self._root, collector.config.inipath)
        self._add(path, line, message + hint, text + hint)

    def add_skipped(self, collector: Any, report: Any) -> None:
        """Add a file that skips itself as a whole, with its reason."""
        path = str(getattr(collector, "path", None) or getattr(collector, "fspath", self._root))
        place = report.longrepr
        line = place[1] if isinstance(place, tuple) and len(place) == 3 else None
        self.skipped[relative_path(path, self._root)] = {
            "line": line if isinstance(line, int) and line > 0 else 0,
            "reason": cut(skip_reason(report), MESSAGE_LIMIT),
            "report": report_text.written(collector.config, report),
        }

    def add_exit(self, collector: Any, error: SystemExit) -> Any:
        """Add a module that ends the interpreter when it is imported; returns its failed report."""
        path = str(getattr(collector, "path", self._root))
        message = (
            f"SystemExit: {own_text(error)}: the file ends the interpreter when it is imported"
        )
        self._add(path, line_in(error, path), message, message)
        return pytest.CollectReport(collector.nodeid, "failed", message, [])

    def add_crashed(self, collector: Any, report: Any, crash: Message) -> Any:
        """Add a file that needs one whose import ends the process; returns its failed report."""
        path = str(getattr(collector, "path", self._root))
        call = getattr(report, "call", None)
        line = line_in(call.excinfo.value, path) if call is not None and call.excinfo else None
        self._add(path, line, crash["message"], crash["message"])
        self.found[-1]["crash"] = crash["kind"]
        return pytest.CollectReport(collector.nodeid, "failed", crash["message"], [])


def _line_of_parametrized(error: BaseException, path: str) -> int | None:
    """The first line of the function that pytest, or a hook, parametrized when `error` came up."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for name in ("self", "metafunc"):
            metafunc = frame.f_locals.get(name)
            if isinstance(metafunc, pytest.Metafunc):
                code = getattr(inspect.unwrap(metafunc.function), "__code__", None)
                if code is not None and os.path.abspath(code.co_filename) == path:
                    return int(code.co_firstlineno)
    return None


def _of_the_project(text: str, error: BaseException | None) -> str:
    """pytest's text without our own frames; for a syntax error, without any frames."""
    if error is not None and issubclass(type(cause_of(error)), SyntaxError):
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
