"""The first steps in the user's interpreter: it looks like ``python -m pytest`` then."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import Any, NoReturn

from . import compiled
from .processes import keeper, process_exit, process_tree
from .state import Boot, Worker, greet
from .unpatched import json, os
from .wire import Channel, cut, dial

_OLDEST = (7, 0)


def main() -> NoReturn:
    """Entry point of ``python -c``; never returns."""
    _forget_program()
    boot = Boot.parse(json.loads(os.environ.pop("PYTEST_LENS_BOOT")))
    _set_up_path(boot.folder or os.getcwd())
    if not boot.terminal:
        process_tree.leave_terminal()
    if boot.connection is None:
        connection = dial(boot.socket)
        boot.keeper = keeper.start(connection.fileno(), boot.terminal)
        channel = greet(boot, connection, boot.host, "base", None)
    else:
        channel = Channel.inherited(boot.connection)
    worker = Worker(boot, channel, boot.host)
    try:
        _load_pytest(worker)
        from . import base

        compiled.end()
        if boot.resume is not None:
            base.resume(worker)
        base.run(worker)
    except SystemExit as stop:
        worker.send({"t": "fatal", "code": "boot_failed", "message": f"SystemExit: {stop}"})
    except BaseException as error:
        import traceback

        traceback.print_exc()
        text = cut(f"{type(error).__name__}: {error}")
        worker.send({"t": "fatal", "code": "boot_failed", "message": text})
    process_exit.leave(1)


def _forget_program() -> None:
    """Python 3.13 keeps the program of ``python -c`` as the source of `<string>`.

    Tracebacks would show it as that of the project's own strings, which have the same name.
    """
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        linecache.cache.pop("<string>", None)


def _set_up_path(folder: str) -> None:
    """`sys.path` as ``python -m`` leaves it: the current folder first, if Python adds it."""
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if ours in sys.path:
        sys.path.remove(ours)
    if sys.path and sys.path[0] == "":
        sys.path[0] = folder


def _pose_as_pytest() -> None:
    """Make `__main__`, and `sys.argv` without arguments, what they are under ``python -m pytest``.

    multiprocessing's spawn runs the parent's main module again, but not the ``__main__`` of a
    package: without this it would run our boot line.
    """
    spec = importlib.util.find_spec("pytest.__main__")
    if spec is None or spec.origin is None:
        return
    main_module: Any = sys.modules["__main__"]
    for name in ("sys", "main"):
        main_module.__dict__.pop(name, None)
    main_module.__spec__ = spec
    main_module.__file__ = spec.origin
    main_module.__package__ = "pytest"
    main_module.__loader__ = spec.loader
    main_module.__cached__ = spec.cached
    main_module.__doc__ = "The pytest entry point."
    sys.argv = [spec.origin]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = [sys.orig_argv[0], "-m", "pytest"]


def _way_out(what: str) -> str:
    """The way out, as the rest of a sentence: pip refuses to change what the system manages."""
    import sysconfig

    managed = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    if sys.prefix == sys.base_prefix and os.path.exists(managed):
        return (
            ", which the system manages: make an environment with "
            f"`{sys.executable} -m venv .venv` and then run `.venv/bin/python -m pip {what}`"
        )
    return f": run `{sys.executable} -m pip {what}`"


def _load_pytest(worker: Worker) -> None:
    try:
        import pytest
    except ModuleNotFoundError as error:
        if error.name != "pytest":
            raise
        worker.send(
            {
                "t": "fatal",
                "code": "no_pytest",
                "message": f"pytest is not installed for {sys.executable}"
                f"{_way_out('install pytest')}",
            }
        )
        process_exit.leave(1)
    version = getattr(pytest, "__version__", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        worker.send(
            {
                "t": "fatal",
                "code": "old_pytest",
                "message": f"{sys.executable} has pytest {version}, and at least 7.0 is needed"
                f"{_way_out('install --upgrade pytest')}",
            }
        )
        process_exit.leave(1)
    _pose_as_pytest()
