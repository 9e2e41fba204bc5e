"""A session under a debugger: debugpy, which the interpreter must have, listens and waits.

That happens before the session reads its arguments, so that breakpoints are in place when the
project's modules are imported.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .. import own_code
from ..processes import process_tree
from ..state import Worker
from ..unpatched import os


class Missing(Exception):
    """debugpy is not there: the sentence says what to install."""


def wait_for_client(worker: Worker) -> None:
    """Listen on a port that the kernel chooses, report it, and wait for a debugger."""
    try:
        debugpy: Any = importlib.import_module("debugpy")
    except ImportError:
        raise Missing(
            f"debugpy is not installed for {sys.executable}: "
            f"run `{sys.executable} -m pip install debugpy`"
        ) from None
    # The adapter ends by itself: tests that wait for any child of theirs must not find it.
    process_tree.adopt_orphans(False)
    try:
        host, port = debugpy.listen(("127.0.0.1", 0))
    finally:
        process_tree.adopt_orphans()
    _hide_our_frames(debugpy)
    worker.send({"t": "listening", "host": host, "port": port})
    debugpy.wait_for_client()
    worker.send({"t": "attached"})


def _hide_our_frames(debugpy: Any) -> None:
    """Make the debugger skip frames of this package, as it skips its own."""
    try:
        pydevd: Any = importlib.import_module("pydevd")
        api: Any = importlib.import_module("_pydevd_bundle.pydevd_api")
        start = (os.path.dirname(os.path.abspath(debugpy.__file__)), own_code.FOLDER)
        end = ("debugpy_launcher.py",)
        api.PyDevdAPI().set_dont_trace_start_end_patterns(pydevd.get_global_debugger(), start, end)
    except Exception:  # another version of debugpy: the user sees these frames
        pass
