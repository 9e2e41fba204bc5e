"""Folds pytest's reports into one outcome for each attempt of a test, for the plugin to record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Attempt:
    """One attempt of a test: the outcome's name in the protocol, its duration in milliseconds."""

    node_id: str
    outcome: str
    duration_ms: float
    number: int


@dataclass
class _Reports:
    by_phase: dict[str, Any] = field(default_factory=dict)
    subtest_failed: bool = False
    attempts: int = 0


class Folder:
    """Receives reports of any tests in any order (xdist mixes them), and yields whole attempts."""

    def __init__(self) -> None:
        self._open: dict[str, _Reports] = {}
        self.attempts: list[Attempt] = []

    def add(self, report: Any) -> None:
        """Receive a report, from `pytest_runtest_logreport`."""
        node_id: str = report.nodeid
        reports = self._open.setdefault(node_id, _Reports())
        if type(report).__name__ in ("SubtestReport", "SubTestReport"):
            reports.subtest_failed = reports.subtest_failed or report.failed
            return
        if report.when not in ("setup", "call", "teardown"):  # xdist: the test's process died
            self._close(node_id, reports, "crashed", report.duration or 0.0)
            return
        if report.when in reports.by_phase or (report.when == "setup" and reports.by_phase):
            # A plugin repeats the test, and reported no teardown.
            self._fold(node_id, reports)
        reports.by_phase[report.when] = report
        if report.when == "teardown":
            self._fold(node_id, reports)

    def finish(self) -> list[Attempt]:
        """Return every attempt with an outcome; a test that was broken off has none."""
        return self.attempts

    def _fold(self, node_id: str, reports: _Reports) -> None:
        seconds = sum(
            getattr(report, "duration", 0.0) or 0.0 for report in reports.by_phase.values()
        )
        outcome = fold(reports.by_phase, reports.subtest_failed)
        self._close(node_id, reports, outcome, seconds)

    def _close(self, node_id: str, reports: _Reports, outcome: str, seconds: float) -> None:
        reports.attempts += 1
        self.attempts.append(Attempt(node_id, outcome, seconds * 1000, reports.attempts))
        reports.by_phase = {}
        reports.subtest_failed = False


def fold(by_phase: dict[str, Any], subtest_failed: bool = False) -> str:
    """Return the outcome of one attempt from its reports by phase."""
    main = by_phase.get("call") or by_phase.get("setup")
    teardown = by_phase.get("teardown")
    if teardown is not None and teardown.failed:
        return "error"
    if main is None:
        return "error"
    if main.failed or main.outcome == "rerun":
        return "failed" if main.when == "call" else "error"
    if subtest_failed:
        return "failed"
    expected = hasattr(main, "wasxfail")
    if main.skipped:
        return "xfailed" if expected else "skipped"
    return "xpassed" if expected else "passed"
