"""The controller of a session that poses as a worker of pytest-xdist: a fork of the session.

It goes on with pytest's configuration without being a worker, calls the project's hooks for the
input of each worker, and collects nothing. If it keeps something for the workers (a server, a
thread, a file) or has hooks for its end, it stays until the session and all its forks have ended,
as xdist's controller does; else it ends at once.
"""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from .. import own_code
from ..processes import fork_safety, process_exit, process_tree
from ..sharing.shareable import SharingCheck
from ..state import Worker
from ..unpatched import os, time
from ..watching.snapshot import Snapshot
from ..wire import Channel, Message
from . import arguments

_HOOK = "pytest_configure_node"
# Packages whose hooks of that name are switched off here.
_SWITCHED_OFF = ("xdist", "pytest_cov")

# How long the controller may take to end after the last of its workers, in seconds.
_PARTING = 10.0
_LOOK = 0.002


class Node:
    """A worker, as the controller's hooks see it."""

    def __init__(self, config: Any, name: str, workerinput: Message) -> None:
        self.config = config
        self.gateway = Gateway(name)
        self.workerinput = self.slaveinput = workerinput


class Gateway:
    """The part of a node's gateway that hooks read."""

    def __init__(self, name: str) -> None:
        self.id = name


class Controller:
    """One end of the connection between a session and its controller, in either process."""

    def __init__(self, worker: Worker, snapshot: Snapshot, sharing: SharingCheck) -> None:
        self._worker = worker
        self._snapshot = snapshot
        self._sharing = sharing
        self.is_here = False
        self._session = os.getpid()
        self._pid = 0
        self._answers: Any = None
        # Open in the session and its forks; the controller waits for its end.
        self._lifeline = -1

    def fork(self) -> bool:
        """Fork; `is_here` is true in the controller. False if the fork fails."""
        receive, send = os.pipe()
        end, lifeline = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            for number in (receive, send, end, lifeline):
                os.close(number)
            return False
        self.is_here = self._pid == 0
        if self.is_here:
            process_tree.lead_group()
            process_tree.die_with_parent(self._session)
            process_exit.forget_inherited()
            os.close(receive)
            os.close(lifeline)
            self._answers, self._lifeline = os.fdopen(send, "w", encoding="utf-8"), end
            self._worker.channel = _ToSession(self._answers)
            self._sharing.ignore(files=(send, end))
        else:
            os.close(send)
            os.close(end)
            self._answers, self._lifeline = os.fdopen(receive, encoding="utf-8"), lifeline
            self._sharing.ignore(files=(lifeline,), children=(self._pid,))
        return True

    # In the session

    def inputs(self) -> tuple[dict[str, Message], list[str]]:
        """The input of each worker by its name, and why no two runs may share them."""
        with self._answers:
            for line in self._answers:
                message = _parsed(line)
                if message.get("t") == "effect":
                    # It has ended before its first effect, and so does this unasked session.
                    self._worker.send(message)
                    process_exit.leave(0)
                if message.get("t") == "inputs":
                    self._snapshot.adopt(message["records"])
                    if not message["reasons"]:
                        self.end()
                    return message["inputs"], message["reasons"]
        self.end()
        return {}, []

    def end(self) -> None:
        """Let the controller end, and wait until it has; its forks do nothing here."""
        if self._lifeline < 0 or self.is_here:
            return
        os.close(self._lifeline)
        self._lifeline = -1
        if os.getpid() != self._session:
            return
        deadline = time.monotonic() + _PARTING
        while True:
            try:
                reaped, _ = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:  # a test has waited for any child
                return
            if reaped:
                return
            if time.monotonic() >= deadline:
                process_tree.kill_trees([self._pid])
            time.sleep(_LOOK)

    # In the controller

    def answer(self, session: Any, slots: dict[str, Message]) -> None:
        """Call the hooks for each worker and send the inputs; ends the process if nothing stays."""
        config, inputs = session.config, {}
        for name, basics in slots.items():
            node = Node(config, name, basics)
            _call_hooks(config, node)
            inputs[name] = node.workerinput
        known = fork_safety.harmless(self._worker.boot.harmless)
        reasons = [
            *self._sharing.finish(config),
            *fork_safety.of_session(session, known, self._worker.root),
        ]
        records = self._snapshot.records()
        self._worker.send({"t": "inputs", "inputs": inputs, "reasons": reasons, "records": records})
        self._worker.channel.close()
        if not reasons:
            os._exit(0)

    def wait_for_workers(self, session: Any) -> None:
        """Wait until all workers have ended: the session's last hooks come next."""
        while os.read(self._lifeline, 1):
            pass
        session.testscollected = 1  # somewhere: none would be an error


class _ToSession(Channel):
    """Stands for the connection to the engine: what the controller reports goes to the session."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self.pid = os.getpid()
        self.is_sending = False

    def send(self, message: Message) -> None:
        with contextlib.suppress(OSError, ValueError):  # the session has ended, or has its answer
            self._pipe.write(repr(message) + "\n")
            self._pipe.flush()

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self._pipe.close()


def _parsed(line: str) -> Message:
    try:
        message = ast.literal_eval(line)
    except (ValueError, SyntaxError):
        return {}
    return message if isinstance(message, dict) else {}


def _call_hooks(config: Any, node: Node) -> None:
    """Call the hooks that fill in the input of a worker."""
    manager = config.pluginmanager
    hook = getattr(config.hook, _HOOK, None)
    if hook is not None:
        hook(node=node)
    if manager.hasplugin("xdist"):
        return
    # Without xdist no plugin has registered the classes that are for it alone.
    for owner in _hook_owners(manager):
        if isinstance(owner, type) and not any(type(one) is owner for one in manager.get_plugins()):
            with contextlib.suppress(Exception):
                getattr(owner(), _HOOK)(node=node)


def is_wanted(worker: Worker, config: Any, is_mentioned: bool) -> bool:
    """Whether hooks may do something in the controller alone.

    They fill in the input of workers (some plugins register the class later), or set something up
    where they find no such input. `is_mentioned`: the project looks for it.
    """
    owners = _hook_owners(config.pluginmanager)
    return next(owners, None) is not None or (
        is_mentioned and arguments.hooks_may_act_at_start(worker, config)
    )


def is_for_all(worker: Worker, manager: Any, is_mentioned: bool) -> bool:
    """Whether what the controller keeps belongs to all workers of a run, and is there once.

    Known plugins may have one for each worker.
    """
    known = fork_safety.harmless(worker.boot.harmless)
    return is_mentioned or any(
        fork_safety.is_foreign(owner, known)
        for owner in _hook_owners(manager)
        if not isinstance(owner, type)
    )


def _hook_owners(manager: Any) -> Iterator[Any]:
    """The plugins that implement the hook, and the classes in them that do."""
    for plugin in manager.get_plugins():
        module = getattr(plugin, "__name__", None) or type(plugin).__module__
        if str(module).partition(".")[0] in (*_SWITCHED_OFF, "_pytest", own_code.PACKAGE):
            continue
        owners = [plugin]
        if isinstance(plugin, ModuleType):
            owners += [one for one in list(vars(plugin).values()) if isinstance(one, type)]
        for owner in owners:
            if callable(getattr(owner, _HOOK, None)):
                yield owner
