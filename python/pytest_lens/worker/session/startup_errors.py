"""Reports why pytest gave up before any test ran: the file, the line and the exception."""

from __future__ import annotations

import traceback
from typing import Any

import _pytest.config
import pytest

from .. import site_paths
from ..collection import nested_projects
from ..reports.exception_text import attribute, cause_of, exception_line, line_in, own_text
from ..running.run_loop import Broken
from ..state import Worker
from ..unpatched import os
from ..wire import MESSAGE_LIMIT, Message, cut

_root = os.getcwd()
# Hooks that may take the place of pytest's own session.
_ENDING_HOOKS = ("pytest_cmdline_main", "pytest_collection", "pytest_runtestloop")


class StartupErrors:
    """Remembers the error that ended a session early, and reports it once."""

    def __init__(self) -> None:
        # The session has collected, or it ended on purpose: a later error is not reported here.
        self.past_startup = False
        self._error: BaseException | None = None
        self._internal: str | None = None
        self._report = ""  # pytest's, of an exception of a hook
        self._raised: BaseException | None = None
        self._usage: str | None = None  # the sentence of an error of usage
        # Hooks of the project that may have ended the session, with their places.
        self._hooks: list[str] = []

    def note(self, error: BaseException) -> None:
        """An exception on its way out of pytest."""
        if self._error is None:
            self._error = error
            if isinstance(error, pytest.UsageError) and not self.past_startup:
                # pytest prints each argument, and the engine gets the same by `report`.
                self._usage = describe(error)
                error.args = ()

    def note_internal(self, excrepr: Any, excinfo: Any) -> None:
        """pytest's INTERNALERROR."""
        if self._internal is None and type(excinfo.value) is not Broken:
            self._report = str(excrepr)
            self._internal = f"{excinfo.typename}: {own_text(excinfo.value)}\n{self._report}"
            self._raised = excinfo.value

    def note_hooks(self, config: Any) -> None:
        """pytest ended without an error before it ran tests: hooks of the project may say why."""
        for name in _ENDING_HOOKS:
            for implementation in getattr(config.hook, name).get_hookimpls():
                code = getattr(implementation.function, "__code__", None)
                if code is not None and _is_below(code.co_filename, _root):
                    place = os.path.relpath(code.co_filename, _root)
                    self._hooks.append(f"{name} ({place}:{code.co_firstlineno})")

    def at_the_end(self) -> str | None:
        """The exception that a hook raised at the end of a session whose tests have run."""
        if not self.past_startup or self._error is None:
            return None
        return cut(f"a hook at the session's end raised {describe(self._error)}", MESSAGE_LIMIT)

    def report(self, worker: Worker, status: int) -> None:
        """Send the reason why there was no collection, or why the run broke off."""
        # Without an error, a hook has taken the session's place, and its status says nothing of
        # tests. Nor does a conftest that ends with the status of a success.
        gave_up = self._error is not None or self._internal is not None
        ended: Message = {}
        if gave_up and status:
            ended["session_exit"] = {"status": status}
        location = _location(self._raised, worker.root)
        if self._raised is not None and location and not self.past_startup:
            # It came from a hook of the project: that line says more than pytest's own frames.
            text = describe(self._raised)
            if ended:
                ended["session_exit"]["report"] = cut(self._report)
            message = cut(text, MESSAGE_LIMIT)
            worker.send({"t": "usage_error", "message": message, **location, **ended})
        elif self._internal is not None:
            message = cut(self._internal, MESSAGE_LIMIT)
            worker.send({"t": "internal_error", "message": message, **ended})
        elif not self.past_startup and isinstance(self._error, _EXPECTED + (type(None),)):
            if self._error is None:
                text = self._without_reason(worker, status)
            else:
                text = self._usage or describe(self._error)
            location = _location(self._error, worker.root)
            message = cut(text, MESSAGE_LIMIT)
            worker.send({"t": "usage_error", "message": message, **location, **ended})
        elif not self.past_startup:
            assert self._error is not None
            of_plugin = _of_a_plugin(self._error) if isinstance(self._error, Exception) else None
            if of_plugin is not None:
                text = f"{of_plugin} (`python -m pytest` prints the traceback)"
                worker.send({"t": "usage_error", "message": cut(text, MESSAGE_LIMIT), **ended})
                return
            text = "".join(traceback.format_exception(None, self._error, self._error.__traceback__))
            message = f"{describe(self._error)}\n{text}"
            worker.send({"t": "internal_error", "message": cut(message, MESSAGE_LIMIT), **ended})

    def _without_reason(self, worker: Worker, status: int) -> str:
        text = f"pytest ended with status {status} before it ran any test"
        if self._hooks:
            text += (
                f", as {' or '.join(self._hooks)} may have decided: if that is meant, use pytest"
            )
        if worker.options.arguments:
            text += f"; its arguments were: {' '.join(worker.options.arguments)}"
        return text


