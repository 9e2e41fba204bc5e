"""Messages between a worker process and the engine: one framed, JSON-speaking socket each.

A frame is a little-endian u32 length and that many bytes of UTF-8 JSON. The code under test may
close descriptors, fork, patch modules and raise from signal handlers; the channel must survive
all of that or end the process, but never write a frame into somebody else's file.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # the typeshed leaves it out
import _socket
from collections.abc import Callable
from typing import Any

from . import high_descriptors
from .unpatched import json, os, select, signal, struct

Message = dict[str, Any]

TEXT_LIMIT = 1 << 20
MESSAGE_LIMIT = 64 << 10
LOST_ENGINE = 70

# Bound once: tests replace these names in their modules.
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
_decode = json.JSONDecoder().decode
process_id = os.getpid
_fstat = os.fstat
_exit = os._exit
_poll = select.poll
# The C function: `signal.pthread_sigmask` makes an enum member of each signal at each call.
sigmask = getattr(_signal, "pthread_sigmask", signal.pthread_sigmask)
_all_signals = signal.valid_signals()
_length = struct.Struct("<I")


def _make_encode() -> Callable[[Message], str]:
    """The encoder's `encode` with one C part for all messages: its own makes one for each."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _encoder.encode
    quote = json.encoder.encode_basestring
    parts = make(None, _encoder.default, quote, None, ":", ",", False, False, True)
    return lambda message: "".join(parts(message, 0))


_encode = _make_encode()


class EngineGone(Exception):
    """The engine closed its end."""


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """About `limit` characters of `text` at most: head and tail, and how much is missing."""
    if len(text) <= limit:
        return text
    head = limit * 3 // 4
    tail = limit - head
    missing = len(text) - head - tail
    return f"{text[:head]}\n[... {missing} characters left out ...]\n{text[-tail:]}"


def encode(message: Message) -> bytes:
    """One frame."""
    body = _encode(message).encode("utf-8", "replace")
    return _length.pack(len(body)) + body


# The C type, not socket.socket: test plugins replace the latter to forbid networking.
Socket = _socket.socket


def dial(address: str) -> Socket:
    """A new connection to the engine; the caller sends "hello" first.

    The address is the path of a Unix socket, or `host:port`: Python has no such sockets on Windows.
    """
    if os.path.isabs(address):
        sock = Socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.settimeout(None)
        sock.connect(address)
        return _moved(sock)
    host, _, port = address.rpartition(":")
    sock = Socket(_socket.AF_INET, _socket.SOCK_STREAM)
    sock.settimeout(None)
    sock.connect((host, int(port)))
    sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    return _moved(sock)


class Channel:
    """One process's connection to the engine."""

    def __init__(self, sock: _socket.socket) -> None:
        self.pid = process_id()
        self._sock: _socket.socket | None = sock
        self._ident = self._identity()
        self._buffer = bytearray()
        # Frames that the next one takes along.
        self._posted = b""
        # A frame may be half written.
        self.is_sending = False
        _open_channels.append(self)

    @classmethod
    def inherited(cls, number: int) -> Channel:
        """The connection that this process had before it executed itself again."""
        os.set_inheritable(number, False)
        return cls(_socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, number))

    def fileno(self) -> int:
        """The descriptor, for polling."""
        return self._sock.fileno() if self._sock is not None else -1

    def close(self) -> None:
        """Close the connection; later sends do nothing."""
        sock, self._sock = self._sock, None
        if self in _open_channels:
            _open_channels.remove(self)
        if sock is not None:
            sock.close()

    def _identity(self) -> tuple[int, int]:
        if os.name == "nt":  # no file: the code under test can't close it by its number
            return 0, self.fileno()
        stat = _fstat(self.fileno())
        return stat.st_dev, stat.st_ino

    def _is_ours(self) -> bool:
        try:
            return self._identity() == self._ident
        except OSError:
            return False

    def post(self, message: Message) -> None:
        """Write one message together with the next one, which must follow soon.

        Each write wakes the engine, which costs as much as a short test.
        """
        self._posted += encode(message)

    def send(self, message: Message) -> None:
        """Write one message, after those that were posted."""
        self._write(encode(message))

    def flush(self) -> None:
        """Write what was posted."""
        if self._posted:
            self._write(b"")

    def _write(self, data: bytes) -> None:
        """Write frames; ends the process when that is impossible."""
        sock = self._sock
        if sock is None or process_id() != self.pid:
            return
        # A handler that raises (a test's timeout, say) must not cut a frame in two.
        masked = sigmask(signal.SIG_BLOCK, _all_signals)
        self.is_sending = True
        try:
            if not self._is_ours():
                _exit(LOST_ENGINE)
            posted, self._posted = self._posted, b""
            sock.sendall(posted + data)
        except OSError:
            _exit(LOST_ENGINE)
        finally:
            self.is_sending = False
            sigmask(signal.SIG_SETMASK, masked)

    def _take(self) -> Message | None:
        buffer = self._buffer
        if len(buffer) < 4:
            return None
        end = 4 + _length.unpack_from(buffer)[0]
        if len(buffer) < end:
            return None
        message: Message = _decode(buffer[4:end].decode("utf-8"))
        del buffer[:end]
        return message

    def poll(self) -> Message | None:
        """The next message if one has arrived; `EngineGone` at the end of the stream."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> Message | None:
        """The next message, waiting at most `timeout` seconds (None: for ever)."""
        while True:
            message = self._take()
            if message is not None:
                return message
            if self._sock is None or not self._is_ours():
                raise EngineGone
            poller = _poll()
            poller.register(self._sock.fileno(), select.POLLIN)
            if not poller.poll(None if timeout is None else timeout * 1000):
                return None
            try:
                data = self._sock.recv(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                raise EngineGone
            self._buffer += data


_open_channels: list[Channel] = []


def _moved(sock: _socket.socket) -> _socket.socket:
    """The socket with a high descriptor."""
    copy = high_descriptors.copy(sock.fileno())
    if copy is None:
        return sock
    family = sock.family
    sock.close()
    return _socket.socket(family, _socket.SOCK_STREAM, 0, copy)


def _close_in_child() -> None:
    for channel in list(_open_channels):
        if channel.pid != process_id():
            channel.close()


os.register_at_fork(after_in_child=_close_in_child)
