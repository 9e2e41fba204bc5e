"""Runs plain pytest again and again, each time in a fork of this process.

It has imported pytest and its plugins, and after the first run all modules that are not the
suite's. A line of standard input is a list of tests to leave out; the answer is a line of JSON.
"""

from __future__ import annotations

import contextlib
import importlib
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
# A run may be silent this many times as long as the first was, and this many seconds more.
PATIENCE, GRACE_S = 5, 5
# The longest silence of the first run, in seconds.
FIRST_S = 120
LOOK_S = 0.01
# The folder of the suite.
ROOT = os.path.join(os.getcwd(), "")
# Stands among the outcomes for the modules that a run has imported.
MODULES = "*"


class Outcomes:
    """Writes each outcome at once, for a run may not come to its end."""

    def __init__(self, path: str, left_out: set[str]) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (until the process ends)
        self._left_out = left_out

    def write(self, test: str, outcome: Any) -> None:
        """One line."""
        print(json.dumps([test, outcome]), file=self._file, flush=True)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.write(report.nodeid, "uncollected")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self._left_out:
            items[:] = [item for item in items if item.nodeid not in self._left_out]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.write(nodeid, "begun")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed or report.skipped or report.when == "call":
            self.write(report.nodeid, "failed" if report.failed else report.outcome)


def run(left_out: set[str], limit: float) -> tuple[dict[str, Any], float]:
    """One run that may be silent for `limit` seconds: the answer, and its longest silence."""
    handle, path = tempfile.mkstemp()
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
            outcomes = Outcomes(path, left_out)
            status = int(pytest.main(ARGUMENTS, plugins=[outcomes]))
            outcomes.write(MODULES, loaded(own=False))
        finally:
            os._exit(status)
    status, longest = _wait(pid, handle, limit)
    if status is None:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    found: dict[str, Any] = {}
    with open(handle, encoding="utf-8") as file:
        for test, outcome in map(json.loads, file):
            if found.get(test) != "failed":
                found[test] = outcome
    os.unlink(path)
    is_empty = status == pytest.ExitCode.NO_TESTS_COLLECTED
    return {"outcomes": found, "timed_out": status is None, "is_empty": is_empty}, longest


def _wait(pid: int, handle: int, limit: float) -> tuple[int | None, float]:
    """The exit status, or None after a silence that is too long; and the longest one."""
    size, heard, longest = 0, time.monotonic(), 0.0
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        now = time.monotonic()
        longest = max(longest, now - heard)
        if ended:
            return os.waitstatus_to_exitcode(status), longest
        written = os.fstat(handle).st_size
        if written != size:
            size, heard = written, now
        elif now - heard > limit:
            return None, longest
        time.sleep(LOOK_S)


def loaded(*, own: bool) -> list[str]:
    """The loaded modules that are the suite's, or are not."""
    files = [(name, getattr(module, "__file__", None)) for name, module in sys.modules.items()]
    return [name for name, file in files if isinstance(file, str) and file.startswith(ROOT) is own]


def prepare(modules: list[str], limit: float) -> None:
    """Import modules; start over without them if that has imported something of the suite."""
    for name in modules:
        with contextlib.suppress(BaseException):
            importlib.import_module(name)
    if loaded(own=True):
        os.execv(sys.executable, [sys.executable, __file__, str(limit)])


def main() -> None:
    """Run until the input ends. The argument is the limit, if this process has started over."""
    limit = float(sys.argv[1]) if len(sys.argv) > 1 else None
    for line in sys.stdin:
        answer, longest = run(set(json.loads(line)), FIRST_S if limit is None else limit)
        modules = answer["outcomes"].pop(MODULES, [])
        print(json.dumps(answer), flush=True)
        if limit is None:
            limit = PATIENCE * longest + GRACE_S
            prepare(modules, limit)


if __name__ == "__main__":
    # This file's folder is none of the suite's.
    sys.path.pop(0)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    main()
