"""One pytest session, from arguments to exit: the same flow in every role.

`pytest.main` runs once in a process. Roles differ in where our plugin parks: a runner is a fork
that returns from the park inside `pytest_runtestloop`, and so ends its session as plain pytest
does.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import pytest

from .. import start_over
from ..inputs.recorder import Inputs
from ..output.coverage_data import CoverageMeasurement, Missing
from ..processes import process_exit
from ..state import Worker
from ..timings.timer import Timer
from ..unpatched import os
from ..wire import Message, cut
from . import (
    artifacts_fixture,
    debugger,
    hypothesis_summary,
    narrow_collection,
    program_arguments,
)
from .arguments import command_line, given
from .left_out import LeftOut
from .plugin import LensPlugin
from .pytest_prebuild import PrebuiltConfig


def run(worker: Worker, config: PrebuiltConfig) -> NoReturn:
    """Run the session that `worker` describes, and end the process."""
    if worker.options.record:
        worker.inputs = Inputs(worker.root, worker.boot.cache_dir)
    if worker.options.timings:
        worker.timer = Timer(worker.root)
        worker.timer.start_collection()
    plugin = LensPlugin(worker)
    _may_return(worker)
    _measure(worker)
    _debug(worker)
    try:
        os.chdir(worker.folder)
        with config.in_place(), plugin.installed():
            plugins: list[object] = [plugin, plugin.argument_files, plugin.report_header]
            plugins += [artifacts_fixture, narrow_collection, hypothesis_summary]
            if worker.options.nested:
                plugins.append(LeftOut(worker.options.nested))
            if worker.inputs is not None:
                plugins.append(worker.inputs)
            if worker.timer is not None:
                plugins.append(worker.timer)
            if plugin.silent_hooks is not None:
                plugins.append(plugin.silent_hooks)
            program_arguments.begin(given(worker))
            status = int(pytest.main(command_line(worker), plugins=plugins))
    except BaseException as error:  # SystemExit in a conftest, among others
        plugin.startup_errors.note(error)
        status = _uncaught(error)
    if plugin.is_controller:
        process_exit.run_exit_handlers()
        process_exit.leave(status)
    if worker.measurement is not None:
        worker.measurement.stop()
    plugin.refuse_if(not plugin.startup_errors.past_startup)
    plugin.startup_errors.report(worker, status)
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass
    process_exit.run_exit_handlers()
    plugin.end_controller()
    bye: Message = {"t": "bye", "exitstatus": status, "expected": plugin.expected_status}
    bye["message"] = plugin.startup_errors.at_the_end() or plugin.screen.verdict()
    summary = plugin.screen.summary()
    if summary:
        bye["summary"] = cut(summary)
    worker.send(bye)
    process_exit.leave(status)


def _uncaught(error: BaseException) -> int:
    """The exit status of a Python program that such an exception ends."""
    if isinstance(error, SystemExit):
        code = error.code
        return 0 if code is None else code & 0xFF if isinstance(code, int) else 1
    return 1


def _may_return(worker: Worker) -> None:
    """Let the session start over if a module that was imported in advance does not fit it."""
    hidden = worker.hidden_modules
    if hidden is None or not hidden.modules:
        return
    restart = worker.restart = start_over.Restart(worker)

    def refuse(name: str) -> bool:
        # An effect outside the session's memory must not happen twice.
        if not worker.has_acted or hidden.has_extensions(name):
            restart.without(name)
        return hidden.has_extensions(name)

    hidden.refuse = refuse


def _debug(worker: Worker) -> None:
    """Wait for a debugger if the options ask for one."""
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
    """Begin to measure coverage if the options ask for it."""
    if worker.options.coverage is None:
        return
    try:
        worker.measurement = CoverageMeasurement(worker.options.coverage)
        worker.measurement.start()
    except Missing as missing:
        worker.send({"t": "usage_error", "message": str(missing)})
        process_exit.leave(4)
    except Exception as error:  # a configuration that coverage does not understand
        worker.send({"t": "usage_error", "message": f"coverage can't be measured: {error}"})
        process_exit.leave(4)
