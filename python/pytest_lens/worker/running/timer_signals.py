"""Keeps the timers that a test has left behind from raising in the worker's own code.

Their signals wait for the next test, whose process they may disturb as under plain pytest.
"""

from __future__ import annotations

from typing import Any

from ..unpatched import signal
from ..wire import sigmask

_NAMES = ("ALRM", "VTALRM", "PROF")
_SIGNALS = [
    getattr(signal, f"SIG{name}") for name in _NAMES if hasattr(signal, f"SIG{name}")
]  # Windows has none
_TIMERS = [
    getattr(signal, f"ITIMER_{name}")
    for name in ("REAL", "VIRTUAL", "PROF")
    if hasattr(signal, f"ITIMER_{name}")
]

# The mask of this process's tests while the signals are held.
_of_tests: Any = None


def hold() -> None:
    """A test is over, or a run begins."""
    global _of_tests
    mask = sigmask(signal.SIG_BLOCK, _SIGNALS)
    if _of_tests is None:
        _of_tests = mask


def let() -> None:
    """A test begins: those that waited come now."""
    global _of_tests
    mask, _of_tests = _of_tests, None
    if mask is not None:
        sigmask(signal.SIG_SETMASK, mask)


def end() -> None:
    """The run is over: timers that still run wait for a test of the next one."""
    if not any(signal.getitimer(timer)[0] for timer in _TIMERS):
        let()
