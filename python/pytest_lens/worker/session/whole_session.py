"""Finds the hooks by which a session of some files differs from a session of more files.

A hook of a conftest that is called for the whole session acts on the tests of other folders too,
where a session of these alone would not load it. A hook may also act by the arguments.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

from ..collection.collect_errors import relative_path
from ..state import Worker
from ..unpatched import os
from ..wire import Message
from .arguments import foreign

# Hooks that pytest does not restrict to the tests below the conftest.
_OF_THE_SESSION = (
    "pytest_collection_modifyitems",
    "pytest_collection_finish",
    "pytest_make_parametrize_id",
    "pytest_report_teststatus",
)
# Hooks that may act by the arguments of the session.
_EARLY = (
    *_OF_THE_SESSION,
    "pytest_configure",
    "pytest_sessionstart",
    "pytest_collection",
    "pytest_ignore_collect",
    "pytest_collect_file",
    "pytest_generate_tests",
    "pytest_itemcollected",
    "pytest_make_collect_report",
)
# The names by which code asks for these.
_ARGUMENTS = frozenset(("args", "file_or_dir", "invocation_params", "argv"))


def facts(worker: Worker, config: Any) -> Message:
    """The folders of conftests with hooks of the whole session, whether a hook of the project may
    have read the arguments, and these. Paths are relative to the root.
    """
    folders = set()
    for implementation in foreign(worker, config, _OF_THE_SESSION):
        file = getattr(implementation.plugin, "__file__", None)
        if isinstance(file, str) and os.path.basename(file) == "conftest.py":
            folders.add(relative_path(os.path.dirname(file), worker.root))
    reads = any(
        _names_arguments(getattr(implementation.function, "__code__", None))
        for implementation in foreign(worker, config, _EARLY)
    )
    args = [_argument(worker, str(arg)) for arg in config.args]
    return {"hook_folders": sorted(folders), "reads_args": reads, "args": args}


def _argument(worker: Worker, arg: str) -> str:
    path, colons, test = arg.partition("::")
    return relative_path(os.path.join(worker.folder, path), worker.root) + colons + test


def _names_arguments(code: Any) -> bool:
    if type(code) is not CodeType:
        return False
    return not _ARGUMENTS.isdisjoint(code.co_names) or any(map(_names_arguments, code.co_consts))
