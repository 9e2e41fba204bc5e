"""Processes: forks that die with their parent, and killing whole trees.

Linux only where it says so; elsewhere the functions do nothing and the engine does not ask for
forks.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import warnings
from collections.abc import Iterable
from typing import Any

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


# The pid of the process that guards this one; 0 without.
_guard = 0

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
    """Put this process into a group of its own: a signal to a test's group reaches nobody else."""
    os.setpgid(0, 0)


def leave_terminal() -> None:
    """Give up the terminal that the engine was started from.

    A process group in its background is stopped, for good, when it reads from there. Without one
    `/dev/tty` can't be opened, as on a machine that runs tests unattended.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return
    import fcntl
    import termios

    try:
        fcntl.ioctl(terminal, termios.TIOCNOTTY)
    except OSError:
        pass
    finally:
        os.close(terminal)


def adopt_orphans(adopt: bool = True) -> None:
    """Make daemonised descendants children of this process, so that a kill finds them."""
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
        # Again and again: what was found running may have forked until its signal came.
        queue = [child for pid in doomed for child in children_of(pid) if child not in doomed]
    # Leaves first: an orphan would be handed to somebody else before its turn came.
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


def guard(connection: int) -> None:
    """Leave a process behind that kills this one, with its tree, when the engine goes away.

    For a host without a parent of ours, which cannot look at its connection while tests run. The
    guard is nobody's child (tests may wait for theirs) and ends with the process it guards.
    """
    guarded = os.getpid()
    pidfd = open_pidfd(guarded)
    if pidfd is None:
        return
    global _guard
    watched = os.dup(connection)
    told, tell = os.pipe()
    adopt_orphans(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        between = os.fork()
    if between:
        os.waitpid(between, 0)
        adopt_orphans()
        _guard = int(os.read(told, 32) or 0)
        for descriptor in (watched, pidfd, told, tell):
            os.close(descriptor)
        return
    try:
        child = os.fork()
        if child:
            os.write(tell, str(child).encode())
            os._exit(0)
        os.close(told)
        os.close(tell)
        _watch(guarded, pidfd, watched)
    finally:
        os._exit(0)


def dismiss_guard() -> None:
    """End the guard, if there is one, before the process that it guards: nothing is left then."""
    pidfd = open_pidfd(_guard) if _guard else None
    if pidfd is not None:
        _signal(_guard, signal.SIGKILL)
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(1000)
        os.close(pidfd)


def _watch(guarded: int, pidfd: int, connection: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # the engine waits for the end of these pipes
        os.dup2(nowhere, number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.register(connection, 0)  # a hang-up is always reported; data is not ours to read
    for number, _ in poller.poll():
        if number == pidfd:
            return
    kill_trees([guarded])
