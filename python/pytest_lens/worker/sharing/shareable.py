"""What one session leaves behind while it collects: whether its collection may be shared."""

from __future__ import annotations

from typing import Any

from ..state import Worker
from .open_resources import Holdings
from .random_draws import Draws
from .side_effects import Effects


class Traces:
    """Effects, what is held open, and what was drawn, from the arguments to the last item."""

    def __init__(self, worker: Worker) -> None:
        self.effects = Effects(worker)
        self._draws = Draws(self.effects)
        self._holdings = Holdings()

    def start(self) -> None:
        """Begin to watch."""
        self.effects.start()
        self._draws.start()

    def finish(self, config: Any) -> list[str]:
        """Stop watching; why each run needs a collection of its own, if it does."""
        self.effects.finish()
        self._draws.finish()
        return [
            *self.effects.reasons(),
            *self._draws.reasons(),
            *self._holdings.reasons(config),
        ]
