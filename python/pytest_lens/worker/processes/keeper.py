"""The keeper: a process between the engine and each interpreter that the engine starts.

The keeper ends the interpreter's session when the engine goes away, and the processes that a
session leaves when it ends. It is also the parent that a test may stop or kill, so the engine is
not. The keeper forks before anything but this package is loaded, and does nothing but wait.
"""

from __future__ import annotations

from ..unpatched import os, resource, select, signal, time
from . import process_tree

# How long an idle interpreter may take to end by itself when the engine is gone, in seconds.
_PARTING = 3.0
# How long the processes that a session left may take to end by themselves: helpers of
# multiprocessing and of debuggers tidy up then. After a crash it is less.
_TIDYING = 2.0
_TIDYING_AFTER_A_CRASH = 0.2
_LOOK_MS = 20

# The interpreter runs a session: its tests may keep it from noticing that the engine is gone.
_is_session = False


def start(connection: int, terminal: bool) -> int:
    """Fork: the parent becomes the keeper; returns its pid in the child, 0 where there is none.

    If there are other threads (a sitecustomize may start some), it does not fork: they would be
    missing in the child. With a `terminal` it stays in the process group that has the terminal.
    """
    if not process_tree.LINUX or len(os.listdir("/proc/self/task")) != 1:
        return 0
    keeper = os.getpid()
    before = signal.signal(signal.SIGUSR1, _note_session)
    process_tree.adopt_orphans()
    child = os.fork()
    if child:
        try:
            _keep(child, connection)
        finally:
            os._exit(1)
    signal.signal(signal.SIGUSR1, before)
    process_tree.die_with_parent(keeper)
    if not terminal:
        process_tree.lead_group()
    return keeper


def mark_as_session(keeper: int) -> None:
    """Let the keeper know that this process is a session from now on."""
    if keeper and os.getppid() == keeper:
        os.kill(keeper, signal.SIGUSR1)


def _note_session(*_: object) -> None:
    global _is_session
    _is_session = True


def _keep(child: int, connection: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # the engine waits for the end of these pipes
        os.dup2(nowhere, descriptor)
    status = _wait_for(child, connection)
    os.close(connection)
    if _is_session:
        _clear_up(_TIDYING_AFTER_A_CRASH if os.WIFSIGNALED(status) else _TIDYING)
    _end_like(status)


def _wait_for(child: int, connection: int) -> int:
    pidfd = process_tree.open_pidfd(child)
    poller = select.poll()
    if pidfd is not None:
        poller.register(pidfd, select.POLLIN)
    poller.register(connection, 0)  # a hang-up is always reported; data is not ours to read
    kill_at = None
    while True:
        # Other pids are orphans that the keeper adopted.
        reaped, status = os.waitpid(-1, os.WNOHANG)
        if reaped == child:
            return status
        if kill_at is not None and (_is_session or time.monotonic() >= kill_at):
            process_tree.kill_trees([child])
        known = pidfd is not None and kill_at is None
        for descriptor, _ in poller.poll(None if known else _LOOK_MS):
            if descriptor == connection:
                poller.unregister(connection)
                kill_at = time.monotonic() + _PARTING


def _clear_up(patience: float) -> None:
    """End the processes that the session left."""
    end = time.monotonic() + patience
    while True:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if reaped:
            continue
        if time.monotonic() >= end:
            process_tree.kill_trees(process_tree.children_of(os.getpid()))
        time.sleep(_LOOK_MS / 1000)


def _end_like(status: int) -> None:
    """End as the child did: the engine takes this process for that one."""
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        ending = os.WTERMSIG(status)
        if ending != signal.SIGKILL:
            signal.signal(ending, signal.SIG_DFL)
        os.kill(os.getpid(), ending)
    os._exit(os.WEXITSTATUS(status))
