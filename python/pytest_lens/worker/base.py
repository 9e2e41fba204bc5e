"""The base: it imports pytest and installed packages, but nothing of the project, and parks."""

from __future__ import annotations

import platform
import sys
from typing import NoReturn

import pytest

from . import garbage, start_over
from .output import coverage_data
from .park import Park
from .preload import preload_modules
from .processes import fork_safety, keeper, process_exit, random_state, unseeded_generators
from .session import code_cache, hypothesis_database, main, pytest_prebuild
from .state import Worker
from .unpatched import gc
from .watching import installed_packages


def run(worker: Worker) -> NoReturn:
    """Load, report "ready" and park; a fork, or this process itself, then runs a session."""
    unseeded_generators.watch()
    # Without it every fork would go on with this process's own sequence.
    random_state.mark()
    pytest_prebuild.load_default_plugins()
    config = pytest_prebuild.PrebuiltConfig()
    distributions = pytest_prebuild.plugin_distributions()
    worker.plugin_packages = pytest_prebuild.plugin_packages(distributions)
    cache = code_cache.Cache(worker.boot)
    if worker.boot.preload:
        try:
            with pytest_prebuild.rewriting(worker.plugin_packages, cache) as works:
                if not works:
                    worker.boot.unsafe += worker.plugin_packages
                found = preload_modules.preload(worker.boot.preload, worker.boot.unsafe)
        except preload_modules.Unsafe as unsafe:
            worker.boot.unsafe += sorted(unsafe.packages.difference(worker.boot.unsafe))
            start_over.start(worker)
        worker.preloaded, worker.hidden_modules = found
    park = Park(worker)
    worker.send(
        {
            "t": "ready",
            **_interpreter(),
            "plugins": [
                {"name": dist.metadata["Name"], "version": dist.version} for dist in distributions
            ],
            "hazards": fork_safety.of_process(),
            "coverage": coverage_data.is_there(),
            "preloaded": worker.preloaded,
            "unfit": worker.boot.unsafe,
            **installed_packages.state(worker.root),
        }
    )
    hypothesis_database.hypothesis(worker.boot.cache_dir)
    if worker.hidden_modules is not None:
        worker.hidden_modules.hide()
    command = park.serve(_freeze)
    if command.kind == "exit":
        process_exit.run_exit_handlers()
        process_exit.leave(0)
    worker.role = command.role
    worker.options, worker.purpose = command.options, command.purpose
    if command.kind == "become":
        garbage.resume()
        gc.unfreeze()
        keeper.mark_as_session(worker.boot.keeper)
    random_state.mark()
    main.run(worker, config)


def resume(worker: Worker) -> NoReturn:
    """Go on as the session that this process was before it started over."""
    pytest_prebuild.load_default_plugins()
    start_over.resume(worker, worker.boot.resume or {})
    worker.plugin_packages = pytest_prebuild.plugin_packages(pytest_prebuild.plugin_distributions())
    random_state.mark()
    garbage.resume()
    gc.unfreeze()
    main.run(worker, pytest_prebuild.PrebuiltConfig())


def _freeze(is_awaited: bool) -> None:
    """Leave the forks no reason to write to the memory that they share."""
    if not is_awaited:  # there is little garbage: pytest's own
        gc.collect()
    garbage.resume()


def _interpreter() -> dict[str, str]:
    """The interpreter and pytest, for "ready"."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "pytest": pytest.__version__,
    }
