"""Collects the files that are arguments without all other files of their folders.

pytest makes a collector of every file in the folders that lead to an argument, and keeps one of
them; it does so again for each file among the arguments. The tests are the same without, as long
as only pytest's own hooks see these collectors.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from ..processes import fork_safety

# The hooks that get the files of a folder, or the collectors that pytest makes of them.
_HOOKS = (
    "pytest_ignore_collect",
    "pytest_collect_directory",
    "pytest_collect_file",
    "pytest_pycollect_makemodule",
    "pytest_collectstart",
    "pytest_make_collect_report",
    "pytest_collectreport",
)


@pytest.hookimpl(hookwrapper=True)
def pytest_collection(session: Any) -> Iterator[None]:
    """Collect only what leads to the session's arguments."""
    with _narrowed(session):
        yield


@contextlib.contextmanager
def _narrowed(session: Any) -> Iterator[None]:
    holders: list[Any] = [importlib.import_module(f"_pytest.{name}") for name in ("main", "python")]
    listed = getattr(holders[0], "scandir", None)
    # Until pytest 8 an argument is collected by itself.
    if listed is None or any(vars(holder).get("scandir") is not listed for holder in holders):
        yield
        return
    collect_one: Any = session._collect_one_node

    def scandir(path: Any, *args: Any, **named: Any) -> Any:
        entries = listed(path, *args, **named)
        if not _leads_to_arguments(session, path):
            return entries
        wanted = {str(path) for path in session._initialpaths_with_parents}
        return [entry for entry in entries if entry.path in wanted]

    def once(node: Any, *args: Any, **named: Any) -> Any:
        known = session._collection_cache.get(node)
        if known is not None and known.passed and _is_on_the_way(session, node):
            return known, True
        return collect_one(node, *args, **named)

    for holder in holders:
        holder.scandir = scandir
    session._collect_one_node = once
    try:
        yield
    finally:
        del session._collect_one_node
        for holder in holders:
            holder.scandir = listed


def _is_on_the_way(session: Any, node: Any) -> bool:
    is_folder = isinstance(node, pytest.Directory)  # type: ignore[attr-defined,unused-ignore]
    # pytest collects a file that is named twice two times.
    is_each_named_once = len(session._initialpaths) == len(session.config.args)
    return is_folder and is_each_named_once and _leads_to_arguments(session, node.path)


def _leads_to_arguments(session: Any, folder: Any) -> bool:
    """Whether all that is collected in a folder are the arguments in it."""
    initial = session._initialpaths
    if folder not in session._initialpaths_with_parents or not initial.isdisjoint(
        (folder, *folder.parents)
    ):
        return False
    return not any(
        fork_safety.is_foreign(implementation.plugin, set())
        for name in _HOOKS
        for implementation in getattr(session.config.pluginmanager.hook, name).get_hookimpls()
    )
