"""Random generators that were made without a seed: each fork gets a sequence of its own.

A generator that the project or a library made while tests were collected, and did not use, would
give the same numbers in every fork; plain pytest makes another one in each run.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import weakref
from typing import Any

from .. import site_paths

_seed: Any = random.Random.seed
_generators: list[weakref.ref[random.Random]] = []
# The hash of each generator's state when it was made or seeded again, by its id.
_states: dict[int, int] = {}
# The generators that the project itself made.
_of_project: list[weakref.ref[random.Random]] = []


def watch() -> None:
    """Notice the generators that are made without a seed from now on; called once, in the base."""
    random.Random.seed = _noted_seed  # type: ignore[method-assign]


def stop_watching() -> None:
    """The session has collected: tests find the real method."""
    random.Random.seed = _seed  # type: ignore[method-assign]


def _noted_seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    """Initialize internal state from a seed."""
    _seed(self, a, version)
    # `tempfile` itself renews its generator in a fork.
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
    """In a fresh fork: give each generator without a seed a sequence of its own."""
    for generator in _unseeded():
        with contextlib.suppress(Exception):
            _seed(generator)
            _states[id(generator)] = _state(generator)


def were_drawn_from() -> bool:
    """Whether anything drew numbers from one of them."""
    # The project made one that is gone: to use it at once.
    if any(reference() is None for reference in _of_project):
        return True
    for generator in _unseeded():
        with contextlib.suppress(Exception):
            if _state(generator) != _states[id(generator)]:
                return True
    return False
