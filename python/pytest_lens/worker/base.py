"""The base host: pytest and third-party modules loaded, nothing of the project; it parks."""

from __future__ import annotations

from typing import NoReturn

from . import (
    again,
    ending,
    entropy,
    hazards,
    installed,
    keeper,
    measuring,
    preloading,
    prepared,
    pyc,
    redirect,
    seeds,
    session,
)
from .boot import describe
from .host import Park
from .own import gc
from .state import Worker


def run(worker: Worker) -> NoReturn:
    """Load, report "ready", park; forks and transformations go on to a session."""
    entropy.watch_generators()
    # Else every fork would go on with this process's own sequence.
    seeds.mark()
    prepared.load_default_plugins()
    config = prepared.ReadyConfig()
    distributions = prepared.plugin_distributions()
    worker.plugin_packages = prepared.plugin_packages(distributions)
    cache = pyc.Cache(worker.boot)
    if worker.boot.preload:
        with prepared.rewriting(worker.plugin_packages, cache) as works:
            if not works:
                worker.boot.unsafe += worker.plugin_packages
            worker.preloaded = preloading.preload(worker)
    park = Park(worker)
    worker.send(
        {
            "t": "ready",
            **describe(),
            "plugins": [
                {"name": dist.metadata["Name"], "version": dist.version} for dist in distributions
            ],
            "hazards": hazards.of_process(),
            "coverage": measuring.is_there(),
            "preloaded": worker.preloaded,
            "unfit": worker.boot.unsafe,
            **installed.state(worker.root),
        }
    )
    redirect.hypothesis(worker.boot.cache_dir)
    if worker.stash is not None:
        worker.stash.hide()
    gc.collect()
    gc.freeze()
    command = park.serve()
    if command.kind == "exit":
        ending.run_exit_handlers()
        ending.leave(0)
    worker.role = command.role
    worker.options, worker.purpose = command.options, command.purpose
    if command.kind == "become":
        gc.unfreeze()
        keeper.tell_session(worker.boot.keeper)
    seeds.mark()
    session.run(worker, config)


def resume(worker: Worker) -> NoReturn:
    """Go on as the session that this process was, before it started over."""
    prepared.load_default_plugins()
    again.resume(worker, worker.boot.resume or {})
    worker.plugin_packages = prepared.plugin_packages(prepared.plugin_distributions())
    seeds.mark()
    session.run(worker, prepared.ReadyConfig())
