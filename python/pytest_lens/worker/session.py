"""One pytest session, from arguments to exit: the same flow in every role.

`pytest.main` runs once in a process. What differs between roles is where our plugin parks; a
runner is a fork that comes back from the park inside `pytest_runtestloop` and so ends its session
the way plain pytest does.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import pytest

from . import ending
from .arguments import command_line
from .plugin import LensPlugin
from .prepared import ReadyConfig
from .state import Worker


def run(worker: Worker, config: ReadyConfig) -> NoReturn:
    """Run the session that `worker` was told to, and end the process."""
    plugin = LensPlugin(worker)
    try:
        with config.in_place(), plugin.installed():
            status = int(pytest.main(command_line(worker), plugins=[plugin]))
    except BaseException as error:  # SystemExit in a conftest, among others
        plugin.failures.note(error)
        status = 3
    plugin.failures.report(worker, status)
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass
    ending.run_exit_handlers()
    worker.send({"t": "bye", "exitstatus": status})
    ending.leave(status)
