"""Expected and actual values of a failed `==`, for editors that show a diff."""

from __future__ import annotations

import ast
import linecache
import pprint
import sys
from types import CodeType
from typing import Any

from ..wire import MESSAGE_LIMIT, cut

# Formatting must stay cheap: a value of more objects than this is shown by its `repr`.
_MANY = 5_000

_Line = tuple[CodeType, int]

# unittest's comparisons, each with its names for the actual and the expected value.
_UNITTEST = {
    "assertEqual": ("first", "second"),
    "assertMultiLineEqual": ("first", "second"),
    "assertSequenceEqual": ("seq1", "seq2"),
    "assertListEqual": ("list1", "list2"),
    "assertTupleEqual": ("tuple1", "tuple2"),
    "assertSetEqual": ("set1", "set2"),
    "assertDictEqual": ("d1", "d2"),
    "assertCountEqual": ("first", "second"),
}


class Comparisons:
    """The last failed comparison, and its line."""

    def __init__(self) -> None:
        self._last: tuple[_Line | None, str, str] | None = None

    def clear(self) -> None:
        """A new test begins."""
        self._last = None

    def note(self, op: str, left: object, right: object) -> None:
        """Note a failed comparison (`assert actual == expected`) before pytest explains it."""
        self._last = None
        if op != "==":
            return
        try:
            actual, expected = _shown(left, right)
        except BaseException:  # a repr that raises, or exits: the test itself deals with it
            return
        self._last = (_asserting_line(), actual, expected)

    def for_failure(self, error: BaseException) -> tuple[str, str] | None:
        """(expected, actual), if the last comparison is the one that failed the test."""
        last, self._last = self._last, None
        if not issubclass(type(error), AssertionError):
            return None
        if last is None:
            return _of_unittest(error)
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is None or not _is_one_assert(last[0], (trace.tb_frame.f_code, trace.tb_lineno)):
            return _of_unittest(error)
        return last[2], last[1]


def _of_unittest(error: BaseException) -> tuple[str, str] | None:
    """(expected, actual) of unittest's `assertEqual` and its kind, from the frame that compared."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        names = _UNITTEST.get(frame.f_code.co_name)
        if names is not None and frame.f_globals.get("__name__") == "unittest.case":
            values = frame.f_locals
            actual, expected = _shown(values[names[0]], values[names[1]])
            return expected, actual
        trace = trace.tb_next
    return None


def _asserting_line() -> _Line | None:
    """The line of the `assert` that pytest explains: the first frame outside pytest and ours."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(("_pytest.", "pluggy.", "_pytest_lens_worker.")):
            return frame.f_code, frame.f_lineno
        frame = frame.f_back
    return None


def _is_one_assert(explained: _Line | None, failed: _Line) -> bool:
    """Whether both lines are in the same `assert`, which may take several lines.

    Python 3.10 puts the comparison on another line of it than the raise.
    """
    if explained == failed:
        return True
    if explained is None or explained[0] is not failed[0]:
        return False
    lines = sorted((explained[1], failed[1]))
    try:
        tree = ast.parse("".join(linecache.getlines(failed[0].co_filename)))
    except (SyntaxError, ValueError, RecursionError):
        return False
    asserts = (node for node in ast.walk(tree) if isinstance(node, ast.Assert))
    return any(node.lineno <= lines[0] and lines[1] <= (node.end_lineno or 0) for node in asserts)


def _shown(left: object, right: object) -> tuple[str, str]:
    if type(left) is str and type(right) is str and ("\n" in left or "\n" in right):
        return cut(left, MESSAGE_LIMIT), cut(right, MESSAGE_LIMIT)
    return _format(left), _format(right)


def _format(value: object) -> str:
    if isinstance(value, str) or _size(value, _MANY) >= _MANY:
        return cut(repr(value), MESSAGE_LIMIT)
    return cut(pprint.pformat(value, width=88, sort_dicts=False), MESSAGE_LIMIT)


def _size(value: object, limit: int) -> int:
    """How many objects plain containers hold, counting no further than `limit`."""
    seen = 0
    stack = [value]
    while stack and seen < limit:
        current = stack.pop()
        seen += 1
        if type(current) in (list, tuple, set, frozenset):
            stack += list(current)[: limit - seen]  # type: ignore[call-overload]
        elif type(current) is dict:
            stack += list(current.values())[: limit - seen]
    return seen
