"""Decides whether a session's collection may be forked for several runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..state import Worker
from .open_resources import OpenResources
from .random_draws import RandomDraws
from .side_effects import Effects


class SharingCheck:
    """Watches effects, open resources and random draws, from the arguments to the last item."""

    def __init__(self, worker: Worker) -> None:
        self._is_idle = worker.options.idle
        self.effects = Effects(worker)
        self._draws = RandomDraws(self.effects)
        self._open_resources = OpenResources()

    def start(self) -> None:
        """Begin to watch."""
        self.effects.start()
        self._draws.start()

    def ignore(self, files: Iterable[int], children: Iterable[int] = ()) -> None:
        """Leave out descriptors and processes that are this package's own."""
        self._open_resources.ignore(files, children)

    def go_on_in_fork(self) -> None:
        """Watch a fork of this process; there was no reason before the fork."""
        self._draws.go_on_in_fork()
        self._open_resources = OpenResources()

    def finish(self, config: Any) -> list[str]:
        """Stop watching; returns what :meth:`so_far` does."""
        self.effects.finish()
        self._draws.finish()
        return self.so_far(config)

    def so_far(self, config: Any) -> list[str]:
        """The reasons why each run needs a collection of its own."""
        return [
            *self.effects.reasons(),
            *(() if self._is_idle else self._draws.reasons()),
            *self._open_resources.reasons(config),
        ]
