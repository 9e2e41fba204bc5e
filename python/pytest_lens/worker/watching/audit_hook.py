"""One audit hook for all who watch: it can't be removed, so it looks up who wants an event.

Python calls it for each event of the process, those of tests included: nothing happens where
nobody watches.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Iterable
from typing import Any, Callable

Watcher = Callable[[str, "tuple[Any, ...]"], None]

_watchers: dict[str, list[Watcher]] = {}
_hooked = False


class OwnWork:
    """The threads in which a watcher is at work: its own reads and writes are nobody's doing.

    By thread, as those of the others go on meanwhile.
    """

    def __init__(self) -> None:
        self._threads: list[int] = []

    def goes_on(self) -> bool:
        """Whether this thread is at work for the watcher."""
        return get_ident() in self._threads

    def __enter__(self) -> None:
        self._threads.append(get_ident())

    def __exit__(self, *_: object) -> None:
        self._threads.remove(get_ident())


def watch(events: Iterable[str], watcher: Watcher) -> None:
    """Tell `watcher` of each of these events from now on."""
    global _hooked
    for event in events:
        _watchers.setdefault(event, []).append(watcher)
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)


def forget(watcher: Watcher) -> None:
    """Tell `watcher` no more."""
    for event, watchers in list(_watchers.items()):
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers:
            del _watchers[event]


def _audit(event: str, args: tuple[Any, ...]) -> None:
    watchers = _watchers.get(event)
    if watchers is not None:
        for watcher in list(watchers):
            watcher(event, args)
