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
        # The reports by their ids, with their outcomes.
        self._counted: dict[int, tuple[Any, Any]] = {}

    def begin(self) -> None:
        """The reports that follow are another test's."""
        self._asked = None
        self._counted = {}

    def ask(self, report: Any) -> None:
        """Note the outcome by which pytest's terminal counts a report: it asks for its status."""
        if self._asked is None or self._asked[0] is not report:
            self._asked = (report, _outcome(report))

    def keep(self, report: Any) -> None:
        """Keep the outcome of a report that all plugins have seen."""
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] is report:
            self._counted[id(report)] = asked

    def of(self, report: Any) -> Any:
        """The report with its outcome that was counted."""
        counted = self._counted.get(id(report))
        if counted is None or counted[1] == _outcome(report):
            return report
        report = copy.copy(report)
        report.outcome, expected = counted[1]
        vars(report).pop("wasxfail", None)
        if expected is not None:
            report.wasxfail = expected
        return report


def _outcome(report: Any) -> tuple[Any, Any]:
    return report.outcome, getattr(report, "wasxfail", None)
