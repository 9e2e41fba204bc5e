"""A process starts over in a fresh interpreter: same process, same connection to the engine.

A base starts over without a module that made it unsafe to fork. A session starts over without the
modules that were imported in advance, if they do not fit the project.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, NoReturn

from . import high_descriptors
from .state import Options, Worker
from .unpatched import json, os

# The process's own output while pytest captures: low descriptors belong to the tests.
_OUTPUT = (1, 2)


def start(worker: Worker, resume: dict[str, Any] | None = None, **changes: Any) -> NoReturn:
    """Start over; `resume` describes the session to go on with, if there was one."""
    connection = worker.channel.fileno()
    boot = dataclasses.replace(worker.boot, connection=connection, resume=resume, **changes)
    os.set_inheritable(connection, True)
    os.environ["PYTEST_LENS_BOOT"] = json.dumps(dataclasses.asdict(boot))
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = f"import sys;sys.path.insert(0,{here!r});from {__package__}.boot import main;main()"
    os.execv(sys.executable, [sys.executable, "-c", code])


class Restart:
    """Starts a session over that imports modules which were imported in advance."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._environ = dict(os.environ)
        self._output = [_copy(number) for number in _OUTPUT]
        self._open = True

    def close(self) -> None:
        """The engine knows what the session has collected: it can't start over any more."""
        if self._open:
            self._open = False
            for number in self._output:
                os.close(number)

    def without(self, name: str) -> bool:
        """Start over, and never import `name` in advance again; false if it is too late."""
        if not self._open:
            return False
        worker = self._worker
        for number, saved in zip(_OUTPUT, self._output):
            os.dup2(saved, number)
        os.chdir(worker.root)
        os.environ.clear()
        os.environ.update(self._environ)
        start(
            worker,
            resume={
                "host": worker.name,
                "role": worker.role,
                "options": dataclasses.asdict(worker.options),
                "purpose": worker.purpose,
                "unfit": [*worker.unfit, name],
            },
            preload=[],
        )


def resume(worker: Worker, previous: dict[str, Any]) -> None:
    """Restore the state that the process had before it started over."""
    worker.name, worker.role = previous["host"], previous["role"]
    worker.options, worker.purpose = Options.parse(previous["options"]), previous["purpose"]
    worker.unfit = previous["unfit"]


def _copy(number: int) -> int:
    copy = high_descriptors.copy(number)
    return os.dup(number) if copy is None else copy
