"""A run in progress: an iterator over its events, with methods to end it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from . import messages
from .errors import checked

Call = Callable[[dict[str, Any]], dict[str, Any]]

# The longest time that one call waits for events, in milliseconds; then it is repeated.
_WAIT_MS = 60_000


class Run:
    """A run of tests: iterate over it for its events, from ``runStarted`` to ``runFinished``.

    Events of the inventory and of other runs are left out; those of flakiness are included while
    the run lasts. ``run_id`` is its id, ``total`` its number of tests, and ``finished`` its last
    event, once that has arrived. ``call`` sends a request and waits for its answer.
    """

    def __init__(
        self, call: Call, context_id: str, cursor: int, started: messages.RunStarted
    ) -> None:
        self.call = call
        self._context_id = context_id
        self._cursor = cursor
        self._pending: list[messages.Event] = []
        self.run_id: str = started["run_id"]
        self.total: int = started["total_tests"]
        self.finished: messages.RunFinishedEvent | None = None

    def __iter__(self) -> Iterator[messages.Event]:
        return self

    def __next__(self) -> messages.Event:
        while self.finished is None or self._pending:
            if not self._pending:
                self._read()
                continue
            event = self._pending.pop(0)
            if event["event"] == "flakinessHint":
                return event
            if event["event"] == "inventory" or event["event"] == "staleOutcomes":
                continue
            if event["runId"] != self.run_id:
                continue
            if event["event"] == "runFinished":
                self.finished = event
                self._pending.clear()
            return event
        raise StopIteration

    def _read(self) -> None:
        answer = checked(
            self.call(
                {
                    "type": "get_events",
                    "context_id": self._context_id,
                    "cursor": self._cursor,
                    "wait_ms": _WAIT_MS,
                }
            )
        )
        self._cursor = answer["cursor"]
        self._pending = answer["events"]

    def wait(self) -> messages.RunFinishedEvent:
        """Wait for the end, and return the last event."""
        for _ in self:
            pass
        assert self.finished is not None
        return self.finished

    def stop(self) -> None:
        """Let running tests finish, and start no more."""
        checked(self.call({"type": "stop_run", "run_id": self.run_id}))

    def kill(self) -> None:
        """Kill the run's processes now."""
        checked(self.call({"type": "kill_run", "run_id": self.run_id}))
