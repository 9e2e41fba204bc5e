"""The socket of an actor's processes.

Each fork connects to it, as the processes at home connect to the engine.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import struct
import tempfile
import threading
from typing import Any, Callable, Optional

from .. import wire

# The type of `wire.dial`, which is that of Python's own sockets, too.
Socket = wire.Socket

# Receives each frame, and None at the end of the connection.
Sink = Callable[[Optional[bytes]], None]

_LENGTH = struct.Struct("<I")


class Connection:
    """The connection of one process."""

    def __init__(self, connection: Socket, pid: int) -> None:
        self._socket = connection
        self._sending = threading.Lock()
        self.pid = pid

    def send(self, frame: bytes) -> None:
        """Send a frame, without its length. To a process that is gone it is lost."""
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(_LENGTH.pack(len(frame)) + frame)

    def send_message(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self.send(json.dumps(message).encode())

    def close(self) -> None:
        """End the connection, which ends the process."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class Hub:
    """Accepts the processes that are expected, by name."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        # A path that fits into a socket's address, private to the user.
        self._folder = tempfile.mkdtemp(prefix="pl-")
        self.address = os.path.join(self._folder, "s")
        self._expected: dict[str, tuple[Sink, Callable[[Connection], None]]] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def expect(self, name: str, on_hello: Callable[[Connection], None], sink: Sink) -> None:
        """Expect a process that is about to be started or forked."""
        self._expected[name] = (sink, on_hello)

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            hello = read_frame(connection)
            if hello is None:
                return
            message = json.loads(hello)
            if message["token"] != self.token:
                return
            expected = self._expected.pop(message["host"], None)
            if expected is None:
                return
            sink, on_hello = expected
            on_hello(Connection(connection, message["pid"]))
            while True:
                frame = read_frame(connection)
                sink(frame)
                if frame is None:
                    return


def read_frame(connection: Socket) -> bytes | None:
    """Return the next frame, without its length; None at the end of the connection."""
    head = _read(connection, 4)
    return _read(connection, _LENGTH.unpack(head)[0]) if head is not None else None


def _read(connection: Socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        try:
            part = connection.recv(min(size - len(parts), 1 << 20))
        except OSError:
            return None
        if not part:
            return None
        parts += part
    return bytes(parts)
