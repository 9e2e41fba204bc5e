"""Records plain pytest's verdicts: the other side of the comparison of `cargo xtask fidelity`.

Loaded with `-p lens_recorder`; writes one JSON object a test to the file that `LENS_RECORD` names.
It folds reports into outcomes on its own and shares no code with the worker, so that the two cannot
be wrong together.
"""

from __future__ import annotations

import json
import os
from typing import Any, TextIO

import pytest


class Recorder:
    """Folds the reports of each test into one outcome, written when the test is over."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.reports: dict[str, dict[str, str]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        phases = self.reports.setdefault(report.nodeid, {})
        if type(report).__name__ in ("SubtestReport", "SubTestReport"):
            if report.outcome == "failed":
                phases["subtest"] = "failed"
            return
        if report.when == "setup":
            # The test starts over where a plugin repeats it: the last attempt counts.
            phases.clear()
        phases[report.when] = verdict(report)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        phases = self.reports.pop(nodeid, None)
        if phases:
            self.file.write(json.dumps({"id": nodeid, "outcome": fold(phases)}) + "\n")
            self.file.flush()


def verdict(report: Any) -> str:
    """The outcome of one phase: passed, failed, skipped, xfailed or xpassed."""
    if hasattr(report, "wasxfail"):
        if report.outcome == "skipped":
            return "xfailed"
        if report.outcome == "passed" and report.when == "call":
            return "xpassed"
    return str(report.outcome)


def fold(phases: dict[str, str]) -> str:
    """The outcome of a test, from the outcomes of its phases and whether a subtest failed."""
    if phases.get("setup") == "failed" or phases.get("teardown") == "failed":
        return "error"
    if phases.get("setup") in ("skipped", "xfailed"):
        return phases["setup"]
    if "failed" in (phases.get("call"), phases.get("subtest")):
        return "failed"
    return phases.get("call", "not_run")


def pytest_configure(config: pytest.Config) -> None:
    # Popped, so that a pytest started by a test does not write into the same record.
    path = os.environ.pop("LENS_RECORD", None)
    if path is not None:
        file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open until the process ends)
        config.add_cleanup(file.close)
        config.pluginmanager.register(Recorder(file), "lens-recorder")
