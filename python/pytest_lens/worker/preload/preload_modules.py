"""Modules imported in advance by a base: which ones those may be, and importing them."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Collection
from typing import Any, NoReturn

from .. import site_paths, start_over
from ..processes import fork_safety, process_tree
from ..state import Worker
from .hidden_modules import Stash
from .import_recorder import Recording

# Standard modules that do something to the process or the screen when imported.
_NOT_AHEAD = {"antigravity", "curses", "idlelib", "lib2to3", "readline", "rlcompleter", "site"}
_NOT_AHEAD |= {"sitecustomize", "test", "this", "tkinter", "turtle", "usercustomize"}


def preload(worker: Worker) -> list[str]:
    """Import what the last collection imported; returns the names that could be.

    What goes wrong is the session's to report. A module that makes this process unsafe to fork (it
    starts a thread, say) cannot be taken back: the base starts again without it.
    """
    done = []
    recording = Recording()
    before = set(sys.modules)
    unsafe = worker.boot.unsafe
    with recording.watching():
        for name in worker.boot.preload:
            if _within(name, unsafe):
                continue
            try:
                importlib.import_module(name)
            except BaseException:
                continue
            done.append(name)
            brought = any(_within(other, unsafe) for other in recording.loads)
            if process_tree.LINUX and (brought or fork_safety.of_process()):
                _start_again_without(worker, {name.partition(".")[0]})
    keepers = recording.keepers_of_output()
    if keepers and process_tree.LINUX:
        _start_again_without(worker, keepers)
    worker.stash = Stash(recording, before)
    return done


def _start_again_without(worker: Worker, packages: set[str]) -> NoReturn:
    # Whole packages: which of its modules is to blame, and what imports that, takes a start each.
    worker.boot.unsafe += sorted(packages.difference(worker.boot.unsafe))
    start_over.start(worker)


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
