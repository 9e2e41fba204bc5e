"""One audit hook for all watchers: Python can't remove it, so it looks up who watches an event.

Python calls it for each event of the process, those of tests included; it does nothing for an event
that nobody watches.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Callable

Watcher = Callable[[str, "tuple[Any, ...]"], None]


class OwnWork:
    """The threads in which a watcher is at work: it ignores its own reads and writes.

    By thread, as other threads go on meanwhile.
    """

    def __init__(self) -> None:
        self._threads: list[int] = []

    def is_active(self) -> bool:
        """Whether the watcher is at work in this thread."""
        return get_ident() in self._threads

    def __enter__(self) -> None:
        self._threads.append(get_ident())

    def __exit__(self, *_: object) -> None:
        self._threads.remove(get_ident())


_watchers: dict[str, list[tuple[Watcher, OwnWork]]] = {}
_hooked = False


def watch(events: Iterable[str], watcher: Watcher, own_work: OwnWork) -> None:
    """Call `watcher` for each of these events from now on, except those of its `own_work`."""
    global _hooked
    for event in events:
        _watchers.setdefault(event, []).append((watcher, own_work))
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)


def forget(watcher: Watcher) -> None:
    """Call `watcher` no more."""
    for event, watchers in list(_watchers.items()):
        watchers[:] = [entry for entry in watchers if entry[0] != watcher]
        if not watchers:
            del _watchers[event]


def _audit(event: str, args: tuple[Any, ...]) -> None:
    watchers = _watchers.get(event)
    if watchers is not None:
        for watcher, own_work in list(watchers):
            if own_work.is_active():
                continue
            # An audit hook that raises would break what it watches.
            with own_work, suppress(Exception):
                watcher(event, args)
