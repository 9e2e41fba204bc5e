"""Repeats the reports of tests that earlier sessions of a run have executed.

Reports about a whole run, such as `--junitxml`, are those of its last session: the one before may
have crashed, or a test runs again in a new one.
"""

from __future__ import annotations

from typing import Any

import pytest

from ..reports import report_text
from ..wire import Message

_PHASES = ("setup", "call", "teardown")


def report(session: Any, earlier: list[Message], by_id: dict[str, list[Any]]) -> bool:
    """Report the outcomes of earlier sessions as this one's; whether a test has failed.

    The engine counts failures: they don't count for the session's own limit again.
    """
    config = session.config
    for test in earlier:
        for made in _reports(config, test, by_id):
            config.hook.pytest_runtest_logreport(report=made)
    if config.option.maxfail:
        config.option.maxfail += session.testsfailed
    session.shouldfail = False
    return bool(session.testsfailed)


def _reports(config: Any, test: Message, by_id: dict[str, list[Any]]) -> list[Any]:
    if test.get("reports"):
        return [report_text.read(config, text) for text in test["reports"]]
    seconds = test["ms"] / 1000
    if test.get("message"):  # its process has ended
        return [_made(test["id"], by_id, "call", seconds, test["message"])]
    return [
        _made(test["id"], by_id, phase, seconds if phase == "call" else 0.0) for phase in _PHASES
    ]


def _made(
    node_id: str, by_id: dict[str, list[Any]], phase: Any, seconds: float, message: str = ""
) -> pytest.TestReport:
    items = by_id.get(node_id)
    path, _, name = node_id.partition("::")
    return pytest.TestReport(
        nodeid=items[0].nodeid if items else node_id,
        location=items[0].location if items else (path, None, name),
        keywords=dict.fromkeys(items[0].keywords, 1) if items else {},
        outcome="failed" if message else "passed",
        longrepr=message or None,
        when=phase,
        duration=seconds,
    )
