"""Ctrl-C while reports are shown: it waits until a test is shown whole, and so loses no outcome."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Any, Callable, TypeVar

Result = TypeVar("Result")


class HeldInterrupts:
    """Between `hold` and `release`, the first Ctrl-C waits for the next interruptible call.

    A second Ctrl-C raises at once: a plugin's hook may hang. Where Ctrl-C has another handler than
    Python's, or outside of the main thread, nothing is held.
    """

    def __init__(self) -> None:
        self._is_held = True
        self._came = False
        self._is_installed = False

    def hold(self) -> None:
        """Hold Ctrl-C back from now on."""
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._is_installed = True

    def release(self) -> None:
        """Let Ctrl-C raise at once, as before; one that was held back raises now."""
        if self._is_installed:
            self._is_installed = False
            with contextlib.suppress(ValueError):  # the interpreter ends
                signal.signal(signal.SIGINT, signal.default_int_handler)
        self._raise_held()

    def interruptible(self, call: Callable[..., Result]) -> Callable[..., Result]:
        """Return ``call`` as one that Ctrl-C ends; a Ctrl-C that was held back raises first."""

        def wait(*args: Any) -> Result:
            self._is_held = False
            try:
                self._raise_held()
                return call(*args)
            finally:
                self._is_held = True

        return wait

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._is_held and not self._came:
            self._came = True
        else:
            self._came = False
            raise KeyboardInterrupt

    def _raise_held(self) -> None:
        if self._came:
            self._came = False
            raise KeyboardInterrupt
