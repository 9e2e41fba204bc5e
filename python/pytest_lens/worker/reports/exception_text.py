"""The project's own exception inside pytest's wrapper, its text and its line.

An exception may raise when it is asked for anything, even for its class.
"""

from __future__ import annotations

import traceback
from typing import Any

from ..unpatched import os


def cause_of(error: BaseException) -> BaseException:
    """The project's own exception inside pytest's wrapper, if there is one."""
    inner = attribute(error, "cause")  # ConftestImportFailure since pytest 8.1
    excinfo = attribute(error, "excinfo")  # and before
    wrapped = excinfo[1] if type(excinfo) is tuple and len(excinfo) > 1 else None
    found: tuple[Any, ...] = (inner, wrapped, attribute(error, "__cause__"))
    return next((cause for cause in found if issubclass(type(cause), BaseException)), error)


def attribute(error: BaseException, name: str) -> Any:
    """An attribute of an exception; None if it has none, or raises."""
    try:
        return getattr(error, name, None)
    except BaseException:
        return None


def own_text(error: BaseException) -> str:
    """The text of an exception, or a note that it has none."""
    try:
        return str(error)
    except BaseException as failure:
        return f"(no text: its __str__ raises {type(failure).__name__})"


def line_in(error: BaseException, path: str) -> int | None:
    """The line of `path` at which `error` came up: the last of its frames there."""
    if issubclass(type(error), SyntaxError):
        file, number = attribute(error, "filename"), attribute(error, "lineno")
        if type(file) is str and _same(file, path) and type(number) is int:
            return number
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if _same(frame.f_code.co_filename, path):
            line = number
    return line


def _same(one: str, other: str) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def exception_line(error: BaseException) -> str:
    """Type and text of an exception, on one line where it is one."""
    if issubclass(type(error), SyntaxError):
        return f"{type(error).__name__}: {attribute(error, 'msg')}"
    text = own_text(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
