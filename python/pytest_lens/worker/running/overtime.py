"""Tests that run out of time by other clocks than ours, which end their process with them.

pytest-timeout does so with its method "thread", pytest itself with `faulthandler_exit_on_timeout`.
Here the test is told of first: it has an outcome, and another process runs the others. What these
clocks count from is the run's begin, not that of a session which was ready long before.
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

from ..reports.verdict import Recorder
from ..state import Worker
from ..unpatched import os, time

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def begin_run(config: Any) -> None:
    """The time that pytest-timeout gives the session begins with its first test."""
    plugin: Any = sys.modules.get("pytest_timeout")
    limit = getattr(plugin, "SESSION_TIMEOUT_KEY", None)
    expiry = getattr(plugin, "SESSION_EXPIRE_KEY", None)
    if limit is not None and expiry is not None and config.stash.get(limit, 0):
        config.stash[expiry] = time.time() + config.stash[limit]


class Timers:
    """pytest-timeout's timers for one test each, by the method "thread"."""

    def __init__(self, worker: Worker, recorder: Recorder) -> None:
        self._worker = worker
        self._recorder = recorder

    def set(self, item: Any, settings: Any) -> bool | None:
        """In place of pytest-timeout's own; None where that is the one to take."""
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
        """Tell what pytest-timeout would have printed, and end the process as it does."""
        plugin: Any = sys.modules["pytest_timeout"]
        if not getattr(settings, "disable_debugger_detection", False) and plugin.is_debugging():
            return
        try:
            self._tell(item, f"Timeout (>{settings.timeout}s) from pytest-timeout.", began)
        except BaseException:  # whatever the test has replaced: it ends all the same
            traceback.print_exc()
        finally:
            if self._worker.boot.terminal:
                plugin.timeout_timer(item, settings)
            os._exit(1)

    def _tell(self, item: Any, message: str, began: float) -> None:
        channel, streams = self._worker.channel, self._worker.streams
        if channel.is_sending:  # a message can't be put into the middle of another
            return
        took = (time.monotonic() - began) * 1000
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        verdict = self._recorder.overdue(item, message, _stacks(), _trace(frame), took)
        if not self._worker.boot.terminal:
            verdict.update(_captured(item, verdict))
        channel.send({"t": "finished", "i": streams.index, **verdict, **streams.end()})


def _captured(item: Any, verdict: dict[str, Any]) -> dict[str, str]:
    """What was captured since the last phase, behind what was told of those before."""
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
    while frame is not None and not frame.f_code.co_filename.startswith(_PACKAGE):
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno)
        frame = frame.f_back
    return trace


class Faults:
    """Where pytest's faulthandler writes stacks when a test takes long: to a file of ours.

    A process that ends then has left them there; else they go to what the test wrote.
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

    def is_wanted(self) -> bool:
        """Whether the project asks for that."""
        try:
            return self._key is not None and float(self._config.getini("faulthandler_timeout")) > 0
        except (TypeError, ValueError):
            return False

    def begin(self, file: Any) -> None:
        """Have them written to this file from now on."""
        self._theirs, self._file = self._config.stash[self._key], file
        self._config.stash[self._key] = file.fileno()

    def take(self) -> str:
        """What was written since the last time."""
        if self._file is None:
            return ""
        with open(self._file.name, encoding="utf-8", errors="replace") as reader:
            text = reader.read()
        if text:
            os.ftruncate(self._file.fileno(), 0)
            os.lseek(self._file.fileno(), 0, os.SEEK_SET)
        return text

    def end(self) -> None:
        """Back to what it was."""
        if self._file is not None:
            self._config.stash[self._key] = self._theirs
            self._file = None
