"""Values that each run of plain pytest draws for itself: random numbers, process ids.

A value that was drawn while tests were collected would be the same in every fork. The same goes for
exit handlers: a fork does not run those of its parent.
"""

from __future__ import annotations

import atexit
import os
import random
from typing import Any

from ..processes import random_state, unseeded_generators
from . import call_origin
from .side_effects import Effects


class RandomDraws:
    """Watches one session until it has collected."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._before = _global_state()
        self._originals: list[tuple[Any, str, Any, Any]] = []

    def start(self) -> None:
        """Begin to watch."""
        self._replace(os, "urandom", self._noting(os.urandom, "draws random numbers"))
        self._replace(random, "_urandom", os.urandom)
        self._replace(os, "getpid", self._noting_own(os.getpid, "takes the id of its process"))
        self._replace(os, "getppid", self._noting_own(os.getppid, "takes the id of its parent"))
        self._replace(
            atexit, "register", self._noting(atexit.register, "registers an exit handler")
        )

    def go_on_in_fork(self) -> None:
        """Watch a fork of the process: nothing was drawn so far, and the fork has new sequences."""
        random_state.mark_again()
        self._before = _global_state()

    def finish(self) -> None:
        """Put everything back: the session has collected."""
        for module, name, original, ours in reversed(self._originals):
            if getattr(module, name, None) is ours:
                setattr(module, name, original)
        self._originals.clear()
        unseeded_generators.stop_watching()

    def _replace(self, module: Any, name: str, ours: Any) -> None:
        self._originals.append((module, name, getattr(module, name), ours))
        setattr(module, name, ours)

    def _noting(self, function: Any, what: str) -> Any:
        def noting(*args: Any, **named: Any) -> Any:
            self._effects.note(what, depth=2, prevent=False)
            return function(*args, **named)

        return _named(noting, function)

    def _noting_own(self, function: Any, what: str) -> Any:
        """Note only calls that the project makes itself."""

        def noting() -> Any:
            if call_origin.is_immediate():
                self._effects.note(what, depth=2, prevent=False)
            return function()

        return _named(noting, function)

    def reasons(self) -> list[str]:
        """A reason if numbers were drawn from generators without a seed."""
        drawn = unseeded_generators.were_drawn_from()
        if drawn or (_is_unseeded() and _global_state() != self._before):
            return ["random numbers without a seed were drawn while tests were collected"]
        return []


def _named(ours: Any, function: Any) -> Any:
    for name in ("__name__", "__qualname__", "__doc__"):
        setattr(ours, name, getattr(function, name))
    ours.__module__ = function.__module__
    return ours


def _is_unseeded() -> bool:
    return isinstance(
        getattr(getattr(random, "_inst", None), "gauss_next", None), random_state.Mark
    )


def _global_state() -> int:
    return hash(random.getstate()[1])
