"""The traceback of a failure as data: frames, outermost first, and the line of its mark."""

from __future__ import annotations

import linecache
from types import CodeType, TracebackType
from typing import Any

import _pytest
import pluggy
import pytest

from .. import own_code
from ..unpatched import os
from ..wire import MESSAGE_LIMIT, Message, cut

_MANY = 200
_MACHINERY = tuple(
    os.path.dirname(os.path.abspath(str(module.__file__))) + os.sep for module in (_pytest, pluggy)
) + (os.path.abspath(str(pytest.__file__)), own_code.FOLDER)

_Entry = tuple[str, int, str, bool]


def describe(item: Any, trace: TracebackType | None, root: str) -> Message:
    """``frames`` and ``location`` of an exception raised while `item` was run."""
    own = str(getattr(item, "path", ""))
    entries = _entries(trace, root)
    entries = _from_test_on(entries, item, own)
    shown = [entry for entry in entries if not entry[3]] or entries[-1:]
    if not shown:
        return {}
    mine = [entry for entry in shown if entry[0] == own] or shown
    details: Message = {"location": {"path": mine[-1][0], "line": mine[-1][1]}}
    if len(shown) > _MANY:  # deep recursion: both ends say enough
        shown = shown[: _MANY // 2] + shown[-_MANY // 2 :]
    details["frames"] = [_frame(entry) for entry in shown]
    return details


def of_doctest(item: Any, error: BaseException, root: str) -> Message:
    """Line, frames and message of a failed doctest: those of its example."""
    if not hasattr(item, "dtest"):
        return {}
    first = (getattr(error, "failures", None) or [error])[0]
    example, test = getattr(first, "example", None), getattr(first, "test", None)
    if example is None or test is None:
        return {}
    path, source = str(item.path), example.source.split("\n")[0]
    if test.lineno is None:  # doctest did not find the text's definition
        line = _line_with(path, f">>> {source}")
    else:
        line = test.lineno + example.lineno + 1
    details: Message = {"location": {"path": path, "line": line}}
    frames: list[Message] = [{"path": path, "line": line, "name": item.name, "text": source}]
    if hasattr(first, "got"):
        want, got = (text.strip() or "nothing" for text in (example.want, first.got))
        details["message"] = f"Expected {want}, got {got}"
    else:
        raised = first.exc_info[1]
        details["message"] = f"{type(raised).__name__}: {raised}"
        inner = _entries(first.exc_info[2], root)
        frames += [_frame(entry) for entry in inner if entry[0] == path][-_MANY:]
    details["message"] = cut(details["message"], MESSAGE_LIMIT)
    return {**details, "frames": frames}


def of_custom(item: Any, trace: TracebackType | None, root: str, is_own_text: bool) -> Message:
    """Like `describe`, for an item of a file that is no Python: other files have its code.

    `is_own_text`: the item explains its failure itself, so no frame says more.
    """
    path = str(getattr(item, "path", ""))
    if isinstance(item, pytest.Function) or not path:
        return {}
    entries = _entries(trace, root)
    if any(entry[0] == path for entry in entries):
        return {}
    line = (item.location[1] or 0) + 1
    hidden = [is_own_text or entry[3] or entry[0].startswith(_MACHINERY) for entry in entries]
    shown = [entry for entry, hide in zip(entries, hidden) if not hide]
    own = {"path": path, "line": line, "name": item.name}
    frames = [own, *(_frame(entry) for entry in shown[-_MANY:])]
    return {"location": {"path": path, "line": line}, "frames": frames}


def _line_with(path: str, text: str) -> int:
    lines = linecache.getlines(path)
    return next((number for number, line in enumerate(lines, 1) if line.strip() == text), 1)


def _entries(trace: TracebackType | None, root: str) -> list[_Entry]:
    entries: list[_Entry] = []
    paths: dict[CodeType, str] = {}
    while trace is not None:
        code = trace.tb_frame.f_code
        path = paths.get(code)
        if path is None:
            path = paths[code] = os.path.normpath(os.path.join(root, code.co_filename))
        # A `__tracebackhide__` that is a function counts as true.
        frame = trace.tb_frame
        hidden = bool(frame.f_locals.get("__tracebackhide__") or "__unittest" in frame.f_globals)
        hidden = hidden or code.co_filename.startswith("<")  # there is no file to show
        entries.append((path, trace.tb_lineno or code.co_firstlineno, code.co_name, hidden))
        trace = trace.tb_next
    return entries


def _from_test_on(entries: list[_Entry], item: Any, own: str) -> list[_Entry]:
    """The frames from the test's own file on; without one, all but pytest's own."""
    for index, entry in enumerate(entries):
        if entry[0] == own:
            return entries[index:]
    return [entry for entry in entries if not entry[0].startswith(_MACHINERY)]


def _frame(entry: _Entry) -> Message:
    path, line, name, _ = entry
    frame: Message = {"path": path, "line": line, "name": name}
    try:
        text = linecache.getline(path, line).strip()
    except Exception:  # the test may have replaced `open`
        text = ""
    if text:
        frame["text"] = text
    return frame
