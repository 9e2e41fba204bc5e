"""A fake interpreter: speaks the worker's side of the protocol, and follows a scenario.

Started in place of Python, with the usual boot message in its environment. Its scenario comes as
pytest's argument ``--scenario=JSON``: ``{"tests": ["pass", ...]}``, or ``{"count": N}`` for tests
that all pass, as fast as a runner can report them. Tests are named ``test_fake.py::test_N``.

pass, fail: an outcome. crash: the process ends. hang: it never ends. garbage: a frame that can't be
read. twice: two outcomes. foreign: also the outcome of another test, and of one that does not
exist. early: the outcome before the start. flood: many messages without content. mute: it ends
well, but reports nothing. reconnect: the connection is closed, and another one made. deaf: it
ignores a stop. The file ``fed-behind-a-stop`` records tests that it receives after a stop.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from typing import Any, NoReturn

Message = dict[str, Any]

# The messages of a test in a flood.
STARTED = b'{"t":"started","i":%d}'
FINISHED = b'{"t":"finished","i":%d,"outcome":"passed","ms":0.1,"message":"%d"}'

# How often a flood looks for orders, in nanoseconds: as often as the worker does.
LOOK_EVERY = 2_000_000


class Line:
    """A connection to the engine."""

    def __init__(self, boot: Message, host: str) -> None:
        self.host = host
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(boot["socket"])
        self.send({"t": "hello", "token": boot["token"], "host": host, "pid": os.getpid()})

    def send(self, message: Message) -> None:
        """Sends one message; the process ends if nobody listens."""
        self.send_bytes(json.dumps(message).encode())

    def send_bytes(self, *bodies: bytes) -> None:
        """Frames, in one write."""
        try:
            self._socket.sendall(b"".join([struct.pack("<I", len(it)) + it for it in bodies]))
        except OSError:
            os._exit(70)

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()

    def poll(self, timeout: float | None) -> Message | None:
        """Returns the next message, or None after the timeout.

        Raises EOFError at the end of the stream.
        """
        while True:
            if len(self._buffer) >= 4:
                end = 4 + struct.unpack_from("<I", self._buffer)[0]
                if len(self._buffer) >= end:
                    message: Message = json.loads(self._buffer[4:end])
                    self._buffer = self._buffer[end:]
                    return message
            try:
                data = self._socket.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if timeout == 0 or not select.select([self._socket], [], [], timeout)[0]:
                    return None
                continue
            if not data:
                raise EOFError
            self._buffer += data


def main() -> NoReturn:
    """The base: it is ready at once, and is forked."""
    boot = json.loads(os.environ.pop("PYTEST_LENS_BOOT"))
    line = Line(boot, boot["host"])
    ready = {"python": "3.11.0", "pytest": "9.0.0", "plugins": [], "hazards": []}
    line.send({"t": "ready", **ready})
    park(boot, line, {})
    os._exit(0)


def park(boot: Message, line: Line, options: Message) -> None:
    """Forks on request, and reports how forks end; returns when nothing is left to do."""
    children: dict[int, str] = {}
    try:
        while True:
            message = line.poll(0.005 if children else None)
            for pid in list(children):
                reaped, status = os.waitpid(pid, os.WNOHANG)
                if reaped:
                    line.send({"t": "exited", "host": children.pop(pid), **ending(status)})
            if message is None:
                continue
            if message["t"] == "fork":
                pid = os.fork()
                if not pid:
                    line.close()
                    forked(boot, message, message.get("options") or options)
                children[pid] = message["host"]
                line.send({"t": "forked", "host": message["host"], "pid": pid})
            elif message["t"] == "exit":
                return
    except EOFError:
        for pid in children:
            os.kill(pid, 9)


def ending(status: int) -> Message:
    """The way a process ended, in the words of the worker's protocol."""
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"code": os.WEXITSTATUS(status)}


def forked(boot: Message, message: Message, options: Message) -> NoReturn:
    """A fork: its orders say what it is for."""
    line = Line(boot, message["host"])
    tests, is_flood = scenario(options.get("arguments", []))
    if message["role"] == "collected":
        names = [f"test_{number}" for number in range(len(tests))]
        for start in range(0, len(names), 500):
            line.send({"t": "nodes", "items": [node(name) for name in names[start : start + 500]]})
        line.send({"t": "collected"})
        park(boot, line, options)
    else:
        line.send({"t": "runner_ready"})
        try:
            Runner(boot, line, tests, is_flood).serve()
        except EOFError:
            pass
    os._exit(0)


