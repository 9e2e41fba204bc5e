"""Says which code reads a file or a variable, by the frames on the stack.

It looks at the globals of a frame, not at its code: reading `f_code` raises an audit event, which
takes longer than all else here.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import own_code
from ..watching import file_reads

# Its frozen modules have the names and files of its sources in the library.
_IMPORT_SYSTEM = ("importlib._bootstrap", "importlib._bootstrap_external")

# The kinds of code, by its file.
_kinds: dict[str, str] = {}


def reader(is_data: bool = False) -> str:
    """The code that reads: the "import" system, this "worker", "pytest", or the "project".

    Libraries read for the one that calls them; so does the import system if it reads data.
    """
    frame: Any = sys._getframe(1)
    while frame is not None and _kind(frame) == "worker":
        frame = frame.f_back  # the watchers themselves
    return reader_above(frame, is_data)


def reader_above(frame: Any, is_data: bool = False) -> str:
    """The same, for a read in this frame, or in what it has called."""
    while frame is not None:
        kind = _kind(frame)
        if kind and not (kind == "import" and is_data):
            return kind
        frame = frame.f_back
    return "pytest"


def file_of(frame: Any) -> str:
    """The file of the module whose code a frame executes."""
    file = dict.get(frame.f_globals, "__file__")
    return file if type(file) is str else frame.f_code.co_filename


def _kind(frame: Any) -> str:
    """The kind of the code that a frame executes; empty for a library's."""
    file = file_of(frame)
    kind = _kinds.get(file)
    if kind is None:
        kind = _kinds[file] = _kind_of(file, dict.get(frame.f_globals, "__name__"))
    return kind


def _kind_of(file: str, module: object) -> str:
    name = module if isinstance(module, str) else ""
    if name in _IMPORT_SYSTEM:
        return "import"
    if file.startswith(own_code.FOLDER):
        return "worker"
    if name.startswith("_pytest."):
        return "pytest"
    return "project" if file_reads.is_of_project(file) else ""
