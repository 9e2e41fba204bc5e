"""Processes: forks that die with their parent, and killing whole trees.

Linux only where it says so; elsewhere the functions do nothing and the engine does not ask for
forks.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import Any

from ..unpatched import fcntl, os, signal

LINUX = sys.platform.startswith("linux")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _load_prctl() -> Any:
    if not LINUX:
        return None
    try:
        return ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return None


# Looked up in the parent: a child that just came out of fork should not load libraries.
_prctl = _load_prctl()


def die_with_parent(parent: int) -> None:
    """SIGKILL this process when `parent` ends; at once if it already has."""
    if _prctl is None:
        return
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def lead_group() -> None:
    """Put this process into a group of its own: a signal to a test's group reaches no other."""
    os.setpgid(0, 0)


def leave_terminal() -> None:
    """Give up the terminal that the engine was started from.

    The kernel stops a background process group that reads from a terminal. Without a terminal
    `/dev/tty` can't be opened, as in CI.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return
    import termios

    try:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    except OSError:
        pass
    finally:
        os.close(terminal)


def adopt_orphans(adopt: bool = True) -> None:
    """Become the parent of orphaned descendants, so that a kill finds them."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)


def stacks_path(folder: str, pid: int) -> str:
    """Where a process writes its stacks when a test runs out of time, before it is ended."""
    return os.path.join(folder, f"stacks-{pid}")


def children_of(pid: int) -> list[int]:
    """The direct children of a process, of all its threads."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += [int(child) for child in file.read().split()]
        except (OSError, ValueError):
            continue
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        pass


def kill_trees(pids: Iterable[int]) -> None:
    """Stop, then kill, each process with all its descendants.

    Stopped first, parents before children, so that none can fork away while we look.
    """
    doomed: list[int] = []
    queue = list(pids)
    while queue:
        for pid in queue:
            if pid not in doomed and pid != os.getpid():
                _signal(pid, signal.SIGSTOP)
                doomed.append(pid)
        # Until none is new: a process may have forked before its signal arrived.
        queue = [child for pid in doomed for child in children_of(pid) if child not in doomed]
    # Leaves first: another process could adopt an orphan.
    for pid in reversed(doomed):
        _signal(pid, signal.SIGKILL)


def open_pidfd(pid: int) -> int | None:
    """A descriptor that turns readable when the process ends, where the kernel has them."""
    opener = getattr(os, "pidfd_open", None)
    if opener is None:
        return None
    try:
        descriptor: int = opener(pid)
    except OSError:
        return None
    return descriptor
