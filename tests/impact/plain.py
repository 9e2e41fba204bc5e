"""Runs plain pytest again and again, each time in a fork of this process, which imported pytest.

A line of standard input is the time limit of a run in seconds; the answer is a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from typing import Any

import pytest

ARGUMENTS = ["-q", "--tb=no", "-p", "no:cacheprovider", "--continue-on-collection-errors"]


class Outcomes:
    """Writes each outcome at once, for a run may not come to its end."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (until the process ends)

    def _write(self, test: str, outcome: str) -> None:
        print(json.dumps([test, outcome]), file=self._file, flush=True)

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
        try:
            os.setpgid(0, 0)
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(null, descriptor)
            # As `python -m pytest` does.
            sys.path.insert(0, os.getcwd())
            pytest.main(ARGUMENTS, plugins=[Outcomes(path)])
        finally:
            os._exit(0)
    timed_out = not _ended(pid, limit)
    if timed_out:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    outcomes: dict[str, str] = {}
    with open(path, encoding="utf-8") as file:
        for test, outcome in map(json.loads, file):
            if outcomes.get(test) != "failed":
                outcomes[test] = outcome
    os.unlink(path)
    return {"outcomes": outcomes, "timed_out": timed_out}


def _ended(pid: int, limit: float) -> bool:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.01)
    return False


if __name__ == "__main__":
    # It lies next to this file, and is none of the suite's.
    sys.path.pop(0)
    for line in sys.stdin:
        print(json.dumps(run(float(line))), flush=True)