def scenario(arguments: list[str]) -> tuple[list[str], bool]:
    """The behavior of each test, and whether they all pass, as fast as they can."""
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name == "--scenario":
            wanted = json.loads(value)
            tests = wanted.get("tests")
            return (tests, False) if tests else (["pass"] * wanted["count"], True)
    return ["pass"], False


def node(name: str) -> Message:
    """A collected test."""
    path = "test_fake.py"
    return {"id": f"{path}::{name}", "path": path, "name": name, "kind": "function"}


class Runner:
    """Runs the tests that it receives."""

    def __init__(self, boot: Message, line: Line, tests: list[str], is_flood: bool) -> None:
        self._boot = boot
        self._line = line
        self._tests = tests
        self._is_flood = is_flood
        self._queue: list[int] = []
        self._ids: list[int] = []
        self._end = False
        self._stopped = False
        self._told_to_stop = False
        self._deaf = False

    def serve(self) -> None:
        """One run."""
        while not self._ids:
            message = self._line.poll(None)
            if message is not None and message["t"] == "run":
                ids = message["ids"]
                everything = list(range(len(self._tests)))
                numbers = [int(id.rpartition("_")[2]) for id in ids or []]
                self._ids = everything if ids is None else numbers
                self._take(message["feed"], message["end"])
        while not self._stopped:
            self._listen(0)
            if self._stopped:
                break
            if self._queue and self._is_flood:
                self._flood()
            elif self._queue:
                self._run(self._queue.pop(0))
            elif self._end:
                break
            else:
                self._listen(None)
        self._line.send({"t": "done", "reason": "stop" if self._stopped else "end"})
        self._line.send({"t": "bye"})

    def _take(self, indices: list[int], end: bool) -> None:
        self._queue += indices
        self._end = self._end or end

    def _listen(self, timeout: float | None) -> None:
        message = self._line.poll(timeout)
        while message is not None:
            if message["t"] == "feed":
                if self._told_to_stop and message["indices"]:
                    with open("fed-behind-a-stop", "a", encoding="utf-8") as file:
                        print(message["indices"], file=file)
                self._take(message["indices"], message["end"])
            elif message["t"] in ("stop", "exit"):
                self._told_to_stop = True
                self._stopped = not self._deaf
            message = self._line.poll(0)

    def _flood(self) -> None:
        """Tests that take no time: what this costs is little next to what the engine does."""
        look = time.monotonic_ns() + LOOK_EVERY
        for number, index in enumerate(self._queue, 1):
            began = time.monotonic_ns()
            self._line.send_bytes(STARTED % index, FINISHED % (index, began))
            if began > look:
                break
        del self._queue[:number]

    def _run(self, index: int) -> None:
        line = self._line
        behaviour = self._tests[self._ids[index]]
        began = str(time.monotonic_ns())
        passed = {"t": "finished", "i": index, "outcome": "passed", "ms": 0.1, "message": began}
        if behaviour == "early":
            line.send(passed)
        line.send({"t": "started", "i": index})
        if behaviour == "crash":
            os._exit(3)
        if behaviour == "hang":
            time.sleep(600)
        if behaviour == "mute":
            os._exit(0)
        if behaviour == "garbage":
            line.send_bytes(b"{ not json")
            time.sleep(600)
        if behaviour == "reconnect":
            line.close()
            self._line = line = Line(self._boot, line.host)
        if behaviour == "flood":
            for number in range(300):
                line.send({"t": "importing", "path": f"flood-{number}"})
                line.send({"t": "started", "i": index})
        if behaviour == "foreign":
            line.send({**passed, "i": (index + 1) % len(self._ids)})
            line.send({**passed, "i": len(self._ids) + 7})
            line.send({"t": "started", "i": len(self._ids) + 7})
            line.send({"t": "missing", "indices": [len(self._ids) + 7]})
        if behaviour == "deaf":
            self._deaf = True
        line.send({**passed, "outcome": "failed" if behaviour == "fail" else "passed"})
        if behaviour == "twice":
            line.send({**passed, "outcome": "failed"})


if __name__ == "__main__":
    main()
