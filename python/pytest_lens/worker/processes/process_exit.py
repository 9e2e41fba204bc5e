"""Ends a worker process: runs its own exit handlers, flushes streams, exits.

A fork must not run the handlers that its parent registered (they would remove files that siblings
still use), except those that work for each process.
"""

from __future__ import annotations

import atexit
import sys
import threading
import weakref
from typing import Any, NoReturn

from ..unpatched import os, time

_THREAD_PATIENCE = 5.0


def forget_inherited() -> None:
    """In a fresh fork: drop inherited exit handlers, keep those that work per process."""
    inherited: list[Any] = list(getattr(weakref.finalize, "_registry", ()))
    for finalizer in inherited:
        finalizer.atexit = False
    atexit._clear()
    if getattr(weakref.finalize, "_registered_with_atexit", False):
        atexit.register(weakref.finalize._exitfunc)  # type: ignore[attr-defined]
    for module, name in (("logging", "shutdown"), ("multiprocessing.util", "_exit_function")):
        function = getattr(sys.modules.get(module), name, None)
        if function is not None:
            atexit.register(function)


def run_exit_handlers() -> None:
    """Do as the interpreter at its end: wait for threads, call exit handlers, flush streams."""
    deadline = time.monotonic() + _THREAD_PATIENCE
    executors = sys.modules.get("concurrent.futures.thread")
    pooled = getattr(executors, "_threads_queues", {})
    for thread in threading.enumerate():
        if thread is threading.current_thread() or thread.daemon or thread in pooled:
            continue
        thread.join(max(0.0, deadline - time.monotonic()))
    try:
        atexit._run_exitfuncs()
    except BaseException:  # as the interpreter: reported, and the exit goes on
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except (OSError, ValueError, AttributeError):
            pass


def leave(status: int) -> NoReturn:
    """End the process now; forks must not unwind into their parent's stack."""
    os._exit(status & 0xFF)
