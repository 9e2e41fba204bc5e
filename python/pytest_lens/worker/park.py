"""A parked process waits for the engine, forks on request and reaps its forks.

The base parks (pytest is loaded, nothing of the project), and so does a collected session. In a
forked child :meth:`Park.serve` returns, and the caller decides how the child goes on.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from typing import Callable

from .processes import after_fork, process_tree
from .state import Options, Worker
from .unpatched import os, select, signal
from .wire import EngineGone, Message

# How long a process that has just parked waits for a request before it prepares for forks, in
# milliseconds: the request of a run that waits comes sooner, and may need no fork.
_REQUEST_WITHIN = 10

# How often a parked process looks for forks that ended if there are no pidfds, in milliseconds.
_REAP_EVERY = 20


@dataclass
class Command:
    """The engine's request: ``fork`` (this is the child), ``become`` or ``exit``."""

    kind: str
    role: str
    options: Options
    # See `Worker.purpose`.
    purpose: str = "run"


@dataclass
class _Child:
    name: str
    pidfd: int | None


class Park:
    """Serves the engine's requests in a process that waits to be forked."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._children: dict[int, _Child] = {}
        self._exiting = False
        # Makes forks cheap; None once it is done.
        self._preparation: Callable[[bool], None] | None = None
        # Children that the project started while it was imported are not ours to wait for.
        self._not_ours = set(process_tree.children_of(os.getpid()))
        process_tree.adopt_orphans()
        # Set before the engine knows of this process: an interrupt from the terminal is meant for
        # tests, not for a parked process.
        self._before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
        if hasattr(os, "fork") and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            # The kernel would reap the forks, and nobody would learn their status.
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def serve(self, prepare: Callable[[bool], None] | None = None) -> Command:
        """Wait for requests; returns in each forked child, and at the end of the wait.

        `prepare` makes forks cheap. It is called once, while nobody waits or before the first fork,
        and receives whether somebody waits.
        """
        self._preparation = prepare
        command = None
        while command is None:
            command = self._step()
        for number, handler in self._before.items():
            if handler is not None:
                signal.signal(number, handler)
        return command

    def _step(self) -> Command | None:
        try:
            message = self._worker.channel.poll()
            if message is None:
                self._wait()
                self._reap()
            elif message["t"] == "fork":
                return self._fork(message)
            elif message["t"] == "become":
                return self._become(message)
            elif message["t"] == "exit":
                self._exiting = True
        except EngineGone:
            self._kill_children()
            self._worker.channel.close()
            return Command("exit", "", Options())
        # Forks die with their parent: an exit waits for those that still run.
        if self._exiting and not self._children:
            return Command("exit", "", Options())
        return None

    def _prepare(self, is_awaited: bool) -> None:
        prepare, self._preparation = self._preparation, None
        if prepare is not None:
            prepare(is_awaited)

    def _wait(self) -> None:
        poller = select.poll()
        poller.register(self._worker.channel.fileno(), select.POLLIN)
        if self._preparation is not None and not poller.poll(_REQUEST_WITHIN):
            self._prepare(is_awaited=False)
        timeout: int | None = None
        for child in self._children.values():
            if child.pidfd is None:
                timeout = _REAP_EVERY
            else:
                poller.register(child.pidfd, select.POLLIN)
        poller.poll(timeout)

    def _reap(self) -> None:
        # Each by its own id: a wait for any child would reap children of the project.
        for pid in list(self._children):
            try:
                reaped, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                reaped, status = pid, None
            if reaped != pid:
                continue
            child = self._children.pop(pid)
            if child.pidfd is not None:
                os.close(child.pidfd)
            self._reap_orphans(self._was_cut_short(pid, status))
            self._worker.send(_exited(child.name, pid, status))

    def _was_cut_short(self, pid: int, status: int | None) -> bool:
        """Whether a fork crashed, or was ended because a test in it took too long."""
        if status is not None and os.WIFSIGNALED(status):
            return True
        try:
            return os.stat(process_tree.stacks_path(self._worker.boot.tmp_dir, pid)).st_size > 0
        except OSError:
            return False

    def _reap_orphans(self, kill: bool) -> None:
        """Reap the processes that forks left; `kill` them if a fork was cut short."""
        known = self._not_ours | set(self._children)
        orphans = [pid for pid in process_tree.children_of(os.getpid()) if pid not in known]
        if kill:
            process_tree.kill_trees(orphans)
        for pid in orphans:
            try:
                os.waitpid(pid, 0 if kill else os.WNOHANG)
            except ChildProcessError:
                pass

    def _kill_children(self) -> None:
        # Orphans that this process adopted go too: nobody else would end them. Again until none is
        # left: a fork may end its own children at the same time, and leave one that was not seen.
        has_ended = True
        while has_ended:
            has_ended = False
            children = process_tree.children_of(os.getpid())
            process_tree.kill_trees(children)
            for pid in children:
                try:
                    os.waitpid(pid, 0)
                    has_ended = True
                except ChildProcessError:
                    pass

    def _become(self, message: Message) -> Command:
        self._worker.name = message["host"]  # same process, same connection
        role, options = message["role"], Options.parse(message.get("options"))
        return Command("become", role, options, message.get("purpose", "run"))

    def _fork(self, message: Message) -> Command | None:
        worker = self._worker
        name, role = message["host"], message["role"]
        parent = os.getpid()
        self._prepare(is_awaited=True)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass
        inherited = after_fork.before_fork()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pid = os.fork()
        except OSError as error:
            failure = {"message": str(error), "errno": error.errno}
            worker.send({"t": "fork_failed", "host": name, **failure})
            return None
        if pid:
            self._children[pid] = _Child(name, process_tree.open_pidfd(pid))
            worker.send({"t": "forked", "host": name, "pid": pid})
            return None
        process_tree.lead_group()
        if role not in ("collected", "configured", "prestarted"):
            process_tree.die_with_parent(parent)
            process_tree.adopt_orphans()
        for child in self._children.values():
            if child.pidfd is not None:
                os.close(child.pidfd)
        self._children.clear()
        self._exiting = False
        try:
            worker.connect(name, role, worker.name)
        except OSError:
            os._exit(70)
        after_fork.restore(inherited)
        return Command(
            "fork", role, Options.parse(message.get("options")), message.get("purpose", "run")
        )


def _exited(name: str, pid: int, status: int | None) -> Message:
    code = signal_number = None
    if status is not None and os.WIFSIGNALED(status):
        signal_number = os.WTERMSIG(status)
    elif status is not None:
        code = os.WEXITSTATUS(status)
    return {"t": "exited", "host": name, "pid": pid, "code": code, "signal": signal_number}
