"""An interpreter that has imported pytest, and forks itself for each program that it is given.

To import pytest takes most of the time of a worker's start. Hundreds of tests start one, with each
Python and each pytest, and few of them are about the start.
"""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

_HEADER = struct.Struct("<I")


class WarmProcess:
    """One program that runs in a fork; it has the methods of a `subprocess.Popen` that are used."""

    def __init__(self, warm: WarmPython, pid: int) -> None:
        self.pid = pid
        self._warm = warm
        self._status: int | None = None

    def wait(self, timeout: float) -> int:
        """Return the exit status, a negative number for a signal's."""
        if self._status is None:
            self._status = self._warm.ask(wait=self.pid, seconds=timeout)
        if self._status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self._status

    def kill(self) -> None:
        """Send SIGKILL, unless the end is known."""
        if self._status is None:
            os.kill(self.pid, signal.SIGKILL)


class WarmPython:
    """The interpreter that forks."""

    def __init__(self, python: str) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            # Without variables that change how Python starts; a fork gets its own.
            env = {name: value for name, value in os.environ.items() if not name.startswith("PY")}
            program = (
                f"import sys;sys.path.insert(0,{str(Path(__file__).parent)!r});"
                f"import warm_python;exec(warm_python.serve({theirs.fileno()}))"
            )
            self._process = subprocess.Popen(
                [python, "-c", program], env=env, pass_fds=[theirs.fileno()]
            )

    def run(self, program: str, cwd: Path, env: dict[str, str], output: Path) -> WarmProcess:
        """Run a program as `python -c` does; its output goes to a file."""
        request = {"program": program, "cwd": str(cwd), "env": env, "output": str(output)}
        return WarmProcess(self, self.ask(**request))

    def ask(self, **request: Any) -> Any:
        """Send a request and return the answer."""
        _send(self._socket, request)
        return _receive(self._socket)


@functools.cache
def warm(python: str) -> WarmPython:
    """Return the one of this process; it ends with this process."""
    return WarmPython(python)


def serve(descriptor: int) -> str:
    """Answer requests until the other end closes; in a fork, return the program that it runs."""
    connection = socket.socket(fileno=descriptor)
    sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
    import pytest  # noqa: F401

    while True:
        request = _receive(connection)
        if request is None:
            os._exit(0)
        if "wait" in request:
            _send(connection, _status(request["wait"], request["seconds"]))
            continue
        pid = os.fork()
        if pid == 0:
            connection.close()
            return _become(request)
        _send(connection, pid)


def _status(pid: int, seconds: float) -> int | None:
    """Return the exit status of a fork once it has ended, None if it has not in time."""
    handle = os.pidfd_open(pid)
    try:
        if not select.select([handle], [], [], seconds)[0]:
            return None
    finally:
        os.close(handle)
    status = os.waitpid(pid, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _become(request: dict[str, Any]) -> str:
    """Return the program, in the state in which a new interpreter runs it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)
    os.close(output)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    # Behind the current folder, absolute and once, as `site` leaves them.
    folders = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[1:1] = dict.fromkeys(map(os.path.abspath, folders))
    sys.modules.pop("warm_python")
    names = vars(sys.modules["__main__"])
    names.pop("warm_python")
    program: str = request["program"]
    return program


def _send(connection: socket.socket, message: Any) -> None:
    data = json.dumps(message).encode()
    connection.sendall(_HEADER.pack(len(data)) + data)


def _receive(connection: socket.socket) -> Any:
    """Return the next message, None at the end."""
    header = _exactly(connection, _HEADER.size)
    return json.loads(_exactly(connection, _HEADER.unpack(header)[0])) if header else None


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            return b""
        data += more
    return data