def _location(error: BaseException | None, root: str) -> Message:
    """``path`` (below the root) and ``line`` of a conftest.py that does not import."""
    if error is None:
        return {}
    path = attribute(error, "path")
    if path is None:
        _, path, line = _origin(error, root)
        return {"path": os.path.relpath(path, root), "line": line} if path else {}
    relative = os.path.relpath(str(path), root)
    if relative.startswith(".."):
        return {}
    line = line_in(cause_of(error), str(path))
    return {"path": relative, **({"line": line} if line else {})}


def _expected() -> tuple[type[BaseException], ...]:
    # ImportError: how pytest before 9 says that a plugin asked for with -p is not there.
    known: list[Any] = [pytest.UsageError, SystemExit, KeyboardInterrupt, ImportError]
    known.append(pytest.exit.Exception)
    for name in ("ConftestImportFailure", "PluginImportFailure"):
        known.append(getattr(_pytest.config, name, pytest.UsageError))
    return tuple(known)


_EXPECTED: tuple[type[BaseException], ...] = _expected()


def _origin(error: BaseException, root: str) -> tuple[BaseException, str | None, int | None]:
    """The first exception of a chain, and the innermost line below the root that it passed."""
    for cause in _from_the_first(error):
        if issubclass(type(cause), SyntaxError):
            path, number = attribute(cause, "filename"), attribute(cause, "lineno")
            if type(path) is str and _is_below(path, root):
                return cause, path, number
        location = None
        for frame, number in traceback.walk_tb(cause.__traceback__):
            if _is_below(frame.f_code.co_filename, root):
                location = (frame.f_code.co_filename, number)
        if location is not None:
            return (cause, *location)
    return error, None, None


def _from_the_first(error: BaseException) -> list[BaseException]:
    """An exception and those that led to it, the first of them first."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain[::-1]


def _of_a_plugin(error: BaseException) -> str | None:
    """The first exception that was raised in an installed package (not pytest), and its line."""
    for cause in _from_the_first(error):
        found = None
        for frame, number in traceback.walk_tb(cause.__traceback__):
            package = str(frame.f_globals.get("__name__")).partition(".")[0]
            path = frame.f_code.co_filename
            if package not in ("_pytest", "pytest", "pluggy") and site_paths.is_third_party(path):
                found = f"{path}:{number}: {exception_line(cause)}"
        if found is not None:
            return found
    return None


def _is_below(path: str, root: str) -> bool:
    if path.startswith("<"):  # code without a file: of the import system, or made up
        return False
    path = os.path.abspath(path)
    return path.startswith(os.path.join(root, "")) and site_paths.is_project(path)


def describe(error: BaseException) -> str:
    """A sentence that names the file, the line and what was raised there."""
    path = attribute(error, "path")
    if path is not None:
        cause = cause_of(error)
        line = line_in(cause, str(path))
        where = f"{path}:{line}" if line else str(path)
        hint = nested_projects.hint(cause, str(path), _root, None)
        return f"{where} does not import: {exception_line(cause)}{hint}"
    if isinstance(error, pytest.UsageError):
        # argparse puts its usage in front of what is wrong.
        text = "\n".join(str(argument) for argument in error.args)
        if not text.startswith("usage:"):
            return "\n".join(line.rstrip() for line in text.strip().splitlines())
        return " ".join(line.strip() for line in text.rpartition("error: ")[2].splitlines())
    if isinstance(error, pytest.exit.Exception):
        return f"pytest.exit was called before any test: {error.msg}"
    cause, location, number = _origin(error, _root)
    if location is not None:
        return f"{os.path.relpath(location, _root)}:{number}: {exception_line(cause)}"
    plugin = _of_a_plugin(error) if isinstance(error, Exception) else None
    return plugin or exception_line(error)
