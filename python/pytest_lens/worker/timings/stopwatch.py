"""Adds up the time of one process: each moment counts for the innermost thing that goes on."""

from __future__ import annotations

import _thread
from typing import Any

from ..unpatched import time
from ..wire import Message

# The most entries of one kind in a message; the rest is one entry without a name.
_MOST = 100

_clock = time.perf_counter
_this_thread = _thread.get_ident


class Span:
    """Something that goes on: its kind and name, its start, and the time of what went on in it."""

    __slots__ = ("began", "inner", "kind", "name")

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        self.inner = 0.0
        self.began = _clock()


class Stopwatch:
    """The open spans of a process's main thread, and the sums of those that have ended."""

    def __init__(self) -> None:
        self._owner = _this_thread()
        self._open: list[Span] = []
        # Count, time of its own, and time with all that went on in it, by kind and name.
        self._sums: dict[tuple[str, str], list[Any]] = {}
        self.is_on = False

    def begin(self, kind: str, name: str = "") -> Span | None:
        """Begin a span; None while nothing is measured, and in other threads."""
        if not self.is_on or _this_thread() != self._owner:
            return None
        span = Span(kind, name)
        self._open.append(span)
        return span

    def end(self, span: Span | None, count: int = 1) -> None:
        """End a span, with those in it that have no end of their own."""
        if span is None or span not in self._open:
            return
        now = _clock()
        while True:
            last = self._open.pop()
            self._add(last, now, count if last is span else 1)
            if last is span:
                return

    def _add(self, span: Span, now: float, count: int) -> None:
        took = now - span.began
        if self._open:
            self._open[-1].inner += took
        sums = self._sums.setdefault((span.kind, span.name), [0, 0.0, 0.0])
        sums[0] += count
        sums[1] += took - span.inner
        sums[2] += took

    def start(self, kind: str) -> None:
        """Begin to measure, with a span around everything."""
        self._sums.clear()
        self._open.clear()
        self.is_on = True
        self.begin(kind)

    def stop(self) -> Message | None:
        """End all spans, and measure no more; the message with the sums."""
        if not self.is_on:
            return None
        if self._open:
            self.end(self._open[0])
        self.is_on = False
        by_kind: dict[str, list[tuple[str, list[Any]]]] = {}
        for (kind, name), sums in self._sums.items():
            by_kind.setdefault(kind, []).append((name, sums))
        self._sums.clear()
        spans: list[list[Any]] = []
        for kind, found in by_kind.items():
            found.sort(key=lambda entry: -entry[1][2])
            rest = [sums for _, sums in found[_MOST:]]
            spans += [_span(kind, name, sums) for name, sums in found[:_MOST]]
            if rest:
                # One may have gone on in another: their times with it can't be added up.
                count, own = sum(sums[0] for sums in rest), sum(sums[1] for sums in rest)
                spans.append(_span(kind, "", [count, own, own]))
        return {"t": "timings", "spans": spans}


def _span(kind: str, name: str, sums: list[Any]) -> list[Any]:
    count, own, total = sums
    return [kind, name, count, round(own * 1000, 3), round(total * 1000, 3)]
