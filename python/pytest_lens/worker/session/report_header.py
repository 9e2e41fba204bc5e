"""Notes the lines of hooks with which pytest begins its output: clients do not see its terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..wire import cut

# The most lines, and the most characters of one: a project may print anything.
_MANY, _LONG = 100, 1000


class ReportHeader:
    """A plugin next to ours."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        # Those on the collected tests.
        self.on_collected: list[str] = []

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_report_header(self) -> Iterator[None]:
        """pytest's terminal plugin calls it when the session starts, and prints the last first."""
        outcome: Any = yield
        if outcome.excinfo is None:
            self.lines = _in_order(outcome.get_result())

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_report_collectionfinish(self) -> Iterator[None]:
        """pytest's terminal plugin calls it when the tests are collected, also with `-q`."""
        outcome: Any = yield
        if outcome.excinfo is None:
            self.on_collected = _in_order(outcome.get_result())


def _in_order(results: list[Any]) -> list[str]:
    lines: list[str] = []
    for result in reversed(results):
        texts = [result] if isinstance(result, str) else result
        # The folder of pytest's cache is a temporary one, of which users know nothing.
        shown = (str(text) for text in texts if not str(text).startswith("cachedir: "))
        lines += (line for text in shown for line in text.split("\n"))
    return [cut(line, _LONG) for line in lines[:_MANY]]
