"""A session that starts before a run needs it: it is configured, and waits to collect.

The steps before collection (plugins, arguments, conftests) take as long as collecting a small
file and running a test in it, or far longer. Such a session stays, and each collection is a fork
of it, as long as none of the files that it has read changed; the engine compares them before it
sends "collect". A session that is not safe to fork collects by itself, once.

Until it collects, a session only knows the folders of its arguments: it may collect other files of
these folders, unless a hook of the project may have read the arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..park import Park
from ..processes import after_fork
from ..running.rehearsal import rehearse
from ..running.touch_pages import touch_machinery
from ..sharing.shareable import SharingCheck
from ..state import Worker
from ..unpatched import gc
from ..watching.snapshot import Snapshot
from ..wire import EngineGone, Message
from . import whole_session
from .arguments import hooks_may_have_read_arguments
from .startup_errors import StartupErrors

# How long a fresh fork waits for "collect" before it begins to prepare, in seconds.
_ORDERS_WITHIN = 0.01


def wait_for_collect(
    worker: Worker,
    session: Any,
    snapshot: Snapshot,
    startup_errors: StartupErrors,
    sharing: SharingCheck,
    reasons: list[str],
) -> list[str] | None:
    """Report what was read so far, and go on at "collect"; else the session ends here.

    `reasons`: why this process must not be forked. Returns the files to collect, if they are others
    than the session's arguments.
    """
    config = session.config
    snapshot.note_way_to(config.args)
    park = Park(worker) if not reasons else None
    is_open = not reasons and not hooks_may_have_read_arguments(worker, config)
    message = {"t": "configured", "is_shared": not reasons, "is_open": is_open}
    message["reads_args"] = whole_session.may_read_arguments(worker, config)
    worker.send({**message, **snapshot.so_far()})
    for _ in _get_ready(worker):
        pass
    order: Message | None
    if park is None:
        gc.collect()
        gc.freeze()
        order = _wait(worker, iter(()))
    else:
        rehearse(session)
        gc.collect()
        gc.freeze()
        command = park.serve()
        if command.kind == "exit":
            order = None
        else:
            worker.role = command.role
            after_fork.renew_capture(config, keep=True)
            sharing.go_on_in_fork()
            order = _wait(worker, _get_ready(worker))
    if order is None or order["t"] != "collect":
        startup_errors.past_startup = True  # this is no error
        pytest.exit("not needed any more", returncode=0)
    worker.role, worker.purpose = "collected", order.get("purpose", "run")
    worker.options.crashed, worker.options.files = order.get("crashed"), order.get("files", [])
    snapshot.forget_path_caches()
    args: list[str] | None = order.get("args")
    return args


def _get_ready(worker: Worker) -> Iterator[None]:
    """Do in small steps what makes the collection quick."""
    if worker.hidden_modules is not None:
        yield from worker.hidden_modules.touch_pages()
    yield from touch_machinery()


def _wait(worker: Worker, idle: Iterator[None]) -> Message | None:
    """The next message; None at the end of the connection."""
    timeout: float | None = _ORDERS_WITHIN
    try:
        while True:
            message = worker.channel.wait(timeout)
            if message is not None:
                return message
            timeout = 0 if next(idle, idle) is None else None
    except EngineGone:
        worker.channel.close()
        return None
