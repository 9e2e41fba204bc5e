"""A daemon of the tested binary, and a client that knows the protocol from its golden files."""

from __future__ import annotations

import re
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
from world import DEADLINE, REPO, World, binary

Json = dict[str, Any]

GOLDEN = REPO / "server" / "protocol" / "tests" / "protocol" / "snapshots"


def fields_of(kind: str) -> dict[str, list[str]]:
    """The fields of every message (`requests` or `responses`) in their order, `type` first.

    They come from the bytes of the protocol's golden tests: a message that is added there is known
    here.
    """
    text = (GOLDEN / f"protocol__golden__{kind}.snap").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for title, dump in re.findall(r"^(\w+): named, \d+ bytes\n((?:  .*\n?)+)", text, re.MULTILINE):
        packed = bytes.fromhex("".join(line[2:50] for line in dump.splitlines()))
        fields = list(msgpack.unpackb(packed, strict_map_key=False))
        found[title] = max(found.get(title, []), fields, key=len)
    assert found, text
    return found


REQUESTS = fields_of("requests")
RESPONSES = fields_of("responses")


class Daemon:
    """A running daemon."""

    def __init__(self, world: World, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [str(binary()), "daemon", *arguments],
            env=world.env(**(env or {})),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        ready, _, _ = select.select([self.process.stderr], [], [], DEADLINE)
        assert ready, "the daemon does not say where it listens"
        line = self.process.stderr.readline().strip()
        assert "listening on " in line, line
        self.socket = line.partition("listening on ")[2]

    def client(self, shape: str = "named") -> Client:
        """A new connection."""
        return Client(self.socket, shape)

    def end(self, sign: int = signal.SIGTERM) -> int:
        """Ends it; returns its exit status."""
        self.process.send_signal(sign)
        return self.wait()

    def wait(self) -> int:
        """Waits for its end; returns its exit status."""
        status = self.process.wait(DEADLINE)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status


class Client:
    """One connection to a daemon: a session."""

    def __init__(self, path: str, shape: str = "named") -> None:
        self.shape = shape
        self.seen: set[str] = set()
        self.asked: set[str] = set()
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(DEADLINE)
        self.stream.connect(path)

    def close(self) -> None:
        """Closes the connection."""
        self.stream.close()

    def send(self, message: bytes) -> None:
        """Sends bytes in a frame."""
        self.stream.sendall(struct.pack("<I", len(message)) + message)

    def exactly(self, count: int) -> bytes:
        """Reads this many bytes; fewer if the stream ends."""
        data = b""
        while len(data) < count:
            part = self.stream.recv(count - len(data))
            if not part:
                break
            data += part
        return data

    def receive(self) -> Json:
        """The next answer, by field names in either shape."""
        header = self.exactly(4)
        assert len(header) == 4, f"the connection ended after {header!r}"
        message = msgpack.unpackb(self.exactly(*struct.unpack("<I", header)), strict_map_key=False)
        if isinstance(message, list):
            assert self.shape == "compact", message
            names = RESPONSES[message[0]]
            assert len(message) == len(names), message
            message = dict(zip(names, message))
        else:
            assert self.shape == "named", message
        assert set(message) == set(RESPONSES[message["type"]]), message
        self.seen.add(message["type"])
        answer: Json = message
        return answer

    def start(self, tag: str, **fields: Any) -> None:
        """Sends a request; fields that are left out are null, or, at the end, not sent."""
        self.asked.add(tag)
        names = REQUESTS[tag]
        assert set(fields) < set(names), set(fields) - set(names)
        if self.shape == "compact":
            values = [tag, *(fields.get(name) for name in names[1:])]
            if names[-1] == "options" and values[-1] is None:
                values.pop()
            self.send(msgpack.packb(values))
        else:
            self.send(msgpack.packb({"type": tag, **dict.fromkeys(names[1:]), **fields}))

    def ask(self, tag: str, **fields: Any) -> Json:
        """A request and its answer."""
        self.start(tag, **fields)
        return self.receive()

    def expect(self, response: str, tag: str, **fields: Any) -> Json:
        """Like `ask`, but the answer must be of this type."""
        answer = self.ask(tag, **fields)
        assert answer["type"] == response, answer
        return answer

    def refused(self, code: str, tag: str, **fields: Any) -> str:
        """Returns the sentence with which a request is refused."""
        answer = self.expect("error", tag, **fields)
        assert answer["code"] == code, answer
        message: str = answer["message"]
        return message

    def open(self, root: Path, python: str = sys.executable) -> str:
        """Opens a project; returns the context's id."""
        answer = self.expect(
            "context_ready",
            "init_context",
            protocol_version=1,
            repo_path=str(root),
            python_path=python,
        )
        context: str = answer["context_id"]
        return context
