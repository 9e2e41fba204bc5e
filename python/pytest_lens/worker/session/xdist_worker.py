"""Where a project asks pytest-xdist for several processes, its sessions pose as xdist's workers.

Tests are given out by the engine, not by xdist. But fixtures and hooks find what they find in a
worker: its name in the environment before any conftest is imported, and what the controller hands
to it. The controller is a fork that goes on with pytest's configuration without being a worker,
asks the project's hooks what each worker gets, and ends.
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
# Packages whose hooks of that name have nothing to say where these switch them off.
_SWITCHED_OFF = ("xdist", "pytest_cov")
_MENTIONS = (b"PYTEST_XDIST_WORKER", b"workerinput")

# Whether a file of the project looks at which worker it is in: each has to import it for itself.
is_mentioned = False


def note(source: bytes) -> None:
    """A file of the project is about to run."""
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
    """A worker as the controller's hooks know it."""

    def __init__(self, config: Any, name: str, workerinput: Message) -> None:
        self.config = config
        self.gateway = Gateway(name)
        self.workerinput = self.slaveinput = workerinput


class Gateway:
    """The one thing that hooks ask a node's gateway for."""

    def __init__(self, name: str) -> None:
        self.id = name


class Posing:
    """This session as one of xdist's workers."""

    def __init__(self) -> None:
        self._place: Message | None = None
        self._from_controller: dict[str, Message] = {}
        self._controller: Controller | None = None

    def begin(self, option: Any, place: Message | None) -> None:
        """Before any conftest is imported: as `place` says, or as the first of those asked for."""
        count = asked(option)
        if place is None and count:
            place = {"index": 0, "count": count, "run": f"{time.time_ns():032x}"}
        self._place = place
        if place is not None:
            _set_variables(place)

    def configure(self, config: Any) -> None:
        """Before the project's own hooks configure anything."""
        if self._place is None:
            return
        if _has_hooks(config.pluginmanager) and threading.active_count() == 1:
            self._controller = Controller.fork(self._place)
            if self._controller is not None and self._controller.is_here:
                return
            if self._controller is not None:
                self._from_controller = self._controller.wait()
        self._pose(config, self._place)

    def configured(self, config: Any) -> None:
        """Behind the hooks that configure; the controller ends here."""
        if self._controller is not None and self._controller.is_here:
            self._controller.answer(config)

    def take(self, config: Any, place: Message) -> None:
        """A run says which worker this is."""
        _set_variables(place)
        self._pose(config, place)

    def _pose(self, config: Any, place: Message) -> None:
        config.workerinput = {**self._from_controller.get(_name(place), {}), **_basics(place)}


class Controller:
    """The fork that stands for xdist's controller, and the pipe to it."""

    def __init__(self, place: Message, is_here: bool, pipe: int) -> None:
        self._place = place
        self.is_here = is_here
        self._pipe = pipe
        self._pid = 0

    @classmethod
    def fork(cls, place: Message) -> Controller | None:
        """In both processes; which one this is says `is_here`."""
        receive, send = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(receive)
            os.close(send)
            return None
        os.close(receive if pid == 0 else send)
        controller = cls(place, pid == 0, send if pid == 0 else receive)
        controller._pid = pid
        return controller

    def wait(self) -> dict[str, Message]:
        """What the hooks have said, by the worker's name."""
        with os.fdopen(self._pipe, "rb") as pipe:
            data = pipe.read()
        os.waitpid(self._pid, 0)
        try:
            told = ast.literal_eval(data.decode())
        except (ValueError, SyntaxError):
            return {}
        return told if isinstance(told, dict) else {}

    def answer(self, config: Any) -> None:
        """Ask the hooks, tell, and end."""
        try:
            for name in _VARIABLES:
                os.environ.pop(name, None)
            told = {}
            index = int(self._place["index"])
            for number in range(max(int(self._place["count"]), index + 1)):
                place = {**self._place, "index": number}
                node = Node(config, _name(place), _basics(place))
                _hand(config, node)
                told[_name(place)] = node.workerinput
            os.write(self._pipe, repr(told).encode())
        finally:
            os._exit(0)


_VARIABLES = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")


def _name(place: Message) -> str:
    return f"gw{place['index']}"


def _basics(place: Message) -> Message:
    return {
        "workerid": _name(place),
        "workercount": place["count"],
        "testrunuid": place["run"],
        "mainargv": ["pytest"],
    }


def _set_variables(place: Message) -> None:
    os.environ["PYTEST_XDIST_WORKER"] = _name(place)
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(place["count"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = place["run"]


def _hand(config: Any, node: Node) -> None:
    """Have the hooks say what this worker gets."""
    manager = config.pluginmanager
    hook = getattr(config.hook, _HOOK, None)
    if hook is not None:
        hook(node=node)
    if manager.hasplugin("xdist"):
        return
    # Without xdist nobody has registered those that are for it alone.
    for holder in _holders(manager):
        if isinstance(holder, type) and not any(
            type(one) is holder for one in manager.get_plugins()
        ):
            with contextlib.suppress(Exception):
                getattr(holder(), _HOOK)(node=node)


def _has_hooks(manager: Any) -> bool:
    """Whether somebody may hand something to workers; some plugins register who does later."""
    return next(_holders(manager), None) is not None


def _holders(manager: Any) -> Iterator[Any]:
    """The plugins that hand something to workers, and the classes in them that do."""
    for plugin in manager.get_plugins():
        module = getattr(plugin, "__name__", None) or type(plugin).__module__
        if str(module).partition(".")[0] in (*_SWITCHED_OFF, "_pytest", own_code.PACKAGE):
            continue
        holders = [plugin]
        if isinstance(plugin, ModuleType):
            holders += [one for one in list(vars(plugin).values()) if isinstance(one, type)]
        for holder in holders:
            if callable(getattr(holder, _HOOK, None)):
                yield holder
