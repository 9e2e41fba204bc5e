"""A session that was started before anybody asked for it: configured, and not collected yet.

What pytest does before it collects (plugins, arguments, conftests) takes as long as collecting a
small file and running a test in it. After an edit it need not be done again, as long as nothing
that was read so far has changed; the engine compares that before it gives the order.
"""

from __future__ import annotations

from typing import Any

import pytest

from ..running.touch_pages import touch_machinery
from ..state import Worker
from ..unpatched import gc
from ..watching.snapshot import Snapshot
from ..wire import EngineGone
from .startup_errors import Failures


def wait_for_order(worker: Worker, config: Any, snapshot: Snapshot, failures: Failures) -> None:
    """Tell what was read so far, and go on when told to collect; else the session ends here."""
    snapshot.note_way_to(config.args)
    worker.send({"t": "configured", **snapshot.so_far()})
    for _ in touch_machinery():
        pass
    if worker.stash is not None:
        worker.stash.get_ready()
    gc.collect()
    gc.freeze()
    try:
        message = worker.channel.wait()
    except EngineGone:
        worker.channel.close()
        message = None
    if message is None or message["t"] != "collect":
        failures.settled = True  # nothing is wrong
        pytest.exit("not needed any more", returncode=0)
    worker.role, worker.purpose = "collected", message.get("purpose", "run")
    snapshot.look_again()
