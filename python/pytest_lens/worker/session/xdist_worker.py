"""Makes a session look like a worker of pytest-xdist, if the project asks for several processes.

The engine distributes tests, not xdist. But fixtures and hooks find what they find in a worker:
its name in the environment before any conftest is imported, and the input that the controller gives
it. The controller is a fork that goes on with pytest's configuration without being a worker, calls
the project's hooks for the input of each worker, and ends.
"""

from __future__ import annotations

import ast
import contextlib
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from .. import own_code
from ..unpatched import os, time
from ..wire import Message

_HOOK = "pytest_configure_node"
# Packages whose hooks of that name are switched off here.
_SWITCHED_OFF = ("xdist", "pytest_cov")
_MENTIONS = (b"PYTEST_XDIST_WORKER", b"workerinput")

# Whether a file of the project reads which worker it is in: each worker must import it itself.
is_mentioned = False


def note(source: bytes) -> None:
    """Look for the names of xdist in a file of the project that is about to run."""
    global is_mentioned
    if not is_mentioned and any(word in source for word in _MENTIONS):
        is_mentioned = True


def asked(option: Any) -> int:
    """How many processes the arguments ask xdist for."""
    count = getattr(option, "numprocesses", None)
    if isinstance(count, str):  # "auto", "logical"
        return os.cpu_count() or 1
    return int(count or 0) or len(getattr(option, "tx", None) or ())


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


class XdistWorker:
    """This session as one of xdist's workers."""

    def __init__(self) -> None:
        self._slot: Message | None = None
        self._from_controller: dict[str, Message] = {}
        self._controller: Controller | None = None

    def begin(self, option: Any, slot: Message | None) -> None:
        """Before conftests are imported: take `slot`, or the first if the options ask for any."""
        count = asked(option)
        if slot is None and count:
            slot = {"index": 0, "count": count, "run": f"{time.time_ns():032x}"}
        self._slot = slot
        if slot is not None:
            _set_variables(slot)

    def configure(self, config: Any) -> None:
        """Before the project's hooks configure anything: get the input from the controller."""
        if self._slot is None:
            return
        if _has_hooks(config.pluginmanager) and threading.active_count() == 1:
            self._controller = Controller.fork(self._slot)
            if self._controller is not None and self._controller.is_here:
                return
            if self._controller is not None:
                self._from_controller = self._controller.wait()
        self._pose(config, self._slot)

    def configured(self, config: Any) -> None:
        """After the hooks that configure; the controller ends here."""
        if self._controller is not None and self._controller.is_here:
            self._controller.answer(config)

    def assign(self, config: Any, slot: Message) -> None:
        """Become the worker that a run names."""
        _set_variables(slot)
        self._pose(config, slot)

    def _pose(self, config: Any, slot: Message) -> None:
        config.workerinput = {**self._from_controller.get(_name(slot), {}), **_basics(slot)}


class Controller:
    """The fork that acts as xdist's controller, and the pipe to it."""

    def __init__(self, slot: Message, is_here: bool, pipe: int) -> None:
        self._slot = slot
        self.is_here = is_here
        self._pipe = pipe
        self._pid = 0

    @classmethod
    def fork(cls, slot: Message) -> Controller | None:
        """Fork; `is_here` is true in the controller. None if the fork fails."""
        receive, send = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(receive)
            os.close(send)
            return None
        os.close(receive if pid == 0 else send)
        controller = cls(slot, pid == 0, send if pid == 0 else receive)
        controller._pid = pid
        return controller

    def wait(self) -> dict[str, Message]:
        """The input of each worker, by its name."""
        with os.fdopen(self._pipe, "rb") as pipe:
            data = pipe.read()
        os.waitpid(self._pid, 0)
        try:
            inputs = ast.literal_eval(data.decode())
        except (ValueError, SyntaxError):
            return {}
        return inputs if isinstance(inputs, dict) else {}

    def answer(self, config: Any) -> None:
        """Call the hooks for each worker, send the inputs, and end the process."""
        try:
            for name in _VARIABLES:
                os.environ.pop(name, None)
            inputs = {}
            index = int(self._slot["index"])
            for number in range(max(int(self._slot["count"]), index + 1)):
                slot = {**self._slot, "index": number}
                node = Node(config, _name(slot), _basics(slot))
                _call_hooks(config, node)
                inputs[_name(slot)] = node.workerinput
            os.write(self._pipe, repr(inputs).encode())
        finally:
            os._exit(0)


_VARIABLES = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")


def _name(slot: Message) -> str:
    return f"gw{slot['index']}"


def _basics(slot: Message) -> Message:
    return {
        "workerid": _name(slot),
        "workercount": slot["count"],
        "testrunuid": slot["run"],
        "mainargv": ["pytest"],
    }


def _set_variables(slot: Message) -> None:
    os.environ["PYTEST_XDIST_WORKER"] = _name(slot)
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(slot["count"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = slot["run"]


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


def _has_hooks(manager: Any) -> bool:
    """Whether a plugin may fill in the input of workers; some register the class later."""
    return next(_hook_owners(manager), None) is not None


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
