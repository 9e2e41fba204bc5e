"""A session that starts before a run needs it: it is configured, and waits to collect.

The steps before collection (plugins, arguments, conftests) take as long as collecting a small
file and running a test in it. After an edit a prestarted session saves them, if none of the files
that it has read so far changed; the engine compares them before it sends "collect".
"""

from __future__ import annotations

from typing import Any

import pytest

from ..running.touch_pages import touch_machinery
from ..state import Worker
from ..unpatched import gc
from ..watching.snapshot import Snapshot
from ..wire import EngineGone
from .startup_errors import StartupErrors


def wait_for_collect(
    worker: Worker, config: Any, snapshot: Snapshot, startup_errors: StartupErrors
) -> None:
    """Report what was read so far, and go on at "collect"; else the session ends here."""
    snapshot.note_way_to(config.args)
    worker.send({"t": "configured", **snapshot.so_far()})
    for _ in touch_machinery():
        pass
    if worker.hidden_modules is not None:
        worker.hidden_modules.touch_pages()
    gc.collect()
    gc.freeze()
    try:
        message = worker.channel.wait()
    except EngineGone:
        worker.channel.close()
        message = None
    if message is None or message["t"] != "collect":
        startup_errors.past_startup = True  # this is no error
        pytest.exit("not needed any more", returncode=0)
    worker.role, worker.purpose = "collected", message.get("purpose", "run")
    snapshot.forget_path_caches()
