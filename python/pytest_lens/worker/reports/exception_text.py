"""The project's own exception inside pytest's wrapper, its text and its line."""

from __future__ import annotations

import traceback

from ..unpatched import os


def cause_of(error: BaseException) -> BaseException:
    """The project's own exception inside pytest's wrapper, if there is one."""
    inner = getattr(error, "cause", None)  # ConftestImportFailure since pytest 8.1
    if isinstance(inner, BaseException):
        return inner
    excinfo = getattr(error, "excinfo", None)  # and before
    if isinstance(excinfo, tuple) and isinstance(excinfo[1], BaseException):
        return excinfo[1]
    return error.__cause__ or error


def line_in(error: BaseException, path: str) -> int | None:
    """The line of `path` at which `error` came up: the last of its frames there."""
    if isinstance(error, SyntaxError) and error.filename and _same(error.filename, path):
        return error.lineno
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if _same(frame.f_code.co_filename, path):
            line = number
    return line


def _same(one: str, other: str) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def exception_line(error: BaseException) -> str:
    """Type and text of an exception, on one line where it is one."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
