"""The time that one execution of a test took, by pytest's reports of its phases."""

from __future__ import annotations

from typing import Any

PHASES = ("setup", "call", "teardown")


def reported_ms(reports: dict[str, Any]) -> float:
    """The time of all phases, in milliseconds."""
    return round(sum(_seconds(report) for report in reports.values()) * 1000, 3)


def total_ms(reports: dict[str, Any], ms: float) -> float:
    """The same, or `ms`, the time by our own clock, if the reports can't be true."""
    total = reported_ms(reports)
    # A test may have stopped the clocks that pytest reads.
    is_true = 0.0 <= total <= ms and all(map(_seconds, reports.values()))
    return total if is_true else round(ms, 3)


def by_phase(reports: dict[str, Any]) -> dict[str, float]:
    """The time of each phase, in milliseconds."""
    known = ((when, reports.get(when)) for when in PHASES)
    return {when: reported_ms({when: report}) for when, report in known if report is not None}


def _seconds(report: Any) -> float:
    return getattr(report, "duration", None) or 0.0
