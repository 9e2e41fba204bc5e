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

    def finish(self, config: Any) -> list[str]:
        """Stop watching; returns the reasons why each run needs a collection of its own."""
        self.effects.finish()
        self._draws.finish()
        return [
            *self.effects.reasons(),
            *self._draws.reasons(),
            *self._open_resources.reasons(config),
        ]
