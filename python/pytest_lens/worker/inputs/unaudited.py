"""Stand-ins for functions that the recorder itself watches, or that raise an audit event.

With an audit hook in the process, such an event takes several times as long as the function.
"""

from __future__ import annotations

import stat
from collections.abc import Generator
from typing import Any, Callable

from ..unpatched import os

# A number of an object, as `id`. It is free for another object when the object is gone.
identity = object.__hash__


def exists(path: str) -> bool:
    """As `os.path.exists`."""
    return _mode(path) is not None


def is_file(path: str) -> bool:
    """As `os.path.isfile`."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):
        return None


def caller_frames(depth: int) -> Callable[[], Any]:
    """A function that returns what `sys._getframe(depth)` would return; `depth` is 1 or 2.

    It raises `ValueError` if it is at work already: in another thread, or below a signal handler.
    """

    def frames() -> Generator[Any, None, None]:
        yield None
        # A generator's frame is on top of the frame that resumes it. No name holds the other one,
        # which would keep all its values alive.
        while depth == 1:
            yield own.f_back.f_back
        while True:
            yield own.f_back.f_back.f_back

    generator: Any = frames()
    own = generator.gi_frame
    resume: Callable[[], Any] = generator.__next__
    resume()
    return resume
