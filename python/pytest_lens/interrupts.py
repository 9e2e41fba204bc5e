"""Ctrl-C while reports are shown: it waits until a test is shown whole, and so loses no outcome."""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Callable, TypeVar

Result = TypeVar("Result")


class HeldInterrupts:
    """Holds the first Ctrl-C of the ``with`` block back until the next call that is interruptible.

    A second Ctrl-C raises at once: a plugin's hook may hang. Where Ctrl-C has another handler than
    Python's, or outside of the main thread, nothing is held.
    """

    def __init__(self) -> None:
        self._is_held = True
        self._came = False
        self._is_installed = False

    def __enter__(self) -> HeldInterrupts:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._is_installed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_installed:
            with contextlib.suppress(ValueError):  # the interpreter ends
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self._raise_held()

    def interruptible(self, call: Callable[..., Result]) -> Callable[..., Result]:
        """Return ``call`` as one that Ctrl-C ends; a Ctrl-C that was held back raises first."""

        def wait(*args: Any) -> Result:
            self._raise_held()
            self._is_held = False
            try:
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
