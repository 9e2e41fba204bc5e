"""The options of pytest's output, as words of a command line: code of the project may set them."""

from __future__ import annotations

from typing import Any

from ..wire import cut

_FLAGS = {
    "no_header": "--no-header",
    "no_summary": "--no-summary",
    "disable_warnings": "--disable-warnings",
    "xfail_tb": "--xfail-tb",
}
_WITH_VALUE = {
    "verbose": "--verbosity",
    "tbstyle": "--tb",
    "showcapture": "--show-capture",
    "reportchars": "-r",
    "durations": "--durations",
    "durations_min": "--durations-min",
}
# The most characters of a value.
_LONG = 100


def words(option: Any) -> list[str]:
    """The words for the present options."""
    found = [word for name, word in _FLAGS.items() if getattr(option, name, None) is True]
    if getattr(option, "fold_skipped", True) is False:
        found.append("--no-fold-skipped")
    for name, word in _WITH_VALUE.items():
        value = getattr(option, name, None)
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            joint = "" if word == "-r" else "="
            found.append(cut(f"{word}{joint}{value}", _LONG))
    return found


def changes(before: list[str], after: list[str]) -> list[str]:
    """The words that are new."""
    return [word for word in after if word not in before]
