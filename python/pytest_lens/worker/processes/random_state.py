"""Keeps random state across forks as it is in plain pytest.

CPython reseeds `random` in a forked child and numpy does not. A project that seeds while it is
imported must see its own sequence in every fork; one that does not must see a new one in each. This
module leaves a mark in the generator's cache of one spare Gaussian: every way of seeding clears it.
"""

from __future__ import annotations

import random
import sys
from typing import Any


class Mark(float):
    """A Gaussian like any other, of a type that we recognize."""


def _generator() -> Any:
    return getattr(random, "_inst", None)


def _spare_gaussian() -> Mark:
    return Mark(random.SystemRandom().gauss(0.0, 1.0))


def mark() -> None:
    """Start to watch whether anything seeds the global generators."""
    generator = _generator()
    if generator is not None:
        generator.gauss_next = _spare_gaussian()
    _numpy.mark()


class _Numpy:
    """numpy's legacy global generator; only if it was loaded before the project."""

    def __init__(self) -> None:
        self._spare: float | None = None

    @staticmethod
    def _module() -> Any:
        return sys.modules.get("numpy.random")

    def mark(self) -> None:
        module = self._module()
        if module is None:
            return
        try:
            module.seed()
            state = module.get_state()
            self._spare = random.SystemRandom().gauss(0.0, 1.0)
            module.set_state((state[0], state[1], state[2], 1, self._spare))
        except Exception:
            self._spare = None

    def reseed(self) -> bool:
        """In a child: start a new sequence, unless the project seeded or imported numpy itself.

        Returns whether it did.
        """
        module = self._module()
        if module is None or self._spare is None:
            return False
        try:
            state = module.get_state()
            if state[3] == 1 and state[4] == self._spare:
                module.seed()
                return True
        except Exception:
            pass
        return False


_numpy = _Numpy()


def numpy_came() -> None:
    """Mark numpy's generator: the session imports numpy, which was imported in advance."""
    _numpy.mark()


def before_fork() -> Any:
    """The state to hand to :func:`after_fork`, or None when the project did not seed."""
    generator = _generator()
    if generator is None or isinstance(generator.gauss_next, Mark):
        return None
    return random.getstate()


def after_fork(state: Any) -> None:
    """In the child: restore a seeded state; CPython itself has renewed an unseeded one."""
    global _renewed
    if state is not None:
        random.setstate(state)
    _renewed = (state is None, _numpy.reseed())


# Whether `after_fork` found the generators of `random` and of numpy without a seed.
_renewed = (False, False)


def mark_again() -> None:
    """In a child that goes on collecting: watch the generators that nothing has seeded so far."""
    generator, (is_ours, is_numpys) = _generator(), _renewed
    if generator is not None and is_ours:
        generator.gauss_next = _spare_gaussian()
    if is_numpys:
        _numpy.mark()
