"""Finds the hooks by which a session of some files differs from a session of more files.

A hook of a conftest that is called for the whole session acts on the tests of other folders too,
where a session of these alone would not load it. A hook may also act by the arguments: then a run
needs a session with its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from .. import site_paths
from ..collection.collect_errors import relative_path
from ..state import Worker
from ..unpatched import os
from ..wire import Message
from . import program_arguments
from .arguments import EARLY_HOOKS, foreign, interested

# Hooks that pytest does not restrict to the tests below the conftest.
_OF_THE_SESSION = (
    "pytest_collection_modifyitems",
    "pytest_collection_finish",
    "pytest_make_parametrize_id",
    "pytest_report_teststatus",
)
# Hooks that may act by the arguments of the session.
_EARLY = tuple(dict.fromkeys((*_OF_THE_SESSION, *EARLY_HOOKS, "pytest_make_collect_report")))
# The names by which code asks for these.
_ARGUMENTS = frozenset(("args", "file_or_dir", "invocation_params", "argv"))
# Those of them that are options' names.
_OPTIONS = ("file_or_dir",)


def facts(worker: Worker, config: Any) -> Message:
    """The folders of conftests with hooks of the whole session, whether a hook of the project may
    have read the arguments, and these. Paths are relative to the root.
    """
    folders = set()
    for implementation in foreign(worker, config, _OF_THE_SESSION):
        file = getattr(implementation.plugin, "__file__", None)
        if isinstance(file, str) and os.path.basename(file) == "conftest.py":
            folders.add(relative_path(os.path.dirname(file), worker.root))
    reads = may_read_arguments(worker, config)
    args = [_argument(worker, str(arg)) for arg in config.args]
    return {"hook_folders": sorted(folders), "reads_args": reads, "args": args}


def _argument(worker: Worker, arg: str) -> str:
    path, colons, test = arg.partition("::")
    return relative_path(os.path.join(worker.folder, path), worker.root) + colons + test


def may_read_arguments(worker: Worker, config: Any) -> bool:
    """Whether code of the project, as far as it is loaded, may read the session's arguments before
    the tests run.
    """
    seen: set[CodeType] = set()
    return program_arguments.is_read or any(
        _reads(implementation.function, seen)
        for implementation in interested(worker, config, _EARLY)
    )


def _reads(function: Any, seen: set[CodeType]) -> bool:
    """Whether a function, or one of the project that it calls, names the arguments."""
    owner = None
    if isinstance(function, MethodType):
        owner, function = type(function.__self__), function.__func__
    if not isinstance(function, FunctionType) or function.__code__ in seen:
        return False
    seen.add(function.__code__)
    names = set(_names(function.__code__))
    if not _ARGUMENTS.isdisjoint(names):
        return True
    return any(_reads(other, seen) for other in _reachable(function, names, owner))


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _names(const)
        elif const in _OPTIONS:
            yield const


def _reachable(function: FunctionType, names: set[str], owner: Any) -> Iterator[Any]:
    """The functions of the project among what these names may mean."""
    scopes = [function.__globals__]
    for name in names:
        holder = function.__globals__.get(name)
        if isinstance(holder, (ModuleType, type)):
            scopes.append(vars(holder))
    scopes += [vars(base) for base in getattr(owner, "__mro__", ())]
    cells = function.__closure__ or ()
    values = [scope.get(name) for scope in scopes for name in names]
    for value in [*values, *(cell.cell_contents for cell in cells if _is_set(cell))]:
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if isinstance(value, FunctionType) and site_paths.is_project(value.__code__.co_filename):
            yield value


def _is_set(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
