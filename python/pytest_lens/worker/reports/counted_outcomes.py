"""The outcomes with which pytest's terminal counts and shows reports.

A hook that is called later may change a report, and pytest has counted it by then.
"""

from __future__ import annotations

import copy
from typing import Any


class CountedOutcomes:
    """Those of the reports of the running test."""

    def __init__(self) -> None:
        self._asked: tuple[Any, Any] | None = None
        # Few reports with their outcomes. A hook that audits `id` may forbid a table by it.
        self._counted: list[tuple[Any, Any]] = []

    def begin(self) -> None:
        """The reports that follow are another test's."""
        self._asked = None
        self._counted = []

    def ask(self, report: Any) -> None:
        """Note the outcome by which pytest's terminal counts a report: it asks for its status."""
        if self._asked is None or self._asked[0] is not report:
            self._asked = (report, _outcome(report))

    def keep(self, report: Any) -> None:
        """Keep the outcome of a report that all plugins have seen."""
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] is report:
            self._counted.append(asked)

    def have_changed(self) -> bool:
        """Whether a report has another outcome now."""
        return any(outcome != _outcome(report) for report, outcome in self._counted)

    def of(self, report: Any) -> Any:
        """The report with its outcome that was counted."""
        # Nearly always it is the last one.
        found = (outcome for asked, outcome in reversed(self._counted) if asked is report)
        counted = next(found, None)
        if counted is None or counted == _outcome(report):
            return report
        report = copy.copy(report)
        report.outcome, expected = counted
        vars(report).pop("wasxfail", None)
        if expected is not None:
            report.wasxfail = expected
        return report


def _outcome(report: Any) -> tuple[Any, Any]:
    return report.outcome, getattr(report, "wasxfail", None)
