"""Runs plain pytest again and again, each time in a fork of this process, which imported pytest
and its plugins.

A line of standard input is the time limit of a run in seconds; the answer is a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from importlib.metadata import entry_points
from typing import Any

import pytest

ARGUMENTS = ["-q", "--tb=no", "-p", "no:cacheprovider", "--continue-on-collection-errors"]


class Outcomes:
    """Writes each outcome at once, for a run may not come to its end."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (until the process ends)

    def _write(self, test: str, outcome: str) -> None:
        print(json.dumps([test, outcome]), file=self._file, flush=True)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._write(report.nodeid, "uncollected")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._write(nodeid, "begun")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed or report.skipped or report.when == "call":
            self._write(report.nodeid, "failed" if report.failed else report.outcome)


def run(limit: float) -> dict[str, Any]:
    """One run."""
    handle, path = tempfile.mkstemp()
    os.close(handle)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            # As `python -m pytest` does.
            sys.path.insert(0, os.getcwd())
            status = int(pytest.main(ARGUMENTS, plugins=[Outcomes(path)]))
        finally:
            os._exit(status)
    status = _wait(pid, limit)
    if status is None:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    outcomes: dict[str, str] = {}
    with open(path, encoding="utf-8") as file:
        for test, outcome in map(json.loads, file):
            if outcomes.get(test) != "failed":
                outcomes[test] = outcome
    os.unlink(path)
    is_empty = status == pytest.ExitCode.NO_TESTS_COLLECTED
    return {"outcomes": outcomes, "timed_out": status is None, "is_empty": is_empty}


def _wait(pid: int, limit: float) -> int | None:
    """The exit status; None after a time-out."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    return None


if __name__ == "__main__":
    # This file's folder is none of the suite's.
    sys.path.pop(0)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    for line in sys.stdin:
        print(json.dumps(run(float(line))), flush=True)
