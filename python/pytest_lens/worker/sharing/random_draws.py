"""What is drawn anew in each run of plain pytest: random numbers, process ids, exit handlers.

A value that was drawn while tests were collected would be the same in every fork. A generator that
the project or a library made without a seed, and did not use, gets a new seed in each fork instead.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import random
import sys
import weakref
from typing import Any

from .. import site_paths
from ..processes import random_state
from . import call_origin
from .side_effects import Effects

_seed: Any = random.Random.seed
_generators: list[weakref.ref[random.Random]] = []
_states: dict[int, int] = {}
# Those among them that the project itself made.
_of_project: list[weakref.ref[random.Random]] = []


def watch_generators() -> None:
    """Take notice of the generators that are made without a seed from now on; once, in the base."""
    random.Random.seed = _noted_seed  # type: ignore[method-assign]


def _noted_seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    """Initialize internal state from a seed."""
    _seed(self, a, version)
    # The names of temporary files look after themselves.
    if a is None and sys._getframe(2).f_globals.get("__name__") != "tempfile":
        with contextlib.suppress(Exception):
            if id(self) not in _states:
                _generators.append(weakref.ref(self))
                if site_paths.is_project(os.path.abspath(sys._getframe(2).f_code.co_filename)):
                    _of_project.append(_generators[-1])
            _states[id(self)] = _state(self)
    else:
        _states.pop(id(self), None)


def _state(generator: random.Random) -> int:
    return hash(generator.getstate())


def _unseeded() -> list[random.Random]:
    found = []
    for reference in _generators:
        generator = reference()
        if generator is not None and id(generator) in _states:
            found.append(generator)
    return found


def reseed() -> None:
    """In a fresh fork: a sequence of its own for each generator without a seed."""
    for generator in _unseeded():
        with contextlib.suppress(Exception):
            _seed(generator)
            _states[id(generator)] = _state(generator)


class Draws:
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

    def finish(self) -> None:
        """The session has collected: tests find everything as it was."""
        for module, name, original, ours in reversed(self._originals):
            if getattr(module, name, None) is ours:
                setattr(module, name, original)
        self._originals.clear()
        random.Random.seed = _seed  # type: ignore[method-assign]

    def _replace(self, module: Any, name: str, ours: Any) -> None:
        self._originals.append((module, name, getattr(module, name), ours))
        setattr(module, name, ours)

    def _noting(self, function: Any, what: str) -> Any:
        def noting(*args: Any, **named: Any) -> Any:
            self._effects.note(what, depth=2, prevent=False)
            return function(*args, **named)

        return _named(noting, function)

    def _noting_own(self, function: Any, what: str) -> Any:
        """As it is of interest only where the project itself calls."""

        def noting() -> Any:
            if call_origin.is_immediate():
                self._effects.note(what, depth=2, prevent=False)
            return function()

        return _named(noting, function)

    def reasons(self) -> list[str]:
        """What was drawn from generators that nobody gave a seed."""
        # One that is gone was made to be used at once.
        drawn = any(reference() is None for reference in _of_project)
        for generator in _unseeded():
            with contextlib.suppress(Exception):
                drawn = drawn or _state(generator) != _states[id(generator)]
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
