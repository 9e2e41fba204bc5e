"""Reports tests whose time other code limits, when that code ends their process.

pytest-timeout does so with its method "thread", pytest itself with `faulthandler_exit_on_timeout`.
This module reports the test first: it has an outcome, and another process runs the others. The time
begins with the run, not with a session that was ready long before.
"""

from __future__ import annotations

import io
import sys
import threading
import traceback
from types import FrameType, TracebackType
from typing import Any

from _pytest import faulthandler as pytest_faulthandler
from _pytest._io import TerminalWriter

from ..own_code import FOLDER
from ..reports.verdict import VerdictBuilder
from ..state import Worker
from ..unpatched import os, time


def begin_run(config: Any) -> None:
    """Let the session's time of pytest-timeout begin with its first test."""
    plugin: Any = sys.modules.get("pytest_timeout")
    limit = getattr(plugin, "SESSION_TIMEOUT_KEY", None)
    expiry = getattr(plugin, "SESSION_EXPIRE_KEY", None)
    if limit is not None and expiry is not None and config.stash.get(limit, 0):
        config.stash[expiry] = time.time() + config.stash[limit]


class Timers:
    """pytest-timeout's timers for one test each, by the method "thread"."""

    def __init__(self, worker: Worker, verdicts: VerdictBuilder) -> None:
        self._worker = worker
        self._verdicts = verdicts

    def set(self, item: Any, settings: Any) -> bool | None:
        """Set a timer in place of pytest-timeout's own; None if that one must be set."""
        main = threading.current_thread() is threading.main_thread()
        if settings.method != "thread" and main:
            return None
        timer = threading.Timer(settings.timeout, self._overdue, (item, settings, time.monotonic()))
        timer.name = f"pytest_timeout {item.nodeid}"

        def cancel() -> None:
            timer.cancel()
            timer.join()

        item.cancel_timeout = cancel
        timer.start()
        return True

    def _overdue(self, item: Any, settings: Any, began: float) -> None:
        """Report what pytest-timeout would have printed, and end the process as it does."""
        plugin: Any = sys.modules["pytest_timeout"]
        if not getattr(settings, "disable_debugger_detection", False) and plugin.is_debugging():
            return
        try:
            self._report(item, f"Timeout (>{settings.timeout}s) from pytest-timeout.", began)
        except BaseException:  # the test may have replaced anything: the process ends all the same
            traceback.print_exc()
        finally:
            if self._worker.boot.terminal:
                plugin.timeout_timer(item, settings)
            os._exit(1)

    def _report(self, item: Any, message: str, began: float) -> None:
        channel, files = self._worker.channel, self._worker.capture_files
        if channel.is_sending:  # a message must not begin in the middle of another
            return
        took = (time.monotonic() - began) * 1000
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        verdict = self._verdicts.overdue(item, message, _stacks(), _trace(frame), took)
        if not self._worker.boot.terminal:
            verdict.update(_captured(item, verdict))
        channel.send({"t": "finished", "i": files.index, **verdict, **files.end()})


def _captured(item: Any, verdict: dict[str, Any]) -> dict[str, str]:
    """The output of the phases before, and what was captured since then."""
    manager = item.config.pluginmanager.getplugin("capturemanager")
    if manager is None:
        return {}
    manager.suspend_global_capture(item)
    texts = zip(("stdout", "stderr"), manager.read_global_capture())
    return {name: verdict.get(name, "") + text for name, text in texts if text}


def _stacks() -> str:
    """The stacks of all other threads, each with a heading, as pytest-timeout words it."""
    text = io.StringIO()
    terminal = TerminalWriter(text)
    terminal.sep("+", title="Timeout")
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            name = names.get(ident, "<unknown>")
            terminal.sep("~", title=f"Stack of {name} ({ident})")
            terminal.write("".join(traceback.format_tb(_trace(frame))))
    terminal.sep("+", title="Timeout")
    return text.getvalue()


def _trace(frame: FrameType | None) -> TracebackType | None:
    """A frame and its callers up to ours, as a traceback."""
    trace: TracebackType | None = None
    while frame is not None and not frame.f_code.co_filename.startswith(FOLDER):
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return trace


class Faults:
    """Makes pytest's faulthandler write the stacks of a slow test to a file of ours.

    The engine finds them there if the process ends; else they join the output of the test. Without
    a limit of time that ends the process, pytest writes them to the real standard error, at once.
    """

    def __init__(self, config: Any) -> None:
        self._config = config
        names = (
            "fault_handler_stderr_fd_key",
            "fault_handler_stderr_key",
        )  # the latter: pytest 7.0
        keys = (getattr(pytest_faulthandler, name, None) for name in names)
        self._key: Any = next(
            (key for key in keys if key is not None and key in config.stash), None
        )
        self._theirs: Any = None
        self._file: Any = None

    def are_wanted(self) -> bool:
        """Whether the project sets `faulthandler_timeout`."""
        try:
            return self._key is not None and float(self._config.getini("faulthandler_timeout")) > 0
        except (TypeError, ValueError):
            return False

    def end_the_process(self) -> bool:
        """Whether the project sets `faulthandler_exit_on_timeout`."""
        try:
            return bool(self._config.getini("faulthandler_exit_on_timeout"))
        except (KeyError, ValueError):  # pytest 8 has no such option
            return False

    def begin(self, file: Any) -> None:
        """Write stacks to this file from now on."""
        self._theirs, self._file = self._config.stash[self._key], file
        self._config.stash[self._key] = file.fileno()

    def take(self) -> str:
        """The stacks since the last call."""
        if self._file is None:
            return ""
        with open(self._file.path, encoding="utf-8", errors="replace") as reader:
            text = reader.read()
        if text:
            os.ftruncate(self._file.fileno(), 0)
            os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        return text

    def end(self) -> None:
        """Restore pytest's own file."""
        if self._file is not None:
            self._config.stash[self._key] = self._theirs
            self._file = None
