"""Renews the state that a forked process must not share with its parent or siblings."""

from __future__ import annotations

import pathlib
from typing import Any

from ..unpatched import os, tempfile
from . import process_exit, random_state, unseeded_generators


def before_fork() -> Any:
    """The state to pass to :func:`restore` in the child."""
    return random_state.before_fork()


def restore(state: Any) -> None:
    """In the child, before anything of the project runs."""
    process_exit.forget_inherited()
    random_state.after_fork(state)
    unseeded_generators.reseed()


def renew_capture(config: Any, keep: bool = False) -> None:
    """Give the fork capture files of its own, in the same Python objects.

    Forks share the file, and with it the offset, so siblings would read each other's output. The
    objects stay because the project may have kept references to `sys.stdout` while it was imported.
    `keep`: what was captured so far stays, too.
    """
    manager = config.pluginmanager.get_plugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    if capturing is None:
        return
    for capture in (capturing.out, capturing.err):
        if capture is None:
            continue
        file = getattr(capture, "tmpfile", None)
        try:
            number = file.fileno()  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):
            if not keep:
                capture.snap()  # in memory: it holds our parent's output
            continue
        _swap_file(number, keep)


def _swap_file(number: int, keep: bool) -> None:
    with tempfile.TemporaryFile(buffering=0) as fresh:
        if keep:
            fresh.write(os.pread(number, os.fstat(number).st_size, 0))
        os.dup2(fresh.fileno(), number, inheritable=os.get_inheritable(number))


def drain_capture(config: Any) -> None:
    """Before a fork: discard the output of the collection."""
    manager = config.pluginmanager.get_plugin("capturemanager")
    if getattr(manager, "_global_capturing", None) is not None:
        manager.read_global_capture()


def renew_basetemp(config: Any, path: str) -> None:
    """Make `tmp_path` and similar fixtures use folders under `path`."""
    factory = getattr(config, "_tmp_path_factory", None)
    if factory is None:
        return
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, exist_ok=True)
    factory._given_basetemp = pathlib.Path(os.path.abspath(path))
    factory._basetemp = None
    if hasattr(factory, "_next_number"):
        factory._next_number = {}
    config.option.basetemp = path
