"""The clock of a running test: when its time is up, Python itself writes the stacks to a file.

Tests disturb this clock. One that forks would leave its child a clock without a thread, for which
`faulthandler` then waits for ever; one that fails makes pytest stop the clock before its teardown;
one that closes descriptors may give the number of the file to a file of its own.
"""

from __future__ import annotations

import io
from typing import Any

from .. import high_descriptors
from ..unpatched import faulthandler, os, time

# The watchdog whose clock runs in this process.
_running: Watchdog | None = None


class Watchdog:
    """Writes the stacks of tests that run out of time to one file."""

    def __init__(self, path: str) -> None:
        self.path = path
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        copy = high_descriptors.copy(number)
        if copy is not None:
            os.close(number)
            number = copy
        self._file: Any = io.FileIO(number, "w")
        # When the time is up, by the monotonic clock, and whether the process ends then.
        self._due = 0.0
        self._ends = False
        # pytest may set the one clock of the process itself, for a test of its own time.
        self.is_shared = False

    def fileno(self) -> int:
        """The descriptor of the file."""
        number: int = self._file.fileno()
        return number

    def start(self, seconds: float, ends: bool) -> None:
        """Write the stacks after this time, unless `stop` comes first."""
        global _running
        self._due, self._ends = time.monotonic() + seconds, ends
        _running = None if self.is_shared else self
        self._arm()

    def _arm(self) -> None:
        left = max(self._due - time.monotonic(), 0.001)
        faulthandler.dump_traceback_later(left, exit=self._ends, file=self._file)

    def stop(self) -> None:
        """The test is over."""
        global _running
        _running = None
        faulthandler.cancel_dump_traceback_later()

    def close(self) -> None:
        """The run is over."""
        try:
            self._file.close()
        except OSError:  # a test has closed it
            pass


def go_on() -> None:
    """Let the clock go on after somebody has stopped it."""
    if _running is not None:
        _running._arm()


def _before_fork() -> None:
    if _running is not None:
        faulthandler.cancel_dump_traceback_later()


def _in_child() -> None:
    global _running
    _running = None


os.register_at_fork(before=_before_fork, after_in_parent=go_on, after_in_child=_in_child)
