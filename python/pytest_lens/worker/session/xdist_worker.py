"""Makes a session look like a worker of pytest-xdist, if the project asks for several processes.

The engine distributes tests, not xdist. But fixtures and hooks find what they find in a worker:
its name in the environment before any conftest is imported, and the input that the controller gives
it (`xdist_controller`).
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from ..running import crash_repeats
from ..sharing.shareable import SharingCheck
from ..state import Worker
from ..unpatched import os, time
from ..watching.snapshot import Snapshot
from ..wire import Message
from . import xdist_controller
from .xdist_controller import Controller

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


class XdistWorker:
    """This session as one of xdist's workers."""

    def __init__(self, worker: Worker, snapshot: Snapshot, sharing: SharingCheck) -> None:
        self._parts = (worker, snapshot, sharing)
        self._slot: Message | None = None
        self._from_controller: dict[str, Message] = {}
        self._controller: Controller | None = None
        # Why no two runs may share what the controller made.
        self.reasons: list[str] = []
        # The controller made something that is there once, for all workers of a run.
        self.has_one_controller = False

    @property
    def is_controller(self) -> bool:
        """Whether this process is the controller, and not the session."""
        return self._controller is not None and self._controller.is_here

    @property
    def has_controller(self) -> bool:
        """Whether a process waits for what this session reports to it."""
        return self._controller is not None

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
            crash_repeats.count_here()
            return
        worker = self._parts[0]
        is_wanted = xdist_controller.is_wanted(worker, config, is_mentioned)
        if is_wanted and threading.active_count() == 1:
            controller = Controller(*self._parts)
            if controller.fork():
                self._controller = controller
                if controller.is_here:
                    for name in _VARIABLES:
                        os.environ.pop(name, None)
                    return
                self._from_controller, self.reasons = controller.inputs()
                self.has_one_controller = bool(self.reasons) and xdist_controller.is_for_all(
                    worker, config.pluginmanager, is_mentioned
                )
        self._pose(config, self._slot)

    def started(self, session: Any) -> None:
        """After the hooks that start the session: the controller makes the workers' inputs."""
        if self._controller is None or not self._controller.is_here or self._slot is None:
            return
        count = max(int(self._slot["count"]), int(self._slot["index"]) + 1)
        slots = [{**self._slot, "index": number} for number in range(count)]
        self._controller.answer(session, {_name(slot): _basics(slot) for slot in slots})

    def wait_for_workers(self, session: Any) -> None:
        """In the controller: wait until its workers have ended."""
        if self._controller is not None:
            self._controller.wait_for_workers(session)

    def end(self) -> None:
        """In the session: it has ended, and so does the controller."""
        if self._controller is not None:
            self._controller.end()

    def assign(self, config: Any, slot: Message) -> None:
        """Become the worker that a run names."""
        _set_variables(slot)
        self._pose(config, slot)

    def _pose(self, config: Any, slot: Message) -> None:
        config.workerinput = {**self._from_controller.get(_name(slot), {}), **_basics(slot)}


_VARIABLES = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID")


def _name(slot: Message) -> str:
    return f"gw{slot['index']}"


def _basics(slot: Message) -> Message:
    return {
        "workerid": _name(slot),
        "workercount": slot["count"],
        "testrunuid": slot["run"],
        "mainargv": list(sys.argv),
    }


def _set_variables(slot: Message) -> None:
    os.environ["PYTEST_XDIST_WORKER"] = _name(slot)
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(slot["count"])
    os.environ["PYTEST_XDIST_TESTRUNUID"] = slot["run"]
