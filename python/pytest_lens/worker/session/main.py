"""One pytest session, from arguments to exit: the same flow in every role.

`pytest.main` runs once in a process. What differs between roles is where our plugin parks; a
runner is a fork that comes back from the park inside `pytest_runtestloop` and so ends its session
the way plain pytest does.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import pytest

from .. import start_over
from ..output.coverage_data import Measuring, Missing
from ..processes import process_exit
from ..state import Worker
from . import artifacts_fixture, debugger
from .arguments import command_line
from .plugin import LensPlugin
from .pytest_prebuild import ReadyConfig


def run(worker: Worker, config: ReadyConfig) -> NoReturn:
    """Run the session that `worker` was told to, and end the process."""
    plugin = LensPlugin(worker)
    _may_return(worker)
    _measure(worker)
    _debug(worker)
    try:
        with config.in_place(), plugin.installed():
            plugins = [plugin, plugin.openings, artifacts_fixture]
            if plugin.abstaining is not None:
                plugins.append(plugin.abstaining)
            status = int(pytest.main(command_line(worker), plugins=plugins))
    except BaseException as error:  # SystemExit in a conftest, among others
        plugin.failures.note(error)
        status = 3
    if worker.measuring is not None:
        worker.measuring.stop()
    plugin.refuse_if(not plugin.failures.settled)
    plugin.failures.report(worker, status)
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass
    process_exit.run_exit_handlers()
    worker.send({"t": "bye", "exitstatus": status, "message": plugin.screen.verdict()})
    process_exit.leave(status)


def _may_return(worker: Worker) -> None:
    """Start over where what was imported in advance turns out not to fit the project."""
    stash = worker.stash
    if stash is None or not stash.modules:
        return
    way_back = worker.way_back = start_over.Return(worker)

    def refuse(name: str) -> bool:
        # What the session has done outside of its memory must not be done twice.
        if not worker.has_acted or stash.has_extensions(name):
            way_back.without(name)
        return stash.has_extensions(name)

    stash.refuse = refuse


def _debug(worker: Worker) -> None:
    """Wait for a debugger, where that is asked for."""
    if not worker.options.debug:
        return
    try:
        debugger.wait_for_client(worker)
    except debugger.Missing as missing:
        worker.send({"t": "usage_error", "message": str(missing)})
        process_exit.leave(4)
    except RuntimeError as error:
        worker.send({"t": "internal_error", "message": f"debugpy can't listen: {error}"})
        process_exit.leave(3)


def _measure(worker: Worker) -> None:
    """Begin to measure coverage, where that is asked for."""
    if worker.options.coverage is None:
        return
    try:
        worker.measuring = Measuring(worker.options.coverage)
        worker.measuring.start()
    except Missing as missing:
        worker.send({"t": "usage_error", "message": str(missing)})
        process_exit.leave(4)
    except Exception as error:  # a configuration that coverage does not understand
        worker.send({"t": "usage_error", "message": f"coverage can't be measured: {error}"})
        process_exit.leave(4)
