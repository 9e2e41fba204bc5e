"""Chooses the modules that a base may import in advance, and imports them."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Collection
from typing import Any

from .. import site_paths
from ..processes import fork_safety, process_tree
from .hidden_modules import HiddenModules
from .import_recorder import ImportRecorder

# Standard modules that do something to the process or the screen when imported.
_NOT_AHEAD = {"antigravity", "curses", "idlelib", "lib2to3", "readline", "rlcompleter", "site"}
_NOT_AHEAD |= {"sitecustomize", "test", "this", "tkinter", "turtle", "usercustomize"}


class Unsafe(Exception):
    """This process imported modules that make it unsafe to fork, and can't take them back."""

    def __init__(self, packages: set[str]) -> None:
        # Whole packages: it would take a start for each of their modules to find the one to blame.
        self.packages = packages


def preload(names: list[str], unsafe: list[str]) -> tuple[list[str], HiddenModules]:
    """Import the modules `names`, but none of the packages `unsafe`.

    Returns the names of those that could be imported, and all modules that came with them. A
    session reports why the others can't be imported. Raises `Unsafe` if forking is not safe after
    it: a module started a thread, for example.
    """
    done = []
    recording = ImportRecorder()
    before = set(sys.modules)
    with recording.watching():
        for name in names:
            if _within(name, unsafe):
                continue
            try:
                importlib.import_module(name)
            except BaseException:
                continue
            done.append(name)
            brought = any(_within(other, unsafe) for other in recording.loads)
            if process_tree.LINUX and (brought or fork_safety.of_process()):
                raise Unsafe({name.partition(".")[0]})
    keepers = recording.holders_of_output()
    if keepers and process_tree.LINUX:
        raise Unsafe(keepers)
    return done, HiddenModules(recording, before)


def preloadable(
    before: list[str],
    new: list[str],
    at_change: list[str] | None,
    plugins: Collection[str],
) -> list[str]:
    """Names in import order: the interpreter's and installed packages' modules, harmless ones.

    `before` was preloaded already; `new` came with the session; `at_change` is what was loaded
    when the environment first changed (None: it never did); `plugins` are the packages that a
    base knows how to rewrite asserts in.
    """
    allowed = None if at_change is None else set(at_change)
    rewritten = _rewritten() - set(plugins)
    names = list(before)
    for name in new:
        if allowed is not None and name not in allowed:
            continue
        if _is_installed(name) and not _within(name, rewritten):
            names.append(name)
    return [
        name
        for name in dict.fromkeys(names)
        if not _within(name, fork_safety.MODULES) and not _within(name, _NOT_AHEAD)
    ]


def _within(name: str, packages: Collection[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[: end + 1]) in packages for end in range(len(parts)))


def _is_installed(name: str) -> bool:
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    if spec is None or spec.name != name or not isinstance(spec.origin, str):
        return False
    # Extension modules come with the Python modules that wrap them.
    loader: Any = spec.loader
    rewritten = hasattr(loader, "_must_rewrite")
    if not rewritten and not isinstance(loader, importlib.machinery.SourceFileLoader):
        return False
    return not site_paths.is_project(spec.origin)


def _rewritten() -> set[str]:
    """Packages whose asserts the session's hook rewrites: loaded early they would miss that."""
    names = {"pytest", "_pytest", "_pytest_lens_worker", "conftest"}
    for finder in sys.meta_path:
        names |= set(getattr(finder, "_must_rewrite", ()))
    return names
