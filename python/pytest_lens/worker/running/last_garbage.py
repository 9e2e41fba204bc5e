"""Collects the garbage of a session at its end, as pytest does, and copies little memory for it.

A full collection visits every object, and in a fork each visit copies a page of its parent. But
the parent collected its own garbage before the fork, so a run of a few tests leaves all of its own
in the young generations.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from ..unpatched import gc

# Later versions collect the old generation in steps.
_HAS_GENERATIONS = sys.implementation.name == "cpython" and sys.version_info < (3, 14)
_YOUNG = 1


class LastGarbage:
    """Takes the place of pytest's own collections at the end of one session."""

    def __init__(self, config: Any, is_clean: bool) -> None:
        """`is_clean`: the garbage of this process until now is collected."""
        self._iterations = 0
        self._made_old = self._count_made_old() if is_clean and _HAS_GENERATIONS else None
        key = getattr(importlib.import_module("_pytest"), "unraisableexception", None)
        key = getattr(key, "gc_collect_iterations_key", None)
        if key is not None and key not in config.stash:
            self._iterations = 1
            config.stash[key] = 0

    def collect(self) -> None:
        """Collect it now."""
        if not self._iterations:
            return
        if self._made_old is not None and self._made_old == self._count_made_old():
            gc.collect(_YOUNG)
        else:
            gc.collect()

    @staticmethod
    def _count_made_old() -> list[int]:
        """How many collections moved objects to the oldest generation."""
        return [generation["collections"] for generation in gc.get_stats()[_YOUNG:]]
