"""The base host: pytest and third-party modules loaded, nothing of the project; it parks."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from typing import Any, NoReturn

from . import ending, hazards, seeds, session, snapshot
from .boot import describe
from .host import Park
from .state import Worker
from .wire import Message


def run(worker: Worker) -> NoReturn:
    """Load, report "ready", park; forks and transformations go on to a session."""
    _load_default_plugins()
    preloaded = _preload(worker.boot.preload)
    worker.base_hazards = hazards.of_process()
    os.environ.setdefault(
        "HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(worker.boot.cache_dir, "hypothesis")
    )
    worker.send(
        {
            "t": "ready",
            **describe(),
            "plugins": _plugins(),
            "hazards": worker.base_hazards,
            "preloaded": preloaded,
            "files": snapshot.module_stats(sorted(set(sys.modules))),
            "dirs": snapshot.site_dirs(),
        }
    )
    gc.collect()
    gc.freeze()
    command = Park(worker).serve()
    if command.kind == "exit":
        ending.run_exit_handlers()
        ending.leave(0)
    worker.role = command.role
    worker.options = command.options
    if command.kind == "become":
        gc.unfreeze()
    seeds.mark()
    session.run(worker)


def _load_default_plugins() -> None:
    from _pytest.config import default_plugins

    for name in default_plugins:
        with contextlib.suppress(ImportError):
            importlib.import_module(f"_pytest.{name}")


def _preload(names: list[str]) -> list[str]:
    """Import what the last collection imported; whatever goes wrong is the session's to report."""
    done = []
    for name in names:
        try:
            importlib.import_module(name)
        except BaseException:
            continue
        done.append(name)
    return done


def _plugins() -> list[Message]:
    """The installed pytest plugins (distributions with a `pytest11` entry point)."""
    from importlib import metadata

    found: dict[str, str] = {}
    for dist in metadata.distributions():
        try:
            if any(entry.group == "pytest11" for entry in dist.entry_points):
                meta: Any = dist.metadata
                found.setdefault(meta["Name"], dist.version)
        except Exception:  # a broken installation of something else
            continue
    return [{"name": name, "version": version} for name, version in sorted(found.items())]
