"""A warm interpreter on a node, and the session that it has collected.

They are the same processes as at home, for one runner.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

from ..processes import process_tree
from .environment import Environment
from .hub import Connection, Hub

Message = dict[str, Any]
# Receives the name of a forked process, its exit code and its signal.
OnExit = Callable[[str, Optional[int], Optional[int]], None]

# Ray's own variables would make tests that use Ray join this cluster; the others are of a pytest
# that has started the node.
_NOT_THEIRS = ("RAY_", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "PYTEST_XDIST_")

# How long an interpreter may take to load pytest, in seconds.
_BOOT_LIMIT = 60

# How often it is asked meanwhile whether it has ended, in seconds.
_LOOK_INTERVAL = 0.25


class Refused(Exception):
    """No runner can be made on this node; the sentence says why."""


@dataclass
class Parked:
    """A process that waits to be forked, and the messages that it has sent."""

    name: str
    messages: queue.SimpleQueue[Message | None]
    connection: Connection | None = None

    def next(self, limit: float | None = None) -> Message | None:
        """Return its next message; None if it has ended."""
        try:
            return self.messages.get(timeout=limit)
        except queue.Empty:
            return None


class Interpreter:
    """A base and, if it may be shared, a collected session below it."""

    def __init__(self, hub: Hub, root: Path, folder: Path, on_exit: OnExit) -> None:
        self._hub = hub
        self._root = root
        self._folder = folder
        self._on_exit = on_exit
        self._process: subprocess.Popen[bytes] | None = None
        self._base: Parked | None = None
        self._session: Parked | None = None
        # The snapshot and the options of that session.
        self._collected: tuple[str, str] = ("", "")
        # The session that is being collected.
        self._collecting: Parked | None = None
        self._number = 0
        # The variables and distributions with which the base was started, and the modules that it
        # has imported.
        self._started_with: tuple[str, str] = ("", "")
        self._preloaded: list[str] = []
        self.ready: Message = {}

    def warm(self, order: Message, installed: Environment) -> None:
        """Start the base if there is none with the order's variables and what is installed now.

        Modules that the base has not imported yet are no reason if the order's session is there.
        Raises `Refused`.
        """
        wanted = (json.dumps(order["env"], sort_keys=True), json.dumps(installed, sort_keys=True))
        alive = self._process is not None and self._process.poll() is None
        if alive and wanted == self._started_with and self._base is not None:
            preload = order["preload"]
            has_more = self._is_collected(order) and set(preload) >= set(self._preloaded)
            if has_more or preload == self._preloaded:
                return
        self.end()
        self._started_with, self._preloaded = wanted, order["preload"]
        base = self._expect("base")
        self._process = self._start(base.name, order)
        until = time.monotonic() + _BOOT_LIMIT
        while True:
            message = base.next(_LOOK_INTERVAL)
            has_ended = self._process.poll() is not None or time.monotonic() > until
            if message is None and has_ended:
                raise Refused(f"the interpreter {sys.executable} does not start{self._printed()}")
            if message is not None and message["t"] == "fatal":
                raise Refused(message["message"])
            if message is not None and message["t"] == "ready":
                break
        self._base, self.ready = base, message

    def _start(self, name: str, order: Message) -> subprocess.Popen[bytes]:
        boot = {
            "socket": self._hub.address,
            "token": self._hub.token,
            "host": name,
            "root": str(self._root),
            "cache_dir": str(self._made("cache")),
            "tmp_dir": str(self.temporary()),
            "preload": order["preload"],
            "harmless": [],
            "unsafe": order["unfit"],
        }
        env = {name: text for name, text in os.environ.items() if not name.startswith(_NOT_THEIRS)}
        if env.get("OMP_NUM_THREADS") == "1":
            del env["OMP_NUM_THREADS"]  # Ray sets it
        env.update(order["env"])
        paths = [str(self._root / path) for path in order["python_path"]]
        env["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [env.get("PYTHONPATH")])])
        if not env["PYTHONPATH"]:
            del env["PYTHONPATH"]
        env["PYTEST_LENS_BOOT"] = json.dumps(boot)
        package = Path(__file__).parents[1]
        program = f"import sys;sys.path.insert(0,{str(package.parent)!r});"
        program += f"from {package.name}.boot import main;main()"
        with open(self._folder / "printed", "wb") as printed:
            return subprocess.Popen(
                [sys.executable, "-c", program],
                cwd=self._root,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )

    def temporary(self) -> Path:
        """Return the folder for temporary files of its processes."""
        return self._made("tmp")

    def _made(self, name: str) -> Path:
        path = self._folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def _printed(self) -> str:
        text = (self._folder / "printed").read_text("utf-8", "replace").strip()
        return f": {text.splitlines()[-1]}" if text else ""

    def _expect(self, role: str) -> Parked:
        self._number += 1
        parked = Parked(f"{role}-{self._number}", queue.SimpleQueue())

        def take(connection: Connection) -> None:
            parked.connection = connection

        def sink(frame: bytes | None) -> None:
            message = json.loads(frame) if frame is not None else None
            if message is not None and message["t"] in ("exited", "fork_failed"):
                self._on_exit(message["host"], message.get("code"), message.get("signal"))
                if message["host"] == (self._session.name if self._session else None):
                    self._session = None
            else:
                parked.messages.put(message)

        self._hub.expect(parked.name, take, sink)
        return parked

    def session(self, order: Message) -> Parked | None:
        """Return the session of an order, collected if need be; None if it can't be shared.

        Raises `Refused`.
        """
        if not order["is_shared"]:
            return None
        if self._is_collected(order):
            return self._session
        self._forget_session()
        assert self._base is not None and self._base.connection is not None
        session = self._collecting = self._expect("collected")
        request = {"t": "fork", "host": session.name, "role": "collected", "purpose": "run"}
        self._base.connection.send_message({**request, "options": order["options"]})
        try:
            return self._await_collection(session, order)
        finally:
            self._collecting = None

    def stop_collecting(self) -> None:
        """End the collection of a session, if there is one: its `session` raises `Refused`."""
        collecting = self._collecting
        if collecting is not None and collecting.connection is not None:
            process_tree.kill_trees([collecting.connection.pid])

    def fork(
        self,
        name: str,
        order: Message,
        session: Parked | None,
        on_hello: Callable[[Connection], None],
        sink: Callable[[bytes | None], None],
    ) -> None:
        """Fork a runner that sends its frames to `sink`."""
        self._hub.expect(name, on_hello, sink)
        if session is not None and session.connection is not None:
            request: Message = {"t": "fork", "host": name, "role": "runner", "purpose": "run"}
            session.connection.send_message(request)
            return
        assert self._base is not None and self._base.connection is not None
        request = {"t": "fork", "host": name, "role": "session", "purpose": "run"}
        self._base.connection.send_message({**request, "options": order["options"]})

    def _await_collection(self, session: Parked, order: Message) -> Parked | None:
        while True:
            message = session.next(order["collect_limit"])
            if message is None:
                if session.connection is not None:
                    process_tree.kill_trees([session.connection.pid])
                raise Refused("the process that collects the tests ended, or took too long")
            if message["t"] in ("usage_error", "internal_error", "fatal"):
                raise Refused(message["message"])
            if message["t"] == "collected":
                break
        if message["reasons"] and session.connection is not None:
            session.connection.close()
            return None
        self._session, self._collected = session, _key(order)
        return session

    def _is_collected(self, order: Message) -> bool:
        return self._session is not None and self._collected == _key(order)

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        if session is not None and session.connection is not None:
            session.connection.close()

    def end(self) -> None:
        """End all processes."""
        self._forget_session()
        base, self._base = self._base, None
        process, self._process = self._process, None
        if base is not None and base.connection is not None:
            base.connection.close()
        if process is None:
            return
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process_tree.kill_trees([process.pid])
            process.wait()


def _key(order: Message) -> tuple[str, str]:
    """A session's snapshot and options."""
    return order["snapshot"], json.dumps(order["options"], sort_keys=True)
