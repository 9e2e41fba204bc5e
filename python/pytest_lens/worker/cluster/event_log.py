"""The numbered events of an actor.

The driver reads them from a cursor on, so that none is lost or doubled when a call fails.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any, Callable

# Its kind, and its parts.
Event = tuple[Any, ...]

# More than this is left for the next answer, in bytes.
_ANSWER_SIZE = 4 << 20

# An answer is sent when no event has come for this long, in seconds: each answer costs about a
# millisecond of processor time on both sides.
_PAUSE = 0.003


class EventLog:
    """Events with ascending numbers, from 1, kept until they are acknowledged."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, Event]] = deque()
        self._next = 1
        self._is_busy = False
        self._changed = threading.Condition()

    def add(self, *event: Any, is_busy: bool = False) -> None:
        """Append an event; `is_busy`: the next one follows without an answer to this one."""
        with self._changed:
            self._events.append((self._next, event))
            self._next += 1
            self._is_busy = is_busy
            self._changed.notify_all()

    def read(
        self,
        acknowledged: int,
        wait: float,
        gather: float,
        look: Callable[[], None],
        interval: float,
    ) -> list[tuple[int, Event]]:
        """Return the events after `acknowledged`; waits up to `wait` seconds for the first.

        Then it waits up to `gather` seconds for further ones, if they follow by themselves. `look`
        is called each `interval` seconds until there is one.
        """
        until = time.monotonic() + wait
        with self._changed:
            while self._events and self._events[0][0] <= acknowledged:
                self._events.popleft()
        while True:
            with self._changed:
                if not self._events:
                    self._changed.wait(min(interval, max(0.0, until - time.monotonic())))
                if self._events or time.monotonic() >= until:
                    break
            look()
        with self._changed:
            self._gather(time.monotonic() + gather)
            answer, size = [], 0
            for number, event in self._events:
                size += sum(len(part) for part in event if isinstance(part, bytes))
                answer.append((number, event))
                if size > _ANSWER_SIZE:
                    break
            return answer

    def _gather(self, until: float) -> None:
        """Wait while events follow one another."""
        while self._events and (left := until - time.monotonic()) > 0:
            known = self._next
            self._changed.wait(left if self._is_busy else min(left, _PAUSE))
            if self._next == known:
                return
