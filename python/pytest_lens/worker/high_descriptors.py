"""Copies the worker's descriptors to high numbers: tests count and reuse the low ones."""

from __future__ import annotations

from .unpatched import fcntl, resource

# Higher than a test opens, and below the usual limit of 1024.
_LOWEST = 900


def copy(number: int) -> int | None:
    """A copy of a descriptor with a high number; None if the process may not have another.

    Always None on Windows, where the numbers of sockets are no descriptors.
    """
    if fcntl is None or resource is None:
        return None
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    is_usual = soft == resource.RLIM_INFINITY or soft > _LOWEST + 100
    try:
        found: int = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _LOWEST if is_usual else soft - 32)
    except OSError:
        return None
    return found
