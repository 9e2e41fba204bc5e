"""How pytest shows each report, if hooks of the project or of a plugin change that.

The hook `pytest_report_teststatus` names a report's category, by which pytest counts and lists it,
its letter, and its word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .. import own_code
from ..processes import fork_safety
from ..wire import MESSAGE_LIMIT, Message, cut

# Packages whose hooks decide nothing unusual, or about reports of subtests alone, which have
# a form of their own.
_USUAL_PACKAGES = ("_pytest", "pytest_subtests", own_code.PACKAGE)
_NAME = "lens-shown-status"
# The most characters of a category, a letter or a word.
_LONG = 200


class ShownStatus:
    """A plugin that notes the result of the hook each time that pytest's terminal calls it."""

    def __init__(self) -> None:
        self._last: tuple[Any, Any] | None = None

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> Iterator[None]:
        outcome: Any = yield
        if outcome.excinfo is None:
            self._last = (report, outcome.get_result())

    def take(self, report: Any) -> Any:
        """The result for the report; None if nobody asked for it."""
        last, self._last = self._last, None
        return last[1] if last is not None and last[0] is report else None


def watch(config: Any) -> ShownStatus | None:
    """Note the results from now on, if other hooks than pytest's own decide them."""
    manager = config.pluginmanager
    known = manager.get_plugin(_NAME)
    if known is not None:
        return known  # type: ignore[no-any-return]
    for implementation in config.hook.pytest_report_teststatus.get_hookimpls():
        package = fork_safety.module_of(implementation.plugin).partition(".")[0]
        if package not in _USUAL_PACKAGES:
            plugin = ShownStatus()
            manager.register(plugin, _NAME)
            return plugin
    return None


def described(report: Any, result: Any, subtest: int | None) -> tuple[Message | None, bool]:
    """A report's status for the client, if pytest shows or counts it, and whether it is unusual.

    `subtest`: the index of the subtest that the report is about. Its usual status is left out.
    """
    try:
        category, letter, word = result
        markup = None
        if isinstance(word, tuple):
            word, markup = word
        plain = (category, letter, word)
        is_usual = markup is None and plain == _usual(report, subtest, plain)
        if not (category or letter or word) or (is_usual and subtest is not None):
            return None, not is_usual
        status: Message = {"phase": report.when if report.when in ("setup", "teardown") else "call"}
        if subtest is not None:
            status["subtest"] = subtest
        status["category"], status["letter"], status["word"] = (
            cut(str(text), _LONG) for text in (category, letter, word)
        )
        colors = _colors(report) if markup is None else markup
        status["markup"] = [str(name) for name, is_on in colors.items() if is_on]
        reason = _reason(report)
        if reason:
            status["reason"] = cut(reason, MESSAGE_LIMIT)
        return status, not is_usual
    except Exception:  # hostile values of a hook: pytest's own report of the outcome counts
        return None, False


def usual(report: Any) -> Message | None:
    """The status that pytest's own hooks give a report of a test, if it has one."""
    return described(report, _usual(report, None, ()), None)[0]


def _usual(report: Any, subtest: int | None, result: tuple[Any, ...]) -> tuple[Any, ...]:
    """The result of pytest's own hooks; `result`: the present one."""
    if subtest is not None:
        # Its letter and its category depend on the version and the verbosity.
        return result if not result[2] or "SUB" in result[2] else ()
    if hasattr(report, "wasxfail"):
        if report.skipped:
            return "xfailed", "x", "XFAIL"
        if report.passed:
            return "xpassed", "X", "XPASS"
    if report.passed:
        return ("", "", "") if report.when in ("setup", "teardown") else ("passed", ".", "PASSED")
    if report.failed and report.when in ("setup", "teardown"):
        return "error", "E", "ERROR"
    if report.skipped:
        return "skipped", "s", "SKIPPED"
    return report.outcome, "F", report.outcome.upper()


def _colors(report: Any) -> dict[str, bool]:
    """The colors that pytest gives to a status without own ones."""
    if report.passed and not hasattr(report, "wasxfail"):
        return {"green": True}
    if report.failed:
        return {"red": True}
    return {"yellow": True} if report.passed or report.skipped else {}


def _reason(report: Any) -> str:
    """The reason that pytest prints after the word."""
    expected = getattr(report, "wasxfail", None)
    if isinstance(expected, str):
        return expected[len("reason: ") :] if expected.startswith("reason: ") else expected
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return ""
    reason = str(report.longrepr[2])
    if reason.startswith("Skipped: "):
        return reason[len("Skipped: ") :]
    return "" if reason == "Skipped" else reason
